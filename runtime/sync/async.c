/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Futures that a task completes: sley_async(), and sley_future_timeout(), which needs a task for its timer. */
#include <errno.h>

#include "life/cleanup.h"
#include "life/spawn.h"
#include "run/park.h"
#include "sync/argument.h"
#include "sync/future.h"

#define KEPT_MOST \
	((size_t)256) /* larger arguments go when the function has returned, as the future may outlive it by far */

/* The call of the task; at future_more(). */
struct async_job {
	int (*fn)(void *arg, void *result);
	void *arg;
	size_t apart; /* size of the block of its own that `arg` is; 0: none */
	char block[] __attribute__((aligned(16)));
};

/* A separate function, so that its frame is not part of fn's live bytes. The task is the future's producer. */
NOINLINE static void job_end(struct sley_future *future, int error)
{
	struct todo todo = { 0 };
	struct task_list woken = { 0 };
	const struct async_job *job = future_more(future);
	cleanup_finish(); /* before the future is complete */
	if (unlikely(job->apart > 0))
		block_free(job->arg, job->apart);
	future_end_to(future, future_result(error), &todo, &woken);
	future_release(future, FUTURE_PRODUCER);
	struct task *first = woken.first;
	if (likely(first != NULL) && first == woken.last && likely(!(first->flags & TASK_THREAD)) &&
	    likely(list_is_empty(&todo.links))) {
		worker_end_to(worker_self(), first); /* after this it only returns */
		return;
	}
	ready_woken(&woken);
	todo_run(&todo);
}

static void job_main(void *arg)
{
	struct sley_future *future = arg;
	const struct async_job *job = future_more(future);
	job_end(future, job->fn(job->arg, future->value));
}

/* Makes a future with its job. Returns null and *error on failure. */
static struct sley_future *future_with_job(int (*fn)(void *, void *), const void *arg, size_t n, size_t size,
					   int *error)
{
	size_t bytes = argument_size(n);
	bool apart = unlikely(bytes > KEPT_MOST);
	*error = -EOVERFLOW;
	if (unlikely(bytes > PTRDIFF_MAX))
		return NULL;
	struct sley_future *future = future_new(size, sizeof(struct async_job) + (apart ? 0 : bytes), error);
	if (!future)
		return NULL;
	struct async_job *job = future_more(future);
	void *block = apart ? block_alloc(bytes) : job->block;
	if (unlikely(!block)) {
		future_release(future, FUTURE_HANDLE + FUTURE_PRODUCER);
		*error = -ENOMEM;
		return NULL;
	}
	*job = (struct async_job){ .fn = fn, .apart = apart ? bytes : 0 };
	job->arg = argument_keep(block, arg, n, "sley_async");
	return future;
}

int future_async(struct sley_site *site, struct sley_future **result, int (*fn)(void *, void *), const void *arg,
		 size_t n, size_t size, bool stops)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	struct task *task;
	int error;
	struct sley_future *future = future_with_job(fn, arg, n, size, &error);
	if (!future)
		return error;
	error = spawn_new(&task, site, &detached, job_main, future, SLEY_BY_POINTER);
	if (unlikely(error)) {
		const struct async_job *job = future_more(future);
		if (job->apart > 0)
			block_free(job->arg, job->apart);
		future_release(future, FUTURE_HANDLE + FUTURE_PRODUCER);
		return error;
	}
	future->stops = stops;
	future->task = (sley_task)task->id;
	*result = future;
	spawn_start(task);
	return 0;
}

int sley_async_at(struct sley_site *site, struct sley_future **future, int (*fn)(void *, void *), const void *arg,
		  size_t n, size_t size)
{
	int error = future ? argument_check((const void *)(uintptr_t)fn, arg, n, "sley_async") : -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	error = future_async(site, future, fn, arg, n, size, false);
	thread_depart();
	return error;
}

/* ---- timeout ---- */

struct timeout {
	struct sley_future *source; /* a handle */
	sley_time deadline;
};

static int wait_until(void *arg, void *result)
{
	const struct timeout *timeout = arg;
	int error = sley_await(timeout->source, result, timeout->deadline);
	sley_future_free(timeout->source);
	return error;
}

int sley_future_timeout_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
			   sley_time deadline)
{
	struct timeout timeout = { source, deadline };
	int error = future ? future_enter(source, "sley_future_timeout") : -EINVAL;
	if (error)
		return error;
	future_hold(source);
	error = future_async(site, future, wait_until, &timeout, sizeof(timeout), source->size, true);
	if (error)
		future_release(source, FUTURE_HANDLE); /* not the last handle: the caller has one */
	thread_depart();
	return error;
}
