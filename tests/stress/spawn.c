/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Spawn and join storms at the limit of the task table: -EAGAIN is an answer, entries are reused at once, and an id
 * that is over never means another task.
 */
#include "stress.h"

#include <sched.h>
#include <stdlib.h>

#define MAX_TASKS 500u /* fixed by the first run of the process */

static long begun, ended, refused; /* atomic */
static struct sley_group alive;

static void count_begun(void)
{
	fetch_add(&begun, 1, relaxed); /* read after all have been waited for */
}

static void count_refused(sley_task answer)
{
	REQUIRE(answer == -EAGAIN);
	fetch_add(&refused, 1, relaxed);
}

static void child(void *arg)
{
	if ((uintptr_t)arg % 3 == 0)
		sley_yield();
	fetch_add(&ended, 1, relaxed);
}

/* Spawns as many as it can, up to 50, then joins them in some order; ids that are over are tried too. */
static void storm(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	long rounds = test_scale(400);
	for (long i = 0; i < rounds; i++) {
		sley_task task[50];
		unsigned n = 0, wanted = 1 + stress_random(&seed) % 50;
		while (n < wanted) {
			sley_task id = sley_spawn(child, (void *)(uintptr_t)stress_random(&seed));
			if (id < 0) {
				count_refused(id);
				break;
			}
			count_begun();
			task[n++] = id;
		}
		if (n == 0)
			sley_yield();
		for (unsigned k = 0; k < n; k++)
			stress_join(task[n % 7 ? (k * 7 + 3) % n : k]);
		for (unsigned k = 0; k < n; k++)
			REQUIRE(sley_join(task[k], SLEY_NEVER) == -ESRCH);
		stress_progress();
	}
}

static void detached_child(void *arg)
{
	child(arg);
	REQUIRE(sley_group_done(&alive) == 0);
}

static void storm_from_thread(unsigned number)
{
	uint32_t seed = 100 + number;
	long rounds = test_scale(10000);
	for (long i = 0; i < rounds; i++) {
		REQUIRE(sley_group_add(&alive, 1) == 0);
		int answer = sley_go(detached_child, (void *)(uintptr_t)stress_random(&seed));
		if (answer == 0) {
			count_begun();
		} else {
			count_refused(answer);
			REQUIRE(sley_group_done(&alive) == 0);
			sched_yield();
		}
		if (i % 64 == 0)
			stress_progress();
	}
}

#define STORMS 30

static void storms_body(void)
{
	sley_task task[STORMS];
	begun = ended = refused = 0;
	for (uintptr_t i = 0; i < STORMS; i++)
		task[i] = stress_spawn(storm, (void *)i);
	stress_threads_start(3, storm_from_thread);
	for (int i = 0; i < STORMS; i++)
		stress_join(task[i]);
	stress_threads_join();
	stress_wait(&alive);
	REQUIRE(begun == ended);
}

/*
 * Proves that tasks and plain threads that spawn and join at once, more than the table holds, start each task that was
 * not refused exactly once, and join each once: a second join answers -ESRCH although the entry is another task's by
 * then.
 */
TEST(storms)
{
	long all_refused = 0;
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		STRESS_RUN(storms_body, .workers = workers, .max_tasks = MAX_TASKS);
		all_refused += refused;
		assert_int_equal(stress_counted(SLEY_COUNTER_spawned), begun + STORMS + 1);
	}
	assert_true(stress_provoked(all_refused > 0));
}

/* ---- the limit itself ---- */

static struct sley_group gate;

static void until_gate(void *arg)
{
	stress_wait(&gate);
}

static void full_body(void)
{
	sley_task task[MAX_TASKS];
	REQUIRE(sley_group_add(&gate, 1) == 0);
	for (int round = 0; round < 20; round++) {
		unsigned n = 0;
		sley_task id;
		while ((id = sley_spawn(until_gate, NULL)) > 0) {
			REQUIRE(n < MAX_TASKS);
			task[n++] = id;
		}
		REQUIRE(id == -EAGAIN);
		/* the others' caches may hold some free entries, of 64 each */
		REQUIRE(n + 1 + 64 * STRESS_WORKERS >= MAX_TASKS);
		REQUIRE(sley_group_done(&gate) == 0);
		for (unsigned i = 0; i < n; i++)
			stress_join(task[i]);
		REQUIRE(sley_group_add(&gate, 1) == 0);
		stress_progress();
	}
	REQUIRE(sley_group_done(&gate) == 0);
}

/* Proves that the table fills up to its limit again and again: a refused spawn leaks nothing, and all can be joined. */
TEST(full_table)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(full_body, .workers = workers, .max_tasks = MAX_TASKS);
}

/* ---- who joins ---- */

#define RIVALS 4

static sley_task wanted; /* what the rivals join; written before they start */
static long won, lost;   /* atomic */

static void rival(void *arg)
{
	stress_spin((uint32_t)(uintptr_t)arg);
	int answer = sley_join(wanted, SLEY_NEVER);
	REQUIRE(answer == 0 || answer == -EINVAL || answer == -ESRCH);
	fetch_add(answer == 0 ? &won : &lost, 1, relaxed);
}

static void rivals_body(void)
{
	uint32_t seed = 5;
	long rounds = test_scale(3000);
	won = lost = 0;
	for (long i = 0; i < rounds; i++) {
		sley_task task[RIVALS];
		wanted = stress_spawn(child, (void *)(uintptr_t)stress_random(&seed));
		for (int k = 0; k < RIVALS; k++)
			task[k] = stress_spawn(rival, (void *)(uintptr_t)(stress_random(&seed) % 400));
		for (int k = 0; k < RIVALS; k++)
			stress_join(task[k]);
		REQUIRE(won == i + 1 && lost == (RIVALS - 1) * (i + 1));
		stress_progress();
	}
}

/*
 * Proves that of several tasks that join the same one exactly one gets it; the others are told that it is being joined
 * (-EINVAL) or has been (-ESRCH).
 */
TEST(rivals)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(rivals_body, .workers = workers, .max_tasks = MAX_TASKS);
}

/* ---- runs ---- */

static void abandoned(void *arg)
{
	const char *block = arg;
	for (;;) {
		REQUIRE(block[0] == 'x' && block[99] == 'y');
		if (block[1])
			stress_wait(&gate);
		sley_yield();
	}
}

/* Leaves tasks in every state behind: waiting, ready, on another worker, never run. */
static void leaving_body(void)
{
	char block[100] = "x";
	block[99] = 'y';
	const struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	gate = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	for (int i = 0; i < 100; i++) {
		block[1] = i % 3 == 0;
		REQUIRE(i % 5 ? sley_spawn_copy(abandoned, block, sizeof(block)) > 0
			      : sley_spawn_with(&private, abandoned, block, sizeof(block)) > 0);
		if (i % 10 == 0)
			sley_yield();
	}
	stress_progress();
}

/* Proves that runs follow each other although each is left with tasks in all states, which never run again. */
TEST(runs_with_tasks_left)
{
	long rounds = test_scale(100);
	for (long i = 0; i < rounds; i++)
		STRESS_RUN(leaving_body, .workers = 1 + (unsigned)i % STRESS_WORKERS, .max_tasks = MAX_TASKS);
	gate = (struct sley_group)SLEY_GROUP_INIT;
}
