/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/job.h"

#include <pthread.h>
#include <string.h>

#include "context/control.h"
#include "io/sigmask.h"
#include "life/returned.h"
#include "run/worker.h"

static uint32_t caller_control; /* floating-point control words of the caller of sley_run(); constant in a run */

void job_open(void)
{
	caller_control = control_get();
}

struct job *job_new(const struct offload *what, const void *block, size_t n)
{
	struct job *job = block_alloc(sizeof(*job) + n);
	if (!job)
		return NULL;
	*job = (struct job){ .fn = what->fn, .dropped = what->dropped, .n = n, .service = what->service };
	if (n > 0)
		memcpy(job->block, block, n);
	return job;
}

void job_free(struct job *job)
{
	block_free(job, sizeof(*job) + job->n);
}

/* Calls fn, which is job->fn or job->dropped, on a thread of a pool. */
static void job_call(struct job *job, void (*fn)(void *))
{
	sigset_t blocked;
	if (!job->service) {
		fn(job->block);
		return;
	}
	pthread_sigmask(SIG_SETMASK, signals_blocked(), NULL);
	control_set(caller_control);
	fn(job->block);
	returned_from("a function that a thread of sley's pools runs");
	signals_of_pools(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

void job_run(struct job *job)
{
	job_call(job, job->fn);
}

void job_drop(struct job *job, bool pooled)
{
	if (job->dropped && pooled)
		job_call(job, job->dropped);
	else if (job->dropped)
		job->dropped(job->block);
	job_free(job);
}
