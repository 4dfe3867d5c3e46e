/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The waiting side of the protocol of task/wait.h, for tasks and for plain threads that wait as tasks do.
 *
 * A call that plain threads may make too has one of three forms:
 *     it never waits              thread_visit(), the call, thread_depart() (run/thread.h)
 *     it never waits, and needs   park_caller(), the call, thread_depart()
 *     the id of the caller
 *     it may wait                 a park_fn, made by park_call()
 * A park_fn waits for `task`, and does not ask whether that is a task or a thread. In it, an object with one list of
 * waiters waits by park_in(). An object that has to note more about the wait calls wait_begin(), makes its notes, and
 * calls park(). Only a call that treats tasks in a way of its own calls park_thread() for threads, in the place of
 * park_call(): it tries without a lock, or is charged otherwise.
 */
#ifndef RUN_PARK_H
#define RUN_PARK_H

#include "base/race.h"
#include "run/queue.h"
#include "run/state.h"
#include "run/thread.h"

/* ---- a wait ---- */

/* Begins a wait of the calling task, or plain thread. */
void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc);

/*
 * The part of every wait. Returns its number. The claimant becomes none, the number one more. The flags stay, because
 * another thread may set CANCEL meanwhile. Release: a claimant sees the state before; pairs with the acquire of the claims.
 */
static ALWAYS_INLINE uint64_t wait_begin_claim(struct task *task)
{
	uint64_t word = load(&task->claim, relaxed);
	fetch_add(&task->claim, ((uint64_t)1 << CLAIM_BITS) - (word & CLAIM_WHO), release);
	return (word >> CLAIM_BITS) + 1;
}

/* wait_begin() of a task only, inline. Returns the number of the wait, for wait_claim_number(). */
static ALWAYS_INLINE uint64_t wait_begin_task(struct task *task, enum sley_wait_kind kind, uint64_t object,
					      const void *pc)
{
	task->wait.next = &task->wait; /* the node is not linked */
	task_to_waiting(task, kind, object, pc);
	return wait_begin_claim(task);
}

/* Whether wait_begin_plain() and wait_park_plain() will do: there is no deadline, and no times are wanted. */
static ALWAYS_INLINE bool wait_is_plain(struct task *task, sley_time deadline)
{
	return likely(deadline == SLEY_NEVER) && likely(!task_extra(task)) && likely(!region_times());
}

/*
 * wait_begin() for fast paths: of a task whose node is linked already. Nobody pops it before, as the object's lock is
 * held.
 */
static ALWAYS_INLINE void wait_begin_plain(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc)
{
	task_to_waiting_at(task, kind, object, pc, 0);
	wait_begin_claim(task);
}

/*
 * Ends a begun wait without parking. The task is linked nowhere, and holds no locks. If a canceller has claimed the
 * wait, it makes the task ready, and the task parks until then.
 */
void wait_abort(struct task *task);

/*
 * Ends a begun wait without parking, of a task or a plain thread that may be linked: it unlinks afterwards. If another
 * claimant was faster, parks until that has made the task ready. Returns that claimant, else CLAIM_NONE.
 */
enum claim wait_give_up(struct task *task);

/*
 * Parks the calling task until its wait is claimed, at the latest at the earlier of `deadline` and its inherited
 * deadline. Returns the claimant.
 */
enum claim wait_park(struct task *task, sley_time deadline);

/* wait_park() for fast paths: needs less of the stack. */
static ALWAYS_INLINE enum claim wait_park_plain(struct task *task)
{
	if (unlikely(load(&task->claim, relaxed) & CLAIM_CANCEL))
		return wait_park(task, SLEY_NEVER);
	RACE_POINT(wait_is_linked);
	task = worker_park();
	RACE_POINT(wait_is_over);
	return (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
}

/* wait_park() of a task, inline if there is no deadline. */
static ALWAYS_INLINE enum claim wait_park_inline(struct task *task, sley_time deadline)
{
	if (deadline != SLEY_NEVER || unlikely(task_extra(task) != NULL))
		return wait_park(task, deadline);
	return wait_park_plain(task);
}

/*
 * The result of a call by the claimant of its wait: 0 for an event, else -ETIMEDOUT, -ECANCELED, -EPIPE (closed) or
 * -ENOTCONN.
 */
int wait_error(enum claim who);

/*
 * Called between two parts of a call, if the part before did not wait: acts as if it had waited. Otherwise a call whose
 * parts are always ready would miss its deadline and a cancellation, and keep other tasks from running. 0; -ECANCELED;
 * -ETIMEDOUT. Any thread.
 */
int wait_between(sley_time deadline, const void *pc);

/*
 * The deadline in force: the earlier of the call's and the task's inherited one, which is ignored while it is masked.
 */
sley_time wait_deadline(struct task *task, sley_time deadline);

/*
 * Makes `next` ready, whose wait the calling task has claimed, and parks like wait_park(). If possible, the worker switches
 * to `next` at once, which is in no queue then. Of a task, not of a plain thread; `next` too is a task.
 */
static ALWAYS_INLINE enum claim wait_park_to(struct task *task, sley_time deadline, struct task *next)
{
	const struct task_extra *extra = task_extra(task);
	RACE_POINT(wait_is_begun_for_other);
	uint64_t cancelled = load(&task->claim, relaxed) & CLAIM_CANCEL;
	if (likely(deadline == SLEY_NEVER) && likely(!cancelled) && likely(!extra || extra->deadline == SLEY_NEVER) &&
	    likely(worker_park_to(next)))
		return (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
	task_ready(next);
	return wait_park(task, deadline);
}

/* ---- in the list of an object ---- */

/*
 * Parks the task, whose wait has begun, in the list. The object's lock is held, and is dropped. If the wait was not
 * ended by an event, the lock is held again on return, and the task is out of the list.
 */
static inline enum claim park(struct task *task, struct object_lock *lock, struct sley_waiters *waiters,
			      sley_time deadline)
{
	wait_link(waiters, &task->wait);
	lock_drop(lock);
	enum claim who = wait_park(task, deadline);
	if (who != CLAIM_EVENT) {
		lock_take(lock);
		wait_unlink(waiters, &task->wait);
	}
	return who;
}

/* park_in() with a deadline, of a plain thread, or while times are wanted. */
int park_in_any(struct sley_waiters *waiters, struct task *task, struct object_lock *lock, enum sley_wait_kind kind,
		uint64_t object, sley_time deadline, const void *pc);

/* The rest of park_in(), in whose frame there is nothing but what it needs after the wait. */
int park_linked(struct task *task, struct sley_waiters *waiters, struct object_lock *lock);

/*
 * A whole wait in the list, for objects that have nothing else to note about it. The object's lock is held, and is
 * dropped. Returns wait_error(). The usual case is a tail call: the frames of a parked task are most of its memory.
 */
static ALWAYS_INLINE int park_in(struct sley_waiters *waiters, struct task *task, struct object_lock *lock,
				 enum sley_wait_kind kind, uint64_t object, sley_time deadline, const void *pc)
{
	if (unlikely(task->flags & TASK_THREAD) || !wait_is_plain(task, deadline))
		return park_in_any(waiters, task, lock, kind, object, deadline, pc);
	wait_link(waiters, &task->wait);
	wait_begin_plain(task, kind, object, pc);
	lock_drop(lock);
	return park_linked(task, waiters, lock);
}

/*
 * Readies the woken tasks, after the object's lock was dropped. A single task runs next, as after any hand-over;
 * several run in their order.
 */
static inline void ready_woken(struct task_list *woken)
{
	if (woken->first && woken->first == woken->last)
		task_ready(woken->first);
	else
		task_ready_list(woken);
}

/* ---- calls that plain threads may make too ---- */

/* A call that may wait, for a task or a plain thread's substitute for a task. `n` is a number, or a pointer. */
typedef int park_fn(struct task *task, void *object, int64_t n, sley_time deadline, const void *pc);

/*
 * Makes the call for the calling thread, which runs no task. Returns the error of thread_enter(), or the result of the
 * call.
 */
int park_thread(park_fn *call, void *object, int64_t n, sley_time deadline);

/*
 * The id of the caller, by which objects know their owner: a task's id or a thread's. For a plain thread this begins a
 * visit, and the caller calls thread_depart(). 0 and *error if the caller is neither.
 */
uint64_t park_caller(int *error);

/* Makes the call for the calling task or plain thread. */
static inline int park_call(park_fn *call, void *object, int64_t n, sley_time deadline, const void *pc)
{
	struct task *task = task_self();
	if (unlikely(!task))
		return park_thread(call, object, n, deadline);
	worker_spend(pc);
	return call(task, object, n, deadline, pc);
}

#endif
