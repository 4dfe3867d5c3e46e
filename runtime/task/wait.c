/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "task/wait.h"

#include "task/task.h"

/* ---- the claim ---- */

uint64_t wait_number(struct task *task)
{
	return load(&task->claim, relaxed) >> CLAIM_BITS;
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

/* ---- lists of nodes ---- */

#define APART ((uintptr_t)1)

/* The value for `prev` that points to `to` and keeps the mark of `wait`. */
static struct wait *marked(const struct wait *wait, struct wait *to)
{
	return (struct wait *)((uintptr_t)to | ((uintptr_t)wait->prev & APART));
}

static struct wait *before(const struct wait *wait)
{
	return (struct wait *)((uintptr_t)wait->prev & ~APART);
}

void wait_link(struct sley_waiters *waiters, struct wait *wait)
{
	wait_link_here(waiters, wait);
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
	store(&waiters->head, wait, relaxed);
}

void wait_unlink(struct sley_waiters *waiters, struct wait *wait)
{
	if (!wait_is_linked(wait))
		return;
	struct wait *last = before(wait), *next = wait->next;
	if (last)
		last->next = next;
	else
		store(&waiters->head, next, relaxed);
	if (next)
		next->prev = marked(next, last);
	else
		waiters->tail = last;
	wait->next = wait;
	wait->prev = marked(wait, NULL);
}

struct wait *wait_pop_node(struct sley_waiters *waiters, enum claim who)
{
	struct wait *wait = NULL;
	while (!wait && waiters->head)
		wait = wait_pop_first(waiters, who);
	return wait;
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
