/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Futures that a task completes: sley_async(), and sley_future_timeout(), which needs a task for its timer. */
#include <errno.h>

#include "life/cleanup.h"
#include "life/spawn.h"
#include "sync/argument.h"
#include "sync/future.h"

/* The call of the task, in a block of its own, as the future may outlive the task by far. */
struct async_job {
	struct sley_future *future; /* the task is its producer */
	int (*fn)(void *arg, void *result);
	void *arg;
	size_t size; /* of this block */
	char block[] __attribute__((aligned(16)));
};

/* A separate function, so that its frame is not part of fn's live bytes. */
NOINLINE static void job_end(struct async_job *job, int error)
{
	struct todo todo = { 0 };
	struct sley_future *future = job->future;
	cleanup_finish(); /* before the future is complete */
	block_free(job, job->size);
	future_end(future, future_result(error), &todo);
	future_release(future, FUTURE_PRODUCER);
	todo_run(&todo);
}

static void job_main(void *arg)
{
	struct async_job *job = arg;
	job_end(job, job->fn(job->arg, job->future->value));
}

static struct async_job *async_job_new(struct sley_future *future, int (*fn)(void *, void *), const void *arg, size_t n,
				       int *error)
{
	size_t size;
	*error = -EOVERFLOW;
	if (__builtin_add_overflow(sizeof(struct async_job), argument_size(n), &size))
		return NULL;
	*error = -ENOMEM;
	struct async_job *job = block_alloc(size);
	if (!job)
		return NULL;
	*job = (struct async_job){ .future = future, .fn = fn, .size = size };
	job->arg = argument_keep(job->block, arg, n, "sley_async");
	return job;
}

/* Makes the future's task, not yet started. Returns null and *error on failure. */
static struct task *task_new(struct sley_site *site, struct sley_future *future, int (*fn)(void *, void *),
			     const void *arg, size_t n, int *error)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	struct task *task;
	struct async_job *job = async_job_new(future, fn, arg, n, error);
	if (!job)
		return NULL;
	*error = spawn_new(&task, site, &detached, job_main, job, SLEY_BY_POINTER);
	if (*error == 0)
		return task;
	block_free(job, job->size);
	return NULL;
}

int future_async(struct sley_site *site, struct sley_future **result, int (*fn)(void *, void *), const void *arg,
		 size_t n, size_t size, bool stops)
{
	int error;
	struct sley_future *future = future_new(size, &error);
	if (!future)
		return error;
	struct task *task = task_new(site, future, fn, arg, n, &error);
	if (!task) {
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
