/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sentinels: a thread per CPU that the kernel runs when a worker has left the CPU. */
#ifndef ASSIST_SENTINEL_H
#define ASSIST_SENTINEL_H

#include <stdbool.h>

struct worker;

/* A new run begins; `on`: whether there may be sentinels. The calling thread is the one of sley_run(). */
void sentinels_open(bool on);

/* Ends and joins them. Called when the workers and the watchdog have ended. */
void sentinels_close(void);

/* Makes those that are wanted. Called by the watchdog. */
void sentinels_look(void);

/*
 * Called by the worker at the dispatch of a task whose site was seen to block, when the mode and the task are published:
 * the sentinel of this CPU is to look when the worker leaves the CPU.
 */
void sentinel_arm(struct worker *worker);

/* Sentinels that run. Any thread. */
unsigned sentinels_count(void);

#endif
