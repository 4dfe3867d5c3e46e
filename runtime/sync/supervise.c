/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Restarts of failed children, in the owner's wait. Failures are handled one after the other, in the order of their
 * first spawns. A failure that happens while other children are being stopped is handled together with them.
 *
 *    owner                                       a child
 *    the first CHILD_FAILED, by `kept`           ends badly: CHILD_FAILED, failed++, owner is due
 *    once more than the limit? -ELOOP
 *    all, or the later ones: tell them           told: ends somehow: CHILD_STOPPED
 *    wait until `told` is empty
 *    in the order of `kept`: start each FAILED or STOPPED
 *
 * Rejected: a separate task of the scope that restarts at any time. It would be a second owner that learns late of the
 * first owner's cancellation, and costs a stack. The owner of a supervising scope usually just waits.
 */
#include "sync/supervise.h"

#include <errno.h>

#include "base/race.h"
#include "run/queue.h"
#include "sync/child.h"

#define BATCH 64u /* number of children that are looked at while the lock is held once */

/* Counts a restart if the limit allows one now. The next place of the ring has the oldest counted restart. */
static bool may_restart(struct sley_scope *scope)
{
	int64_t now = clock_now();
	int64_t *oldest = &scope->restarted[scope->restarted_next];
	if (*oldest > now - scope->within)
		return false;
	*oldest = now;
	scope->restarted_next = (scope->restarted_next + 1) % scope->restarts;
	return true;
}

static struct sley_child *first_failed(struct sley_scope *scope)
{
	struct sley_child *child = NULL;
	lock_take(&scope->lock);
	if (scope->failed > 0 && !scope->cancelled) {
		child = list_first(&scope->kept, kept);
		while (child->state != CHILD_FAILED)
			child = list_next(child, kept);
	}
	lock_drop(&scope->lock);
	return child;
}

/* Cancels some running children, from `child` on. Returns the child to continue with, or null. */
static struct sley_child *tell_from(struct sley_scope *scope, struct sley_child *child)
{
	struct task_list list = { 0 };
	lock_take(&scope->lock);
	for (unsigned i = 0; i < BATCH && child; i++, child = list_next(child, kept)) {
		if (child->state == CHILD_RUNS && !child->told)
			children_tell(scope, child, &list);
	}
	lock_drop(&scope->lock);
	task_ready_list(&list);
	return child;
}

static void set_stopping(struct sley_scope *scope, bool stopping)
{
	lock_take(&scope->lock);
	scope->stopping = stopping;
	lock_drop(&scope->lock);
}

static bool has_told(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	bool told = !list_is_empty(&scope->told);
	lock_drop(&scope->lock);
	return told;
}

/* Cancels the running children, from `first` on, and waits for their ends. Returns 0 or the error of the wait. */
static int stop(struct sley_scope *scope, struct sley_child *first, sley_time deadline, const void *pc)
{
	int error = 0;
	set_stopping(scope, true);
	while (first)
		first = tell_from(scope, first);
	while (error == 0 && has_told(scope))
		error = children_await(scope, deadline, pc);
	set_stopping(scope, false);
	return error;
}

/*
 * Returns the next child to restart, from *child on, or null. The caller has to restart it. *child becomes the child
 * after it: if the restarted child has failed again by the next call, that is a new failure.
 */
static struct sley_child *next_to_restart(struct sley_scope *scope, struct sley_child **child)
{
	lock_take(&scope->lock);
	struct sley_child *next = *child;
	while (next && next->state != CHILD_FAILED && next->state != CHILD_STOPPED)
		next = list_next(next, kept);
	if (next) {
		scope->failed -= next->state == CHILD_FAILED;
		next->state = CHILD_ENDED;
		*child = list_next(next, kept);
	}
	lock_drop(&scope->lock);
	return next;
}

/* Returns 0 or the error of the spawn. */
static int start_again(struct sley_child *child)
{
	const struct spec *spec = child->spec;
	sley_task id = child_start(child, spec->site, &spec->options, spec->arg, spec->n);
	return id < 0 ? (int)id : 0;
}

static struct sley_child *first_kept(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	struct sley_child *first = list_first(&scope->kept, kept);
	lock_drop(&scope->lock);
	return first;
}

int supervise(struct sley_scope *scope, sley_time deadline, const void *pc)
{
	struct sley_child *child = first_failed(scope);
	if (!child)
		return 0;
	if (!may_restart(scope))
		return -ELOOP;
	if (scope->restart == SLEY_RESTART_ONE)
		return start_again(next_to_restart(scope, &child));
	if (scope->restart == SLEY_RESTART_ALL)
		child = first_kept(scope);
	int error = stop(scope, child, deadline, pc);
	struct sley_child *next;
	while (error == 0 && (next = next_to_restart(scope, &child))) {
		error = start_again(next);
		RACE_POINT(supervise_has_started);
	}
	return error;
}
