/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Timers: as many wheels of deadlines as workers should run, each under its own lock, so that any worker can run or
 * cancel the timers in it. A spare shares the wheel of another worker.
 *
 * The wheel's nodes are in the tasks (base/wheel.h), so arming cannot fail. Rejected: an array heap, which must grow in
 * the middle of a wait. The lock is held for a bounded time: to arm or cancel one timer, or for some steps of the wheel.
 */
#ifndef RUN_TIMER_H
#define RUN_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/wheel.h"

/* a timer so late is run by the watchdog: its worker does not come to it */
#define TIMER_LATE (NS_PER_MS + 200 * NS_PER_US)

struct task;
struct task_list;

struct timers {
	struct list_lock lock;
	/*
	 * Atomic; written under lock: SLEY_NEVER if there is no timer, else mostly the first deadline. Earlier only if timers
	 * were cancelled, by what wheel_bound() says: then there may be nothing to run at that time.
	 */
	sley_time earliest;
	struct wheel wheel; /* protected by lock; keys are deadlines */
} CACHE_ALIGNED;

void timers_init(struct timers *timers);

/* Arms the calling task's timer in its worker's wheel, which is returned. The deadline is not negative. */
struct timers *timer_arm(struct task *task, sley_time deadline, int64_t now);

/* Takes the task's timer out of its wheel, unless it has expired. */
void timer_cancel(struct timers *timers, struct task *task);

/* The least `earliest`. */
sley_time timers_earliest(void);

/*
 * Takes out some of the expired timers and claims their waits; adds the tasks to the list. Returns whether there may be
 * more expired timers. Called by any worker.
 */
bool timers_expire(struct timers *timers, sley_time now, struct task_list *list);

#endif
