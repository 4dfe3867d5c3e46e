/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The event. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"

static struct sley_event event, other = SLEY_EVENT_INIT;
static unsigned woken;

static void wait_for_it(void *arg)
{
	REQUIRE(sley_event_wait(&event, SLEY_NEVER) == 0);
	fetch_add(&woken, 1, relaxed);
}

static int main_wakes_all(void *arg)
{
	sley_task tasks[20];

	woken = 0;
	REQUIRE(sley_event_reset(&event) == 0);
	for (int i = 0; i < 20; i++) {
		tasks[i] = sley_spawn(wait_for_it, NULL);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	}
	REQUIRE(sley_event_reset(&event) == 0);
	sley_yield();
	REQUIRE(woken == 0);
	REQUIRE(sley_event_set(&event) == 0);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(woken == 20);
	return 0;
}

/* All that wait go on when it is set, none before. */
static void test_wakes_all(void **state)
{
	run(main_wakes_all, 1);
	run(main_wakes_all, 3);
}

static int main_stays(void *arg)
{
	REQUIRE(sley_event_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(sley_event_wait(&other, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_event_set(&other) == 0 && sley_event_set(&other) == 0);
	REQUIRE(sley_event_wait(&other, 0) == 0 && sley_event_wait(&other, SLEY_NEVER) == 0);
	REQUIRE(sley_event_reset(&other) == 0);
	REQUIRE(sley_event_wait(&other, 0) == -ETIMEDOUT);
	return 0;
}

/* It is set until it is reset, however often one waits; a wait has its deadline. */
static void test_stays(void **state)
{
	run(main_stays, 1);
}

static int main_reset_at_once(void *arg)
{
	REQUIRE(sley_event_reset(&event) == 0);
	sley_task task = sley_spawn(wait_for_it, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_event_set(&event) == 0 && sley_event_reset(&event) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_event_wait(&event, 0) == -ETIMEDOUT);
	return 0;
}

/* Who waited when it was set goes on, though it was reset before he ran. */
static void test_reset_at_once(void **state)
{
	run(main_reset_at_once, 1);
	run(main_reset_at_once, 2);
}

static void wait_and_be_cancelled(void *arg)
{
	REQUIRE(sley_event_wait(&event, SLEY_NEVER) == -ECANCELED);
}

static int main_cancel(void *arg)
{
	REQUIRE(sley_event_reset(&event) == 0);
	sley_task task = sley_spawn(wait_and_be_cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(!event.waiters.head && !event.waiters.tail);
	return 0;
}

/* A wait that is cancelled leaves nothing behind. */
static void test_cancel(void **state)
{
	run(main_cancel, 1);
	run(main_cancel, 2);
}

static void *plain_thread(void *unused)
{
	REQUIRE(sley_event_wait(&other, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_event_set(&event) == 0);
	REQUIRE(sley_event_wait(&other, SOON) == 0);
	return NULL;
}

static int main_plain(void *arg)
{
	pthread_t thread;

	REQUIRE(sley_event_reset(&event) == 0 && sley_event_reset(&other) == 0);
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	REQUIRE(sley_event_wait(&event, SOON) == 0);
	REQUIRE(sley_event_set(&other) == 0);
	pthread_join(thread, NULL);
	return 0;
}

/* A plain thread may set it, and wakes tasks so, and wait, and is woken by a task. */
static void test_plain_thread(void **state)
{
	run(main_plain, 1);
	run(main_plain, 2);
}

static int shared; /* not atomic: TSan sees whether the event orders it */

static void write_and_set(void *arg)
{
	shared++;
	REQUIRE(sley_event_set(&event) == 0);
}

static int main_order(void *arg)
{
	long rounds = test_scale(2000);

	shared = 0;
	for (int i = 0; i < rounds; i++) {
		REQUIRE(sley_event_reset(&event) == 0);
		sley_task task = sley_spawn(write_and_set, NULL);
		REQUIRE(sley_event_wait(&event, SLEY_NEVER) == 0);
		REQUIRE(shared == i + 1);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	}
	return 0;
}

/* What was done before it was set is seen by who waited, and by who found it set. */
static void test_order(void **state)
{
	run(main_order, 1);
	run(main_order, 3);
}

static int main_bad(void *arg)
{
	REQUIRE(sley_event_set(NULL) == -EINVAL && sley_event_reset(NULL) == -EINVAL);
	REQUIRE(sley_event_wait(NULL, 0) == -EINVAL);
	return 0;
}

/* Null is refused; and outside of a run there is none to work in. */
static void test_bad(void **state)
{
	run(main_bad, 1);
	assert_int_equal(sley_event_set(&event), -ENOTCONN);
	assert_int_equal(sley_event_reset(&event), -ENOTCONN);
	assert_int_equal(sley_event_wait(&event, SLEY_NEVER), -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakes_all), cmocka_unit_test(test_stays),        cmocka_unit_test(test_reset_at_once),
		cmocka_unit_test(test_cancel),    cmocka_unit_test(test_plain_thread), cmocka_unit_test(test_order),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
