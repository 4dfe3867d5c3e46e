/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Timers: one heap of deadlines per worker, under its own lock so that any worker can run or cancel them.
 *
 * A pairing heap, intrusive in the task: arming is O(1), needs no memory and so cannot fail; expiry and cancelling are
 * O(log n) amortised. Rejected: an array heap, which must grow in the middle of a wait, and a wheel, whose slots are
 * coarser than the sub-millisecond deadlines that we keep.
 * M. L. Fredman et al., "The pairing heap: a new form of self-adjusting heap", Algorithmica 1 (1986).
 */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>

#include "base/clock.h"
#include "base/lock.h"

#define TIMER_LATE (NS_PER_MS + 200 * NS_PER_US) /* it is the watchdog's then: its worker does not come to it */

struct task;
struct task_list;

struct timer {
	struct timer *child, *next, *prev; /* protected by the heap's lock; prev is the parent of a first child */
	sley_time deadline;
};

struct timers {
	struct lock lock;
	struct timer *root; /* protected by lock */
	sley_time earliest; /* atomic: the root's deadline, or SLEY_NEVER; written under lock */
};

void timers_init(struct timers *timers);

/* Arms the calling task's timer in its worker's heap. */
void timer_arm(struct task *task, sley_time deadline);

/* Takes the task's timer out of its heap, unless it has expired. */
void timer_cancel(struct task *task);

/*
 * Takes some of the timers out whose deadline has come, and claims their waits: adds the tasks to the list. Whether there
 * may be more. By any worker.
 */
bool timers_expire(struct timers *timers, sley_time now, struct task_list *list);

/* Heap operations. The lock is held. A timer that is not in the heap has no `prev` and is not the root. */
void timers_insert(struct timers *timers, struct timer *timer);
void timers_remove(struct timers *timers, struct timer *timer);

#endif
