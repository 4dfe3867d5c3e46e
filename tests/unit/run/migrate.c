/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Forced migration: SLEY_CHECK=migrate, SLEY_RUN_MIGRATE. */
#include "tests/unit/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/current.h"

#define ROUNDS 200

static __thread int kept; /* a library's state, as it is planted here */
static struct sley_mutex mutex;
static struct sley_chan *there, *back;

static int run_flags(int (*main)(void *), unsigned workers, unsigned flags)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers, .flags = flags };
	int result = -1;
	assert_int_equal(sley_run(main, &workers, &options, &result), 0);
	return result;
}

/* Not inlined, so that each call finds the variable of the thread that it runs on. */
__attribute__((noinline)) static int *own(void)
{
	__asm__ volatile("" ::: "memory");
	return &kept;
}

/* Until so many workers run, a task that waits can go on nowhere else. */
static void await_workers(unsigned n)
{
	while (load(&scheduler.started, acquire) < n)
		sley_yield();
}

static int waits_in_vain(void *workers)
{
	int wrong = 0;
	await_workers(*(unsigned *)workers);
	for (int i = 1; i <= ROUNDS; i++) {
		*own() = i;
		REQUIRE(sley_sleep(sley_in(SLEY_US(10))) == 0);
		wrong += *own() != i;
	}
	return wrong;
}

/* A task stays if the other worker did not come to it in time, which happens on a busy machine. */
#define MOVED_LEAST (ROUNDS * 3 / 4)

/* A thread-local that is kept over a wait: without migration one task alone always finds its own, with it hardly ever. */
TEST(keeper)
{
	assert_int_equal(run_flags(waits_in_vain, 1, 0), 0);
	assert_in_range(run_flags(waits_in_vain, 2, SLEY_RUN_MIGRATE), MOVED_LEAST, ROUNDS);
}

static int waits_pinned(void *workers)
{
	int old = sley_pin(1), wrong = waits_in_vain(workers);
	sley_pin(old);
	return wrong;
}

/* A task that is pinned stays. */
TEST(pinned)
{
	assert_int_equal(run_flags(waits_pinned, 2, SLEY_RUN_MIGRATE), 0);
}

static pid_t moved_from;
static int stayed;

static void begins(void)
{
	moved_from = gettid();
}

static void ends(void)
{
	stayed += gettid() == moved_from;
}

static void echoes(void *unused)
{
	int item;
	while (sley_chan_recv(there, &item, SLEY_NEVER) == 0)
		REQUIRE(sley_chan_send(back, &item, SLEY_NEVER) == 0);
}

static int all_ways(void *unused)
{
	int item = 1;
	REQUIRE(sley_chan_new(&there, sizeof(int), 0) == 0 && sley_chan_new(&back, sizeof(int), 0) == 0);
	sley_task task = sley_spawn(echoes, NULL);
	REQUIRE(task > 0);
	for (int i = 0; i < ROUNDS; i++) {
		begins();
		sley_yield();
		ends();
		REQUIRE(sley_chan_send(there, &item, SLEY_NEVER) == 0);
		begins();
		if (sley_chan_try_recv(back, &item) != 0) { /* else it need not wait */
			REQUIRE(sley_chan_recv(back, &item, SLEY_NEVER) == 0);
		} else {
			moved_from = 0;
		}
	}
	sley_chan_close(there);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	sley_chan_free(there);
	sley_chan_free(back);
	return 0;
}

/* A yield moves, too; and tasks that wake each other lose nothing. */
TEST(yields)
{
	stayed = 0;
	assert_int_equal(run_flags(all_ways, 2, SLEY_RUN_MIGRATE), 0);
	assert_int_equal(stayed, 0);
	assert_int_equal(run_flags(all_ways, 4, SLEY_RUN_MIGRATE | SLEY_RUN_STRICT_STACKS), 0);
}

static long sum;

static void adds(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
		long before = sum;
		sley_yield();
		sum = before + 1;
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
}

static int many(void *unused)
{
	sley_task tasks[20];
	sum = 0;
	for (int i = 0; i < 20; i++)
		REQUIRE((tasks[i] = sley_spawn(adds, NULL)) > 0);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return sum == 20 * ROUNDS ? 0 : 1;
}

/* Tasks that share stacks and wait for a mutex, on each number of workers. */
TEST(many)
{
	struct sley_options options = { .size = sizeof(options), .flags = SLEY_RUN_MIGRATE, .stack_slots = 4 };
	for (options.workers = 2; options.workers <= 4; options.workers++) {
		int result = -1;
		assert_int_equal(sley_run(many, NULL, &options, &result), 0);
		assert_int_equal(result, 0);
	}
}

static void blocks(void *fds)
{
	char byte;
	REQUIRE(read(((int *)fds)[0], &byte, 1) == 1); /* of the system */
}

static int beside_a_block(void *unused)
{
	static int fds[2];
	struct sley_task_options own_stack = { .size = sizeof(own_stack), .private_stack = 1 };
	REQUIRE(pipe(fds) == 0);
	sley_task task = sley_spawn_with(&own_stack, blocks, fds, SLEY_BY_POINTER);
	REQUIRE(task > 0);
	for (int i = 0; i < 50; i++)
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(write(fds[1], "", 1) == 1);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* What was moved to a worker that a task blocks comes back when the block is found. */
TEST(blocked)
{
	assert_int_equal(run_flags(beside_a_block, 2, SLEY_RUN_MIGRATE), 0);
}

static int run_checked(const char *check, int *result, char *text, size_t size)
{
	struct sley_options o = { .size = sizeof(o), .workers = 2 };
	setenv("SLEY_CHECK", check, 1);
	capture_begin();
	unsigned workers = 2;
	int error = sley_run(waits_in_vain, &workers, &o, result);
	capture_end(text, size);
	unsetenv("SLEY_CHECK");
	return error;
}

/* The words of the environment; one that is none of them is named, with those that are. */
TEST(words)
{
	static const char *const good[] = { "migrate", "all", "strict,migrate", "migrate,strict", "migrate," };
	static const char *const bad[] = { "migrat", "migrate,x", "strict migrate", "all,,", "ALL" };
	char text[1024];
	int wrong = 0;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(run_checked(good[i], &wrong, text, sizeof(text)), 0);
		assert_in_range(wrong, MOVED_LEAST, ROUNDS);
		assert_string_equal(text, "");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(run_checked(bad[i], &wrong, text, sizeof(text)), -EINVAL);
		assert_non_null(strstr(text, "is unknown: give strict, migrate or all"));
	}
	assert_int_equal(run_checked("", &wrong, text, sizeof(text)), 0);
}

/* One worker: a line says that there is no other one, once, and the run goes on. */
TEST(alone)
{
	char text[1024];
	capture_begin();
	assert_int_equal(run_flags(waits_in_vain, 1, SLEY_RUN_MIGRATE), 0);
	assert_int_equal(run_flags(waits_in_vain, 1, SLEY_RUN_MIGRATE), 0);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "has no effect on one worker"), 1);
}
