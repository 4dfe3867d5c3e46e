/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/current.h"

#include <errno.h>

#include "run/late.h"
#include "run/worker.h"

struct scheduler scheduler;
struct sched_hooks sched_hooks;

/*
 * initial-exec model: one instruction finds the variable. The library is small enough for the static TLS reserve if it
 * is loaded by dlopen().
 */
__thread struct worker *this_worker;

NOINLINE struct worker *worker_self(void)
{
	COMPILER_BARRIER();
	return this_worker;
}

NOINLINE struct task *task_self(void)
{
	COMPILER_BARRIER();
	return this_worker ? this_worker->task : NULL;
}

static uint32_t xorshift(uint32_t *state) /* xorshift32, G. Marsaglia 2003 */
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

NOINLINE uint32_t random_here(void)
{
	static __thread uint32_t others = 0x9e3779b9;
	COMPILER_BARRIER();
	return xorshift(this_worker ? &this_worker->random : &others);
}

int scheduler_error(void)
{
	if (likely(load(&scheduler.running, acquire))) /* pairs with runtime.c: the structures are complete */
		return 0;
	return load(&scheduler.forked, relaxed) ? -ECHILD : -ENOTCONN;
}

int outside_error(void)
{
	return load(&scheduler.forked, relaxed) ? -ECHILD : -EDEADLK;
}

/*
 * Reading the clock for every change of state would cost an echo server 1 % while a tool watches. A pass of the
 * scheduler takes less than a microsecond, so all stamps of a pass share one reading: the reading of the task that just
 * began to wait, or the first one after a sleep. Time passes while a task runs, so a task's stamp reads the clock
 * again.
 */
NOINLINE int64_t worker_stamp(void)
{
	struct worker *worker = worker_self();
	if (!worker)
		return clock_now();
	if (worker->task || worker->stamp == 0) {
		worker->stamp = clock_now();
		if (unlikely(worker->stamp - worker->polled > LATE_LEAST))
			store(&worker->poll_due, 1, relaxed); /* see late.h */
	}
	return worker->stamp;
}

void worker_forked(void)
{
	block_cache_use(NULL);
	this_worker = NULL;
}

void count_here(enum sley_counter counter, uint64_t n)
{
	struct worker *worker = worker_self();
	if (worker)
		bump(&worker->counters[counter], n);
	else if (!load(&scheduler.forked, relaxed)) /* the region is not mapped in a forked child */
		fetch_add(&region_counters(0)[counter], n, relaxed);
}
