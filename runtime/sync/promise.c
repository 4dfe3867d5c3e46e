/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Promises: a promise is a producer's reference to a future, and has no structure of its own. */
#include <errno.h>
#include <string.h>

#include "base/race.h"
#include "run/report.h"
#include "sync/future.h"

static struct sley_future *future_of(struct sley_promise *promise)
{
	return (struct sley_future *)(void *)promise;
}

int sley_promise_new(struct sley_promise **promise, struct sley_future **future, size_t size)
{
	int error = promise && future ? thread_visit() : -EINVAL;
	if (error)
		return error;
	struct sley_future *made = future_new(size, 0, &error);
	if (made) {
		made->promised = true;
		*future = made;
		*promise = (struct sley_promise *)(void *)made;
	}
	thread_depart();
	return error;
}

/*
 * Takes a reference for the time of a call that completes the future. A task that sees the future complete may free the
 * future, and the promise that was passed to the call.
 */
static void promise_hold(struct sley_future *future)
{
	fetch_add(&future->refs, FUTURE_PRODUCER, relaxed); /* relaxed, as in future_hold() */
}

static int promise_resolve(struct sley_future *future, const void *value, struct todo *todo)
{
	if (!value && future->size > 0)
		return -EINVAL;
	if (!future_claim(future))
		return -EALREADY;
	RACE_POINT(future_is_claimed);
	if (future->size > 0)
		memcpy(future->value, value, future->size);
	check_block(value, future->size, "sley_promise_resolve", "value");
	future_publish(future, 0, todo);
	return 0;
}

int sley_promise_resolve(struct sley_promise *promise, const void *value)
{
	struct sley_future *future = future_of(promise);
	struct todo todo = { 0 };
	int error = future_enter(future, "sley_promise_resolve");
	if (error)
		return error;
	promise_hold(future);
	error = promise_resolve(future, value, &todo);
	future_release(future, FUTURE_PRODUCER);
	todo_run(&todo);
	thread_depart();
	return error;
}

int sley_promise_reject(struct sley_promise *promise, int reason)
{
	struct sley_future *future = future_of(promise);
	struct todo todo = { 0 };
	if (reason >= 0)
		return -EINVAL;
	int error = future_enter(future, "sley_promise_reject");
	if (error)
		return error;
	promise_hold(future);
	if (!future_end(future, reason, &todo))
		error = -EALREADY;
	future_release(future, FUTURE_PRODUCER);
	todo_run(&todo);
	thread_depart();
	return error;
}

struct sley_promise *sley_promise_ref(struct sley_promise *promise)
{
	if (promise)
		promise_hold(future_of(promise));
	return promise;
}

static void promise_drop(struct sley_future *future)
{
	struct todo todo = { 0 };
	uint64_t refs = load(&future->refs, acquire);
	while ((refs & (FUTURE_HANDLE - 1)) > FUTURE_PRODUCER) { /* there are other producers */
		if (cas_weak(&future->refs, &refs, refs - FUTURE_PRODUCER, acq_rel, acquire))
			return;
	}
	future_end(future, -EOWNERDEAD, &todo);
	todo_run(&todo);
	future_release(future, FUTURE_PRODUCER);
}

int sley_promise_free(struct sley_promise *promise)
{
	struct sley_future *future = future_of(promise);
	int error = future ? future_enter(future, "sley_promise_free") : 0;
	if (!future)
		return 0;
	if (error == 0) {
		promise_drop(future);
		thread_depart();
	} else if (run_is_over(error)) {
		future_release(future, FUTURE_PRODUCER);
		error = 0;
	}
	return error;
}
