/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/children.h"

#include "base/race.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"

#define BATCH 64u /* number of children that are cancelled while the lock is held once */

/* ---- the owner's wait ---- */

bool children_due(const struct sley_scope *scope)
{
	if (scope->stopping)
		return list_is_empty(&scope->told);
	return scope->count == 0 || (scope->failed > 0 && !scope->cancelled);
}

struct task *children_wake(struct sley_scope *scope)
{
	return children_due(scope) ? wait_pop(&scope->waiters, CLAIM_EVENT) : NULL;
}

int children_await(struct sley_scope *scope, sley_time deadline, const void *pc)
{
	struct task *task = scope->owner;
	lock_take(&scope->lock);
	if (children_due(scope)) {
		lock_drop(&scope->lock);
		return 0;
	}
	return park_in(&scope->waiters, task, &scope->lock, SLEY_WAIT_SCOPE, (uint64_t)(uintptr_t)scope, deadline, pc);
}

/* ---- counting ---- */

int children_count(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	bool cancelled = scope->cancelled;
	scope->count++;
	lock_drop(&scope->lock);
	return cancelled ? -ECANCELED : 0;
}

void children_discount(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	scope->count--;
	struct task *owner = children_wake(scope);
	lock_drop(&scope->lock);
	if (owner)
		task_ready_last(owner);
}

/* ---- cancelling ---- */

void children_move(struct sley_scope *scope, struct sley_child *child)
{
	list_remove(&scope->running, child, link);
	list_append(&scope->told, child, link);
	child->told = true;
}

void children_tell(struct sley_scope *scope, struct sley_child *child, struct task_list *list)
{
	children_move(scope, child);
	if (wait_cancel(child->task))
		task_list_add(list, child->task);
}

/* Cancels some children. Returns false if all are cancelled. */
static bool tell_some(struct sley_scope *scope)
{
	struct task_list list = { 0 };
	lock_take(&scope->lock);
	for (unsigned i = 0; i < BATCH && !list_is_empty(&scope->running); i++)
		children_tell(scope, list_first(&scope->running, link), &list);
	bool more = !list_is_empty(&scope->running);
	lock_drop(&scope->lock);
	task_ready_list(&list);
	return more;
}

void children_fail(struct sley_scope *scope, int error)
{
	lock_take(&scope->lock);
	if (!scope->error)
		scope->error = error;
	scope->cancelled = true;
	lock_drop(&scope->lock);
	RACE_POINT(scope_is_cancelled);
	while (tell_some(scope))
		;
}
