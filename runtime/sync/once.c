/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Once: state = 0: not done; the runner's id; or DONE, which is read without a lock. If the function fails, the first
 * waiter becomes the runner.
 *
 * The memory may be freed as soon as a caller has learned that it is done. So a caller that reads DONE without the lock
 * also checks that the lock is free: DONE is stored under it, and the drop of the lock is the last access of the
 * runner.
 *      once_leave(): lock = 1; state = DONE; wake; lock = 0        state == DONE? lock == 0?
 */
#include <errno.h>

#include "base/race.h"
#include "life/shield.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"

#define DONE   ((uint64_t)1 << 63) /* ids are positive */
#define RUNNER 1                   /* the caller has to run the function */

static int once_enter(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_once *once = object;
	(void)unused;
	lock_take(lock_of(&once->lock));
	uint64_t state = once->state;
	if (state == 0)
		store(&once->state, task->id, relaxed);
	if (state == 0 || state == DONE || state == task->id) {
		lock_drop(lock_of(&once->lock));
		return state == 0 ? RUNNER : state == DONE ? 0 : -EDEADLK;
	}
	wait_begin(task, SLEY_WAIT_ONCE, (uint64_t)(uintptr_t)once, pc);
	enum claim who = park(task, lock_of(&once->lock), &once->waiters, deadline);
	if (who == CLAIM_EVENT) /* acquire: the function's writes; pairs with once_leave() */
		return load(&once->state, acquire) == DONE ? 0 : RUNNER;
	lock_drop(lock_of(&once->lock));
	return wait_error(who);
}

static void once_leave(struct sley_once *once, bool done)
{
	struct task_list list = { 0 };
	struct task *next = NULL;
	int error = thread_visit();
	bool alone = error != 0; /* a thread that outlived the run: there are no waiters any more */
	if (error == -ECHILD) {  /* no other thread exists, but the lock may be held for ever */
		store(&once->state, done ? DONE : 0, relaxed);
		return;
	}
	lock_take(lock_of(&once->lock));
	if (!alone && !done)
		next = wait_pop(&once->waiters, CLAIM_EVENT);
	store(&once->state, done ? DONE : next ? next->id : 0, release); /* pairs with the acquires of DONE */
	RACE_POINT(once_is_done_and_locked);
	if (!alone && done)
		wait_pop_all(&once->waiters, CLAIM_EVENT, &list);
	lock_drop(lock_of(&once->lock));
	if (next)
		task_ready(next);
	task_ready_list(&list);
	if (!alone)
		thread_depart();
}

/*
 * The lock is read after the state: if it is free, its holder has finished. Both acquire, and pair with once_leave()
 * and its drop of the lock.
 */
static bool is_done(struct sley_once *once)
{
	return load(&once->state, acquire) == DONE && load(&once->lock, acquire) == 0;
}

SHIELD(sley_once)
int sley_once(struct sley_once *once, int (*fn)(void *), void *arg, sley_time deadline)
{
	SHIELDED(sley_once);
	int error = check_object(once, "sley_once", "once");
	if (error)
		return error;
	if (likely(is_done(once)))
		return 0;
	if (!fn)
		return -EINVAL;
	error = park_call(once_enter, once, 0, deadline, __builtin_return_address(0));
	if (error != RUNNER)
		return error;
	error = fn(arg);
	once_leave(once, error == 0);
	return error;
}
