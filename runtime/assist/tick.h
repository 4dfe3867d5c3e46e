/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The tick: the watchdog, and workers that run, find workers that are blocked or compute for long. */
#ifndef ASSIST_TICK_H
#define ASSIST_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "run/current.h"

/* A new run begins; `on`: whether the tick is to look. */
void tick_open(bool on);

/* Looks at all workers that are in a task. Called by the watchdog. */
enum look_result tick_look(int64_t now);

/* Looks at one other worker. By a busy worker, each 100 us or so. */
void tick_look_around(const struct worker *self, int64_t now);

/* A task that has used its CPU for this time while work waits, in ns, leaves the count of running workers. Atomic. */
extern int64_t tick_hog;

#endif
