/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is published of tasks that were late as a worker was away. tests/bpf/late.c has the truth of whole blocks. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/late.h"
#include "run/worker.h"

#define BLOCK (3 * LATE_LEAST)

/* Tasks of one dispatch add up, those of the next begin anew; the sums of times go on. */
TEST(add)
{
	static struct sley_region_block block;
	static _Alignas(CACHE_LINE) struct worker worker;
	worker.block = &block;
	worker.tick = 100;
	late_add(&worker, 2, 3000, 5000);
	late_add(&worker, 1, 4000, 6000);
	assert_int_equal(block.late, SLEY_LATE(100, 3));
	assert_int_equal(block.late_ns, 7000);
	assert_int_equal(block.late_found_ns, 2 * 5000 + 6000);
	worker.tick++;
	late_add(&worker, 1, 100, 200);
	assert_int_equal(block.late, SLEY_LATE(101, 1));
	assert_int_equal(block.late_ns, 7100);
	assert_int_equal(block.late_found_ns, 16200);
}

/* ---- in runs ---- */

static void want_times(void)
{
	sley_time end = SOON;
	store(&region.control->level, SLEY_LEVEL_TIMES, relaxed);
	store(&region.control->lease_ns, sley_in(SLEY_LEASE_MAX_NS - SLEY_SEC(1)), relaxed);
	while (!region_times()) {
		REQUIRE(sley_now() < end);
		sley_yield();
	}
}

/* What its worker has published, before and after. The sum of the delays is the difference of the two sums. */
struct published {
	struct sley_region_block *block;
	uint64_t tick, late, delays;
};

static struct published published_now(void)
{
	struct worker *worker = worker_self();
	struct sley_region_block *b = worker->block;
	return (struct published){ b, worker->tick, load(&b->late, relaxed),
				   load(&b->late_found_ns, relaxed) - load(&b->late_ns, relaxed) };
}

/* One task was found since, for the dispatch of then, and it was late for so long. */
static void require_one(const struct published *then, int64_t least, int64_t most)
{
	const struct sley_region_block *b = then->block;
	uint64_t delays = load(&b->late_found_ns, relaxed) - load(&b->late_ns, relaxed) - then->delays;
	REQUIRE(load(&b->late, relaxed) == SLEY_LATE(then->tick, 1));
	REQUIRE((int64_t)delays >= least && (int64_t)delays <= most);
}

static struct published before;
static sley_time began;
static unsigned blocked, checked;

static void block_thread(void)
{
	usleep(BLOCK / 1000);
}

static struct sley_sem sem = SLEY_SEM_INIT(0);

static void await_post(void *unused)
{
	REQUIRE(sley_sem_acquire(&sem, 1, SOON) == 0);
}

static void *post(void *unused)
{
	REQUIRE(sley_sem_release(&sem, 1) == 0);
	return NULL;
}

/* It is ready all the time, so the task that blocks could switch to it directly. */
static void check_next(void *unused)
{
	while (!load(&blocked, relaxed))
		sley_yield();
	require_one(&before, BLOCK, sley_now() - began);
	store(&checked, 1, release);
}

/*
 * What is found after a block belongs to its dispatch, although another task is ready to which the worker could switch
 * without a look.
 */
TASK_TEST(found_before_the_next, 1)
{
	pthread_t thread;
	sley_task victim = sley_spawn(await_post, NULL), next = sley_spawn(check_next, NULL);
	want_times();
	await_state(victim, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	before = published_now();
	began = worker_self()->polled;
	REQUIRE(pthread_create(&thread, NULL, post, NULL) == 0 && pthread_join(thread, NULL) == 0);
	block_thread();
	store(&blocked, 1, relaxed);
	sley_yield();
	REQUIRE(sley_join(next, SOON) == 0 && sley_join(victim, SOON) == 0 && load(&checked, acquire));
}

static struct sley_mutex mutex = SLEY_MUTEX_INIT;

static void lock_once(void *unused)
{
	REQUIRE(sley_mutex_lock(&mutex, SOON) == 0 && sley_mutex_unlock(&mutex) == 0);
}

static long sleeps(void)
{
	struct rusage usage;
	REQUIRE(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nvcsw;
}

/*
 * Waiters of a mutex whose owner was blocked are found at its unlock, and are late for as long as its worker was away, no
 * matter how long they have waited before. An owner that computes publishes nothing.
 */
TASK_TEST(given_back, 1)
{
	want_times();
	for (int blocks = 0; blocks < 2; blocks++) {
		REQUIRE(sley_mutex_lock(&mutex, SOON) == 0);
		sley_task waiter = sley_spawn(lock_once, NULL);
		await_state(waiter, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
		block_thread();
		sley_yield();
		struct published then = published_now();
		int64_t polled = worker_self()->polled;
		long slept = worker_self()->sleeps;
		if (blocks) {
			block_thread();
		} else {
			for (sley_time end = sley_in(BLOCK); sley_now() < end;)
				;
		}
		bool computed = sleeps() == slept; /* a page may be missing */
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
		if (blocks)
			require_one(&then, BLOCK, sley_now() - polled);
		else
			REQUIRE(!computed || load(&then.block->late, relaxed) == then.late);
		REQUIRE(sley_join(waiter, SOON) == 0);
	}
}

#ifndef SLEY_ASAN /* there no two tasks share a stack */
static void wait_for_stack(void *unused)
{
	require_one(&before, BLOCK, sley_now() - began);
	store(&checked, 1, release);
}

static void hold_stack(void *unused)
{
	sley_time end = SOON;
	sley_task victim = sley_spawn(wait_for_stack, NULL);
	began = worker_self()->polled;
	before = published_now();
	while (state_of(victim) != SLEY_TASK_SLOT) {
		REQUIRE(sley_now() < end);
		block_thread();
	}
	block_thread();
}

static int main_stack(void *unused)
{
	store(&checked, 0, relaxed);
	want_times();
	sley_task holder = sley_spawn(hold_stack, NULL);
	REQUIRE(sley_join(holder, SOON) == 0);
	await_at_least(&checked, 1);
	return 0;
}

/* So are those that come to wait for the stack of the task that blocks. */
TEST(stack)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 1 };
	run_with(main_stack, NULL, &options);
}
#endif
