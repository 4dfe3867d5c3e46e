/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Work that waits because no thread is left for it: counted, told with who has the threads, and done in the end. */
#include "watch/limit.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/workers.h"
#include "watch/stuck.h"

#define THIS  "tests/unit/watch/limit.c"
#define TASKS 3

static int ends[2];
static unsigned ran; /* atomic */

static void read_raw(void *unused)
{
	char byte;
	sley_block_enter();
	REQUIRE(read(ends[0], &byte, 1) == 1);
	sley_block_leave();
}

static void run_once(void *unused)
{
	store(&ran, 1, release);
}

/* Lets all go when the watchdog has said that no thread is left. */
static void *let_go(void *before)
{
	while (counter(SLEY_COUNTER_threads_short) == *(uint64_t *)before)
		sched_yield();
	REQUIRE(write(ends[1], "xxx", TASKS) == TASKS);
	return NULL;
}

/* All threads are blocked until the counter says so. */
static int main_short(void *unused)
{
	uint64_t before = counter(SLEY_COUNTER_threads_short);
	sley_task tasks[TASKS + 1];
	pthread_t thread;
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	store(&ran, 0, relaxed);
	REQUIRE(pthread_create(&thread, NULL, let_go, &before) == 0);
	for (int i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn(read_raw, NULL)) > 0); /* the reader's site */
	REQUIRE((tasks[TASKS] = sley_spawn(run_once, NULL)) > 0);
	for (int i = 0; i <= TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	pthread_join(thread, NULL);
	REQUIRE(load(&ran, acquire));
	REQUIRE(counter(SLEY_COUNTER_threads_short) == before + 1);
	REQUIRE(close(ends[0]) == 0 && close(ends[1]) == 0);
	return 0;
}

static void run_captured(const struct sley_options *options, char *text, size_t size)
{
	int64_t usual = load(&hold_long, relaxed);
	store(&hold_long, SLEY_MS(30), relaxed);
	capture_begin();
	run_with(main_short, NULL, options);
	capture_end(text, size);
	store(&hold_long, usual, relaxed);
}

/* max_threads is reached: said once in a run, with the tasks' site and their call; then all run to their ends. */
TEST(reached)
{
	char text[4096], expected[300];
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_threads = 2 };
	test_need_kernel("/proc/self/syscall is qemu's");
	run_captured(&options, text, sizeof(text));
	assert_said(text,
		    "no thread is left for them: the workers and 2 spare threads, as many as the option max_threads ",
		    1);
	snprintf(expected, sizeof(expected), "sley: %d tasks in read(): for example task ", TASKS);
	assert_said(text, expected, 1);
	snprintf(expected, sizeof(expected), ", spawned at %s:%u as read_raw. Remedy: use sley_read() instead\n",
		 __FILE__,
		 test_source_line(THIS, "/* the reader's "
					"site */"));
	assert_said(text, expected, 1);
	assert_int_equal(occurrences(text, "\n"), 2);

	options.workers = 2;
	options.max_threads = 1;
	run_captured(&options, text, sizeof(text));
	assert_said(text,
		    "no thread is left for them: the workers and 1 spare thread, as many as the option max_threads ",
		    1);
}

/* The system refuses threads. */
TEST(refused)
{
	char text[4096];
	struct sley_options options = { .size = sizeof(options), .workers = TASKS };
	store(&spare_test_fail, 1, relaxed);
	run_captured(&options, text, sizeof(text));
	store(&spare_test_fail, 0, relaxed);
	assert_said(text, "no thread is left for them: all threads are blocked, and the system refuses more. ", 1);
}

static int main_enough(void *unused)
{
	uint64_t before = counter(SLEY_COUNTER_threads_short);
	sley_block_enter();
	usleep(100000);
	sley_block_leave();
	REQUIRE(sley_sleep(sley_in(SLEY_MS(50))) == 0);
	REQUIRE(counter(SLEY_COUNTER_threads_short) == before);
	return 0;
}

/* A block for which there is a spare is no reason to say anything, however long. */
TEST(enough)
{
	char text[1000];
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_threads = 1 };
	int64_t usual = load(&hold_long, relaxed);
	store(&hold_long, SLEY_MS(30), relaxed);
	capture_begin();
	run_with(main_enough, NULL, &options);
	capture_end(text, sizeof(text));
	store(&hold_long, usual, relaxed);
	assert_string_equal(text, "");
}
