/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The waiting side of the protocol of task/wait.h, for tasks and for the plain threads that wait as tasks do.
 *
 * A call that threads may make too is a park_fn, made by park_call(): the function waits for `task` and does not ask what
 * that is. In it, an object with one list of waiters waits by park_in(); or begins the wait itself, notes what it has to,
 * and calls park().
 */
#ifndef RUN_PARK_H
#define RUN_PARK_H

#include "run/queue.h"
#include "run/thread.h"

/* ---- a wait ---- */

/* Begins a wait of the calling task. */
void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc);

/*
 * The task finds that it need not wait after all, and is linked nowhere. Without locks: if it is being cancelled at
 * this moment, the canceller makes it ready, and it parks until that has happened.
 */
void wait_abort(struct task *task);

/*
 * Parks the calling task until its wait is claimed, by `deadline` and the one that it inherited at the latest: who won.
 */
enum claim wait_park(struct task *task, sley_time deadline);

/* What a call answers whose wait ended by other than an event: -ETIMEDOUT, -ECANCELED, -EPIPE (closed), -ENOTCONN. */
int wait_error(enum claim who);

/*
 * Between two parts of a call that did not have to wait for the one: as if it had waited for the next. Or a call whose
 * parts are always ready would see neither its deadline nor a cancellation, and keep the others out. 0; -ECANCELED;
 * -ETIMEDOUT. Any thread.
 */
int wait_between(sley_time deadline, const void *pc);

/* The deadline in force: the call's, or the one that the task inherited, unless it has them masked. */
sley_time wait_deadline(struct task *task, sley_time deadline);

/* ---- in the list of an object ---- */

/*
 * Parks the task, whose wait has begun, in the list. The object's lock is held, and dropped; held again if other than
 * an event ended the wait, with the task out of the list.
 */
static inline enum claim park(struct task *task, struct lock *lock, struct sley_waiters *waiters, sley_time deadline)
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

/*
 * A whole wait in the list, for objects that have nothing to note about it. The object's lock is held, and dropped. 0, or
 * what ended the wait.
 */
static inline int park_in(struct sley_waiters *waiters, struct task *task, struct lock *lock, enum sley_wait_kind kind,
			  uint64_t object, sley_time deadline, const void *pc)
{
	wait_begin(task, kind, object, pc);
	enum claim who = park(task, lock, waiters, deadline);
	if (who != CLAIM_EVENT)
		lock_drop(lock);
	return wait_error(who);
}

/* After the object's lock was dropped: one task goes on at once, as after any hand-over; several come in their order. */
static inline void ready_woken(struct task_list *woken)
{
	if (woken->first && woken->first == woken->last)
		task_ready(woken->first);
	else
		task_ready_list(woken);
}

/* ---- calls that plain threads may make too ---- */

/* A call that may wait, for a task or what a plain thread has in its place. */
typedef int park_fn(struct task *task, void *object, int64_t n, sley_time deadline, const void *pc);

/* Makes it for the calling thread, which is no task. An error of thread_enter(), or what it answers. */
int park_thread(park_fn *call, void *object, int64_t n, sley_time deadline);

/*
 * The id by which objects know their owner, for whoever calls: a task's, or a thread's, whose visit begins: the caller
 * departs. 0, and the error, for others.
 */
uint64_t park_caller(int *error);

/* Makes it for whoever calls. */
static inline int park_call(park_fn *call, void *object, int64_t n, sley_time deadline, const void *pc)
{
	struct task *task = task_self();
	if (unlikely(!task))
		return park_thread(call, object, n, deadline);
	worker_spend(pc);
	return call(task, object, n, deadline, pc);
}

#endif
