/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Many tasks behind one mutex of libc: told with its holder, few threads are made for them, and all run in the end. */
#include "watch/convoy.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "watch/stuck.h"

#define THIS  "tests/unit/watch/convoy.c"
#define TASKS 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct {
	pthread_t thread;
	pid_t tid;
	unsigned locked;  /* atomic */
	unsigned threads; /* workers when the convoy was told */
	bool (*ends)(void);
} holder;

static unsigned let_go; /* atomic */

static void take_mutex(void *unused)
{
	SLEY_BLOCKING(pthread_mutex_lock(&mutex));
	pthread_mutex_unlock(&mutex);
}

static void *hold_mutex(void *before)
{
	pthread_mutex_lock(&mutex);
	holder.tid = (pid_t)syscall(SYS_gettid);
	store(&holder.locked, 1, release);
	while (counter(SLEY_COUNTER_convoys) == *(uint64_t *)before)
		sched_yield();
	holder.threads = load(&scheduler.started, relaxed);
	REQUIRE(holder.ends());
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* All want the mutex that a plain thread holds until the watchdog has told it. */
static int main_convoy(void *unused)
{
	sley_task tasks[TASKS];
	uint64_t before = counter(SLEY_COUNTER_convoys);
	store(&holder.locked, 0, relaxed);
	store(&let_go, 0, relaxed);
	REQUIRE(pthread_create(&holder.thread, NULL, hold_mutex, &before) == 0);
	await_at_least(&holder.locked, 1);
	for (int i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn(take_mutex, NULL)) > 0); /* the site */
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	pthread_join(holder.thread, NULL);
	return 0;
}

static void run_captured(int64_t patience, char *text, size_t size)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .max_threads = 64 };
	int64_t usual_hold = load(&hold_long, relaxed), usual_patience = load(&convoy_patience, relaxed);
	store(&hold_long, SLEY_MS(30), relaxed);
	store(&convoy_patience, patience, relaxed);
	capture_begin();
	run_with(main_convoy, NULL, &options);
	capture_end(text, size);
	store(&hold_long, usual_hold, relaxed);
	store(&convoy_patience, usual_patience, relaxed);
}

static bool end_at_once(void)
{
	return true;
}

/* Of 32 tasks few have a thread when it is told, and what is told is the mutex, the holder and one of the tasks. */
TEST(told)
{
	char text[4096], expected[300];
	test_need_kernel("/proc/self/syscall is qemu's");
	holder.ends = end_at_once;
	run_captured(SLEY_NEVER, text, sizeof(text));
	assert_in_range(holder.threads, 9, 16);
	snprintf(expected, sizeof(expected), " by the same lock, the futex %p: for example ", (void *)&mutex);
	assert_said(text, expected, 1);
	snprintf(expected, sizeof(expected), ", spawned at %s:%u as take_mutex. So few more threads ", __FILE__,
		 test_source_line(THIS, "/* the "
					"site */"));
	assert_said(text, expected, 1);
	snprintf(expected, sizeof(expected), "%p is a mutex of libc. Thread %d holds it, which runs no task\n",
		 (void *)&mutex, (int)holder.tid);
	assert_said(text, expected, 1);
	assert_int_equal(occurrences(text, "\n"), 2);
}

static void end_it(void *unused)
{
	store(&let_go, 1, release);
}

/* By a task, for which there is no thread. */
static bool end_by_task(void)
{
	REQUIRE(sley_submit(end_it, NULL, 0, SOON) == 0);
	return load(&let_go, acquire);
}

/* If only a task that waits for a thread can let the holder go, it gets one. */
TEST(lasting)
{
	char text[4096];
	test_need_kernel("/proc/self/syscall is qemu's");
	holder.ends = end_by_task;
	run_captured(SLEY_MS(1), text, sizeof(text));
}

static int ends[2];

static void read_raw(void *unused)
{
	char byte;
	SLEY_BLOCKING(read(ends[0], &byte, 1));
}

static int main_others(void *unused)
{
	sley_task tasks[TASKS];
	static const char bytes[TASKS];
	uint64_t before = counter(SLEY_COUNTER_convoys);
	REQUIRE(pipe(ends) == 0);
	for (int i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn(read_raw, NULL)) > 0);
	await_at_least(&scheduler.blocked, TASKS);
	REQUIRE(write(ends[1], bytes, TASKS) == TASKS);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(counter(SLEY_COUNTER_convoys) == before && close(ends[0]) == 0 && close(ends[1]) == 0);
	return 0;
}

/* As many that are blocked in another call are no convoy: each is replaced. */
TEST(others)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .max_threads = 64 };
	run_with(main_others, NULL, &options);
}
