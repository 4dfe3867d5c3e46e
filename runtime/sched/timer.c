/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sched/timer.h"

#include <stddef.h>

#include "base/check.h"
#include "base/race.h"
#include "sched/idle.h"
#include "sched/watchdog_wake.h"
#include "sched/worker.h"

#define BATCH 32 /* timers that are run at once */

/* Of two heaps the later root becomes the first child of the earlier. Both are roots: no siblings. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->deadline < a->deadline) {
		struct timer *t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* Pairs the siblings from left to right, then melds the pairs from right to left. Iterative: there may be a million. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL;
	while (first) {
		struct timer *a = first, *b = a->next;
		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	struct timer *root = NULL;
	while (pairs) {
		struct timer *rest = pairs->next;
		pairs->next = NULL;
		root = meld(root, pairs);
		pairs = rest;
	}
	return root;
}

static void set_root(struct timers *timers, struct timer *root)
{
	timers->root = root;
	if (root)
		root->next = root->prev = NULL;
	/* relaxed: idle workers read it after a fence (sched/idle.c), busy ones only need it soon */
	store(&timers->earliest, root ? root->deadline : SLEY_NEVER, relaxed);
}

void timers_init(struct timers *timers)
{
	*timers = (struct timers){ .earliest = SLEY_NEVER };
}

void timers_insert(struct timers *timers, struct timer *timer)
{
	timer->child = timer->next = timer->prev = NULL;
	set_root(timers, meld(timers->root, timer));
}

void timers_remove(struct timers *timers, struct timer *timer)
{
	struct timer *below = meld_siblings(timer->child);
	if (timer == timers->root) {
		set_root(timers, below);
		timer->prev = NULL;
		return;
	}
	if (timer->prev->child == timer)
		timer->prev->child = timer->next;
	else
		timer->prev->next = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	timer->prev = NULL;
	set_root(timers, meld(timers->root, below));
}

void timer_arm(struct task *task, sley_time deadline)
{
	struct worker *worker = worker_self();
	struct timers *timers = &worker->timers;
	task->timer.deadline = deadline;
	task->timer_heap = (uint8_t)worker->number;
	lock_take(&timers->lock);
	timers_insert(timers, &task->timer);
	lock_drop(&timers->lock);
	/* this worker may be blocked then, and whoever waits in the reactor not know of it */
	if (idle_count() > 0 && deadline < load(&watchdog_promise.next_look, seq_cst) - TIMER_LATE)
		watchdog_wake();
}

void timer_cancel(struct task *task)
{
	struct timers *timers = &worker_get(task->timer_heap)->timers;
	lock_take(&timers->lock);
	if (task->timer.prev || timers->root == &task->timer) /* else it has expired */
		timers_remove(timers, &task->timer);
	lock_drop(&timers->lock);
}

/*
 * The number of the wait is read while the timer is still in the heap, under its lock: the task cannot have gone on to
 * its next wait, as timer_cancel() needs that lock first. The claim comes after unlocking and fails if it is late.
 */
static struct task *expire(struct timers *timers, sley_time now, uint64_t *number)
{
	struct task *task = NULL;
	lock_take(&timers->lock);
	if (timers->root && timers->root->deadline <= now) {
		task = CONTAINER_OF(timers->root, struct task, timer);
		*number = wait_number(task);
		timers_remove(timers, timers->root);
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
	}
	return true;
}
