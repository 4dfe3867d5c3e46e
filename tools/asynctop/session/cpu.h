/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The CPU times of tasks and spawn sites. */
#ifndef ASYNCTOP_SESSION_CPU_H
#define ASYNCTOP_SESSION_CPU_H

#include "session/watch.h"

/* Reads them into the model, before its tasks, which may be sorted by them. */
void cpu_read(const struct watch *w, struct model *m);

#endif
