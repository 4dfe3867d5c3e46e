/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Then, map and and_then: a callback for the completion of a future. It gets a task only at the completion. Until then
 * it costs its derivation, some hundred bytes.
 *
 * The link's count passes to the task. So the task holds the derivation, and with it the source and its value, until
 * the callback has returned. A cancellation of the future also reaches a task that is being started:
 *      then_run()                                       canceller
 *      lock the future; task = id; unlock; start it     claim the future; publish it, under its lock
 *      task: PENDING? run the callback                  lock the future; read task; cancel it
 * If the canceller does not see the task, its claim came before the task's start, and the task sees the claim.
 */
#include <errno.h>

#include "base/race.h"
#include "life/cleanup.h"
#include "life/spawn.h"
#include "sync/argument.h"
#include "sync/derivation.h"

enum then_kind { THEN, MAP, AND_THEN };
static const char *const names[] = { "sley_future_then", "sley_future_map", "sley_future_and_then" };

union callback {
	int (*then)(void *arg, int error, const void *value, void *result);
	int (*map)(void *arg, const void *value, void *result);
	int (*and_then)(void *arg, const void *value, struct sley_future **next);
};

struct then {
	struct derivation derivation; /* first */
	struct link link;
	struct sley_site *site;
	enum then_kind kind;
	union callback fn;
	void *arg;
	char block[] __attribute__((aligned(16)));
};

static struct then *then_of(struct derivation *derivation)
{
	return CONTAINER_OF(derivation, struct then, derivation);
}

/* ---- the task ---- */

/*
 * Drops the handle on the next future. If the derived future was cancelled, and there is no other handle on the next
 * one, cancels the next one too.
 */
NOINLINE static void next_drop(struct then *then, struct sley_future *next)
{
	struct todo todo = { 0 };
	bool cancelled = future_state(then->derivation.future) != FUTURE_PENDING;
	if (cancelled && load(&next->refs, acquire) / FUTURE_HANDLE == 1)
		future_cancel(next, &todo);
	future_drop(next, &todo);
	todo_run(&todo);
}

static int and_then(struct then *then)
{
	struct sley_future *future = then->derivation.future, *next = NULL;
	int error = then->fn.and_then(then->arg, then->link.source->value, &next);
	if (error)
		return error;
	if (!next)
		return -EINVAL;
	error = next->size == future->size ? sley_await(next, future->value, SLEY_NEVER) : -EINVAL;
	next_drop(then, next);
	return error;
}

static int callback_run(struct then *then)
{
	const struct sley_future *source = then->link.source;
	void *result = then->derivation.future->value;
	if (future_state(then->derivation.future) != FUTURE_PENDING)
		return -ECANCELED;
	switch (then->kind) {
	case THEN:
		return then->fn.then(then->arg, source->error, source->error ? NULL : source->value, result);
	case MAP:
		return then->fn.map(then->arg, source->value, result);
	default:
		return and_then(then);
	}
}

/* Completes the future and releases the link's count. */
static void then_end(struct then *then, int error, struct todo *todo)
{
	if (future_claim(then->derivation.future))
		derivation_publish(&then->derivation, future_result(error), todo);
	derivation_put(&then->derivation, todo);
}

/* A separate function, so that its frame is not part of the callback's live bytes. */
NOINLINE static void end_in_task(struct then *then, int error)
{
	struct todo todo = { 0 };
	cleanup_finish(); /* before the future is complete */
	then_end(then, error, &todo);
	todo_run(&todo);
}

static void then_main(void *arg)
{
	end_in_task(arg, callback_run(arg));
}

/* ---- the source is complete ---- */

static int then_start(struct then *then)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	struct sley_future *future = then->derivation.future;
	struct task *task;
	int error = spawn_new(&task, then->site, &detached, then_main, then, SLEY_BY_POINTER);
	if (error)
		return error;
	RACE_POINT(callback_has_task);
	lock_take(&future->lock);
	future->task = (sley_task)task->id;
	lock_drop(&future->lock);
	spawn_start(task);
	return 0;
}

static void then_run(struct link *link, struct todo *todo)
{
	struct then *then = then_of(link->derivation);
	int error = then->kind == THEN ? 0 : link->source->error;
	if (error == 0 && future_state(then->derivation.future) == FUTURE_PENDING && (error = then_start(then)) == 0)
		return;
	then_end(then, error, todo); /* no task is needed, or none can be had */
}

/* ---- the calls ---- */

static int then_new(struct sley_site *site, struct sley_future **future, struct sley_future *source,
		    enum then_kind kind, union callback fn, const void *arg, size_t n, size_t value)
{
	size_t size;
	int error;
	struct todo todo = { 0 };
	if (__builtin_add_overflow(sizeof(struct then), argument_size(n), &size))
		return -EOVERFLOW;
	struct derivation *derivation = derivation_new(size, offsetof(struct then, link), &source, 1, value, &error);
	if (!derivation)
		return error;
	struct then *then = then_of(derivation);
	derivation->run = then_run;
	then->site = site;
	then->kind = kind;
	then->fn = fn;
	then->arg = argument_keep(then->block, arg, n, names[kind]);
	*future = derivation->future;
	derivation_attach(derivation, &todo);
	return 0;
}

static int then_call(struct sley_site *site, struct sley_future **future, struct sley_future *source,
		     enum then_kind kind, union callback fn, const void *arg, size_t n, size_t value)
{
	int error = future ? argument_check((const void *)(uintptr_t)fn.map, arg, n, names[kind]) : -EINVAL;
	if (error || (error = future_enter(source, names[kind])) != 0)
		return error;
	error = then_new(site, future, source, kind, fn, arg, n, value);
	thread_depart();
	return error;
}

int sley_future_then_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
			int (*fn)(void *, int, const void *, void *), const void *arg, size_t n, size_t size)
{
	union callback callback = { .then = fn };
	return then_call(site, future, source, THEN, callback, arg, n, size);
}

int sley_future_map_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
		       int (*fn)(void *, const void *, void *), const void *arg, size_t n, size_t size)
{
	union callback callback = { .map = fn };
	return then_call(site, future, source, MAP, callback, arg, n, size);
}

int sley_future_and_then_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
			    int (*fn)(void *, const void *, struct sley_future **), const void *arg, size_t n,
			    size_t size)
{
	union callback callback = { .and_then = fn };
	return then_call(site, future, source, AND_THEN, callback, arg, n, size);
}
