/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Deadlines as tasks see them. */
#include "tests/unit/run.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "run/relative.h"
#include "run/worker.h"

#define SLEEPERS 500

static struct {
	sley_time begun[SLEEPERS], until[SLEEPERS];
	unsigned order[SLEEPERS];
	unsigned woken;
} sleeping;

static void sleeper(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	sleeping.begun[me] = sley_now();
	REQUIRE(sley_sleep(sleeping.until[me]) == 0);
	REQUIRE(sley_now() >= sleeping.until[me]);
	sleeping.order[fetch_add(&sleeping.woken, 1, relaxed)] = (unsigned)me;
}

/* Sleepers wake in the order of their deadlines, never early, and leave no timer behind. */
TASK_TEST(order, 1, 3)
{
	unsigned seed = 1;
	sley_task tasks[SLEEPERS];
	uint64_t before = counter(SLEY_COUNTER_timers);
	sley_time begin = sley_in(SLEY_MS(20));
	sleeping.woken = 0;
	for (uintptr_t i = 0; i < SLEEPERS; i++) {
		sleeping.until[i] = begin + (sley_time)(rand_r(&seed) % SLEY_MS(50));
		tasks[i] = sley_spawn(sleeper, (void *)i);
	}
	for (int i = 0; i < SLEEPERS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sleeping.woken == SLEEPERS);
	sley_time last = 0;
	for (int i = 0; i < SLEEPERS && scheduler.target == 1; i++) {
		unsigned who = sleeping.order[i];
		if (sleeping.begun[who] >= begin) /* it may have come too late to sleep at all */
			continue;
		REQUIRE(sleeping.until[who] >= last);
		last = sleeping.until[who];
	}
	/* each counts, but those whose time had come before they first ran */
	REQUIRE(counter(SLEY_COUNTER_timers) - before <= SLEEPERS);
	for (unsigned i = 0; i < scheduler.target; i++)
		REQUIRE(load(&scheduler.timers[i].earliest, relaxed) == SLEY_NEVER);
}

/* A wait that its event ends takes its timer out; only a deadline that ended a wait is counted. */
TASK_TEST(cancel, 1)
{
	struct sley_chan *chan;
	uint64_t before = counter(SLEY_COUNTER_timers);
	REQUIRE(sley_chan_new(&chan, 0, 1) == 0);
	for (int i = 0; i < 1000; i++) {
		REQUIRE(sley_chan_send(chan, NULL, SOON) == 0);
		REQUIRE(sley_chan_recv(chan, NULL, SOON) == 0);
	}
	static struct sley_group group;
	REQUIRE(sley_group_add(&group, 1) == 0);
	REQUIRE(sley_group_wait(&group, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	REQUIRE(sley_group_wait(&group, sley_now() - 1) == -ETIMEDOUT);
	REQUIRE(sley_group_add(&group, -1) == 0);
	REQUIRE(counter(SLEY_COUNTER_timers) - before <= 1);
	for (unsigned i = 0; i < scheduler.target; i++)
		REQUIRE(wheel_bound(&scheduler.timers[i].wheel) == WHEEL_NEVER);
	REQUIRE(sley_chan_free(chan) == 0);
}

static int main_short(void *arg)
{
	sley_time least = SLEY_NEVER;
	for (int i = 0; i < 100; i++) {
		sley_time begin = sley_now();
		REQUIRE(sley_sleep(begin + SLEY_US(100)) == 0);
		sley_time took = sley_now() - begin;
		least = took < least ? took : least;
	}
	REQUIRE(least < SLEY_MS(1)); /* what a reactor that counts in milliseconds cannot do */
	return 0;
}

/* Deadlines below a millisecond are kept: the best of 100 sleeps of 100 us takes less than one. */
TEST(short)
{
	test_need_kernel("qemu-user has no epoll_pwait2");
	run(main_short, 1);
	run(main_short, 2);
}

/* ---- durations ---- */

static const sley_time statics[] = { SLEY_SEC(0.5), SLEY_SEC(INT64_MAX), SLEY_MS(INT64_MIN), SLEY_SEC(0.3) };
enum { CONSTANT = SLEY_US(3) };

/* Constants and variables of any type, at and beyond what fits. */
TEST(durations)
{
	int i = 3;
	unsigned large = UINT_MAX;
	unsigned long larger = ULONG_MAX;
	long long largest = LLONG_MAX, fits = INT64_MAX / 1000000000;
	double real = 2.5, huge = -1e300;

	assert_true(statics[0] == 500000000 && statics[1] == SLEY_NEVER && statics[2] == INT64_MIN);
	assert_true(statics[3] == 300000000 && CONSTANT == 3000);
	assert_true(SLEY_SEC(i++) == 3000000000 && i == 4);
	assert_true(SLEY_SEC(large) == 4294967295000000000 && SLEY_US(larger) == SLEY_NEVER);
	assert_true(SLEY_SEC(largest) == SLEY_NEVER && SLEY_SEC(-largest) == INT64_MIN);
	assert_true(SLEY_SEC(fits) == fits * 1000000000 && SLEY_SEC(fits + 1) == SLEY_NEVER);
	assert_true(SLEY_SEC(real) == 2500000000 && SLEY_MS(-real) == -2500000 && SLEY_SEC(huge) == INT64_MIN);
	assert_true(sley_in(SLEY_SEC(largest)) == SLEY_NEVER && sley_in(INT64_MIN) < 0);
}

static void *waits_until(void *deadline)
{
	sley_time until = *(sley_time *)deadline;
	REQUIRE(sley_chan_recv(NULL, NULL, until) == -ETIMEDOUT);
	REQUIRE(sley_select(NULL, 0, until) == -ETIMEDOUT);
	return NULL;
}

/* A deadline before time began has passed, for tasks and threads. */
TASK_TEST(past, 1, 2)
{
	static sley_time deadlines[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1 };
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++) {
		pthread_t thread;
		waits_until(&deadlines[i]);
		REQUIRE(pthread_create(&thread, NULL, waits_until, &deadlines[i]) == 0);
		REQUIRE(pthread_join(thread, NULL) == 0);
	}
}

#ifdef SLEY_DEBUG

static void sleeps_for(void *unused)
{
	REQUIRE(sley_sleep(SLEY_MS(5)) == 0);
}

static void receives_for(void *unused)
{
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_chan_recv(NULL, NULL, SLEY_MS(5)) == -ETIMEDOUT);
}

static void is_right(void *unused)
{
	REQUIRE(sley_sleep(0) == 0 && sley_sleep(-1) == 0 && sley_sleep(sley_now()) == 0);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
}

/* A duration where a deadline must be is named, once for each spawn site. */
TASK_TEST(relative, 1)
{
	static char text[4096];
	int64_t most = relative_most;
	relative_most = sley_now() / 2; /* as if the machine had been up for an hour */
	capture_begin();
	REQUIRE(sley_join(sley_spawn(sleeps_for, NULL), SOON) == 0);
	REQUIRE(sley_join(sley_spawn(receives_for, NULL), SOON) == 0);
	REQUIRE(sley_join(sley_spawn(is_right, NULL), SOON) == 0);
	capture_end(text, sizeof(text));
	relative_most = most;
	REQUIRE(occurrences(text, "sley_in(SLEY_MS(5))") == 2);
	REQUIRE(occurrences(text, "as sleeps_for, waits at ") == 1 &&
		occurrences(text, "as receives_for, waits at ") == 1);
}

#endif
