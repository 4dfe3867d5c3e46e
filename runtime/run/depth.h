/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How deep stacks are: the live bytes that a task parks with, and the deepest that it or any task of its site has been,
 * as far as that is known. Known is what it parked with, each time; and in idle time, how far down its stack's pages have
 * been touched, as the watchdog looks when it gives them back.
 */
#ifndef RUN_DEPTH_H
#define RUN_DEPTH_H

#include "task/task.h"

/* The task parked with another number of live bytes than the last time, or with more than can be recorded. */
void depth_changed(struct task *task, size_t live);

/*
 * The task parks with so many live bytes. If its stack pointer is not in its slot, the number is more than the slot has:
 * it waits on a stack that the service switched to, or a frame has jumped over the guard. On a copying stack that ends
 * the process, after a line; with a private one it is the service's business what lies where.
 */
static inline void depth_parked(struct task *task, size_t live)
{
	if (unlikely(load(&task_record(task)->live16, relaxed) != live / 16))
		depth_changed(task, live);
}

/* Finds out how deep one stack was and gives back its dead pages. Its slot is held by the caller, and dropped. */
void depth_trim(struct slot *slot);

/* Before a run, which begins now. */
void depth_open(int64_t now);

/* By the watchdog, at `now`: looks at some stacks, if there is a processor to spare, and gives back dead pages. */
void depth_look(int64_t now);

/* How often the watchdog does; for tests. Nanoseconds; atomic. */
extern int64_t depth_interval;

#endif
