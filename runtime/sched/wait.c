/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sched/wait.h"

#include <errno.h>

#include "base/check.h"
#include "sched/relative.h"
#include "sched/thread.h"
#include "sched/worker.h"

/* ---- the claim ---- */

void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc)
{
	if (likely(!(task->flags & TASK_THREAD)))
		task_to_waiting(task, kind, object, pc);
	task->wait.next = &task->wait; /* not linked */
	/* claimant to none, number + 1, flags as they are: others may set CANCEL meanwhile. Release: a claimant sees the
	 * state above; pairs with the acquire of the claims */
	uint64_t who = load(&task->claim, relaxed) & CLAIM_WHO;
	fetch_add(&task->claim, ((uint64_t)1 << CLAIM_BITS) - who, release);
}

uint64_t wait_number(struct task *task)
{
	return load(&task->claim, relaxed) >> CLAIM_BITS;
}

bool wait_claim_number(struct task *task, uint64_t number, enum claim who)
{
	uint64_t word = load(&task->claim, relaxed);
	do {
		if (word >> CLAIM_BITS != number || word & CLAIM_WHO)
			return false;
	} while (!cas_weak(&task->claim, &word, word | who, acq_rel, relaxed)); /* acquire: pairs with wait_begin() */
	return true;
}

bool wait_claim(struct task *task, enum claim who)
{
	return wait_claim_number(task, wait_number(task), who);
}

bool wait_cancel(struct task *task)
{
	uint64_t word = fetch_or(&task->claim, CLAIM_CANCEL, acq_rel) | CLAIM_CANCEL;
	do {
		if (word & (CLAIM_WHO | CLAIM_MASKED))
			return false;
	} while (!cas_weak(&task->claim, &word, word | CLAIM_CANCELLED, acq_rel, relaxed));
	return true;
}

bool wait_is_cancelled(struct task *task)
{
	return (load(&task->claim, relaxed) & (CLAIM_CANCEL | CLAIM_MASKED)) == CLAIM_CANCEL;
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

/* ---- parking ---- */

/* The task ends its own wait before it has parked. False: another was faster, and makes the task ready. */
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

/*
 * Arms the timer: true; or the deadline has passed and the wait is over: false. Apart, as its frame is not live bytes
 * then.
 */
NOINLINE static bool arm(struct task *task, sley_time deadline)
{
	if (deadline <= clock_now() && claim_own(task, CLAIM_DEADLINE)) {
		relative_check(task, deadline, (const void *)(uintptr_t)load(&task_record(task)->wait_pc, relaxed));
		return false;
	}
	timer_arm(task, MAX(deadline, 0)); /* of the past if another was faster: no difference to it overflows */
	return true;
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
 * The task ended its wait before it parked. A loop of such calls must not keep the others out. It may yield here with its
 * node linked: the wait is claimed, so who pops the node loses, and the caller unlinks it as after any lost wait.
 */
static enum claim unparked(const struct task *task, enum claim who)
{
	worker_spend((const void *)(uintptr_t)load(&task_record(task)->wait_pc, relaxed));
	return who;
}

enum claim wait_park(struct task *task, sley_time deadline)
{
	if (unlikely(task->flags & TASK_THREAD))
		return thread_park(task, deadline);
	if (unlikely(wait_is_cancelled(task)) && claim_own(task, CLAIM_CANCELLED))
		return unparked(task, CLAIM_CANCELLED);
	if (unlikely(task_extra(task) != NULL))
		deadline = wait_deadline(task, deadline);
	if (deadline != SLEY_NEVER && !arm(task, deadline))
		return unparked(task, CLAIM_DEADLINE);
	worker_park();
	enum claim who = (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
	DCHECK(who != CLAIM_NONE);
	if (who != CLAIM_DEADLINE && deadline != SLEY_NEVER)
		timer_cancel(task);
	return who;
}

/* ---- lists of nodes ---- */

#define APART ((uintptr_t)1)

/* A pointer to put into `prev`: `to`, with the mark of `wait`. */
static struct wait *marked(const struct wait *wait, struct wait *to)
{
	return (struct wait *)((uintptr_t)to | ((uintptr_t)wait->prev & APART));
}

static struct wait *before(const struct wait *wait)
{
	return (struct wait *)((uintptr_t)wait->prev & ~APART);
}

struct task *wait_owner(const struct wait *wait)
{
	if ((uintptr_t)wait->prev & APART)
		return CONTAINER_OF(wait, struct wait_apart, wait)->owner;
	return CONTAINER_OF(wait, struct task, wait);
}

/* At the end. Its mark is set. */
static void link_last(struct sley_waiters *waiters, struct wait *wait)
{
	struct wait *last = waiters->tail;
	wait->next = NULL;
	wait->prev = marked(wait, last);
	if (last)
		last->next = wait;
	else
		waiters->head = wait;
	waiters->tail = wait;
}

void wait_link(struct sley_waiters *waiters, struct wait *wait)
{
	wait->prev = NULL;
	link_last(waiters, wait);
}

void wait_link_apart(struct sley_waiters *waiters, struct wait_apart *apart)
{
	apart->wait.prev = (struct wait *)APART;
	link_last(waiters, &apart->wait);
}

void wait_link_first(struct sley_waiters *waiters, struct wait *wait)
{
	struct wait *first = waiters->head;
	wait->next = first;
	wait->prev = NULL;
	if (first)
		first->prev = marked(first, wait);
	else
		waiters->tail = wait;
	waiters->head = wait;
}

void wait_unlink(struct sley_waiters *waiters, struct wait *wait)
{
	if (wait->next == wait)
		return;
	struct wait *last = before(wait), *next = wait->next;
	if (last)
		last->next = next;
	else
		waiters->head = next;
	if (next)
		next->prev = marked(next, last);
	else
		waiters->tail = last;
	wait->next = wait;
	wait->prev = marked(wait, NULL);
}

struct wait *wait_pop_node(struct sley_waiters *waiters, enum claim who)
{
	struct wait *wait;
	while ((wait = waiters->head)) {
		wait_unlink(waiters, wait);
		if (!wait_claim(wait_owner(wait), who))
			continue;
		wait->prev = marked(wait, wait);
		return wait;
	}
	return NULL;
}

struct task *wait_pop(struct sley_waiters *waiters, enum claim who)
{
	struct wait *wait = wait_pop_node(waiters, who);
	return wait ? wait_owner(wait) : NULL;
}

void wait_pop_all(struct sley_waiters *waiters, enum claim who, struct task_list *list)
{
	struct task *task;
	while ((task = wait_pop(waiters, who)))
		task_list_add(list, task);
}
