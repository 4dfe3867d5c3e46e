/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The depth of stacks: the live bytes with which a task parks, and the known maximum of the task and of all tasks of
 * its site. The maximum has two sources: the depth at each park, and, in idle time, the lowest page of the stack that
 * was touched. The watchdog finds that page when it gives pages back.
 */
#ifndef RUN_DEPTH_H
#define RUN_DEPTH_H

#include "task/task.h"

/* Called when a task parks with another number of live bytes than the last time, or with more than can be recorded. */
void depth_changed(struct task *task, size_t live);

/*
 * Called when the task parks with `live` live bytes. If its stack pointer is outside of its slot, `live` is more than
 * the slot's size. Then the task waits on a stack to which the service switched, or a frame has jumped over the guard.
 * On a copying stack this prints a line and ends the process. A task with a private stack may wait on another stack.
 */
static inline void depth_parked(const struct sley_region_task *record, struct task *task, size_t live)
{
	if (unlikely(load(&record->live16, relaxed) != live / 16))
		depth_changed(task, live);
}

/* The same when it ends, which is no park. */
static inline void depth_ended(struct task *task, size_t live)
{
	if (unlikely(live > stack_size))
		depth_changed(task, live);
}

/* Measures the depth of one stack and gives back its dead pages. The caller holds the slot; this drops it. */
void depth_trim(struct slot *slot);

/* Called before a run, which begins now. */
void depth_open(int64_t now);

/* Called by the watchdog, at `now`: looks at some stacks, if a processor is free, and gives back dead pages. */
void depth_look(int64_t now);

/* The interval of the watchdog's looks, for tests. Nanoseconds; atomic. */
extern int64_t depth_interval;

#endif
