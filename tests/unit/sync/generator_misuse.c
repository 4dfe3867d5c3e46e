/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Generators: what is refused, plain threads that consume, and what is left at the end of the run. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

#define LARGE ((size_t)64 << 10)

static struct sley_gen *gen;
static unsigned stage, steps;

static int count_steps(void *arg)
{
	for (uint64_t i = 0;; i++) {
		fetch_add(&steps, 1, relaxed);
		if (sley_gen_yield(&i) != 0)
			return 0;
	}
}

/* ---- misuse ---- */

static void next_is_busy(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 9);
}

static int sleep_then_nine(void *arg)
{
	uint64_t item = 9;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY); /* our consumer is in there */
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	sley_sleep(sley_in(SLEY_MS(20)));
	return sley_gen_yield(&item);
}

static int main_busy(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, sleep_then_nine, NULL, 0, 8) == 0);
	sley_task task = sley_spawn(next_is_busy, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

static int call_itself(void *arg)
{
	uint64_t item = 1;
	while (load(&stage, acquire) == 0) /* until our consumer has given up */
		sley_yield();
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EDEADLK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EDEADLK);
	return 0;
}

static int main_itself(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, call_itself, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	store(&stage, 1, release);
	while (sley_gen_ended(gen) == 0)
		sley_yield();
	REQUIRE(sley_gen_next(gen, &item, SOON) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/* Two consumers at once; a generator that calls itself. */
TEST(busy)
{
	run(main_busy, 1);
	run(main_busy, 2);
	run(main_itself, 1);
}

static void *thread_yields(void *arg)
{
	REQUIRE(sley_gen_yield(arg) == -EDEADLK);
	return NULL;
}

static int none(void *arg)
{
	return 0;
}

static void use_stack(void *arg)
{
	char block[300] = { 0 };
	REQUIRE(sley_gen_new(&gen, none, block, SLEY_BY_POINTER, 8) == -EFAULT);
	REQUIRE(sley_gen_next((void *)block, NULL, 0) == -EFAULT && sley_gen_ended((void *)block) == -EFAULT);
	REQUIRE(sley_gen_free((void *)block, 0) == -EFAULT);
}

static int main_bad(void *arg)
{
	int (*no_function)(void *) = NULL;
	struct sley_gen *made = NULL;
	uint64_t item = 0;
	pthread_t thread;
	REQUIRE(sley_gen_new(&made, no_function, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, NULL, 8, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, NULL, 0, LARGE + 1) == -EINVAL);
	REQUIRE(sley_gen_new((struct sley_gen **)NULL, none, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, &item, SIZE_MAX - 1, 8) == -EOVERFLOW && !made);
	REQUIRE(sley_gen_next(NULL, &item, 0) == -EINVAL && sley_gen_ended(NULL) == -EINVAL);
	REQUIRE(sley_gen_free(NULL, 0) == 0);
	REQUIRE(sley_gen_yield(&item) == -EPERM);
	REQUIRE(pthread_create(&thread, NULL, thread_yields, &item) == 0);
	pthread_join(thread, NULL);
	sley_task task = sley_spawn(use_stack, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

static void sleep_for_ever(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

static int main_no_task(void *arg)
{
	sley_task tasks[20];
	uint64_t item;
	int n = 0;
	steps = 0;
	REQUIRE(sley_gen_new(&gen, count_steps, NULL, 0, 8) == 0);
	while ((tasks[n] = sley_spawn(sleep_for_ever, NULL)) > 0)
		n++;
	REQUIRE(tasks[n] == -EAGAIN && sley_gen_next(gen, &item, SLEY_NEVER) == -EAGAIN);
	while (n-- > 0)
		REQUIRE(sley_cancel(tasks[n]) == 0 && sley_join(tasks[n], SLEY_NEVER) == 0);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

/* What cannot be, and no task to start it with, after which it can be tried again. */
TEST(bad)
{
	struct sley_options ten = { .size = sizeof(ten), .workers = 1, .max_tasks = 10 };
	char text[2048];
	capture_begin();
	run(main_bad, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "sley_gen_new() fails with -EFAULT: the argument"), 1);
	run_with(main_no_task, NULL, &ten);
}

/* ---- plain threads, and the end of the run ---- */

static int sleep_and_give(void *arg)
{
	for (uint64_t i = 0;; i++) {
		sley_sleep(sley_in(SLEY_US(i * 7 % 60)));
		int error = sley_gen_yield(&i);
		if (error)
			return error;
	}
}

static void *thread_consumes(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, sleep_and_give, NULL, 0, 8) == 0);
	for (uint64_t i = 0; i < 200; i++)
		REQUIRE(sley_gen_next(gen, &item, SOON) == 0 && item == i);
	REQUIRE(sley_gen_next(gen, &item, 0) == -ETIMEDOUT || item == 200);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	store(&stage, 1, release);
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	stage = 0;
	REQUIRE(pthread_create(&thread, NULL, thread_consumes, NULL) == 0);
	while (!load(&stage, acquire))
		sley_sleep(sley_in(SLEY_MS(1)));
	pthread_join(thread, NULL);
	await_live(1);
	return 0;
}

static struct sley_gen *left[3];

static int main_leaves(void *arg)
{
	uint64_t item;
	for (int i = 0; i < 3; i++) {
		REQUIRE(sley_gen_new(&left[i], count_steps, NULL, 0, 8) == 0);
		if (i > 0)
			REQUIRE(sley_gen_next(left[i], &item, SLEY_NEVER) == 0);
	}
	return 0;
}

static int main_later(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_next(left[1], &item, 0) == -ENOTCONN);
	REQUIRE(sley_gen_free(left[1], SLEY_NEVER) == 0);
	return 0;
}

/* Plain threads consume, too. What is left when the run is over can be freed, at any time, and does nothing else. */
TEST(threads)
{
	uint64_t item;
	run(main_threads, 1);
	run(main_threads, 2);
	run(main_leaves, 2);
	assert_int_equal(sley_gen_next(left[2], &item, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_gen_free(left[2], SLEY_NEVER), 0);
	run(main_later, 1);
	assert_int_equal(sley_gen_free(left[0], 0), 0);
	assert_int_equal(sley_gen_new(&gen, none, NULL, 0, 8), -ENOTCONN);
}
