/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/park.h"

#include <errno.h>

#include "base/check.h"
#include "base/race.h"
#include "run/relative.h"
#include "run/state.h"
#include "run/worker.h"

void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc)
{
	if (likely(!(task->flags & TASK_THREAD))) {
		wait_begin_task(task, kind, object, pc);
	} else {
		task->wait.next = &task->wait;
		wait_begin_claim(task);
	}
}

int wait_error(enum claim who)
{
	switch (who) {
	case CLAIM_DEADLINE:
		return -ETIMEDOUT;
	case CLAIM_CANCELLED:
		return -ECANCELED;
	case CLAIM_CLOSED:
		return -EPIPE;
	case CLAIM_OVER:
		return -ENOTCONN;
	default:
		return 0;
	}
}

/* The task claims its own wait before it has parked. False: another claimant was faster, and makes the task ready. */
static bool claim_own(struct task *task, enum claim who)
{
	if (!wait_claim(task, who))
		return false;
	if (!(task->flags & TASK_THREAD))
		task_unwait(task);
	return true;
}

void wait_abort(struct task *task)
{
	if (!claim_own(task, CLAIM_EVENT))
		worker_park();
}

enum claim wait_give_up(struct task *task)
{
	return claim_own(task, CLAIM_EVENT) ? CLAIM_NONE : wait_park(task, SLEY_NEVER);
}

/*
 * Arms the timer and returns its wheel; null: the deadline has passed and the wait is over. NOINLINE, so that its frame
 * does not add to the live bytes of the park.
 */
NOINLINE static struct timers *arm(struct task *task, sley_time deadline)
{
	int64_t now = clock_now();
	if (deadline <= now && claim_own(task, CLAIM_DEADLINE)) {
		relative_check(task, deadline, (const void *)(uintptr_t)load(&task_record(task)->wait_pc, relaxed));
		return NULL;
	}
	/* may be in the past if another claimant was faster; not negative, so that differences do not overflow */
	return timer_arm(task, MAX(deadline, 0), now);
}

NOINLINE sley_time wait_deadline(struct task *task, sley_time deadline)
{
	struct task_extra *extra = task_extra(task);
	return !extra || load(&task->claim, relaxed) & CLAIM_MASKED ? deadline : MIN(deadline, extra->deadline);
}

int wait_between(sley_time deadline, const void *pc)
{
	struct task *task = task_self();
	if (task) {
		worker_spend(pc);
		if (wait_is_cancelled(task))
			return -ECANCELED;
		deadline = wait_deadline(task, deadline);
	}
	return deadline != SLEY_NEVER && deadline <= clock_now() ? -ETIMEDOUT : 0;
}

/*
 * Called when the task ended its wait before it parked. A loop of such calls must not keep other tasks from running.
 * The task may yield here with its node linked: the wait is claimed, so a waker that pops the node fails to claim it,
 * and the caller unlinks the node as after any lost wait.
 */
static enum claim unparked(const struct task *task, enum claim who)
{
	worker_spend((const void *)(uintptr_t)load(&task_record(task)->wait_pc, relaxed));
	return who;
}

static enum claim park_task(struct task *task, sley_time deadline)
{
	if (unlikely(wait_is_cancelled(task)) && claim_own(task, CLAIM_CANCELLED))
		return unparked(task, CLAIM_CANCELLED);
	if (unlikely(task_extra(task) != NULL))
		deadline = wait_deadline(task, deadline);
	struct timers *timers = NULL;
	if (deadline != SLEY_NEVER && !(timers = arm(task, deadline)))
		return unparked(task, CLAIM_DEADLINE);
	worker_park();
	enum claim who = (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
	DCHECK(who != CLAIM_NONE);
	if (who != CLAIM_DEADLINE && timers)
		timer_cancel(timers, task);
	return who;
}

enum claim wait_park(struct task *task, sley_time deadline)
{
	RACE_POINT(wait_is_linked);
	enum claim who = unlikely(task->flags & TASK_THREAD) ? thread_park(task, deadline) : park_task(task, deadline);
	RACE_POINT(wait_is_over);
	return who;
}

/* ---- in the list of an object ---- */

NOINLINE int park_in_any(struct sley_waiters *waiters, struct task *task, struct object_lock *lock,
			 enum sley_wait_kind kind, uint64_t object, sley_time deadline, const void *pc)
{
	wait_begin(task, kind, object, pc);
	enum claim who = park(task, lock, waiters, deadline);
	if (who != CLAIM_EVENT)
		lock_drop(lock);
	return wait_error(who);
}

/* The wait was ended by `who`, not by an event. */
NOINLINE static int park_lost(struct sley_waiters *waiters, struct object_lock *lock, enum claim who)
{
	lock_take(lock);
	wait_unlink(waiters, &task_self()->wait);
	lock_drop(lock);
	return wait_error(who);
}

NOINLINE int park_linked(struct task *task, struct sley_waiters *waiters, struct object_lock *lock)
{
	enum claim who = wait_park_plain(task);
	return likely(who == CLAIM_EVENT) ? 0 : park_lost(waiters, lock, who);
}

/* ---- calls that plain threads may make too ---- */

/* In a function that is not inlined into park_call(), so that a thread's record does not add to a task's live bytes. */
int park_thread(park_fn *call, void *object, int64_t n, sley_time deadline)
{
	struct thread thread;
	int error = thread_enter(&thread);
	if (error)
		return error;
	error = call(&thread.task, object, n, deadline, NULL);
	thread_leave();
	return error;
}

uint64_t park_caller(int *error)
{
	struct task *task = task_self();
	*error = 0;
	if (task)
		return task->id;
	*error = worker_self() ? outside_error() : thread_visit();
	return *error ? 0 : thread_id();
}
