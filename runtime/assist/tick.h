/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The tick: the watchdog itself finds workers that are blocked or compute for long. */
#ifndef ASSIST_TICK_H
#define ASSIST_TICK_H

#include <stdbool.h>
#include <stdint.h>

/* A new run begins; `on`: whether the tick is to look. */
void tick_open(bool on);

/* Looks at all workers that are in a task. Returns whether the next look should come soon. Called by the watchdog. */
bool tick_look(int64_t now);

/* A task that has used its CPU for this time while work waits, in ns, leaves the count of running workers. Atomic. */
extern int64_t tick_hog;

#endif
