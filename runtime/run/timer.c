/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/timer.h"

#include <string.h>

#include "base/check.h"
#include "base/race.h"
#include "run/idle.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"

#define BATCH 32 /* steps of the wheel under the lock, at most; so many timers are run at once */

/*
 * Called with the lock held when the wheel has changed. relaxed: idle workers read it after a fence (idle.c), and busy
 * workers read it soon enough.
 */
static void set_earliest(struct timers *timers)
{
	store(&timers->earliest, wheel_bound(&timers->wheel), relaxed);
}

void timers_init(struct timers *timers)
{
	memset(timers, 0, sizeof(*timers)); /* it also populates the memory, before the lock is taken */
	timers->earliest = SLEY_NEVER;
}

sley_time timers_earliest(void)
{
	sley_time earliest = SLEY_NEVER;
	for (unsigned i = 0; i < scheduler.target; i++)
		earliest = MIN(earliest, load(&scheduler.timers[i].earliest, relaxed));
	return earliest;
}

struct timers *timer_arm(struct task *task, sley_time deadline, int64_t now)
{
	struct timers *timers = worker_self()->timers;
	task->timer.key = deadline;
	lock_take(&timers->lock);
	wheel_insert(&timers->wheel, &task->timer, now);
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
	if (wheel_has(&task->timer)) { /* otherwise it has expired */
		wheel_remove(&timers->wheel, &task->timer);
		set_earliest(timers);
	}
	lock_drop(&timers->lock);
}

/* An expired timer's task and the number of its wait. */
struct expired {
	struct task *task;
	uint64_t number;
};

/*
 * Returns how many were taken out. The number of a wait is read while the lock is held under which its timer was in the
 * wheel. The task cannot have begun its next wait then, because timer_cancel() needs that lock first. The claims come
 * after unlocking, and fail if they are late.
 */
static unsigned expire(struct timers *timers, sley_time now, struct expired expired[BATCH])
{
	struct wheel_node *node;
	unsigned n = 0, steps = BATCH;
	lock_take(&timers->lock);
	while ((node = wheel_take(&timers->wheel, now, &steps))) {
		struct task *task = CONTAINER_OF(node, struct task, timer);
		expired[n++] = (struct expired){ task, wait_number(task) };
	}
	set_earliest(timers);
	lock_drop(&timers->lock);
	return n;
}

bool timers_expire(struct timers *timers, sley_time now, struct task_list *list)
{
	struct expired expired[BATCH];
	unsigned n = load(&timers->earliest, relaxed) <= now ? expire(timers, now, expired) : 0;
	for (unsigned i = 0; i < n; i++) {
		RACE_POINT(timer_taken);
		if (wait_claim_number(expired[i].task, expired[i].number, CLAIM_DEADLINE))
			task_list_add(list, expired[i].task);
		RACE_POINT(timer_is_over);
	}
	return load(&timers->earliest, relaxed) <= now;
}
