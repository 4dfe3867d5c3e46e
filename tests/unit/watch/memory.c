/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Memory comes back after bursts of tasks. Each test runs in a process of its own, and compares its resident bytes
 * with those before the burst.
 */
#include "watch/memory.h"

#include "tests/unit/run.h"

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

#define MIB ((size_t)1 << 20)

static size_t resident(void)
{
	long size, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	REQUIRE(file && fscanf(file, "%ld %ld", &size, &pages) == 2);
	fclose(file);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct sley_group gate;
static unsigned parked; /* atomic */

static void park_with(void *live)
{
	size_t n = *(size_t *)live;
	volatile char *bytes = alloca(n);
	memset((char *)bytes, 1, n);
	fetch_add(&parked, 1, relaxed);
	REQUIRE(sley_group_wait(&gate, SLEY_NEVER) == 0);
	REQUIRE(bytes[n - 1] == 1);
}

/* So many tasks are parked at the same time, with so many live bytes each, and end. What they had at most. */
static size_t burst_of(sley_task *ids, unsigned tasks, size_t live)
{
	REQUIRE(sley_group_add(&gate, 1) == 0);
	store(&parked, 0, relaxed);
	for (unsigned i = 0; i < tasks; i++)
		REQUIRE((ids[i] = sley_spawn_copy(park_with, &live, sizeof(live))) > 0);
	while (load(&parked, relaxed) < tasks)
		sley_yield();
	size_t most = resident();
	REQUIRE(sley_group_done(&gate) == 0);
	for (unsigned i = 0; i < tasks; i++)
		REQUIRE(sley_join(ids[i], SOON) == 0);
	return most;
}

static size_t burst(unsigned tasks, size_t live)
{
	sley_task *ids = malloc(tasks * sizeof(*ids));
	REQUIRE(ids);
	size_t most = burst_of(ids, tasks, live);
	free(ids);
	return most;
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* their own memory is most of what is resident */

static size_t allowed(size_t before)
{
	return before + (before / 10 > 8 * MIB ? before / 10 : 8 * MIB);
}

/* Sleeps until no more than that is resident, for so long at most. */
static void await_resident(size_t most, sley_time longest)
{
	sley_time until = sley_in(longest);
	while (resident() > most && sley_now() < until)
		sley_sleep(sley_in(SLEY_MS(20)));
	if (resident() > most)
		fprintf(stderr, "%zu MiB are resident, allowed are %zu\n", resident() / MIB, most / MIB);
	REQUIRE(resident() <= most);
}

/* One size of images after the other: what one has freed serves the next. */
static int main_sizes(void *unused)
{
	size_t before, most = 0;
	burst(10, 100); /* what is there once and for all */
	before = resident();
	for (size_t live = 4000; live <= 30000; live += 13000) {
		size_t now = burst(2000, live);
		most = now > most ? now : most;
	}
	REQUIRE(most < before + 2000 * (30000 + 8192) + 30 * MIB);
	await_resident(allowed(before), SLEY_SEC(30));
	return 0;
}

/* Many tasks with little each. */
static int main_many(void *unused)
{
	size_t before;
	burst(10, 100);
	before = resident();
	REQUIRE(burst(60000, 300) > before + 30 * MIB);
	await_resident(allowed(before), SLEY_SEC(30));
	return 0;
}

/* With the time that a service has. */
static int main_five_seconds(void *unused)
{
	size_t before;
	burst(10, 100);
	before = resident();
	burst(10000, 8000);
	await_resident(allowed(before), SLEY_SEC(5));
	return 0;
}

static sley_task million[1000000];

/* The public records too, and what the global queue needs for so many. The ids' array is there before. */
static int main_million(void *unused)
{
	unsigned n = sizeof(million) / sizeof(million[0]);
	size_t before;
	memset(million, 1, sizeof(million));
	burst(10, 100);
	before = resident();
	REQUIRE(burst_of(million, n, 100) > before + 300 * MIB);
	await_resident(allowed(before), SLEY_SEC(5));
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_cancel(million[i]) == -ESRCH);
	return 0;
}

static int in_run(int (*main)(void *), unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	int result = 1;
	return sley_run(main, NULL, &options, &result) != 0 || result != 0;
}

/* Runs it in a process of its own, with up to so many workers; steps of decay of so many ns. */
static void in_child(int (*main)(void *), unsigned most, int64_t interval)
{
	test_need_kernel("qemu-user has memory of its own for what it translates");
	for (unsigned workers = 1; workers <= most; workers++) {
		int status;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			store(&memory_interval, interval, relaxed);
			_exit(in_run(main, workers));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

TEST(sizes)
{
	in_child(main_sizes, 2, 20 * NS_PER_MS);
}

TEST(many)
{
	in_child(main_many, 2, 20 * NS_PER_MS);
}

TEST(five_seconds)
{
	in_child(main_five_seconds, 1, DECAY_INTERVAL);
}

TEST(million)
{
	in_child(main_million, 2, DECAY_INTERVAL);
}

#endif

/* ---- driven by hand ---- */

static unsigned caches(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BLOCK_CLASSES; i++)
		n += worker_self()->stack.blocks.free[i].count;
	return n + worker_self()->stack.free_count;
}

/* A worker that is asked to empties its caches, although it always has something to do. */
TASK_TEST(asked, 1)
{
	burst(200, 600); /* as many as have stacks where these are not shared */
	REQUIRE(caches() > 32);
	store(&worker_self()->empty_due, 1, relaxed);
	while (load(&worker_self()->empty_due, relaxed)) /* a worker does it when it polls */
		sley_yield();
	REQUIRE(caches() <= 32);
}
