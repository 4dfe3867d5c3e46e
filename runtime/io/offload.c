/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls: the task's side. The pools, and the ownership of jobs, are described in jobs.h. */
#include "io/offload.h"

#include <errno.h>
#include <string.h>

#include "life/shield.h"
#include "run/park.h"
#include "run/report.h"
#include "run/worker.h"

/*
 * Queues a job for the block, and begins the task's wait for it. If the queue is full, the task first waits for a
 * place, without a job: so a full queue bounds the number of copies.
 */
static int offload_begin(const struct offload *what, struct task *task, const void *block, size_t n, sley_time deadline,
			 struct job **result)
{
	struct jobs *jobs = &jobs_of[what->pool];
	bool handed = false;
	for (;;) {
		struct job *job = job_new(what, block, n);
		if (!job && handed)
			jobs_return_place(jobs);
		if (!job)
			return -ENOMEM;
		*result = job;
		if (jobs_add(jobs, job, task, handed, &what->wait))
			return 0;
		job_free(job);
		int error = jobs_wait_for_place(jobs, task, what->wait.pc, deadline);
		if (error)
			return error;
		handed = true;
	}
}

/* Called after the wait. Returns the result, unless the job was given up. */
static int offload_end(const struct offload *what, struct job *job, void *block, enum claim who)
{
	if (!jobs_take_back(&jobs_of[what->pool], job))
		return wait_error(who);
	int error = job->stage == JOB_QUEUED ? wait_error(who) : job->error;
	if (error == 0 && job->n > 0)
		memcpy(block, job->block, job->n);
	else if (error && job->dropped)
		job->dropped(job->block);
	job_free(job);
	return error;
}

/*
 * Checks the deadline and the cancellation first: the call always waits, and a begun job cannot be undone. So a call
 * that is too late begins nothing.
 */
static int too_late(struct task *task, sley_time deadline)
{
	deadline = wait_deadline(task, deadline);
	if (deadline != SLEY_NEVER && deadline <= clock_now())
		return -ETIMEDOUT;
	return wait_is_cancelled(task) ? -ECANCELED : 0;
}

int offload_run(const struct offload *what, void *block, size_t n, sley_time deadline)
{
	struct task *task = task_self();
	struct job *job;
	if (task)
		worker_spend(what->wait.pc); /* a task whose calls are always too late must not starve the others */
	int error = task ? too_late(task, deadline) : outside_error();
	if (error == 0)
		error = offload_begin(what, task, block, n, deadline, &job);
	if (error == 0)
		return offload_end(what, job, block, wait_park(task, deadline));
	if (what->dropped)
		what->dropped(block);
	return error;
}

static int offload_checked(const struct sley_offload_options *options, void (*fn)(void *), void *block, size_t n,
			   sley_time deadline, const void *pc)
{
	const struct offload what = {
		.fn = fn,
		.dropped = options ? options->dropped : NULL,
		.wait = { SLEY_WAIT_OFFLOAD, (uint64_t)(uintptr_t)fn, pc },
		.pool = options && options->cpu ? POOL_COMPUTE : POOL_BLOCKING,
		.service = true,
	};
	if (!fn || (!block && n > 0))
		return -EINVAL;
	if (n <= SLEY_OFFLOAD_MAX) {
		check_block(block, n, "sley_offload", "block");
		return offload_run(&what, block, n, deadline);
	}
	if (what.dropped)
		what.dropped(block);
	return -E2BIG;
}

int sley_offload(void (*fn)(void *), void *block, size_t n, sley_time deadline)
{
	return offload_checked(NULL, fn, block, n, deadline, __builtin_return_address(0));
}

SHIELD(sley_offload_with)
int sley_offload_with(const struct sley_offload_options *options, void (*fn)(void *), void *block, size_t n,
		      sley_time deadline)
{
	SHIELDED(sley_offload_with); /* as `dropped` may be called here */
	if (options && options->size != sizeof(*options))
		return -EINVAL;
	int error = offload_checked(options, fn, block, n, deadline, __builtin_return_address(0));
	__asm__ volatile("" : "+r"(error)); /* prevents a tail call: the shield is in this frame */
	return error;
}

void offload_open(const struct sley_options *o)
{
	job_open();
	jobs_open(&jobs_of[POOL_BLOCKING], "sley-offload", o->offload_threads, o->offload_queue);
	jobs_open(&jobs_of[POOL_COMPUTE], "sley-compute", o->compute_threads, o->offload_queue);
	jobs_open(&jobs_of[POOL_NAMES], "sley-names", o->name_threads, o->offload_queue);
}

void offload_close(void)
{
	for (unsigned i = 0; i < POOLS; i++)
		jobs_stop(&jobs_of[i]);
}

void offload_retry(void)
{
	for (unsigned i = 0; i < POOLS; i++)
		jobs_retry(&jobs_of[i]);
}

unsigned offload_active(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < POOLS; i++)
		n += load(&jobs_of[i].active, acquire); /* pairs with retire(): the task made ready is in a queue */
	return n;
}
