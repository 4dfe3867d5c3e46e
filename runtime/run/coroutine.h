/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A task that runs another one as a call, as an asymmetric coroutine does: coroutine_call() switches to the callee's stack,
 * coroutine_return() switches back. In between the worker holds both stacks, and the caller has not begun a wait that
 * anybody could end. So neither side takes a lock, makes the other one ready, or releases a stack.
 *
 * If the callee leaves the worker otherwise, because it waits, yields or ends, the call becomes a wait before:
 * coroutine_split(). That is why a call needs no bound: to others a callee that computes is a caller that computes.
 *
 *      caller                       callee                         callee that waits
 *      claims the callee's wait                                    begins a wait; worker_park()
 *      coroutine_call()  ------->                                  the caller begins its wait
 *                                   has a result                   the caller's stack is released
 *      begins the callee's  <----   coroutine_return()             leaves its own stack
 *      wait                                                        ... has a result: claims the caller's wait
 *
 * The callee's wait is begun by the caller, when the callee has left its stack. So nobody can run the callee before, although
 * it keeps its stack while it waits (TASK_GRANTED). Both stacks have no other tenants, so nobody waits for them.
 *
 * A callee may call a third task. The calls of a worker are linked by `outer`; its running task is the callee of the first.
 *
 * While a call is under way, worker->usual is CONTROL_NONE. So a task that leaves its stack takes the way of those that
 * carry state, which has the check for calls: other tasks do not pay for it.
 */
#ifndef RUN_COROUTINE_H
#define RUN_COROUTINE_H

#include "context/control.h"
#include "run/block_site.h"
#include "run/depth.h"
#include "run/libc_locks.h"
#include "run/state.h"
#include "run/worker.h"

/* A call that may be under way. Owned by the callee, while its task runs; by the caller, after it has claimed the callee. */
struct coroutine {
	struct task *caller;
	uint64_t number;         /* of the caller's wait; valid when the call was split */
	struct coroutine *outer; /* the call by which the caller runs itself; null: none */
	/* Called before the call becomes a wait: the caller may return from it from then on. Constant. */
	void (*split)(struct coroutine *);
};

/*
 * Whether the task, which runs, may be called when it has left its stack. It keeps its stack then; nobody else may want
 * that.
 */
static inline bool coroutine_may_be_called(const struct task *task)
{
	return slot_is_single(task->tenant.slot) && !(task->flags & TASK_PINNED) && !block_site_seen(task->site);
}

/* Whether the running task may leave its stack without saving more than its context. */
static ALWAYS_INLINE bool coroutine_carries_nothing(struct worker *worker)
{
	return likely(control_get_by(&worker->place) == worker->control) && likely(exceptions_none(worker->exceptions));
}

/* Whether the running task may call. */
static ALWAYS_INLINE bool coroutine_may_call(struct worker *worker, const struct task *task)
{
	return likely(!region_times()) && likely(!worker->told) && likely(!scheduler.migrates) &&
	       likely(slot_is_single(task->tenant.slot)) && coroutine_carries_nothing(worker);
}

/*
 * Whether the running task, which was called, may return. All else that matters was so when it was called, or does not
 * matter to a return.
 */
static ALWAYS_INLINE bool coroutine_may_return(struct worker *worker, const struct task *task)
{
	return likely(!block_site_seen(task->site)) && coroutine_carries_nothing(worker);
}

/* ---- the switch ---- */

/* For the task that comes in, if the call was split: goes on as after any wait. */
void coroutine_land(struct worker *worker);

/* The worker's task is this one from here on: a turn of its own, of which the worker's loop knows nothing. */
static ALWAYS_INLINE void coroutine_turn(struct worker *worker, struct task *task)
{
	struct sley_region_worker *line = worker->line;
	uint64_t tick = worker->tick + 1;
	task_to_running(task, worker->number, 0);
	worker->task = task;
	store(&worker->tick, tick, relaxed);
	store(&line->dispatches, tick, relaxed);
	store(&line->stack_top, (uint64_t)(uintptr_t)task->tenant.slot->top, relaxed);
	store(&line->site, task->site, relaxed);
	store(&line->task, task->id, relaxed);
}

/*
 * Inlined into functions that are not inlined, and that use no other state of the thread: after the switch it may be
 * another one.
 */
static ALWAYS_INLINE void coroutine_switch(struct worker *worker, struct task *from, struct task *to)
{
	int saved = *worker->error;
	lock_check_none("a task leaves its stack");
	libc_locks_check(from, false);
	coroutine_turn(worker, to);
	fiber_leave(&to->fiber);
	context_switch(&from->tenant.context, &to->tenant.context);
	worker = worker_self();
	if (unlikely(worker->left != NULL))
		coroutine_land(worker);
	*worker->error = saved;
}

/*
 * The calling task runs `callee`, which may be called and whose wait it has claimed; it is WAITING in the records already.
 * False: the callee is pinned, or has not left its stack yet, and nothing was done. True: it has returned, and its stack is
 * held; or the call was split, and the caller's wait was ended.
 */
static ALWAYS_INLINE bool coroutine_call(struct worker *worker, struct task *task, struct coroutine *call,
					 struct task *callee)
{
	if (unlikely((callee->flags & (TASK_GRANTED | TASK_PINNED)) != TASK_GRANTED) &&
	    (callee->flags & TASK_PINNED || !slot_try(callee->tenant.slot)))
		return false;
	DCHECK(callee->tenant.slot->resident == &callee->tenant);
	callee->flags &= (uint8_t)~TASK_GRANTED;
	call->caller = task;
	call->outer = worker->call;
	worker->call = call;
	worker->usual = CONTROL_NONE;
	coroutine_switch(worker, task, callee);
	return true;
}

/*
 * The callee of the worker's first call, which is WAITING in the records already, returns to its caller. This function
 * returns when somebody has ended the wait that the caller has begun for it.
 */
static ALWAYS_INLINE void coroutine_return(struct worker *worker, struct task *task)
{
	struct coroutine *call = worker->call, *outer = call->outer;
	depth_parked(task_record(task), task, slot_live_now(task->tenant.slot));
	worker->call = outer;
	worker->usual = outer ? CONTROL_NONE : worker->control;
	coroutine_switch(worker, task, call->caller);
}

/* Makes waits of the worker's calls. Called by the callee of the first one. */
void coroutine_split(struct worker *worker);

#endif
