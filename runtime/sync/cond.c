/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Condition: a FIFO of waiters under the object's own short lock.
 *
 * A waiter is linked before it unlocks the mutex. So a task that changes the state under the mutex and then signals
 * finds the waiter:
 *      waiter: (mutex held) link; unlock the mutex; park        other: lock the mutex; change; signal: pops the waiter
 * A signal is a claim like any other. If a deadline or a cancellation claimed the waiter first, the signal goes to the
 * next waiter, so no signal is lost. A wait that a signal has claimed returns 0, whatever came later.
 *
 * Rejected: to move the waiters of a broadcast to the mutex's own queue instead of waking them (FUTEX_REQUEUE), which
 * saves each a switch. A wait would have to change its object, and its deadline, while other threads access it.
 */
#include <errno.h>

#include "run/owned.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "sync/mutex.h"

static int wait_for_signal(struct task *task, void *object, int64_t mutex_address, sley_time deadline, const void *pc)
{
	struct sley_cond *cond = object;
	struct sley_mutex *mutex = (struct sley_mutex *)(intptr_t)mutex_address;
	if (!mutex_is_mine(mutex, task->id))
		return -EPERM;
	lock_take(lock_of(&cond->lock));
	wait_begin(task, SLEY_WAIT_COND, (uint64_t)(uintptr_t)cond, pc);
	wait_link(&cond->waiters, &task->wait);
	lock_drop(lock_of(&cond->lock));
	owned_drop(task, mutex);
	mutex_unlock(mutex, task->id);
	enum claim who = wait_park(task, deadline);
	if (who != CLAIM_EVENT) {
		lock_take(lock_of(&cond->lock));
		wait_unlink(&cond->waiters, &task->wait);
		lock_drop(lock_of(&cond->lock));
	}
	int error = mutex_lock_again(task, mutex, pc);
	return error ? error : wait_error(who);
}

int sley_cond_wait(struct sley_cond *cond, struct sley_mutex *mutex, sley_time deadline)
{
	int error = check_object(cond, "sley_cond_wait", "condition");
	if (error || (error = check_object(mutex, "sley_cond_wait", "mutex")) != 0)
		return error;
	return park_call(wait_for_signal, cond, (int64_t)(intptr_t)mutex, deadline, __builtin_return_address(0));
}

int sley_cond_signal(struct sley_cond *cond)
{
	int error = check_object(cond, "sley_cond_signal", "condition");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&cond->lock));
	struct task *task = wait_pop(&cond->waiters, CLAIM_EVENT);
	lock_drop(lock_of(&cond->lock));
	if (task)
		task_ready(task);
	thread_depart();
	return 0;
}

int sley_cond_broadcast(struct sley_cond *cond)
{
	int error = check_object(cond, "sley_cond_broadcast", "condition");
	if (error || (error = thread_visit()) != 0)
		return error;
	struct task_list list = { 0 };
	lock_take(lock_of(&cond->lock));
	wait_pop_all(&cond->waiters, CLAIM_EVENT, &list);
	lock_drop(lock_of(&cond->lock));
	task_ready_list(&list);
	thread_depart();
	return 0;
}
