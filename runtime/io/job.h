/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An offloaded call, and its job: the call with a copy of its block, off the stack, while it is in a pool (see jobs.h).
 *
 * The pools' threads block all signals except those raised by their own faults. So no handler of the service runs
 * between the service's functions, or interrupts the runtime's calls. A function of the service runs with the mask of
 * all threads of the run. So a program that it starts (system(3), posix_spawn(3), fork(2)) inherits that mask, and can
 * be ended by SIGTERM; and its own changes of the mask end with it. The same holds for the floating-point control
 * words: a new thread has those of the task that started it.
 */
#ifndef IO_JOB_H
#define IO_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "task/task.h"

/* The wait that the calling task shows to tools. */
struct pool_wait {
	enum sley_wait_kind kind;
	uint64_t object;
	const void *pc;
};

enum pool_kind { POOL_BLOCKING, POOL_COMPUTE, POOL_NAMES, POOLS };

/* A call to be offloaded. */
struct offload {
	void (*fn)(void *block);
	void (*dropped)(void *block); /* may be null */
	struct pool_wait wait;
	enum pool_kind pool;
	bool service; /* see struct job */
};

enum job_stage { JOB_QUEUED, JOB_RUNNING, JOB_ENDED };

struct job {
	struct list_link link; /* protected by the pool's lock */
	struct task *task;     /* protected by the pool's lock: the waiting task; null: it gave up the job */
	/* constant */
	void (*fn)(void *);
	void (*dropped)(void *);
	size_t n;
	bool service;  /* fn and dropped belong to the service, or call its code: they run with the run's signal mask */
	int error;     /* set before the stage ENDED: the error if it could not run */
	bool nested;   /* a pool's thread waits for the calling task; set before the stage QUEUED */
	uint8_t stage; /* protected by the pool's lock: enum job_stage */
	char block[] __attribute__((aligned(16)));
};

typedef LIST(struct job) job_list;

/* Makes a job as `what` says for a block of n bytes, copied from `block`. Returns null if there is no memory. */
struct job *job_new(const struct offload *what, const void *block, size_t n);
void job_free(struct job *job);

/* Called at the beginning of a run, on the thread that called sley_run(). */
void job_open(void);

/* Runs the job, on a thread of a pool. */
void job_run(struct job *job);

/* Passes the block to `dropped`, and frees the job. `pooled`: called on a thread of a pool. */
void job_drop(struct job *job, bool pooled);

#endif
