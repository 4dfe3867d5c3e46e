/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Timers: when they expire, who gets it, and what a change does to those who wait. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>

#include "base/atomic.h"

static struct sley_timer timer, other = SLEY_TIMER_INIT;
static unsigned got;

static void wait_for_it(void *arg)
{
	REQUIRE(sley_timer_wait(&timer, SOON) == 0);
	fetch_add(&got, 1, relaxed);
}

static sley_task start_waiting(void)
{
	sley_task task = sley_spawn(wait_for_it, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	return task;
}

static void clear(void)
{
	sley_timer_stop(&timer);
	sley_timer_stop(&other);
	got = 0;
}

/* It expires once, not before its time; what calls answer, and that an expiry nobody took is dropped. */
TASK_TEST(once, 1, 2)
{
	clear();
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT && sley_timer_stop(&other) == 0);
	sley_time first = sley_in(SLEY_MS(2));
	REQUIRE(sley_timer_start(&other, first, 0) == 0);
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(sley_timer_wait(&other, first - 1) == -ETIMEDOUT);
	REQUIRE(sley_timer_wait(&other, SLEY_NEVER) == 0 && sley_now() >= first);
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT && sley_timer_stop(&other) == 0);
	REQUIRE(sley_timer_start(&other, sley_now(), 0) == 0);
	REQUIRE(sley_timer_start(&other, SLEY_NEVER, 0) == 1 && sley_timer_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(sley_timer_start(&other, INT64_MIN, 0) == 1 && sley_timer_stop(&other) == 1);
	REQUIRE(sley_timer_wait(&other, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	/* the deadline is the time of the expiry: the expiry is taken */
	first = sley_in(SLEY_MS(1));
	REQUIRE(sley_timer_start(&other, first, 0) == 0 && sley_timer_wait(&other, first) == 0);
}

/* Ticks keep their rhythm; a late caller gets one. */
TASK_TEST(ticks, 1)
{
	clear();
	sley_time first = sley_now() - SLEY_SEC(100) - SLEY_MS(1);
	REQUIRE(sley_timer_start(&other, first, SLEY_SEC(100)) == 0);
	REQUIRE(sley_timer_wait(&other, 0) == 0); /* two are due, one is got */
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(other.due == first + 2 * SLEY_SEC(100));
	REQUIRE(sley_timer_start(&other, sley_now(), SLEY_US(100)) == 1);
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_timer_wait(&other, SOON) == 0);
	/* intervals and times that have no sum */
	REQUIRE(sley_timer_start(&other, INT64_MIN, INT64_MAX) == 1 && sley_timer_wait(&other, 0) == 0);
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT);
	REQUIRE(sley_timer_start(&other, sley_now(), INT64_MAX) == 1 && sley_timer_wait(&other, 0) == 0);
	REQUIRE(sley_timer_wait(&other, 0) == -ETIMEDOUT && sley_timer_stop(&other) == 1);
}

/* Of several waiters one gets the expiry; the others get the next ones. */
TASK_TEST(one_of_many, 1, 2, 4)
{
	sley_task tasks[8];
	clear();
	REQUIRE(sley_timer_start(&timer, sley_in(SLEY_SEC(600)), 0) == 0);
	for (int i = 0; i < 8; i++)
		tasks[i] = start_waiting();
	for (unsigned i = 1; i <= 8; i++) {
		sley_timer_start(&timer, i % 2 ? sley_now() : sley_in(SLEY_US(200)), 0);
		await_at_least(&got, i);
		for (int turn = 0; turn < 20; turn++)
			sley_yield();
		REQUIRE(load(&got, relaxed) == i);
	}
	for (int i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

/* What is put off wakes nobody before the new time; what is stopped wakes nobody; an earlier time counts at once. */
TASK_TEST(moved, 1, 2)
{
	clear();
	REQUIRE(sley_timer_start(&timer, sley_in(SLEY_US(300)), 0) == 0);
	sley_task task = sley_spawn(wait_for_it, NULL);
	sley_time until = sley_in(SLEY_MS(3));
	while (sley_now() < until) { /* again and again, past the time at which the task began to wait */
		if (sley_timer_start(&timer, sley_in(SLEY_SEC(600)), 0) == 0)
			break; /* it was faster */
		sley_yield();
	}
	if (load(&got, relaxed) == 0) {
		REQUIRE(sley_timer_stop(&timer) == 1);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
		REQUIRE(sley_timer_start(&timer, sley_in(SLEY_SEC(600)), 0) == 0);
		REQUIRE(sley_timer_start(&timer, sley_now(), 0) == 1);
	}
	REQUIRE(sley_join(task, SOON) == 0 && got == 1);
}

/* To put a timer off, or to stop it, wakes nobody; to start it does. */
TASK_TEST(put_off, 1)
{
	clear();
	REQUIRE(sley_timer_start(&timer, sley_in(SLEY_SEC(300)), 0) == 0);
	sley_task task = start_waiting();
	for (int i = 0; i < 1000; i++) {
		REQUIRE(sley_timer_start(&timer, sley_in(SLEY_SEC(600)), 0) == 1);
		REQUIRE(state_of(task) == SLEY_TASK_WAITING);
	}
	REQUIRE(sley_timer_stop(&timer) == 1 && state_of(task) == SLEY_TASK_WAITING);
	REQUIRE(sley_timer_start(&timer, sley_in(SLEY_SEC(600)), 0) == 0 && state_of(task) != SLEY_TASK_WAITING);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_timer_start(&timer, sley_now(), 0) == 1);
	REQUIRE(sley_join(task, SOON) == 0);
}

static void until_cancelled(void *arg)
{
	REQUIRE(sley_timer_wait(&timer, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_timer_start(&timer, 0, 0) == 0);
	REQUIRE(sley_timer_wait(&timer, SLEY_NEVER) == 0); /* it is ready */
}

static void *wait_in_thread(void *arg)
{
	wait_for_it(arg);
	return NULL;
}

static void on_copying_stack(void *arg)
{
	struct sley_timer here = SLEY_TIMER_INIT;
	REQUIRE(sley_timer_start(&here, 0, 0) == -EFAULT && sley_timer_stop(&here) == -EFAULT);
	REQUIRE(sley_timer_wait(&here, 0) == -EFAULT);
}

/* Cancellation, plain threads, wrong arguments. */
TASK_TEST(answers, 1, 2)
{
	static char text[4096];
	struct sley_timer *none = NULL;
	pthread_t thread;
	clear();
	sley_task task = sley_spawn(until_cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
	REQUIRE(sley_timer_start(&timer, sley_in(SLEY_MS(1)), 0) == 0);
	await_at_least(&got, 1);
	pthread_join(thread, NULL);
	REQUIRE(sley_timer_start(none, 0, 0) == -EINVAL && sley_timer_stop(none) == -EINVAL);
	REQUIRE(sley_timer_wait(none, 0) == -EINVAL && sley_timer_start(&timer, 0, -1) == -EINVAL);
	capture_begin();
	task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_timer_start() fails with -EFAULT: the timer") <= 1);
}

static int main_stopped(void *arg)
{
	return sley_timer_wait(&timer, SLEY_NEVER);
}

/* Outside of a run; and a run whose only task waits for a timer that nobody can start. */
TEST(nobody)
{
	static char text[8192];
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	int result = 0;
	timer = (struct sley_timer)SLEY_TIMER_INIT;
	assert_int_equal(sley_timer_start(&timer, 0, 0), -ENOTCONN);
	assert_int_equal(sley_timer_wait(&timer, 0), -ENOTCONN);
	test_need_kernel("qemu-user has a thread of its own in the process"); /* so no deadlock is found */
	capture_begin();
	int error = sley_run(main_stopped, NULL, &options, &result);
	capture_end(text, sizeof(text));
	assert_int_equal(error, -EDEADLK);
}
