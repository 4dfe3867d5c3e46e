/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A timer is a time, and the list of its waiters. Each waits with that time as its deadline, so nothing else has to be
 * armed, and nobody runs when it expires but they. Who finds it due takes the expiry; the others wait for the next one.
 *
 * If the timer is started for an earlier time than its waiters know, they are woken to look again. For a later time they
 * are not: they look again when their old deadline comes, and wait for the rest. So to put a timer off with each packet,
 * as idle timeouts are, costs a store, and one wake-up in each period.
 *
 * Rejected: a node of the worker's timer wheel for each timer, as tasks have. It would belong to one worker, so each
 * start from another one would have to lock that wheel twice.
 */
#include "sync/timer.h"

#include <errno.h>

#include "run/park.h"
#include "run/report.h"

bool timer_take(struct sley_timer *timer, sley_time now)
{
	if (!timer->running || now < timer->due)
		return false;
	sley_time late;
	if (timer->interval == 0) {
		timer->running = 0;
		return true;
	}
	if (__builtin_sub_overflow(now, timer->due, &late))
		late = 0;
	if (__builtin_add_overflow(now - late % timer->interval, timer->interval, &timer->due))
		timer->due = SLEY_NEVER;
	return true;
}

/* With the lock held. Returns whether it ran before. */
static bool timer_set(struct sley_timer *timer, unsigned running, sley_time due, sley_time interval,
		      struct task_list *woken)
{
	bool ran = timer->running;
	if (running && due < timer_due(timer))
		wait_pop_all(&timer->waiters, CLAIM_EVENT, woken);
	timer->running = running;
	timer->due = due;
	timer->interval = interval;
	return ran;
}

/* `call` is the public name, for messages. */
static int timer_change(struct sley_timer *timer, unsigned running, sley_time due, sley_time interval, const char *call)
{
	struct task_list woken = { 0 };
	int error = check_object(timer, call, "timer");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&timer->lock));
	bool ran = timer_set(timer, running, due, interval, &woken);
	lock_drop(lock_of(&timer->lock));
	ready_woken(&woken);
	thread_depart();
	return ran;
}

int sley_timer_start(struct sley_timer *timer, sley_time first, sley_time interval)
{
	return interval < 0 ? -EINVAL : timer_change(timer, 1, first, interval, "sley_timer_start");
}

int sley_timer_stop(struct sley_timer *timer)
{
	return timer_change(timer, 0, 0, 0, "sley_timer_stop");
}

/* Waits once. Returns 0: the expiry was taken; -EAGAIN: it may be due, or was moved; or the error of the wait. */
static int timer_wait_once(struct task *task, struct sley_timer *timer, sley_time deadline, const void *pc)
{
	lock_take(lock_of(&timer->lock));
	if (timer_take(timer, clock_now())) {
		lock_drop(lock_of(&timer->lock));
		return 0;
	}
	sley_time due = timer_due(timer);
	wait_begin(task, SLEY_WAIT_SLEEP, (uint64_t)due, pc);
	enum claim who = park(task, lock_of(&timer->lock), &timer->waiters, MIN(due, deadline));
	if (who != CLAIM_EVENT)
		lock_drop(lock_of(&timer->lock));
	if (who == CLAIM_EVENT || (who == CLAIM_DEADLINE && due <= wait_deadline(task, deadline)))
		return -EAGAIN;
	return wait_error(who);
}

static int wait_until_due(struct task *task, void *timer, int64_t unused, sley_time deadline, const void *pc)
{
	int error;
	(void)unused;
	while ((error = timer_wait_once(task, timer, deadline, pc)) == -EAGAIN)
		;
	return error;
}

int sley_timer_wait(struct sley_timer *timer, sley_time deadline)
{
	int error = check_object(timer, "sley_timer_wait", "timer");
	return error ? error : park_call(wait_until_due, timer, 0, deadline, __builtin_return_address(0));
}
