/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the objects that wait in one list have in common: how a call is made by a task or a thread, and how it parks. */
#ifndef SYNC_PARK_H
#define SYNC_PARK_H

#include "sched/thread.h"

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

/* After the object's lock was dropped: one task goes on at once, as after any hand-over; several come in their order. */
static inline void ready_woken(struct task_list *woken)
{
	if (woken->first && woken->first == woken->last)
		task_ready(woken->first);
	else
		task_ready_list(woken);
}

#endif
