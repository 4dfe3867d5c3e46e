/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What tests of sentinels share. Their programs have the source `idle`. */
#ifndef ARMED_H
#define ARMED_H

#include "tests/race.h"
#include "tests/unit/gate.h"
#include "tests/unit/run.h"

/* A task that blocks until let_go(). All are of one spawn site. The caller's thread has just allocated memory then. */
sley_task spawn_block(struct gate *gate);
void let_go(struct gate *gate, sley_task task);

/* More tasks block than there are workers, and this task runs all the same. At most 4 workers. */
void block_all(void);

/* The first blocks are found by the tick, and make the sentinels. */
void make_sentinels(void);

#if RACE_POINTS

/* Waits for a thread at the point, and does not block this one. */
void await_point(const char *point);

/* The watchdog stops at "watchdog_looks", and sentinels can look at all workers. */
void stop_watchdog(void);

/* Runs `main` on one CPU, so with one sentinel, as the watchdog makes sentinels only for CPUs that are used. */
void run_on_one_cpu(int (*main)(void *), unsigned workers);

/* For a run on one CPU: all workers block, again and again, and nobody looks but the sentinel. */
int main_alone(void *unused);

#endif
#endif
