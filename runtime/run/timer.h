/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Timers: as many heaps of deadlines as workers should run, each under its own lock, so that any worker can run or cancel
 * the timers in it. A spare shares the heap of another worker.
 *
 * The heap's nodes are in the tasks (base/heap.h), so arming cannot fail. Rejected: an array heap, which must grow in
 * the middle of a wait. Rejected: a wheel, whose slots are coarser than the sub-millisecond deadlines of the runtime.
 */
#ifndef RUN_TIMER_H
#define RUN_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/lock.h"

/* a timer so late is run by the watchdog: its worker does not come to it */
#define TIMER_LATE (NS_PER_MS + 200 * NS_PER_US)

struct task;
struct task_list;

struct timers {
	struct list_lock lock;
	struct heap heap;   /* protected by lock; keys are deadlines */
	sley_time earliest; /* atomic: the first deadline, or SLEY_NEVER; written under lock */
} CACHE_ALIGNED;

void timers_init(struct timers *timers);

/* Arms the calling task's timer in its worker's heap, which is returned. */
struct timers *timer_arm(struct task *task, sley_time deadline);

/* Takes the task's timer out of its heap, unless it has expired. */
void timer_cancel(struct timers *timers, struct task *task);

/* The earliest deadline of all heaps, or SLEY_NEVER. */
sley_time timers_earliest(void);

/*
 * Takes out some of the expired timers and claims their waits; adds the tasks to the list. Returns whether there may be
 * more expired timers. Called by any worker.
 */
bool timers_expire(struct timers *timers, sley_time now, struct task_list *list);

#endif
