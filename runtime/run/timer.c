/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/timer.h"

#include <stddef.h>

#include "base/check.h"
#include "base/race.h"
#include "run/idle.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"

#define BATCH 32 /* timers that are run at once, at most */

/*
 * Called with the lock held when the heap has changed. relaxed: idle workers read it after a fence (idle.c), and busy
 * workers read it soon enough.
 */
static void set_earliest(struct timers *timers)
{
	store(&timers->earliest, timers->heap.root ? timers->heap.root->key : SLEY_NEVER, relaxed);
}

void timers_init(struct timers *timers)
{
	*timers = (struct timers){ .earliest = SLEY_NEVER };
}

sley_time timers_earliest(void)
{
	sley_time earliest = SLEY_NEVER;
	for (unsigned i = 0; i < scheduler.target; i++)
		earliest = MIN(earliest, load(&scheduler.timers[i].earliest, relaxed));
	return earliest;
}

struct timers *timer_arm(struct task *task, sley_time deadline)
{
	struct timers *timers = worker_self()->timers;
	task->timer.key = deadline;
	lock_take(&timers->lock);
	heap_insert(&timers->heap, &task->timer);
	set_earliest(timers);
	lock_drop(&timers->lock);
	/* at the deadline this worker may be blocked, and the poller may not know of the timer */
	if (idle_may_wake() && deadline < load(&watchdog_promise.next_look, seq_cst) - TIMER_LATE)
		watchdog_wake();
	return timers;
}

void timer_cancel(struct timers *timers, struct task *task)
{
	lock_take(&timers->lock);
	if (heap_has(&timers->heap, &task->timer)) { /* otherwise it has expired */
		heap_remove(&timers->heap, &task->timer);
		set_earliest(timers);
	}
	lock_drop(&timers->lock);
}

/*
 * The number of the wait is read while the timer is in the heap, under the heap's lock. The task cannot have begun its
 * next wait then, because timer_cancel() needs that lock first. The claim comes after unlocking, and fails if it is
 * late.
 */
static struct task *expire(struct timers *timers, sley_time now, uint64_t *number)
{
	struct task *task = NULL;
	lock_take(&timers->lock);
	if (timers->heap.root && timers->heap.root->key <= now) {
		task = CONTAINER_OF(timers->heap.root, struct task, timer);
		*number = wait_number(task);
		heap_remove(&timers->heap, &task->timer);
		set_earliest(timers);
	}
	lock_drop(&timers->lock);
	return task;
}

bool timers_expire(struct timers *timers, sley_time now, struct task_list *list)
{
	uint64_t number;
	struct task *task;
	for (int i = 0; i < BATCH; i++) {
		if (load(&timers->earliest, relaxed) > now || !(task = expire(timers, now, &number)))
			return false;
		RACE_POINT(timer_taken);
		if (wait_claim_number(task, number, CLAIM_DEADLINE))
			task_list_add(list, task);
		RACE_POINT(timer_is_over);
	}
	return true;
}
