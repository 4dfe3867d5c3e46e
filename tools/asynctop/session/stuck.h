/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers that do not come back from a task, in a call that began before the tracer watched, or stopped from outside. Their
 * threads are looked at by way of /proc.
 */
#ifndef ASYNCTOP_STUCK_H
#define ASYNCTOP_STUCK_H

#include "session/watch.h"

/* Fills in calls and stops of the model's workers, and takes the calls for blocks. */
void stuck_read(struct watch *w, struct model *m);

#endif
