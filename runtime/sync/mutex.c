/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Mutex: a flag, an owner and a FIFO of waiters under the object's own short lock. Unlock hands it to the first waiter
 * directly, so it is never free while somebody waits and nobody starves.
 */
#include <errno.h>

#include "sched/fault.h"
#include "sched/worker.h"

static struct lock *inner(struct sley_mutex *mutex)
{
	return (struct lock *)&mutex->lock;
}

static int check(struct sley_mutex *mutex, const char *call, struct task **task)
{
	*task = task_self();
	if (!*task)
		return outside_error();
	return fault_check(mutex, call, "mutex");
}

/* With the inner lock held: 0, -EBUSY or -EDEADLK. */
static int try_locked(struct sley_mutex *mutex, struct task *task)
{
	if (mutex->held)
		return mutex->owner == (sley_task)task->id ? -EDEADLK : -EBUSY;
	mutex->held = 1;
	mutex->owner = (sley_task)task->id;
	return 0;
}

int sley_mutex_trylock(struct sley_mutex *mutex)
{
	struct task *task;
	int error = check(mutex, "sley_mutex_trylock", &task);
	if (error)
		return error;
	lock_take(inner(mutex));
	error = try_locked(mutex, task);
	lock_drop(inner(mutex));
	return error;
}

int sley_mutex_lock(struct sley_mutex *mutex, sley_time deadline)
{
	struct task *task;
	int error = check(mutex, "sley_mutex_lock", &task);
	if (error)
		return error;
	worker_spend(__builtin_return_address(0)); /* before: a task that yields with it held keeps others waiting */
	lock_take(inner(mutex));
	error = try_locked(mutex, task);
	if (error != -EBUSY) {
		lock_drop(inner(mutex));
		return error;
	}
	wait_begin(task, SLEY_WAIT_MUTEX, (uint64_t)(uintptr_t)mutex, __builtin_return_address(0));
	wait_link(&mutex->waiters, &task->wait);
	lock_drop(inner(mutex));
	enum claim who = wait_park(task, deadline);
	if (who == CLAIM_EVENT)
		return 0; /* it was handed to us: owner is set */
	lock_take(inner(mutex));
	wait_unlink(&mutex->waiters, &task->wait);
	lock_drop(inner(mutex));
	return wait_error(who);
}

int sley_mutex_unlock(struct sley_mutex *mutex)
{
	struct task *task;
	int error = check(mutex, "sley_mutex_unlock", &task);
	if (error)
		return error;
	lock_take(inner(mutex));
	if (!mutex->held || mutex->owner != (sley_task)task->id) {
		lock_drop(inner(mutex));
		return -EPERM;
	}
	struct task *next = wait_pop(&mutex->waiters, CLAIM_EVENT);
	mutex->held = next != NULL;
	mutex->owner = next ? (sley_task)next->id : 0;
	lock_drop(inner(mutex));
	if (next)
		task_ready(next);
	return 0;
}
