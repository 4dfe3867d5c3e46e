/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/coroutine.h"

#include "base/race.h"
#include "run/land.h"
#include "run/park.h"
#include "run/queue.h"

NOINLINE void coroutine_land(struct worker *worker)
{
	land_partner(worker, task_record(worker->task));
}

/* The caller begins its wait. It may run elsewhere as soon as its stack is released: `call` may be gone then. */
static void begin_wait(struct worker *worker, struct coroutine *call)
{
	struct task *caller = call->caller;
	struct slot *slot = caller->tenant.slot;
	COUNT(worker, waits, 1);
	call->split(call);
	call->number = wait_begin_claim(caller);
	RACE_POINT(coroutine_caller_waits);
	bool cancelled = wait_is_cancelled(caller) && wait_claim_number(caller, call->number, CLAIM_CANCELLED);
	struct tenant *granted = slot_release(slot);
	if (unlikely(granted != NULL))
		queue_granted(worker, task_of(granted), false);
	if (unlikely(cancelled))
		task_ready(caller);
}

/*
 * From the outermost call to the first one: while the caller of a call has not begun its wait, it cannot end, and keeps the
 * call by which it runs itself.
 */
NOINLINE void coroutine_split(struct worker *worker)
{
	struct coroutine *outermost = NULL, *call = worker->call, *next;
	for (; call; call = next) { /* reverses the links */
		next = call->outer;
		call->outer = outermost;
		outermost = call;
	}
	worker->call = NULL;
	worker->usual = worker->control;
	for (call = outermost; call; call = next) {
		next = call->outer;
		begin_wait(worker, call);
	}
}
