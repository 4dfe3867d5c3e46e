/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The life of a scope's child: its spawn, its function, its end, and its result. See sync/children.h. */
#include "sync/child.h"

#include <errno.h>
#include <string.h>

#include "base/race.h"
#include "life/cleanup.h"
#include "life/returned.h"
#include "life/spawn.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"

/* ---- its function ---- */

/* Called by the child's task, before its cleanups: the consequences of a failure. */
static void child_failed(struct sley_scope *scope, struct sley_child *child, int error)
{
	if (scope->restart)
		return; /* the owner decides after the child's end */
	lock_take(&scope->lock);
	if (!scope->error)
		scope->error = error;
	if (!scope->keep_going && !child->told)
		children_move(scope, child); /* marks it as told: a failed child is not cancelled */
	lock_drop(&scope->lock);
	if (!scope->keep_going)
		children_fail(scope, error);
}

/* A separate function: in child_main() its variables would be live bytes of every child that waits. */
NOINLINE static void returned(int result, const void *block)
{
	struct task_extra *extra = task_extra(returned_task());
	struct sley_child *child = extra->child;
	extra->result = result;
	if (child->flags & CHILD_BACK && child->spec->n > 0)
		memcpy(child->spec->arg, block, child->spec->n);
	if (result < 0)
		child_failed(child->scope, child, result);
}

static void child_main(void *arg)
{
	returned(task_extra(task_self())->child->fn(arg), arg);
}

/* ---- its end ---- */

static void child_free(struct sley_child *child)
{
	struct spec *spec = child->spec;
	if (spec && spec->n != SLEY_BY_POINTER && spec->n > 0)
		block_free(spec->arg, spec->n);
	if (spec)
		block_free(spec, sizeof(*spec));
	block_free(child, sizeof(*child));
}

void child_free_kept(struct sley_scope *scope)
{
	struct sley_child *child;
	while ((child = list_first(&scope->kept, kept))) {
		list_remove(&scope->kept, child, kept);
		child_free(child);
	}
}

/* Returns the state of a child that has ended. With the lock held. */
static enum child_state state_after(struct sley_scope *scope, const struct sley_child *child)
{
	if (!scope->restart || scope->cancelled)
		return CHILD_ENDED;
	if (child->told)
		return CHILD_STOPPED;
	return child->result < 0 || child->flags & CHILD_ALWAYS ? CHILD_FAILED : CHILD_ENDED;
}

/* Called when its task has ended; see struct watch. */
static void child_ended(struct watch *watch, struct task *task)
{
	struct sley_child *child = CONTAINER_OF(watch, struct sley_child, watch);
	struct sley_scope *scope = child->scope;
	bool kept = child->flags & CHILD_KEPT;
	lock_take(&scope->lock);
	list_remove(child->told ? &scope->told : &scope->running, child, link);
	child->task = NULL;
	child->result = task->extra->result;
	child->state = (uint8_t)state_after(scope, child);
	scope->failed += child->state == CHILD_FAILED;
	child->told = false;
	scope->count--;
	struct task *owner = children_wake(scope);
	lock_drop(&scope->lock);
	/* From here on the scope may be freed, and with it a kept child. */
	if (!kept)
		child_free(child);
	if (owner)
		task_ready(owner);
}

/* ---- its spawn ---- */

/* First half of a spawn: counts the new child. Returns 0 or -ECANCELED. */
static int reserve(struct sley_scope *scope)
{
	int error = children_count(scope);
	if (unlikely(error == 0 && wait_is_cancelled(scope->owner))) {
		children_fail(scope, -ECANCELED);
		error = -ECANCELED;
	}
	if (error)
		children_discount(scope);
	return error;
}

/* Makes the task a child's task: deadline, result, watch. Returns 0 or -ENOMEM. */
static int adopt(struct sley_child *child, struct task *task)
{
	lock_take(&task->lock);
	struct task_extra *extra = task_extra_get(task);
	if (extra) {
		extra->deadline = child->scope->deadline;
		extra->child = child;
		child->watch.ended = child_ended;
		task_watch(task, &child->watch);
	}
	lock_drop(&task->lock);
	return extra ? 0 : -ENOMEM;
}

/*
 * Second half of a spawn: links the child. If the scope was cancelled since the first half, cancels the child, as no
 * other caller has.
 */
static void child_enlist(struct sley_scope *scope, struct sley_child *child, struct task *task)
{
	struct task_list list = { 0 }; /* stays empty, as the task does not wait yet */
	lock_take(&scope->lock);
	if (child->state == CHILD_NEW && child->flags & CHILD_KEPT)
		list_append(&scope->kept, child, kept);
	child->task = task;
	child->state = CHILD_RUNS;
	list_append(&scope->running, child, link);
	if (scope->cancelled)
		children_tell(scope, child, &list);
	lock_drop(&scope->lock);
}

sley_task child_start(struct sley_child *child, struct sley_site *site, const struct sley_task_options *options,
		      const void *arg, size_t n)
{
	struct sley_scope *scope = child->scope;
	struct task *task;
	int error = reserve(scope);
	if (error)
		return error;
	RACE_POINT(child_is_counted);
	error = spawn_new(&task, site, options, child_main, arg, n);
	if (error == 0 && (error = adopt(child, task)) != 0)
		spawn_drop(task);
	if (error) {
		children_discount(scope);
		return error;
	}
	sley_task id = (sley_task)task->id;
	child_enlist(scope, child, task);
	spawn_start(task);
	return id;
}

/* Copies all that copy_back and a restart need. Returns null if there is no memory. */
static struct spec *spec_new(struct sley_site *site, const struct sley_task_options *options, const void *arg, size_t n)
{
	struct spec *spec = block_alloc(sizeof(*spec));
	if (!spec)
		return NULL;
	*spec = (struct spec){ .site = site, .arg = (void *)(uintptr_t)arg, .n = n, .options = *options };
	if (options->name) {
		strncpy(spec->name, options->name, sizeof(spec->name) - 1);
		spec->options.name = spec->name;
	}
	if (n == SLEY_BY_POINTER || n == 0)
		return spec;
	spec->arg = block_alloc(n);
	if (!spec->arg) {
		block_free(spec, sizeof(*spec));
		return NULL;
	}
	memcpy(spec->arg, arg, n);
	return spec;
}

/* ---- the calls ---- */

static const struct sley_child_options no_options = { .size = sizeof(no_options) };

static int child_check(struct sley_scope *scope, const struct sley_child_options *options, int (*fn)(void *), size_t n)
{
	int error = scope && fn ? check_shared(scope, "sley_scope_spawn", "scope") : -EINVAL;
	if (error)
		return error;
	if (options->size != sizeof(*options) || (options->task && options->task->size != sizeof(*options->task)))
		return -EINVAL;
	if (options->copy_back && (!options->child || n == SLEY_BY_POINTER || scope->restart))
		return -EINVAL;
	if ((options->copy_back || scope->restart) && n != SLEY_BY_POINTER && n > KEPT_MAX)
		return -E2BIG;
	return 0;
}

/* Makes the child's record. Returns null if there is no memory. */
static struct sley_child *child_new(struct sley_scope *scope, const struct sley_child_options *options,
				    int (*fn)(void *))
{
	struct sley_child *child = block_alloc(sizeof(*child));
	if (!child)
		return NULL;
	*child = (struct sley_child){ .scope = scope, .fn = fn };
	if (options->child || scope->restart)
		child->flags |= CHILD_KEPT;
	if (options->always)
		child->flags |= CHILD_ALWAYS;
	if (options->copy_back)
		child->flags |= CHILD_BACK;
	return child;
}

static sley_task spawn(struct sley_site *site, struct sley_scope *scope, const struct sley_child_options *options,
		       int (*fn)(void *), const void *arg, size_t n)
{
	int error = child_check(scope, options, fn, n);
	if (error)
		return error;
	struct sley_task_options task_options = { .size = sizeof(task_options) };
	if (options->task)
		task_options = *options->task;
	task_options.detached = 1;
	struct sley_child *child = child_new(scope, options, fn);
	if (!child)
		return -ENOMEM;
	if ((options->copy_back || scope->restart) && !(child->spec = spec_new(site, &task_options, arg, n))) {
		child_free(child);
		return -ENOMEM;
	}
	sley_task id = child_start(child, site, &task_options, arg, n);
	if (id < 0)
		child_free(child);
	else if (options->child)
		*options->child = child;
	return id;
}

sley_task sley_scope_spawn_at(struct sley_site *site, struct sley_scope *scope,
			      const struct sley_child_options *options, int (*fn)(void *), const void *arg, size_t n)
{
	sley_task id = thread_visit();
	if (id)
		return id;
	id = spawn(site, scope, options ? options : &no_options, fn, arg, n);
	thread_depart();
	return id;
}

/* Returns 0 or -EINVAL. */
static int copy_block(const struct sley_child *child, void *block, size_t n)
{
	if (!(child->flags & CHILD_BACK) || n != child->spec->n)
		return -EINVAL;
	if (n > 0)
		memcpy(block, child->spec->arg, n);
	return 0;
}

/* Returns 0, -EAGAIN or -EINVAL. */
static int get_result(struct sley_child *child, int *result, void *block, size_t n)
{
	struct sley_scope *scope = child->scope;
	lock_take(&scope->lock);
	bool runs = child->state == CHILD_RUNS;
	int value = child->result;
	lock_drop(&scope->lock);
	int error = runs ? -EAGAIN : block ? copy_block(child, block, n) : 0;
	if (error == 0)
		*result = value;
	return error;
}

int sley_child_result(struct sley_child *child, int *result, void *block, size_t n)
{
	int error = thread_visit();
	if (error)
		return error;
	error = child && result ? get_result(child, result, block, n) : -EINVAL;
	thread_depart();
	return error;
}

static sley_task get_task(struct sley_child *child)
{
	struct sley_scope *scope = child->scope;
	lock_take(&scope->lock);
	sley_task id = child->task ? (sley_task)child->task->id : -ESRCH;
	lock_drop(&scope->lock);
	return id;
}

sley_task sley_child_task(struct sley_child *child)
{
	sley_task id = thread_visit();
	if (id)
		return id;
	id = child ? get_task(child) : -EINVAL;
	thread_depart();
	return id;
}
