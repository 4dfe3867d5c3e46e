/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/future.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/race.h"
#include "run/park.h"
#include "run/report.h"

/* ---- making and freeing ---- */

struct sley_future *future_new(size_t size, int *error)
{
	size_t bytes;
	*error = -EOVERFLOW;
	if (__builtin_add_overflow(sizeof(struct sley_future), size, &bytes) || bytes > PTRDIFF_MAX)
		return NULL;
	int saved = errno;
	struct sley_future *future = calloc(1, bytes);
	errno = saved;
	*error = future ? 0 : -ENOMEM;
	if (!future)
		return NULL;
	future->refs = FUTURE_HANDLE + FUTURE_PRODUCER;
	future->run = scheduler.run;
	future->which = -1;
	future->size = size;
	return future;
}

void future_release(struct sley_future *future, uint64_t what)
{
	/* release: our use of the future; acquire: the use by all others */
	if (fetch_sub(&future->refs, what, acq_rel) == what)
		free(future);
}

void future_drop(struct sley_future *future, struct todo *todo)
{
	uint64_t refs = load(&future->refs, acquire);
	while (future->stops && future_state(future) == FUTURE_PENDING) {
		if (refs / FUTURE_HANDLE == 1) { /* the only handle: no other one can be made */
			future->unwanted = todo->unwanted;
			todo->unwanted = future;
			return; /* a source may still complete it at this moment */
		}
		if (cas_weak(&future->refs, &refs, refs - FUTURE_HANDLE, acq_rel, acquire))
			return;
	}
	future_release(future, FUTURE_HANDLE);
}

/*
 * Called after the future's run: its producers are gone, except for promises. Must not access memory that belonged to
 * the run.
 */
static void future_drop_after_run(struct sley_future *future)
{
	if (future->promised)
		future_release(future, FUTURE_HANDLE);
	else if (fetch_sub(&future->refs, FUTURE_HANDLE, acq_rel) / FUTURE_HANDLE == 1)
		free(future);
}

int future_enter(const struct sley_future *future, const char *call)
{
	if (!future)
		return -EINVAL;
	int error = check_shared(future, call, "future");
	if (error || (error = thread_visit()) != 0)
		return error;
	if (future->run == scheduler.run)
		return 0;
	thread_depart();
	return -ENOTCONN;
}

/* ---- completing ---- */

void future_publish(struct sley_future *future, int error, struct todo *todo)
{
	struct task_list woken = { 0 };
	lock_take(&future->lock);
	future->error = error;
	store(&future->state, FUTURE_DONE, release); /* pairs with future_state() */
	RACE_POINT(future_is_done_and_locked);
	wait_pop_all(&future->waiters, CLAIM_EVENT, &woken);
	list_append_all(&todo->links, &future->links);
	lock_drop(&future->lock);
	ready_woken(&woken); /* may use run-next: the completing task usually ends or waits next */
}

bool future_end(struct sley_future *future, int error, struct todo *todo)
{
	if (!future_claim(future))
		return false;
	future_publish(future, error, todo);
	return true;
}

bool future_cancel(struct sley_future *future, struct todo *todo)
{
	if (!future_end(future, -ECANCELED, todo))
		return false;
	lock_take(&future->lock);
	sley_task task = future->task; /* if it is set later, that task finds the future complete: see then.c */
	lock_drop(&future->lock);
	if (task)
		sley_cancel(task);
	if (future->derivation)
		future->derivation->cancelled(future->derivation, todo);
	return true;
}

void todo_run(struct todo *todo)
{
	for (;;) {
		struct link *link = list_first(&todo->links, link);
		struct sley_future *future = todo->unwanted;
		if (link) {
			list_remove(&todo->links, link, link);
			link->derivation->run(link, todo);
		} else if (future) {
			todo->unwanted = future->unwanted;
			future_cancel(future, todo);
			future_release(future, FUTURE_HANDLE);
		} else {
			return;
		}
	}
}

/* ---- waiting ---- */

int future_outcome(const struct sley_future *future, void *result)
{
	if (future->error == 0 && result && future->size > 0)
		memcpy(result, future->value, future->size);
	return future->error;
}

/* Returns 0: the future is complete; or the error of the wait. */
static int future_wait(struct task *task, struct sley_future *future, sley_time deadline, const void *pc)
{
	lock_take(&future->lock);
	if (future_state(future) == FUTURE_DONE) {
		lock_drop(&future->lock);
		return 0;
	}
	return park_in(&future->waiters, task, &future->lock, SLEY_WAIT_FUTURE, (uint64_t)(uintptr_t)future, deadline,
		       pc);
}

/* A separate function, so that its frame is not part of the live bytes. */
NOINLINE static void handle_drop(struct sley_future *future)
{
	struct todo todo = { 0 };
	future_drop(future, &todo);
	todo_run(&todo);
}

/* Takes a handle for the wait, so that the owner may free its own. */
static int await(struct task *task, void *object, int64_t result, sley_time deadline, const void *pc)
{
	struct sley_future *future = object;
	if (unlikely(future->run != scheduler.run))
		return -ENOTCONN;
	future_hold(future);
	int error = future_wait(task, future, deadline, pc);
	if (error == 0)
		error = future_outcome(future, (void *)(intptr_t)result);
	handle_drop(future);
	return error;
}

int sley_await(struct sley_future *future, void *result, sley_time deadline)
{
	struct task *task = task_self();
	int error = future ? check_shared(future, "sley_await", "future") : -EINVAL;
	if (unlikely(error))
		return error;
	if (future_state(future) == FUTURE_DONE) {
		if (task)
			worker_spend(__builtin_return_address(0));
		return future_outcome(future, result);
	}
	if (unlikely(!task))
		return park_thread(await, future, (int64_t)(intptr_t)result, deadline);
	return await(task, future, (int64_t)(intptr_t)result, deadline, __builtin_return_address(0));
}

/* ---- the other calls ---- */

int sley_future_ready(const struct sley_future *future)
{
	int error = future ? check_shared(future, "sley_future_ready", "future") : -EINVAL;
	return error ? error : future_state(future) == FUTURE_DONE;
}

int64_t sley_future_which(const struct sley_future *future)
{
	int error = sley_future_ready(future);
	if (error <= 0)
		return error ? error : -EAGAIN;
	return future->which >= 0 ? future->which : -EINVAL;
}

int sley_future_cancel(struct sley_future *future)
{
	struct todo todo = { 0 };
	int error = future_enter(future, "sley_future_cancel");
	if (error)
		return error;
	future_hold(future); /* a waiter that sees the cancellation may drop the caller's handle */
	if (!future_cancel(future, &todo))
		error = -EALREADY;
	future_drop(future, &todo);
	todo_run(&todo);
	thread_depart();
	return error;
}

struct sley_future *sley_future_ref(struct sley_future *future)
{
	if (future)
		future_hold(future);
	return future;
}

int sley_future_free(struct sley_future *future)
{
	int error = future ? future_enter(future, "sley_future_free") : 0;
	if (!future)
		return 0;
	if (error == 0) {
		handle_drop(future);
		thread_depart();
	} else if (run_is_over(error)) {
		future_drop_after_run(future);
		error = 0;
	}
	return error;
}
