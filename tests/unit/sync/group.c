/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The wait group. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"

static struct sley_group group;
static unsigned woken;

static void wait_for_it(void *arg)
{
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
	fetch_add(&woken, 1, relaxed);
}

/* All waiters wake when the count is zero, none before. */
TASK_TEST(wakes_all, 1, 3)
{
	sley_task tasks[20];
	woken = 0;
	REQUIRE(sley_group_wait(&group, 0) == 0); /* zero already */
	REQUIRE(sley_group_add(&group, 3) == 0);
	for (int i = 0; i < 20; i++) {
		tasks[i] = sley_spawn(wait_for_it, NULL);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	}
	REQUIRE(sley_group_done(&group) == 0 && sley_group_done(&group) == 0);
	sley_yield();
	REQUIRE(woken == 0);
	REQUIRE(sley_group_done(&group) == 0);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(woken == 20);
}

/* Below zero and overflow are refused and change nothing; a wait has its deadline. */
TASK_TEST(limits, 1)
{
	REQUIRE(sley_group_done(&group) == -EINVAL);
	REQUIRE(sley_group_add(&group, INT64_MIN) == -EINVAL);
	REQUIRE(sley_group_add(&group, INT64_MAX) == 0);
	REQUIRE(sley_group_add(&group, 1) == -EINVAL);
	REQUIRE(sley_group_add(&group, INT64_MAX) == -EINVAL);
	REQUIRE(sley_group_wait(&group, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* unchanged by those that failed */
	REQUIRE(sley_group_add(&group, -INT64_MAX) == 0);
	REQUIRE(sley_group_wait(&group, 0) == 0);
	REQUIRE(sley_group_add(&group, 2) == 0);
	REQUIRE(sley_group_add(&group, -3) == -EINVAL);
	REQUIRE(sley_group_wait(&group, 0) == -ETIMEDOUT);
	REQUIRE(sley_group_add(&group, -2) == 0);
}

/* Outside of a run, there is no run to work in. */
TEST_FIRST(outside)
{
	assert_int_equal(sley_group_add(&group, 1), -ENOTCONN);
	assert_int_equal(sley_group_done(&group), -ENOTCONN);
	assert_int_equal(sley_group_wait(&group, SLEY_NEVER), -ENOTCONN);
}

static struct sley_group back;

static void *plain_thread(void *unused)
{
	REQUIRE(sley_group_wait(&group, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (int i = 0; i < 1000; i++)
		REQUIRE(sley_group_done(&group) == 0);
	REQUIRE(sley_group_wait(&group, SOON) == 0);
	REQUIRE(sley_group_wait(&back, SOON) == 0);
	return NULL;
}

/* A plain thread may add, and wakes waiters so, and wait, and is woken. */
TASK_TEST(plain_thread, 1, 2)
{
	pthread_t thread;
	REQUIRE(sley_group_add(&group, 1000) == 0 && sley_group_add(&back, 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0); /* likely the thread waits by now; both ways are right */
	REQUIRE(sley_group_done(&back) == 0);
	pthread_join(thread, NULL);
}

static void work(void *arg)
{
	if ((uintptr_t)arg % 3 == 0)
		sley_yield();
	REQUIRE(sley_group_done(&group) == 0);
}

static void wait_with_deadline(void *arg)
{
	int error = sley_group_wait(&group, sley_in(SLEY_US((uintptr_t)arg * 5)));
	REQUIRE(error == 0 || error == -ETIMEDOUT);
}

/* The last done against waiters whose deadline passes: everybody comes back, round after round. */
TASK_TEST(rounds, 1, 2, 4)
{
	long rounds = test_scale(2000);
	for (long i = 0; i < rounds; i++) {
		sley_task waiters[4];
		REQUIRE(sley_group_add(&group, 8) == 0);
		for (uintptr_t k = 0; k < 4; k++)
			waiters[k] = sley_spawn(wait_with_deadline, (void *)k);
		for (uintptr_t k = 0; k < 8; k++)
			REQUIRE(sley_go(work, (void *)k) == 0);
		REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
		for (int k = 0; k < 4; k++)
			REQUIRE(sley_join(waiters[k], SLEY_NEVER) == 0);
	}
}
