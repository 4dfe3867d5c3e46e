/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sched/wait.h"

#include "base/check.h"
#include "sched/worker.h"

#define CLAIM_MASK (((uint64_t)1 << CLAIM_BITS) - 1)

void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc)
{
	task_to_waiting(task, kind, object, pc);
	task->wait.next = &task->wait; /* not linked */
	/* only the task itself opens waits, so a plain read-modify-write; release: a claimant sees the state above */
	store(&task->claim, ((load(&task->claim, relaxed) >> CLAIM_BITS) + 1) << CLAIM_BITS, release);
}

uint64_t wait_number(struct task *task)
{
	return load(&task->claim, relaxed) >> CLAIM_BITS;
}

bool wait_claim_number(struct task *task, uint64_t number, enum claim who)
{
	uint64_t expected = number << CLAIM_BITS;
	return cas(&task->claim, &expected, expected | who, acq_rel, relaxed); /* acquire: pairs with wait_begin() */
}

bool wait_claim(struct task *task, enum claim who)
{
	return wait_claim_number(task, wait_number(task), who);
}

/*
 * Arms the timer: true; or the deadline has passed and the wait is over: false. Apart, as its frame is not live bytes
 * then.
 */
NOINLINE static bool arm(struct task *task, sley_time deadline)
{
	if (deadline <= clock_now() && wait_claim(task, CLAIM_DEADLINE)) {
		task_unwait(task);
		return false;
	}
	timer_arm(task, deadline);
	return true;
}

enum claim wait_park(struct task *task, sley_time deadline)
{
	if (deadline != SLEY_NEVER && !arm(task, deadline))
		return CLAIM_DEADLINE;
	worker_park();
	enum claim who = (enum claim)(load(&task->claim, relaxed) & CLAIM_MASK);
	DCHECK(who != CLAIM_NONE);
	if (who != CLAIM_DEADLINE && deadline != SLEY_NEVER)
		timer_cancel(task);
	return who;
}

void wait_link(struct sley_waiters *waiters, struct wait *wait)
{
	wait->next = NULL;
	wait->prev = waiters->tail;
	if (wait->prev)
		wait->prev->next = wait;
	else
		waiters->head = wait;
	waiters->tail = wait;
}

void wait_unlink(struct sley_waiters *waiters, struct wait *wait)
{
	if (wait->next == wait)
		return;
	if (wait->prev)
		wait->prev->next = wait->next;
	else
		waiters->head = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	else
		waiters->tail = wait->prev;
	wait->next = wait;
}

struct task *wait_pop(struct sley_waiters *waiters, enum claim who)
{
	while (waiters->head) {
		struct wait *wait = waiters->head;
		struct task *task = CONTAINER_OF(wait, struct task, wait);
		wait_unlink(waiters, wait);
		if (wait_claim(task, who))
			return task;
	}
	return NULL;
}
