/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Gives back memory that was not needed for a while. */
#ifndef WATCH_MEMORY_H
#define WATCH_MEMORY_H

#include "run/worker.h"

/* Called at the beginning of a run. */
void memory_open(int64_t now);

/* Called by the watchdog, at `now`. */
void memory_look(int64_t now);

/* Time between two steps of decay; for tests. Nanoseconds; atomic. */
extern int64_t memory_interval;

#endif
