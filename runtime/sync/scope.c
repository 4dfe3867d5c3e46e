/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The owner's calls: opening a scope, waiting, closing, cancelling. See sync/children.h. */
#include <errno.h>

#include "run/park.h"
#include "run/report.h"
#include "run/thread.h"
#include "sync/child.h"
#include "sync/supervise.h"

#define RESTARTS_DEFAULT 3u
#define RESTARTS_MAX     1024u
#define WITHIN_DEFAULT   SLEY_SEC(5)

/* ---- opening ---- */

static int check_options(const struct sley_scope_options *options)
{
	if (!options)
		return 0;
	if (options->size != sizeof(*options) || options->restarts > RESTARTS_MAX || options->within < 0)
		return -EINVAL;
	return 0;
}

static size_t ring_size(const struct sley_scope *scope)
{
	return scope->restarts * sizeof(*scope->restarted);
}

/* Sets the options, with their defaults. Returns 0 or -ENOMEM. */
static int scope_set_options(struct sley_scope *scope, const struct sley_scope_options *options)
{
	if (options->deadline)
		scope->deadline = options->deadline;
	scope->keep_going = options->keep_going;
	if (!(scope->restart = options->restart))
		return 0;
	scope->restarts = options->restarts ? options->restarts : RESTARTS_DEFAULT;
	scope->within = options->within ? options->within : WITHIN_DEFAULT;
	scope->restarted = block_alloc(ring_size(scope));
	if (!scope->restarted)
		return -ENOMEM;
	for (unsigned i = 0; i < scope->restarts; i++)
		scope->restarted[i] = INT64_MIN;
	return 0;
}

static void scope_free(struct sley_scope *scope)
{
	child_free_kept(scope);
	if (scope->restarted)
		block_free(scope->restarted, ring_size(scope));
	block_free(scope, sizeof(*scope));
}

static int wait_for_all(struct sley_scope *scope, sley_time deadline, const void *pc);

/* The cleanup of a scope that its owner left open. */
static void close_abandoned(struct cleanup *cleanup)
{
	struct sley_scope *scope = CONTAINER_OF(cleanup, struct sley_scope, cleanup);
	children_fail(scope, -ECANCELED);
	wait_for_all(scope, SLEY_NEVER, NULL);
	scope_free(scope);
}

int sley_scope_open(struct sley_scope **result, const struct sley_scope_options *options)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	int error = result ? check_options(options) : -EINVAL;
	if (error)
		return error;
	struct task_extra *extra = task_extra_own(task);
	struct sley_scope *scope = extra ? block_alloc(sizeof(*scope)) : NULL;
	if (!scope)
		return -ENOMEM;
	*scope = (struct sley_scope){ .owner = task, .deadline = SLEY_NEVER, .cleanup.run = close_abandoned };
	if (options && (error = scope_set_options(scope, options)) != 0) {
		scope_free(scope);
		return error;
	}
	scope->deadline = wait_deadline(task, scope->deadline);
	cleanup_link(extra, &scope->cleanup);
	*result = scope;
	return 0;
}

/* ---- waiting ---- */

/* Returns whether all children have ended, and none has to be restarted. */
static bool is_over(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	bool over = scope->count == 0 && (scope->failed == 0 || scope->cancelled);
	lock_drop(&scope->lock);
	return over;
}

/* Waits for the ends of the cancelled children, which no deadline or cancellation can interrupt. */
static void wait_masked(struct sley_scope *scope, const void *pc)
{
	int masked = sley_cancel_mask(1);
	while (!is_over(scope))
		children_await(scope, SLEY_NEVER, pc);
	sley_cancel_mask(masked);
}

static int scope_error(struct sley_scope *scope)
{
	lock_take(&scope->lock);
	int error = scope->error;
	lock_drop(&scope->lock);
	return error;
}

/* Does what the owner has to do when a child has failed, or when its wait has ended with an error. */
static void attend(struct sley_scope *scope, int error, sley_time deadline, const void *pc)
{
	if (error == 0)
		error = supervise(scope, deadline, pc);
	if (error) {
		children_fail(scope, error);
		wait_masked(scope, pc);
	}
}

static int wait_for_all(struct sley_scope *scope, sley_time deadline, const void *pc)
{
	deadline = MIN(deadline, scope->deadline);
	while (!is_over(scope))
		attend(scope, children_await(scope, deadline, pc), deadline, pc);
	return scope_error(scope);
}

/* If `until` comes before the scope's deadline, the error of the wait is none of the scope. */
static int attend_until(struct sley_scope *scope, sley_time until, const void *pc)
{
	while (!is_over(scope)) {
		int error = children_await(scope, MIN(until, scope->deadline), pc);
		if (error == -ETIMEDOUT && until < scope->deadline)
			return SLEY_CHILDREN_LEFT;
		attend(scope, error, scope->deadline, pc);
	}
	return scope_error(scope);
}

/* Returns 0 if the calling task may wait for the scope, else an error. */
static int check_owner(struct sley_scope *scope, const char *call)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (!scope)
		return -EINVAL;
	int error = check_shared(scope, call, "scope");
	if (error)
		return error;
	return scope->owner == task ? 0 : -EPERM;
}

int sley_scope_wait(struct sley_scope *scope, sley_time deadline)
{
	int error = check_owner(scope, "sley_scope_wait");
	if (error)
		return error;
	worker_spend(__builtin_return_address(0));
	return wait_for_all(scope, deadline, __builtin_return_address(0));
}

int sley_scope_wait_until(struct sley_scope *scope, sley_time until)
{
	int error = check_owner(scope, "sley_scope_wait_until");
	if (error)
		return error;
	worker_spend(__builtin_return_address(0));
	return attend_until(scope, until, __builtin_return_address(0));
}

int sley_scope_close(struct sley_scope *scope, sley_time deadline)
{
	int error = check_owner(scope, "sley_scope_close");
	if (error)
		return error;
	worker_spend(__builtin_return_address(0));
	error = wait_for_all(scope, deadline, __builtin_return_address(0));
	cleanup_unlink(task_extra(scope->owner), &scope->cleanup);
	scope_free(scope);
	return error;
}

/* ---- cancelling ---- */

/*
 * Counted, as the children that see the cancellation may end during this call, and the owner may then close the scope.
 */
static void scope_cancel(struct sley_scope *scope)
{
	children_count(scope);
	children_fail(scope, -ECANCELED);
	children_discount(scope);
}

int sley_scope_cancel(struct sley_scope *scope)
{
	int error = thread_visit();
	if (error)
		return error;
	error = check_object(scope, "sley_scope_cancel", "scope");
	if (error == 0)
		scope_cancel(scope);
	thread_depart();
	return error;
}

sley_time sley_deadline(void)
{
	struct task *task = task_self();
	struct task_extra *extra = task ? task_extra(task) : NULL;
	return extra ? extra->deadline : SLEY_NEVER;
}
