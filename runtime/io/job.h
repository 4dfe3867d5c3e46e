/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What is offloaded, and a job: such a call with a copy of its block, off the stack, while it is in a pool (see jobs.h).
 *
 * The pools' threads have all signals blocked but those that a fault of their own raises: no handler of the service's
 * runs between its calls, or interrupts the runtime's. What is the service's runs with the mask that all threads of the
 * run have. So what it starts (system(3), posix_spawn(3), fork(2)) inherits that, and can be ended by SIGTERM; and
 * whatever it does to the mask ends with it. So do the floating-point control words: a new thread has those of the task
 * that started it.
 */
#ifndef IO_JOB_H
#define IO_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "task/task.h"

/* What the calling task shows while it waits. */
struct pool_wait {
	enum sley_wait_kind kind;
	uint64_t object;
	const void *pc;
};

enum pool_kind { POOL_BLOCKING, POOL_COMPUTE, POOL_NAMES, POOLS };

/* A call that is to be offloaded. */
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
	struct task *task;     /* protected by the pool's lock: who waits; null: it was given up */
	/* constant */
	void (*fn)(void *);
	void (*dropped)(void *);
	size_t n;
	bool service;  /* both are the service's, or call what is: they run with the run's signal mask */
	int error;     /* why it could not be run; set before it is ENDED */
	bool nested;   /* a thread of a pool waits for its task; set before it is QUEUED */
	uint8_t stage; /* protected by the pool's lock: enum job_stage */
	char block[] __attribute__((aligned(16)));
};

typedef LIST(struct job) job_list;

/* A job as `what` says for a block of n bytes, copied from `block`. Null: no memory. */
struct job *job_new(const struct offload *what, const void *block, size_t n);
void job_free(struct job *job);

/* The run begins, on the thread that called sley_run(). */
void job_open(void);

/* On a thread of a pool: runs it. */
void job_run(struct job *job);

/* Gives the block to `dropped`, and frees the job. `pooled`: on a thread of a pool. */
void job_drop(struct job *job, bool pooled);

#endif
