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

/* All that wait go on when it is set, none before. */
TASK_TEST(wakes_all, 1, 3)
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
}

/* It is set until it is reset, however often one waits; a wait has its deadline. */
TASK_TEST(stays, 1)
{
	REQUIRE(sley_event_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(sley_event_wait(&other, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_event_set(&other) == 0 && sley_event_set(&other) == 0);
	REQUIRE(sley_event_wait(&other, 0) == 0 && sley_event_wait(&other, SLEY_NEVER) == 0);
	REQUIRE(sley_event_reset(&other) == 0);
	REQUIRE(sley_event_wait(&other, 0) == -ETIMEDOUT);
}

/* Who waited when it was set goes on, though it was reset before he ran. */
TASK_TEST(reset_at_once, 1, 2)
{
	REQUIRE(sley_event_reset(&event) == 0);
	sley_task task = sley_spawn(wait_for_it, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_event_set(&event) == 0 && sley_event_reset(&event) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_event_wait(&event, 0) == -ETIMEDOUT);
}

static void wait_and_be_cancelled(void *arg)
{
	REQUIRE(sley_event_wait(&event, SLEY_NEVER) == -ECANCELED);
}

/* A wait that is cancelled leaves nothing behind. */
TASK_TEST(cancel, 1, 2)
{
	REQUIRE(sley_event_reset(&event) == 0);
	sley_task task = sley_spawn(wait_and_be_cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(!event.waiters.head && !event.waiters.tail);
}

static void *plain_thread(void *unused)
{
	REQUIRE(sley_event_wait(&other, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_event_set(&event) == 0);
	REQUIRE(sley_event_wait(&other, SOON) == 0);
	return NULL;
}

/* A plain thread may set it, and wakes tasks so, and wait, and is woken by a task. */
TASK_TEST(plain_thread, 1, 2)
{
	pthread_t thread;
	REQUIRE(sley_event_reset(&event) == 0 && sley_event_reset(&other) == 0);
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	REQUIRE(sley_event_wait(&event, SOON) == 0);
	REQUIRE(sley_event_set(&other) == 0);
	pthread_join(thread, NULL);
}

static int shared; /* not atomic: TSan sees whether the event orders it */

static void write_and_set(void *arg)
{
	shared++;
	REQUIRE(sley_event_set(&event) == 0);
}

/* What was done before it was set is seen by who waited, and by who found it set. */
TASK_TEST(order, 1, 3)
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
}

static int main_bad(void *arg)
{
	REQUIRE(sley_event_set(NULL) == -EINVAL && sley_event_reset(NULL) == -EINVAL);
	REQUIRE(sley_event_wait(NULL, 0) == -EINVAL);
	return 0;
}

/* Null is refused; and outside of a run there is none to work in. */
TEST(bad)
{
	run(main_bad, 1);
	assert_int_equal(sley_event_set(&event), -ENOTCONN);
	assert_int_equal(sley_event_reset(&event), -ENOTCONN);
	assert_int_equal(sley_event_wait(&event, SLEY_NEVER), -ENOTCONN);
}
