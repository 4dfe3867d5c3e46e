/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The warnings of one process: what blocks nobody's thread and yet keeps tasks from going on. A pass over all tasks has
 * counted waits by object (model/waits.h). Of the worst, the object is read in the process's memory, which tells its
 * owner, whose record tells what it waits for, and so on.
 */
#ifndef ASYNCTOP_WARNINGS_H
#define ASYNCTOP_WARNINGS_H

#include "model/tally.h"
#include "session/watch.h"

/* Fills m->warnings but their places and sentences. `m` has everything but its blockers. */
void warnings_read(struct watch *w, struct model *m, const struct tally *waits);

/* Fills in the places that are known by now, and the sentences. */
void warnings_resolve(struct watch *w, struct model *m);

#endif
