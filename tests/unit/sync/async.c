/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Functions as futures, and timeouts. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"
#include "sync/future.h"
#include "tests/race.h"

/* ---- results and arguments ---- */

struct pair {
	uint64_t a, b;
};

static int add(void *arg, void *result)
{
	const struct pair *pair = arg;
	REQUIRE((uintptr_t)arg % 16 == 0 && (uintptr_t)result % 16 == 0);
	REQUIRE(*(uint64_t *)result == 0); /* zeroed */
	sley_yield();                      /* others run on this stack */
	*(uint64_t *)result = pair->a + pair->b;
	return pair->a == 13 ? -EDOM : 0;
}

static int main_results(void *arg)
{
	struct sley_future *futures[50];
	uint64_t sum;
	for (uint64_t i = 0; i < 50; i++) {
		struct pair pair = { i, 2 * i };
		REQUIRE(sley_async(&futures[i], add, &pair, sizeof(pair), sizeof(sum)) == 0);
		pair.a = 1000; /* ours again */
	}
	for (uint64_t i = 0; i < 50; i++) {
		sum = 1;
		REQUIRE(sley_await(futures[i], &sum, SLEY_NEVER) == (i == 13 ? -EDOM : 0));
		REQUIRE(sum == (i == 13 ? 1 : 3 * i));
		REQUIRE(sley_future_free(futures[i]) == 0);
	}
	return 0;
}

/* Arguments travel by value, results come back by value, and errors travel. */
TEST(results)
{
	run_all(main_results);
}

#define LARGE ((size_t)1 << 20)

static int reverse(void *arg, void *result)
{
	const char *from = arg;
	char *to = result;
	for (size_t i = 0; i < LARGE; i++)
		to[i] = from[LARGE - 1 - i];
	return 0;
}

static int positive(void *arg, void *result)
{
	return 1;
}

static int by_pointer(void *arg, void *result)
{
	REQUIRE(arg == &main_results);
	return 0;
}

/* Blocks larger than a stack; nothing at all; a pointer; a positive result, which is a mistake. */
TASK_TEST(sizes, 2)
{
	struct sley_future *future;
	char *large = malloc(LARGE), *back = malloc(LARGE);
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)(i * 7 / 3);
	REQUIRE(sley_async(&future, reverse, large, LARGE, LARGE) == 0);
	REQUIRE(sley_await(future, back, SLEY_NEVER) == 0);
	for (size_t i = 0; i < LARGE; i++)
		REQUIRE(back[i] == large[LARGE - 1 - i]);
	REQUIRE(sley_future_free(future) == 0);
	free(large);
	free(back);
	REQUIRE(sley_async(&future, positive, NULL, 0, 0) == 0);
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == -EINVAL);
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_async(&future, by_pointer, (void *)(uintptr_t)main_results, SLEY_BY_POINTER, 0) == 0);
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == 0);
	REQUIRE(sley_future_free(future) == 0);
}

/* ---- what cannot be ---- */

static void pass_own_stack(void *arg)
{
	struct sley_future *future = NULL;
	uint64_t local = 1;
	REQUIRE(sley_async(&future, by_pointer, &local, SLEY_BY_POINTER, 0) == -EFAULT && !future);
}

static int main_bad(void *arg)
{
	struct sley_future *future = NULL;
	int (*none)(void *, void *) = NULL;
	REQUIRE(sley_async(&future, none, NULL, 0, 0) == -EINVAL);
	REQUIRE(sley_async(&future, positive, NULL, 1, 0) == -EINVAL);
	REQUIRE(sley_async((struct sley_future **)NULL, positive, NULL, 0, 0) == -EINVAL);
	REQUIRE(sley_async(&future, positive, NULL, 0, SIZE_MAX) == -EOVERFLOW);
	REQUIRE(sley_async(&future, positive, &future, SIZE_MAX - 1, 0) == -EOVERFLOW);
	REQUIRE(sley_future_timeout(&future, NULL, SLEY_NEVER) == -EINVAL);
	static const char large[1024]; /* is not kept in the future */
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_async(&future, positive, large, sizeof(large), 0) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(!future);
	sley_task task = sley_spawn(pass_own_stack, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

static int sleep_for_ever(void *arg, void *result)
{
	return sley_sleep(SLEY_NEVER);
}

static int main_no_tasks(void *arg)
{
	struct sley_future *futures[20], *timeout = NULL;
	int n = 0, error;
	while ((error = sley_async(&futures[n], sleep_for_ever, NULL, 0, 0)) == 0)
		n++;
	REQUIRE(error == -EAGAIN && n > 0);
	REQUIRE(sley_future_timeout(&timeout, futures[0], SLEY_NEVER) == -EAGAIN && !timeout);
	for (int i = 0; i < n; i++) {
		REQUIRE(sley_future_cancel(futures[i]) == 0);
		REQUIRE(sley_future_free(futures[i]) == 0);
	}
	await_live(1);
	return 0;
}

TEST(bad)
{
	struct sley_options ten = { .size = sizeof(ten), .workers = 1, .max_tasks = 10 };
	struct sley_future *future;
	char text[1024];
	capture_begin();
	run(main_bad, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "sley_async() fails with -EFAULT: the argument"), 1);
	run_with(main_no_tasks, NULL, &ten);
	assert_int_equal(sley_async(&future, positive, NULL, 0, 0), -ENOTCONN);
}

/* ---- detaching and cancelling ---- */

static unsigned ran, cleaned;

static int sleep_and_clean(void *arg, void *result)
{
	fetch_add(&ran, 1, relaxed);
	int error = sley_sleep(sley_in(*(const sley_time *)arg));
	if (error == -ECANCELED) {
		int old = sley_cancel_mask(1);
		REQUIRE(sley_sleep(sley_in(SLEY_US(100))) == 0); /* it may take its time */
		sley_cancel_mask(old);
		fetch_add(&cleaned, 1, relaxed);
	}
	return error;
}

static int main_detach(void *arg)
{
	struct sley_future *future;
	sley_time moment = SLEY_MS(1);
	ran = cleaned = 0;
	REQUIRE(sley_async(&future, sleep_and_clean, &moment, sizeof(moment), 1000) == 0);
	REQUIRE(sley_future_free(future) == 0); /* detached: it runs all the same */
	await_live(1);
	REQUIRE(ran == 1 && cleaned == 0);
	return 0;
}

static int main_cancel(void *arg)
{
	struct sley_future *future;
	sley_time for_ever = SLEY_SEC(3600);
	ran = cleaned = 0;
	REQUIRE(sley_async(&future, sleep_and_clean, &for_ever, sizeof(for_ever), 0) == 0);
	await_state(future->task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(sley_await(future, NULL, 0) == -ECANCELED); /* at once, while it still cleans up */
	REQUIRE(sley_future_cancel(future) == -EALREADY);
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_async(&future, sleep_and_clean, &for_ever, sizeof(for_ever), 0) == 0);
	REQUIRE(sley_future_cancel(future) ==
		0); /* before it began: it runs all the same, as its argument is its own */
	REQUIRE(sley_future_free(future) == 0);
	await_live(1);
	REQUIRE(ran == 2 && cleaned == 2);
	return 0;
}

/* Freeing the handle detaches the task; cancelling ends its waits, and whoever awaits does not wait for its cleanup. */
TEST(detach_and_cancel)
{
	run_all(main_detach);
	run_all(main_cancel);
}

static int return_seven(void *arg, void *result)
{
	*(uint64_t *)result = 7;
	return 0;
}

/* The function returns while its future is cancelled, and freed: one of the two completes it, the memory goes once. */
TASK_TEST(cancel_race, EVERY_WAY)
{
	unsigned counts[2] = { 0, 0 };
	uint32_t seed = 1;
	for (long i = 0; i < test_scale(5000); i++) {
		struct sley_future *future;
		uint64_t result = 0;
		REQUIRE(sley_async(&future, return_seven, NULL, 0, sizeof(result)) == 0);
		seed = seed * 1664525 + 1013904223;
		for (uint32_t k = seed >> 22; k > 0; k--)
			cpu_relax();
		if (seed & 256)
			sley_yield();
		int error = sley_future_cancel(future);
		if (i % 2)
			sley_future_free(future);
		else
			REQUIRE(sley_await(future, &result, error ? SOON : 0) == (error ? 0 : -ECANCELED) &&
				result == (error ? 7 : 0)); /* complete, or just being completed */
		if (i % 2 == 0)
			sley_future_free(future);
		counts[error == 0]++;
	}
	REQUIRE(counts[0] > 0 && counts[1] > 0);
	await_live(1);
}

/* ---- from plain threads ---- */

static void *thread_runs(void *arg)
{
	for (uint64_t i = 0; i < 100; i++) {
		struct sley_future *future, *timeout;
		struct pair pair = { 20, i };
		uint64_t sum = 0;
		REQUIRE(sley_async(&future, add, &pair, sizeof(pair), sizeof(sum)) == 0);
		REQUIRE(sley_future_timeout(&timeout, future, SOON) == 0);
		REQUIRE(sley_future_free(future) == 0);
		REQUIRE(sley_await(timeout, &sum, SOON) == 0 && sum == 20 + i);
		REQUIRE(sley_future_free(timeout) == 0);
	}
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_runs, NULL) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

TEST(threads)
{
	run(main_threads, 2); /* one worker is blocked in the join */
}

/* ---- timeout ---- */

/* The source's outcome, or -ETIMEDOUT at the deadline, which leaves the source alone. */
TASK_TEST(timeout, EVERY_WAY)
{
	struct sley_promise *promise;
	struct sley_future *future, *timeout, *late;
	uint64_t value = 3, result = 0;
	REQUIRE(sley_promise_new(&promise, &future, sizeof(value)) == 0);
	REQUIRE(sley_future_timeout(&timeout, future, sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_await(timeout, &result, SLEY_NEVER) == -ETIMEDOUT && sley_future_ready(timeout) == 1);
	REQUIRE(sley_future_ready(future) == 0); /* the source goes on */
	REQUIRE(sley_future_timeout(&late, future, SOON) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_await(late, &result, SLEY_NEVER) == 0 && result == 3);
	REQUIRE(sley_future_free(late) == 0);
	REQUIRE(sley_future_timeout(&late, future, 0) == 0); /* too late, but it is there */
	REQUIRE(sley_await(late, &result, SLEY_NEVER) == 0 && result == 3);
	REQUIRE(sley_future_free(late) == 0 && sley_future_free(timeout) == 0);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);

	REQUIRE(sley_promise_new(&promise, &future, 0) == 0);
	REQUIRE(sley_future_timeout(&timeout, future, SLEY_NEVER) == 0);
	REQUIRE(sley_promise_reject(promise, -EPROTO) == 0);
	REQUIRE(sley_await(timeout, NULL, SLEY_NEVER) == -EPROTO);
	REQUIRE(sley_future_free(timeout) == 0);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

/* A timeout that nobody wants any more is gone at once, and leaves nothing at its source. */
TASK_TEST(timeout_dropped, EVERY_WAY)
{
	struct sley_promise *promise;
	struct sley_future *future, *timeout;
	REQUIRE(sley_promise_new(&promise, &future, 0) == 0);
	for (int i = 0; i < 100; i++) {
		REQUIRE(sley_future_timeout(&timeout, future, sley_in(SLEY_SEC(3600))) == 0);
		if (i % 2)
			REQUIRE(sley_await(timeout, NULL, 0) == -ETIMEDOUT);
		if (i % 3)
			REQUIRE(sley_future_cancel(timeout) == 0);
		REQUIRE(sley_future_free(timeout) == 0);
	}
	await_live(1); /* nobody wants them: their tasks do not wait for an hour */
	REQUIRE(load(&future->refs, relaxed) == FUTURE_HANDLE + FUTURE_PRODUCER && !future->waiters.head);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

#if RACE_POINTS

static unsigned may_return;

static int return_when_told(void *arg, void *result)
{
	while (!load(&may_return, acquire))
		;
	*(int *)result = 7;
	return 0;
}

static void *complete_and_go_on(void *future)
{
	race_wait("wait_is_linked");
	store(&may_return, 1, release);
	while (sley_future_ready(future) == 0)
		;
	while (live_tasks() > 1) /* the task has ended, too */
		;
	race_go("wait_is_linked");
	return NULL;
}

/*
 *   worker 1                                   worker 2
 *   awaits the future: its node is linked
 *                                              the function returns: claims the wait; its task ends, and
 *                                              cannot switch to a task that has not left its stack: it is queued
 *                                              takes it; its slot is held: it waits for that
 *   leaves its stack, and is granted that
 */
TASK_TEST(completed_before_the_awaiter_has_left, 2)
{
	struct sley_future *future;
	pthread_t thread;
	int result = 0;
	may_return = 0;
	race_stop("wait_is_linked");
	REQUIRE(sley_async(&future, return_when_told, NULL, 0, sizeof(result)) == 0);
	REQUIRE(pthread_create(&thread, NULL, complete_and_go_on, future) == 0);
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0 && result == 7);
	REQUIRE(sley_future_free(future) == 0);
	pthread_join(thread, NULL);
}

static void *cancel_and_go_on(void *future)
{
	race_wait("wait_is_linked");
	REQUIRE(sley_future_cancel(future) == 0);
	store(&may_return, 1, release);
	race_go("wait_is_linked");
	return NULL;
}

/* The future is cancelled while its function runs: the awaiter is woken once, and the end of the task finds nobody. */
TASK_TEST(cancelled_before_the_end, 2)
{
	struct sley_future *future;
	pthread_t thread;
	may_return = 0;
	race_stop("wait_is_linked");
	REQUIRE(sley_async(&future, return_when_told, NULL, 0, sizeof(int)) == 0);
	REQUIRE(pthread_create(&thread, NULL, cancel_and_go_on, future) == 0);
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_future_free(future) == 0);
	pthread_join(thread, NULL);
	await_live(1);
}

#endif
