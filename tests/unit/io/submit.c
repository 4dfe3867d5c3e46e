/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_submit(): plain threads that have functions run as tasks. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

struct sum {
	int64_t a, b, sum;
	sley_task task;
};

static struct sley_chan *chan;
static unsigned began, ended; /* atomic */

static void add(void *block)
{
	struct sum *sum = block;
	sum->task = sley_self();
	REQUIRE(sley_sleep(sley_in(SLEY_US(100))) == 0); /* what only tasks can */
	sum->sum = sum->a + sum->b;
	fetch_add(&ended, 1, relaxed);
}

static int receive_error; /* of the last wait_for_item() */

static void wait_for_item(void *block)
{
	int item;
	fetch_add(&began, 1, release);
	receive_error = sley_chan_recv(chan, &item, SLEY_NEVER);
	((struct sum *)block)->sum = 99;
	fetch_add(&ended, 1, release);
}

/* ---- threads that submit, while main waits for them ---- */

static void *(*thread_main)(void *);
static unsigned threads_left; /* atomic */

static void *thread_entry(void *arg)
{
	void *result = thread_main(arg);
	fetch_sub(&threads_left, 1, release);
	return result;
}

/* Runs them beside the workers, which stay free. */
static void with_threads(void *(*fn)(void *), unsigned n)
{
	pthread_t threads[16];
	thread_main = fn;
	threads_left = n;
	for (uintptr_t i = 0; i < n; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_entry, (void *)i) == 0);
	while (load(&threads_left, acquire) > 0)
		sley_sleep(sley_in(SLEY_US(100)));
	for (unsigned i = 0; i < n; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void *submit_sums(void *arg)
{
	for (int64_t i = 0; i < 50; i++) {
		struct sum sum = { .a = (int64_t)(intptr_t)arg, .b = i };
		REQUIRE(sley_submit(add, &sum, sizeof(sum), SLEY_NEVER) == 0);
		REQUIRE(sum.a == (int64_t)(intptr_t)arg && sum.sum == sum.a + i);
		REQUIRE(sum.task > 0 && sley_self() == 0);
	}
	return NULL;
}

static int main_sums(void *arg)
{
	with_threads(submit_sums, 8);
	REQUIRE(load(&ended, relaxed) == 400);
	return 0;
}

/* fn runs as a task; what it leaves in its block comes back. */
TEST(sums)
{
	for (unsigned workers = 1; workers <= 8; workers *= 2) {
		ended = 0;
		run(main_sums, workers);
	}
}

static void do_nothing(void *block)
{
	fetch_add(&began, 1, relaxed);
}

static void *submit_badly(void *arg)
{
	static char most[SLEY_OFFLOAD_MAX];
	struct sum sum = { 0 };
	REQUIRE(sley_submit(NULL, &sum, sizeof(sum), SLEY_NEVER) == -EINVAL);
	REQUIRE(sley_submit(do_nothing, NULL, 1, SLEY_NEVER) == -EINVAL);
	REQUIRE(sley_submit(do_nothing, &sum, SLEY_OFFLOAD_MAX + 1, SLEY_NEVER) == -E2BIG);
	REQUIRE(sley_submit(do_nothing, &sum, SIZE_MAX, SLEY_NEVER) == -E2BIG);
	REQUIRE(sley_submit(do_nothing, &sum, sizeof(sum), sley_now() - 1) == -ETIMEDOUT);
	REQUIRE(began == 0);
	REQUIRE(sley_submit(do_nothing, NULL, 0, SLEY_NEVER) == 0);
	REQUIRE(sley_submit(do_nothing, most, sizeof(most), SLEY_NEVER) == 0);
	REQUIRE(began == 2);
	return NULL;
}

static int main_badly(void *arg)
{
	struct sum sum = { 0 };
	REQUIRE(sley_submit(do_nothing, &sum, sizeof(sum), SLEY_NEVER) == -EDEADLK);
	with_threads(submit_badly, 1);
	return 0;
}

TEST(bad_input)
{
	struct sum sum = { 0 };
	began = 0;
	assert_int_equal(sley_submit(do_nothing, &sum, sizeof(sum), SLEY_NEVER), -ENOTCONN);
	run(main_badly, 1);
	assert_int_equal(sley_submit(do_nothing, &sum, sizeof(sum), SLEY_NEVER), -ENOTCONN);
	assert_int_equal(began, 2);
}

static void *submit_too_many(void *arg)
{
	REQUIRE(sley_submit(do_nothing, NULL, 0, SLEY_NEVER) == -EAGAIN);
	return NULL;
}

static int main_too_many(void *arg)
{
	with_threads(submit_too_many, 1);
	return 0;
}

/* There is no room for another task. */
TEST(too_many)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .max_tasks = 1 };
	run_with(main_too_many, NULL, &o);
}

static void *submit_waiting(void *arg)
{
	struct sum sum = { .sum = 7 };
	REQUIRE(sley_submit(wait_for_item, &sum, sizeof(sum), sley_in(SLEY_MS(5))) == -ETIMEDOUT);
	REQUIRE(sum.sum == 7);
	return NULL;
}

/* At the deadline the call returns, and its task is cancelled. */
TASK_TEST(deadline, 1, 2)
{
	sley_time deadline = SOON;
	receive_error = 0;
	began = ended = 0;
	REQUIRE(sley_chan_new(&chan, sizeof(int), 0) == 0);
	with_threads(submit_waiting, 1);
	while (load(&ended, acquire) != load(&began, acquire)) { /* 0 if it had not begun by then */
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(began == 0 || receive_error == -ECANCELED);
	REQUIRE(sley_chan_free(chan) == 0);
}

/* Until main is the only task. */
static void await_no_tasks(void)
{
	sley_time deadline = SOON;
	while (live_tasks() > 1) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static unsigned thread_inside; /* atomic */

static void *submit_from_busy(void *arg)
{
	store(&thread_inside, 1, release);
	REQUIRE(sley_submit(do_nothing, NULL, 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	store(&thread_inside, 2, release);
	return NULL;
}

/* A call whose deadline passes before its task has begun never has fn run. */
TASK_TEST(never_begun, 1)
{
	pthread_t thread;
	began = 0;
	REQUIRE(pthread_create(&thread, NULL, submit_from_busy, NULL) == 0);
	while (load(&thread_inside, acquire) < 2) /* keeps the only worker busy */
		;
	REQUIRE(pthread_join(thread, NULL) == 0);
	await_no_tasks();
	REQUIRE(began == 0);
}

static int result; /* of submit_until_over() */

static void *submit_until_over(void *arg)
{
	struct sum sum = { 0 };
	result = sley_submit(wait_for_item, &sum, sizeof(sum), SLEY_NEVER);
	return NULL;
}

static int main_over(void *thread)
{
	sley_time deadline = SOON;
	REQUIRE(pthread_create(thread, NULL, submit_until_over, NULL) == 0);
	while (load(&began, acquire) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

/* The run ends before the task does: the thread is told. */
TEST(over)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = { .size = sizeof(o), .workers = workers };
		pthread_t thread;
		began = ended = 0;
		result = 1;
		assert_int_equal(sley_chan_new(&chan, sizeof(int), 0), 0);
		run_with(main_over, &thread, &o);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(result, -ENOTCONN);
		assert_int_equal(ended, 0);
		assert_int_equal(sley_chan_free(chan), 0);
	}
}

/* ---- from the pool ---- */

static void submit_inside(void *block)
{
	REQUIRE(sley_submit(add, block, sizeof(struct sum), SLEY_NEVER) == 0);
}

static void submit_for_ever(void *block)
{
	result = sley_submit(wait_for_item, block, sizeof(struct sum), SLEY_NEVER);
}

static void offload_for_ever(void *arg)
{
	struct sum sum = { 0 };
	sley_offload(submit_for_ever, &sum, sizeof(sum), SLEY_NEVER);
}

static int main_inside(void *arg)
{
	struct sum sum = { .a = 3, .b = 4 };
	sley_time deadline = SOON;
	REQUIRE(sley_offload(submit_inside, &sum, sizeof(sum), SOON) == 0 && sum.sum == 7);
	began = 0;
	REQUIRE(sley_go(offload_for_ever, NULL) == 0);
	while (load(&began, acquire) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

/* An offloaded function may submit; also one that waits for a task when the run ends, which does not hang then. */
TEST(inside)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		result = 1;
		assert_int_equal(sley_chan_new(&chan, sizeof(int), 0), 0);
		run(main_inside, workers);
		assert_int_equal(result, -ENOTCONN);
		assert_int_equal(sley_chan_free(chan), 0);
	}
}

/* ---- races ---- */

/*
 * The deadline against start and end of the task. Either the call succeeds and fn has run, or it fails and the block is
 * unchanged; and no task is left.
 */
static void mark(void *block)
{
	sley_yield();
	*(unsigned *)block = 2;
}

static unsigned successes; /* atomic */

static void *race_deadlines(void *arg)
{
	for (long i = 0; i < test_scale(3000); i++) {
		unsigned word = 1;
		int error = sley_submit(mark, &word, sizeof(word), sley_in(SLEY_US(i % 100)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		REQUIRE(word == (error ? 1 : 2));
		if (error == 0)
			fetch_add(&successes, 1, relaxed);
	}
	return NULL;
}

static int main_race(void *arg)
{
	with_threads(race_deadlines, 4);
	await_no_tasks();
	return 0;
}

TEST(race)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		successes = 0;
		run(main_race, workers);
		print_message("%u workers: %u of %ld succeeded\n", workers, successes, 4 * test_scale(3000));
	}
}
