/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Readers-writer lock, phase-fair. A reader waits behind a waiting writer. A writer that unlocks admits all waiting
 * readers before the next writer. So a reader waits for one writer at most, besides the readers' phase in which it
 * came. A writer waits for one phase of readers for each writer before it. The rule is that of B. Brandenburg and J.
 * Anderson, "Spin-Based Reader-Writer Synchronization for Multiprocessor Real-Time Systems" (2010). The lock is handed
 * to the admitted tasks: there is no barging. Rejected: one FIFO for both, in which readers between two writers run in
 * small groups.
 *
 * Invariants, with the inner lock free, for waits that have not ended:
 *   - a writer holds it => no reader holds it, and the other way round
 *   - readers wait => a writer holds it or waits
 *   - a writer waits => a writer or a reader holds it
 * If readers wait only for a writer that gives up, this writer admits them.
 */
#include <errno.h>

#include "run/owned.h"
#include "run/park.h"
#include "run/report.h"

_Static_assert(offsetof(struct sley_rwlock, readers) == offsetof(struct sley_object_rwlock, readers) &&
		       offsetof(struct sley_rwlock, writer) == offsetof(struct sley_object_rwlock, writer),
	       "tools read them");

/* ---- with the inner lock held ---- */

static bool rwlock_take(struct sley_rwlock *rwlock, uint64_t me, bool writing)
{
	if (rwlock->writer || (writing ? rwlock->readers > 0 : rwlock->writers_waiting.head != NULL))
		return false;
	if (writing)
		rwlock->writer = (sley_task)me;
	else
		rwlock->readers++;
	return true;
}

static void admit_readers(struct sley_rwlock *rwlock, struct task_list *woken)
{
	struct task *task;
	while ((task = wait_pop(&rwlock->readers_waiting, CLAIM_EVENT))) {
		rwlock->readers++;
		task_list_add(woken, task);
	}
}

static void admit_writer(struct sley_rwlock *rwlock, struct task_list *woken)
{
	struct task *task = wait_pop(&rwlock->writers_waiting, CLAIM_EVENT);
	if (task) {
		rwlock->writer = (sley_task)task->id;
		task_list_add(woken, task);
	}
}

/* Ends the hold of a writer or a reader, and admits the next ones. */
static void rwlock_leave(struct sley_rwlock *rwlock, bool writing, struct task_list *woken)
{
	if (writing) {
		rwlock->writer = 0;
		admit_readers(rwlock, woken);
		if (rwlock->readers == 0)
			admit_writer(rwlock, woken);
	} else if (--rwlock->readers == 0) {
		admit_writer(rwlock, woken);
		if (rwlock->writer == 0)
			admit_readers(rwlock, woken); /* the writers that they waited for have all given up */
	}
}

/* ---- locking ---- */

static int lock_for(struct task *task, void *object, int64_t writing, sley_time deadline, const void *pc)
{
	struct sley_rwlock *rwlock = object;
	struct task_list woken = { 0 };
	lock_take(lock_of(&rwlock->lock));
	bool mine = rwlock->writer == (sley_task)task->id;
	if (mine || rwlock_take(rwlock, task->id, writing)) {
		lock_drop(lock_of(&rwlock->lock));
		return mine ? -EDEADLK : 0;
	}
	wait_begin(task, writing ? SLEY_WAIT_WRLOCK : SLEY_WAIT_RDLOCK, (uint64_t)(uintptr_t)rwlock, pc);
	enum claim who = park(task, lock_of(&rwlock->lock),
			      writing ? &rwlock->writers_waiting : &rwlock->readers_waiting, deadline);
	if (who == CLAIM_EVENT)
		return 0;
	if (writing && !rwlock->writer && !rwlock->writers_waiting.head)
		admit_readers(rwlock, &woken);
	lock_drop(lock_of(&rwlock->lock));
	ready_woken(&woken);
	return wait_error(who);
}

/* Returns `error`. If the calling task got the lock, notes it as an owner (debug library). */
static int rwlock_noted(int error, const struct sley_rwlock *rwlock, const void *pc)
{
	const struct task *task = error ? NULL : task_self();
	if (task)
		owned_take(task, rwlock, "rwlock", pc);
	return error;
}

int sley_rwlock_rdlock(struct sley_rwlock *rwlock, sley_time deadline)
{
	int error = check_object(rwlock, "sley_rwlock_rdlock", "rwlock");
	const void *pc = __builtin_return_address(0);
	return error ? error : rwlock_noted(park_call(lock_for, rwlock, false, deadline, pc), rwlock, pc);
}

int sley_rwlock_wrlock(struct sley_rwlock *rwlock, sley_time deadline)
{
	int error = check_object(rwlock, "sley_rwlock_wrlock", "rwlock");
	const void *pc = __builtin_return_address(0);
	return error ? error : rwlock_noted(park_call(lock_for, rwlock, true, deadline, pc), rwlock, pc);
}

static int rwlock_try(struct sley_rwlock *rwlock, bool writing, const char *call)
{
	int error = check_object(rwlock, call, "rwlock");
	if (error)
		return error;
	uint64_t me = park_caller(&error);
	if (me == 0)
		return error;
	lock_take(lock_of(&rwlock->lock));
	if (rwlock->writer == (sley_task)me)
		error = -EDEADLK;
	else if (!rwlock_take(rwlock, me, writing))
		error = -EBUSY;
	lock_drop(lock_of(&rwlock->lock));
	thread_depart();
	return error;
}

int sley_rwlock_tryrdlock(struct sley_rwlock *rwlock)
{
	return rwlock_noted(rwlock_try(rwlock, false, "sley_rwlock_tryrdlock"), rwlock, __builtin_return_address(0));
}

int sley_rwlock_trywrlock(struct sley_rwlock *rwlock)
{
	return rwlock_noted(rwlock_try(rwlock, true, "sley_rwlock_trywrlock"), rwlock, __builtin_return_address(0));
}

int sley_rwlock_unlock(struct sley_rwlock *rwlock)
{
	struct task_list woken = { 0 };
	int error = check_object(rwlock, "sley_rwlock_unlock", "rwlock");
	if (error)
		return error;
	uint64_t me = park_caller(&error);
	if (me == 0)
		return error;
	if (task_self())
		owned_drop(task_self(), rwlock);
	lock_take(lock_of(&rwlock->lock));
	bool writing = rwlock->writer == (sley_task)me;
	if (writing || rwlock->readers > 0)
		rwlock_leave(rwlock, writing, &woken);
	else
		error = -EPERM;
	lock_drop(lock_of(&rwlock->lock));
	ready_woken(&woken);
	thread_depart();
	return error;
}
