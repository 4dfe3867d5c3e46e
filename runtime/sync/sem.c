/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Semaphore: a count of permits, and a FIFO of waiters. wait.word is the number of permits that a waiter wants.
 *
 * Invariant, with the lock free: the first waiter wants more permits than there are. So a caller that adds permits, or
 * leaves the queue without any, grants as many as possible. No caller passes the first waiter, so a waiter that wants
 * many permits does not starve.
 */
#include "sync/sem.h"

#include <errno.h>

#include "run/park.h"
#include "run/report.h"

/* With the lock held. */
static bool sem_take(struct sley_sem *sem, int64_t n)
{
	if (!sem_can(sem, n))
		return false;
	sem->count -= n;
	return true;
}

/* A wait that has been claimed by another thread gets no permits. */
void sem_grant(struct sley_sem *sem, struct task_list *woken)
{
	struct wait *first;
	while ((first = sem->waiters.head) && (int64_t)first->word <= sem->count) {
		int64_t n = (int64_t)first->word; /* read first: after the claim it belongs to the task */
		if (!wait_pop_first(&sem->waiters, CLAIM_EVENT))
			continue;
		sem->count -= n;
		task_list_add(woken, wait_owner(first)); /* the node stays, as the task is not ready yet */
	}
}

static int acquire_for(struct task *task, void *object, int64_t n, sley_time deadline, const void *pc)
{
	struct sley_sem *sem = object;
	struct task_list woken = { 0 };
	lock_take(lock_of(&sem->lock));
	if (sem_take(sem, n)) {
		lock_drop(lock_of(&sem->lock));
		return 0;
	}
	wait_begin(task, SLEY_WAIT_SEM, (uint64_t)(uintptr_t)sem, pc);
	task->wait.word = (uint64_t)n;
	enum claim who = park(task, lock_of(&sem->lock), &sem->waiters, deadline);
	if (who == CLAIM_EVENT)
		return 0;
	sem_grant(sem, &woken); /* the waiters behind may want fewer permits */
	lock_drop(lock_of(&sem->lock));
	ready_woken(&woken);
	return wait_error(who);
}

int sley_sem_acquire(struct sley_sem *sem, int64_t n, sley_time deadline)
{
	int error = check_object(sem, "sley_sem_acquire", "semaphore");
	if (error)
		return error;
	return n < 0 ? -EINVAL : park_call(acquire_for, sem, n, deadline, __builtin_return_address(0));
}

int sley_sem_try_acquire(struct sley_sem *sem, int64_t n)
{
	int error = check_object(sem, "sley_sem_try_acquire", "semaphore");
	if (error == 0 && n < 0)
		error = -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&sem->lock));
	bool taken = sem_take(sem, n);
	lock_drop(lock_of(&sem->lock));
	thread_depart();
	return taken ? 0 : -EAGAIN;
}

int64_t sley_sem_value(struct sley_sem *sem)
{
	int error = check_object(sem, "sley_sem_value", "semaphore");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&sem->lock));
	int64_t count = sem->count;
	lock_drop(lock_of(&sem->lock));
	thread_depart();
	return count;
}

int sley_sem_release(struct sley_sem *sem, int64_t n)
{
	struct task_list woken = { 0 };
	int64_t sum;
	int error = check_object(sem, "sley_sem_release", "semaphore");
	if (error == 0 && n < 0)
		error = -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&sem->lock));
	if (__builtin_add_overflow(sem->count, n, &sum)) {
		error = -EOVERFLOW;
	} else {
		sem->count = sum;
		sem_grant(sem, &woken);
	}
	lock_drop(lock_of(&sem->lock));
	ready_woken(&woken);
	thread_depart();
	return error;
}
