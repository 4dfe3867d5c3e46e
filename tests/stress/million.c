/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A million parked tasks with default limits: what they cost, and that all come back.
 */
#include "stress.h"

#include <stdio.h>
#include <string.h>

#define BYTES_PER_TASK 600

/* Under the sanitizers a task costs up to two mappings (its own stack and guard, or a shadow stack) of 65,530. */
#if defined(SLEY_ASAN)
#define TASKS MIN(test_scale(1000000), 20000)
#define SLOTS ((unsigned)TASKS + 64)
#elif defined(SLEY_TSAN)
#define TASKS MIN(test_scale(1000000), 20000)
#define SLOTS 0
#elif defined(SLEY_CONTEXT_UCONTEXT) /* a parked task keeps a ucontext_t of 1 KiB there */
#define TASKS test_scale(200000)
#define SLOTS 0
#else
#define TASKS test_scale(1000000)
#define SLOTS 0 /* the default */
#endif

static long tasks;
static long woken; /* atomic */
static struct sley_group parked, gate;
static long before_kib, parked_kib;

/* The sum of two lines of /proc/self/status, KiB: what is resident, and the page tables that it takes. */
static long memory_kib(void)
{
	char line[256];
	long rss = 0, tables = 0;
	FILE *status = fopen("/proc/self/status", "r");
	REQUIRE(status);
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "VmRSS: %ld", &rss);
		sscanf(line, "VmPTE: %ld", &tables);
	}
	fclose(status);
	REQUIRE(rss > 0 && tables > 0);
	return rss + tables;
}

static void parks(void *arg)
{
	long n = (long)(intptr_t)arg, copy = ~n;
	if (n % 4096 == 0)
		stress_progress();
	REQUIRE(sley_group_done(&parked) == 0);
	stress_wait(&gate);
	REQUIRE(n == ~copy); /* on the stack, if the compiler did not see through it */
	fetch_add(&woken, 1, relaxed);
	if (n % 4096 == 0)
		stress_progress();
}

/* The ids, to be joined, are part of neither side. */
static sley_task ids[1000000];

static void million_body(void)
{
	memset(ids, 1, sizeof(ids));
	woken = 0;
	before_kib = memory_kib();
	REQUIRE(sley_group_add(&gate, 1) == 0 && sley_group_add(&parked, tasks) == 0);
	for (long i = 0; i < tasks; i++)
		ids[i] = stress_spawn(parks, (void *)(intptr_t)i);
	stress_wait(&parked); /* the last ones are on their way into their wait */
	parked_kib = memory_kib();
	REQUIRE(sley_group_done(&gate) == 0);
	for (long i = 0; i < tasks; i++)
		stress_join(ids[i]);
	REQUIRE(woken == tasks);
}

/*
 * Proves that a million tasks can be parked, woken and joined with default options, and that each costs less than 600
 * bytes of memory, page tables included, in plain builds of the assembly switch.
 */
TEST(million)
{
	tasks = TASKS;
	STRESS_RUN(million_body, .stack_slots = SLOTS);
	double bytes = (double)(parked_kib - before_kib) * 1024 / (double)tasks;
	print_message("%ld tasks parked: %.0f bytes each\n", tasks, bytes);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) && !defined(SLEY_CONTEXT_UCONTEXT) && !defined(SLEY_DEBUG) && \
	!defined(__clang__)
	assert_true(tasks < 1000000 || bytes < BYTES_PER_TASK);
#endif
}

/*
 * Proves that the memory of a million tasks serves the next million, in the same process, with any number of
 * workers.
 */
TEST(again)
{
	tasks = TASKS;
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers *= 2)
		STRESS_RUN(million_body, .workers = workers, .stack_slots = SLOTS);
}
