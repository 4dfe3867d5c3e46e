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

NOINLINE static void *large_alloc(size_t bytes)
{
	int saved = errno;
	void *memory = malloc(bytes);
	errno = saved;
	return memory;
}

struct sley_future *future_new(size_t size, size_t more, int *error)
{
	size_t bytes;
	*error = -EOVERFLOW;
	if (size > PTRDIFF_MAX || more > PTRDIFF_MAX ||
	    __builtin_add_overflow(sizeof(struct sley_future) + ROUND_UP(size, 16), more, &bytes) ||
	    bytes > PTRDIFF_MAX)
		return NULL;
	struct worker *worker = this_worker;
	bool small = likely(bytes <= HEAP_BLOCK);
	struct sley_future *future = small ? heap_alloc(worker ? &worker->heap : NULL) : large_alloc(bytes);
	*error = future ? 0 : -ENOMEM;
	if (!future)
		return NULL;
	*future = (struct sley_future){
		.small = small, .refs = FUTURE_HANDLE + FUTURE_PRODUCER, .run = scheduler.run, .which = -1, .size = size
	};
	memset(future->value, 0, size);
	return future;
}

static void future_free(struct sley_future *future)
{
	struct worker *worker = worker_self();
	if (likely(future->small))
		heap_free(worker ? &worker->heap : NULL, future);
	else
		free(future);
}

void future_release(struct sley_future *future, uint64_t what)
{
	/*
	 * release: our use of the future; acquire: the use by all others. Who has the last references is alone: only who has
	 * one can make another one.
	 */
	if (load(&future->refs, acquire) == what || fetch_sub(&future->refs, what, acq_rel) == what)
		future_free(future);
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
		future_free(future);
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

bool future_claim(struct sley_future *future)
{
	if (future_state(future) != FUTURE_PENDING)
		return false;
	lock_take(&future->lock);
	bool pending = future_state(future) == FUTURE_PENDING;
	if (pending)
		store(&future->state, FUTURE_CLAIMED, relaxed); /* nobody reads anything because of it */
	lock_drop(&future->lock);
	return pending;
}

/* With the lock held. */
static void publish_locked(struct sley_future *future, int error, struct todo *todo, struct task_list *woken)
{
	future->error = error;
	store(&future->state, FUTURE_DONE, release); /* pairs with future_state() */
	RACE_POINT(future_is_done_and_locked);
	if (future->waiters.head)
		wait_pop_all(&future->waiters, CLAIM_EVENT, woken);
	list_append_all(&todo->links, &future->links);
}

void future_publish(struct sley_future *future, int error, struct todo *todo)
{
	struct task_list woken = { 0 };
	lock_take(&future->lock);
	publish_locked(future, error, todo, &woken);
	lock_drop(&future->lock);
	ready_woken(&woken); /* may use run-next: the completing task usually ends or waits next */
}

bool future_end_to(struct sley_future *future, int error, struct todo *todo, struct task_list *woken)
{
	if (future_state(future) != FUTURE_PENDING)
		return false;
	lock_take(&future->lock);
	bool pending = future_state(future) == FUTURE_PENDING;
	if (pending)
		publish_locked(future, error, todo, woken);
	lock_drop(&future->lock);
	return pending;
}

bool future_end(struct sley_future *future, int error, struct todo *todo)
{
	struct task_list woken = { 0 };
	bool ended = future_end_to(future, error, todo, &woken);
	ready_woken(&woken);
	return ended;
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

/* A separate function, so that its frame is not part of the live bytes. */
NOINLINE static void drop_stopping(struct sley_future *future)
{
	struct todo todo = { 0 };
	future_drop(future, &todo);
	todo_run(&todo);
}

static void handle_drop(struct sley_future *future)
{
	if (unlikely(future->stops))
		drop_stopping(future);
	else
		future_release(future, FUTURE_HANDLE);
}

/* Takes a handle for the wait, so that the owner may free its own. `thread`: of a plain thread; constant. */
static ALWAYS_INLINE int await(struct task *task, struct sley_future *future, void *result, sley_time deadline,
			       const void *pc, bool thread)
{
	enum claim who = CLAIM_EVENT;
	if (unlikely(future->run != scheduler.run))
		return -ENOTCONN;
	future_hold(future);
	lock_take(&future->lock);
	if (future_state(future) == FUTURE_DONE) {
		lock_drop(&future->lock);
	} else {
		if (thread)
			wait_begin_claim(task);
		else
			wait_begin_task(task, SLEY_WAIT_FUTURE, (uint64_t)(uintptr_t)future, pc);
		wait_link(&future->waiters, &task->wait);
		lock_drop(&future->lock);
		who = thread ? wait_park(task, deadline) : wait_park_inline(task, deadline);
	}
	if (unlikely(who != CLAIM_EVENT)) {
		lock_take(&future->lock);
		wait_unlink(&future->waiters, &task->wait);
		lock_drop(&future->lock);
	}
	int error = likely(who == CLAIM_EVENT) ? future_outcome(future, result) : wait_error(who);
	handle_drop(future);
	return error;
}

static int thread_await(struct task *task, void *future, int64_t result, sley_time deadline, const void *pc)
{
	return await(task, future, (void *)(intptr_t)result, deadline, pc, true);
}

int sley_await(struct sley_future *future, void *result, sley_time deadline)
{
	struct worker *worker = this_worker; /* that of before the first wait */
	struct task *task = worker ? worker->task : NULL;
	int error = future ? check_shared(future, "sley_await", "future") : -EINVAL;
	if (unlikely(error))
		return error;
	if (future_state(future) == FUTURE_DONE) {
		error = future_outcome(future, result);
		if (task)
			worker_spend_of(worker, __builtin_return_address(0));
		return error;
	}
	if (unlikely(!task))
		return park_thread(thread_await, future, (int64_t)(intptr_t)result, deadline);
	return await(task, future, result, deadline, __builtin_return_address(0), false);
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
