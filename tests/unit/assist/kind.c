/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/assist/kind.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"
#include "tests/unit/assist/sources.h"

#define LOOK_MS 50 /* several ticks */

static const struct kind *kind;
static unsigned entered, left, ran_behind; /* atomic */

static void block(void *number)
{
	unsigned i = *(unsigned *)number;
	source_enter();
	fetch_add(&entered, 1, release);
	kind->block(i);
	fetch_add(&left, 1, release);
	source_leave();
}

static void block_all(sley_task *tasks, unsigned n)
{
	store(&entered, 0, relaxed);
	store(&left, 0, relaxed);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn_copy(block, &i, sizeof(i))) > 0);
}

static void join_all(const sley_task *tasks, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

/* Once as many tasks as there are workers are in their calls, this one is on a spare. */
static int main_found(void *unused)
{
	sley_task tasks[KIND_MOST];
	unsigned n = scheduler.target;
	uint64_t blocks = counter(SLEY_COUNTER_blocks);
	source_await();
	block_all(tasks, n);
	await_at_least(&entered, n);
	REQUIRE(counter(SLEY_COUNTER_blocks) > blocks);
	while (load(&left, acquire) < n) {
		kind->end();
		sley_yield();
	}
	join_all(tasks, n);
	return 0;
}

static void *look_and_end(void *blocks)
{
	unsigned n = scheduler.target;
	while (load(&entered, acquire) < n)
		sched_yield();
	usleep(LOOK_MS * 1000);
	REQUIRE(!load(&ran_behind, acquire) && counter(SLEY_COUNTER_blocks) == *(const uint64_t *)blocks);
	while (load(&left, acquire) < n) {
		kind->end();
		sched_yield();
	}
	return NULL;
}

static int main_left(void *unused)
{
	pthread_t thread;
	sley_task tasks[KIND_MOST];
	uint64_t blocks = counter(SLEY_COUNTER_blocks);
	store(&ran_behind, 0, relaxed);
	block_all(tasks, scheduler.target);
	REQUIRE(pthread_create(&thread, NULL, look_and_end, &blocks) == 0);
	await_at_least(&entered, scheduler.target);
	store(&ran_behind, 1, release);
	join_all(tasks, scheduler.target);
	pthread_join(thread, NULL);
	return 0;
}

static void run_kind(const struct kind *which, int (*main)(void *))
{
	for (unsigned workers = 1; workers <= KIND_MOST; workers += workers == 1 ? 1 : 6) {
		kind = which;
		if (kind->open)
			kind->open(workers);
		run(main, workers);
		if (kind->close)
			kind->close();
	}
}

void kind_is_found(const struct kind *which)
{
	run_kind(which, main_found);
}

void kind_is_left(const struct kind *which)
{
	source_use(NULL);
	run_kind(which, main_left);
}
