/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Mutex. One word contains the owner. So without waiters, lock and unlock are one compare-and-swap each:
 *
 *      word = owner's id, 0: free | QUEUED: the owner must look at the waiters when it unlocks
 *
 * Waiters are in a FIFO under the object's own short lock. The protocol is that of Go's sync.Mutex. Unlock wakes the
 * first waiter, but does not give it the mutex. The *woken* waiter competes with newcomers, and returns to the front if
 * it loses. So a task that locks and unlocks in a loop continues without a switch. While a waiter is woken, unlock need
 * not look at the other waiters, nor set QUEUED. Against starvation, a waiter that has waited for STARVING is handed
 * the mutex: the word changes from one owner to the next and is never free in between. Rejected: to hand over always,
 * which costs a switch for each wait; and a starvation mode in the mutex (Go's), as the age of the first waiter gives
 * the same information.
 *
 * Invariants, with the lock free
 *   - waiters, none of them woken => QUEUED
 *   - free => not QUEUED. So a woken waiter finds the word 0, or a later owner
 *   - woken => the woken task has not taken the lock yet: it will, and then sets QUEUED again for the other waiters
 * QUEUED is set under the lock by compare-and-swap. So either the owner's fast unlock fails, or the new waiter finds
 * the mutex free:
 *      waits: lock; owner? cas(owner, owner | QUEUED); link; unlock     owner: cas(me, 0), fails: lock; pop
 *
 * The mutex's memory may be freed as soon as the word is 0: another task may have locked the mutex then, found that it
 * is the last user, and freed it. So unlock does not access the mutex after that, not even its lock.
 */
#include "sync/mutex.h"

#include <errno.h>

#include "base/clock.h"
#include "run/late.h"
#include "run/owned.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"

#define QUEUED    SLEY_MUTEX_QUEUED /* ids are positive */
#define STARVING  NS_PER_MS
#define LATE_MOST 1000u /* waiters that are counted under the lock */

_Static_assert(offsetof(struct sley_mutex, word) == offsetof(struct sley_object_mutex, owner), "tools read it");

static uint64_t owner(struct sley_mutex *mutex)
{
	return load(&mutex->word, relaxed) & ~QUEUED; /* relaxed: only the caller can make itself the owner */
}

bool mutex_is_mine(struct sley_mutex *mutex, uint64_t me)
{
	return owner(mutex) == me;
}

/* Acquire pairs with the releases in free_it() and mutex_hand_over(). */
static bool mutex_take(struct sley_mutex *mutex, uint64_t me)
{
	uint64_t free = 0;
	return likely(cas(&mutex->word, &free, me, acquire, relaxed));
}

static bool free_it(struct sley_mutex *mutex, uint64_t me)
{
	return likely(cas(&mutex->word, &me, 0, release, relaxed)); /* pairs with mutex_take() and take_or_mark() */
}

/* ---- with the lock held ---- */

/* Takes the mutex and returns true. Or marks it as QUEUED and returns false: the caller then has to link its wait. */
static bool take_or_mark(struct sley_mutex *mutex, uint64_t me)
{
	uint64_t queued = mutex->woken ? 0 : QUEUED, word = load(&mutex->word, relaxed), next;
	do {
		next = word ? word | queued : me | (mutex->waiters.head ? queued : 0);
	} while (!cas_weak(&mutex->word, &word, next, acquire, relaxed));
	return word == 0;
}

/* Returns whether the first waiter has waited long enough to be handed the mutex. */
static bool is_starving(const struct wait *first, int64_t now)
{
	return now - (int64_t)first->word >= STARVING;
}

static void mutex_hand_over(struct sley_mutex *mutex, struct task *next)
{
	uint64_t queued = mutex->waiters.head ? QUEUED : 0;
	store(&mutex->word, next->id | queued, release); /* pairs with the acquire after its wait in wait_for_it() */
}

/* ---- locking ---- */

/* wait.word is the time at which the wait began. */
NOINLINE static int wait_for_it(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_mutex *mutex = object;
	void (*link)(struct sley_waiters *, struct wait *) = wait_link;
	(void)unused;
	if (mutex_is_mine(mutex, task->id))
		return -EDEADLK;
	task->wait.word = (uint64_t)clock_now();
	lock_take(lock_of(&mutex->lock));
	while (!take_or_mark(mutex, task->id)) {
		wait_begin(task, SLEY_WAIT_MUTEX, (uint64_t)(uintptr_t)mutex, pc);
		link(&mutex->waiters, &task->wait);
		lock_drop(lock_of(&mutex->lock));
		enum claim who = wait_park(task, deadline);
		if (who == CLAIM_EVENT && (load(&mutex->word, acquire) & ~QUEUED) == task->id)
			return 0; /* handed over */
		lock_take(lock_of(&mutex->lock));
		if (who != CLAIM_EVENT) {
			wait_unlink(&mutex->waiters, &task->wait);
			lock_drop(lock_of(&mutex->lock));
			return wait_error(who);
		}
		mutex->woken = 0;
		link = wait_link_first;
	}
	lock_drop(lock_of(&mutex->lock));
	return 0;
}

/* Returns `error`. If the task got the mutex, notes it as the owner (debug library). */
static ALWAYS_INLINE int mutex_noted(int error, const struct task *task, const struct sley_mutex *mutex, const void *pc)
{
	if (error == 0)
		owned_take(task, mutex, "mutex", pc);
	return error;
}

/*
 * Called when the task's budget is spent. The task yields before it locks: with the mutex held it would delay others.
 */
NOINLINE static int lock_after_yield(struct task *task, struct sley_mutex *mutex, sley_time deadline, const void *pc)
{
	worker_yield(pc);
	return mutex_noted(mutex_take(mutex, task->id) ? 0 : wait_for_it(task, mutex, 0, deadline, pc), task, mutex,
			   pc);
}

NOINLINE static int lock_in_thread(struct sley_mutex *mutex, sley_time deadline)
{
	int error;
	uint64_t me = park_caller(&error);
	if (me == 0)
		return error;
	bool taken = mutex_take(mutex, me);
	thread_depart();
	return taken ? 0 : park_thread(wait_for_it, mutex, 0, deadline);
}

int sley_mutex_lock(struct sley_mutex *mutex, sley_time deadline)
{
	struct worker *worker = this_worker;
	if (unlikely(!mutex || stack_is_copying(mutex)))
		return check_object(mutex, "sley_mutex_lock", "mutex");
	if (unlikely(!worker || !worker->task))
		return lock_in_thread(mutex, deadline);
	if (unlikely(worker->budget == 0))
		return lock_after_yield(worker->task, mutex, deadline, __builtin_return_address(0));
	worker->budget--;
	struct task *task = worker->task;
	if (mutex_take(mutex, task->id))
		return mutex_noted(0, task, mutex, __builtin_return_address(0));
	return mutex_noted(wait_for_it(task, mutex, 0, deadline, __builtin_return_address(0)), task, mutex,
			   __builtin_return_address(0));
}

int mutex_lock_again(struct task *task, struct sley_mutex *mutex, const void *pc)
{
	int error = 0;
	if (!mutex_take(mutex, task->id)) {
		uint64_t old = fetch_or(&task->claim, CLAIM_MASKED, relaxed);
		error = wait_for_it(task, mutex, 0, SLEY_NEVER, pc);
		if (!(old & CLAIM_MASKED))
			fetch_and(&task->claim, ~CLAIM_MASKED, relaxed);
	}
	return task->flags & TASK_THREAD ? error : mutex_noted(error, task, mutex, pc);
}

int sley_mutex_trylock(struct sley_mutex *mutex)
{
	int error = check_object(mutex, "sley_mutex_trylock", "mutex");
	if (error)
		return error;
	uint64_t me = park_caller(&error);
	if (me == 0)
		return error;
	if (!mutex_take(mutex, me))
		error = mutex_is_mine(mutex, me) ? -EDEADLK : -EBUSY;
	else if (task_self())
		mutex_noted(0, task_self(), mutex, __builtin_return_address(0));
	thread_depart();
	return error;
}

/* ---- unlocking ---- */

/* With the lock held: `away` was in its task, which has the mutex, and so these were late. */
static void count_late(const struct sley_mutex *mutex, struct worker *away, int64_t now)
{
	uint64_t since = 0;
	unsigned n = 0;
	for (const struct wait *wait = mutex->waiters.head; wait && n < LATE_MOST; wait = wait->next, n++)
		since += (uint64_t)late_begin(away, (int64_t)wait->word);
	if (n > 0)
		late_add(away, n, since, now);
}

/*
 * Called by the owner of a word with QUEUED. The lock is held, and dropped. Returns true: handed over; false: the mutex
 * still has to be freed. `away`: of late_in_dispatch(), or null.
 */
static bool mutex_pass_on(struct sley_mutex *mutex, uint64_t me, int64_t now, struct worker *away, struct task **next)
{
	struct wait *first = mutex->woken ? NULL : mutex->waiters.head;
	bool starving = first && is_starving(first, now);
	if (unlikely(away))
		count_late(mutex, away, now);
	*next = first ? wait_pop(&mutex->waiters, CLAIM_EVENT) : NULL;
	if (*next && starving) {
		mutex_hand_over(mutex, *next);
		lock_drop(lock_of(&mutex->lock));
		return true;
	}
	if (*next)
		mutex->woken = 1;
	store(&mutex->word, me, relaxed); /* without QUEUED; relaxed: others change it only under the lock */
	lock_drop(lock_of(&mutex->lock));
	return false;
}

NOINLINE static int unlock_slow(struct sley_mutex *mutex, uint64_t me)
{
	struct task *next = NULL;
	int error = check_object(mutex, "sley_mutex_unlock", "mutex");
	if (error)
		return error;
	if (!mutex_is_mine(mutex, me))
		return -EPERM;
	int64_t now = clock_now();
	struct worker *away = late_in_dispatch(now);
	bool done = false;
	while (!done && !free_it(mutex, me)) {
		lock_take(lock_of(&mutex->lock));
		done = mutex_pass_on(mutex, me, now, away, &next);
		away = NULL; /* they are counted once */
	}
	if (next)
		task_ready(next);
	return 0;
}

int mutex_unlock(struct sley_mutex *mutex, uint64_t me)
{
	return free_it(mutex, me) ? 0 : unlock_slow(mutex, me);
}

NOINLINE static int unlock_in_thread(struct sley_mutex *mutex)
{
	int error;
	uint64_t me = park_caller(&error);
	if (me == 0)
		return error;
	error = mutex_unlock(mutex, me);
	thread_depart();
	return error;
}

int sley_mutex_unlock(struct sley_mutex *mutex)
{
	struct worker *worker = this_worker;
	if (unlikely(!mutex))
		return -EINVAL;
	if (unlikely(!worker || !worker->task))
		return unlock_in_thread(mutex);
	uint64_t me = worker->task->id;
	owned_drop(worker->task, mutex);
	return free_it(mutex, me) ? 0 : unlock_slow(mutex, me);
}
