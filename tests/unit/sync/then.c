/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Then, map and and_then: what they give, when their callbacks run and when not, long chains, and races. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"
#include "sync/future.h"
#include "tests/race.h"
#include "tests/unit/sync/stagger.h"

static struct sley_future *source;
static struct sley_promise *promise;

static void make(size_t size)
{
	REQUIRE(sley_promise_new(&promise, &source, size) == 0);
}

static void unmake(void)
{
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(source) == 0);
}

/* Awaits a word and frees the future. */
static int take(struct sley_future *future, uint64_t *word)
{
	int error = sley_await(future, word, SOON);
	REQUIRE(sley_future_free(future) == 0);
	return error;
}

/* ---- outcomes ---- */

static unsigned calls;

static int double_it(void *arg, const void *value, void *result)
{
	REQUIRE(sley_self() > 0); /* a task, so it may wait */
	sley_yield();
	fetch_add(&calls, 1, relaxed);
	*(uint64_t *)result = 2 * *(const uint64_t *)value;
	return *(const int *)arg;
}

static int look(void *arg, int error, const void *value, void *result)
{
	fetch_add(&calls, 1, relaxed);
	REQUIRE((value == NULL) == (error != 0));
	*(uint64_t *)result = error ? (uint64_t)-error : 1000 + *(const uint64_t *)value;
	return *(const int *)arg;
}

static int add_in_a_task(void *arg, void *result)
{
	sley_yield();
	*(uint64_t *)result = *(const uint64_t *)arg + 1;
	return *(const uint64_t *)arg == 66 ? -ENOENT : 0;
}

static int one_more(void *arg, const void *value, struct sley_future **next)
{
	fetch_add(&calls, 1, relaxed);
	if (*(const int *)arg)
		return *(const int *)arg;
	return sley_async(next, add_in_a_task, value, sizeof(uint64_t), sizeof(uint64_t));
}

/* All three on one source, before it is complete (or after), each with a callback that returns `returned`. */
static void derive_all(struct sley_future **futures, int returned)
{
	REQUIRE(sley_future_map(&futures[0], source, double_it, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_future_then(&futures[1], source, look, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_future_and_then(&futures[2], source, one_more, &returned, sizeof(returned), 8) == 0);
}

/* The source's outcome (a value, or the error if it is not 0), and what each is to give. */
static void expect(bool before, uint64_t value, int error, int returned, int error_map, int error_then, int error_and)
{
	struct sley_future *futures[3];
	uint64_t word[3] = { 0 };
	calls = 0;
	make(8);
	if (before)
		derive_all(futures, returned);
	REQUIRE((error ? sley_promise_reject(promise, error) : sley_promise_resolve(promise, &value)) == 0);
	if (!before)
		derive_all(futures, returned);
	REQUIRE(take(futures[0], &word[0]) == error_map && word[0] == (error_map ? 0 : 2 * value));
	REQUIRE(take(futures[1], &word[1]) == error_then);
	REQUIRE(word[1] == (error_then ? 0 : error ? (uint64_t)-error : 1000 + value));
	REQUIRE(take(futures[2], &word[2]) == error_and && word[2] == (error_and ? 0 : value + 1));
	REQUIRE(calls == (error ? 1 : 3));
	unmake();
}

/* Each kind on a source that is resolved or rejected, earlier or later, with callbacks that succeed and fail. */
TASK_TEST(outcomes, EVERY_WAY)
{
	for (int before = 0; before < 2; before++) {
		expect(before, 5, 0, 0, 0, 0, 0);
		expect(before, 5, 0, -EDOM, -EDOM, -EDOM, -EDOM);
		expect(before, 5, 0, 1, -EINVAL, -EINVAL, -EINVAL);
		expect(before, 0, -EIO, 0, -EIO, 0, -EIO);
		expect(before, 66, 0, 0, 0, 0, -ENOENT);
	}
}

static int no_next(void *arg, const void *value, struct sley_future **next)
{
	return 0;
}

static int other_size(void *arg, const void *value, struct sley_future **next)
{
	return sley_async(next, add_in_a_task, value, 8, 9);
}

/* A callback of and_then that gives no future, or one of another size. */
TASK_TEST(next, 1)
{
	struct sley_future *future;
	uint64_t value = 1;
	make(8);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_future_and_then(&future, source, no_next, NULL, 0, 8) == 0);
	REQUIRE(take(future, &value) == -EINVAL);
	REQUIRE(sley_future_and_then(&future, source, other_size, NULL, 0, 8) == 0);
	REQUIRE(take(future, &value) == -EINVAL);
	unmake();
	await_live(1);
}

TASK_TEST(bad, 1)
{
	struct sley_future *future = NULL;
	int (*none)(void *, const void *, void *) = NULL;
	int returned = 0;
	uint64_t value = 0;
	make(8);
	REQUIRE(sley_future_map(&future, source, none, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_future_map(&future, NULL, double_it, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_future_map((struct sley_future **)NULL, source, double_it, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_future_map(&future, source, double_it, NULL, 4, 8) == -EINVAL);
	REQUIRE(sley_future_map(&future, source, double_it, NULL, 0, SIZE_MAX) == -EOVERFLOW);
	REQUIRE(sley_future_map(&future, source, double_it, &value, SIZE_MAX - 1, 8) == -EOVERFLOW);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_future_map(&future, source, double_it, NULL, 0, 8) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(!future && load(&source->refs, relaxed) == FUTURE_HANDLE + FUTURE_PRODUCER);
	REQUIRE(sley_future_map(&future, source, double_it, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(take(future, &value) == 0);
	unmake();
}

static int sleep_for_ever(void *arg, void *result)
{
	return sley_sleep(SLEY_NEVER);
}

static int main_no_task(void *arg)
{
	struct sley_future *futures[20], *future;
	uint64_t value = 1;
	int returned = 0, n = 0, error;
	make(8);
	REQUIRE(sley_future_map(&future, source, double_it, &returned, sizeof(returned), 8) == 0);
	while ((error = sley_async(&futures[n], sleep_for_ever, NULL, 0, 0)) == 0)
		n++;
	REQUIRE(error == -EAGAIN && n > 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(take(future, &value) == -EAGAIN);
	while (n-- > 0) {
		REQUIRE(sley_future_cancel(futures[n]) == 0);
		REQUIRE(sley_future_free(futures[n]) == 0);
	}
	unmake();
	await_live(1);
	return 0;
}

/* No task can be had for the callback: its future is rejected with that. */
TEST(no_task)
{
	struct sley_options ten = { .size = sizeof(ten), .workers = 1, .max_tasks = 10 };
	run_with(main_no_task, NULL, &ten);
}

/* ---- cancelling ---- */

static int main_cancel_before(void *arg)
{
	struct sley_future *future, *second;
	uint64_t value = 1;
	int returned = 0;
	calls = 0;
	make(8);
	REQUIRE(sley_future_map(&future, source, double_it, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_future_then(&second, future, look, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(list_is_empty(&source->links));                   /* nothing is left there */
	REQUIRE(take(second, &value) == 0 && value == ECANCELED); /* it travels, like any error */
	REQUIRE(take(future, &value) == -ECANCELED);
	REQUIRE(sley_future_ready(source) == 0); /* which belongs to others */
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	unmake();
	await_live(1);
	REQUIRE(calls == 1);
	return 0;
}

static int main_cancel_started(void *arg)
{
	struct sley_future *future;
	uint64_t value = 1;
	int returned = 0;
	calls = 0;
	make(8);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_future_map(&future, source, double_it, &returned, sizeof(returned), 8) == 0);
	REQUIRE(live_tasks() == 2); /* it has its task, which is ready */
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(take(future, &value) == -ECANCELED);
	await_live(1);
	REQUIRE(calls == 0);
	unmake();
	return 0;
}

static struct sley_future *inner;
static sley_task callback;

static int sleep_in_callback(void *arg, const void *value, void *result)
{
	store(&callback, sley_self(), release);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
	fetch_add(&calls, 1, relaxed);
	return 0; /* thrown away */
}

static int give_inner(void *shared, const void *value, struct sley_future **next)
{
	REQUIRE(sley_async(next, sleep_for_ever, NULL, 0, 8) == 0);
	if (*(const int *)shared)
		sley_future_ref(*next);
	store(&inner, *next, release);
	store(&callback, sley_self(), release);
	return 0;
}

static sley_task await_callback(enum sley_wait_kind kind)
{
	sley_task task;
	while ((task = load(&callback, acquire)) == 0)
		sley_yield();
	await_state(task, SLEY_TASK_WAITING, kind);
	callback = 0;
	return task;
}

static int main_cancel_during(void *arg)
{
	struct sley_future *future;
	uint64_t value = 1;
	calls = 0;
	make(8);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_future_map(&future, source, sleep_in_callback, NULL, 0, 8) == 0);
	await_callback(SLEY_WAIT_SLEEP);
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(take(future, &value) == -ECANCELED);
	await_live(1);
	REQUIRE(calls == 1);
	for (int shared = 0; shared < 2; shared++) {
		REQUIRE(sley_future_and_then(&future, source, give_inner, &shared, sizeof(shared), 8) == 0);
		await_callback(SLEY_WAIT_FUTURE);
		REQUIRE(sley_future_cancel(future) == 0);
		REQUIRE(take(future, &value) == -ECANCELED);
		await_live(1u +
			   (unsigned)shared); /* the inner one's task: with the future, or not, as we have a handle */
		if (shared) {
			REQUIRE(sley_future_ready(inner) == 0 && sley_future_cancel(inner) == 0);
			REQUIRE(sley_future_free(inner) == 0);
		}
	}
	unmake();
	await_live(1);
	return 0;
}

/*
 * Cancelled before the callback began: it never runs. While it runs: its waits end, what it returns is thrown away; and
 * and_then's inner future is cancelled too, unless somebody else has it.
 */
TEST(cancel)
{
	run_all(main_cancel_before);
	run(main_cancel_started, 1);
	run_all(main_cancel_during);
}

/* A detached callback runs all the same, and the source may be freed at once. */
TASK_TEST(detached, EVERY_WAY)
{
	struct sley_future *future;
	uint64_t value = 1;
	int returned = 0;
	calls = 0;
	make(8);
	REQUIRE(sley_future_map(&future, source, double_it, &returned, sizeof(returned), 8) == 0);
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	unmake();
	await_live(1);
	REQUIRE(calls == 1);
}

/* ---- chains ---- */

static int add_one(void *arg, const void *value, void *result)
{
	*(uint64_t *)result = *(const uint64_t *)value + 1;
	return 0;
}

/* From `first`, whose handle is freed: the last of `n` maps. */
static struct sley_future *chain(struct sley_future *first, long n)
{
	struct sley_future *next;
	for (long i = 0; i < n; i++) {
		REQUIRE(sley_future_map(&next, first, add_one, NULL, 0, 8) == 0);
		REQUIRE(sley_future_free(first) == 0);
		first = next;
	}
	return first;
}

static int main_chain(void *arg)
{
	long n = test_scale(100000);
	uint64_t value = 5;
	make(8);
	struct sley_future *last = chain(sley_future_ref(source), n);
	REQUIRE(live_tasks() == 1); /* pending callbacks have no tasks */
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(take(last, &value) == 0 && value == 5 + (uint64_t)n);
	unmake();
	make(8);
	last = chain(sley_future_ref(source), n);
	REQUIRE(sley_promise_reject(promise, -EIO) == 0); /* runs along the chain in this one call */
	REQUIRE(sley_future_ready(last) == 1 && take(last, &value) == -EIO);
	unmake();
	make(8);
	last = chain(sley_future_ref(source), n);
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(take(last, &value) == -EOWNERDEAD);
	REQUIRE(sley_future_free(source) == 0);
	await_live(1);
	return 0;
}

/* 100,000 callbacks, one after the other: no recursion, neither when values travel nor when an error does. */
TEST(chain)
{
	struct sley_options small = { .size = sizeof(small), .workers = 2, .stack_size = 64 << 10 };
	run(main_chain, 1);
	run_with(main_chain, NULL, &small);
}

/* Many callbacks on one source. */
TASK_TEST(fan, 2)
{
	long n = test_scale(20000);
	struct sley_future *first, *futures[2];
	uint64_t value = 10, word = 0;
	make(8);
	REQUIRE(sley_future_map(&first, source, add_one, NULL, 0, 8) == 0);
	for (long i = 0; i < n; i++) {
		REQUIRE(sley_future_map(&futures[i % 2], source, add_one, NULL, 0, 8) == 0);
		REQUIRE(sley_future_free(futures[i % 2]) == 0);
	}
	REQUIRE(sley_future_map(&futures[0], source, add_one, NULL, 0, 8) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(take(futures[0], &word) == 0 && word == 11);
	REQUIRE(take(first, &word) == 0 && word == 11);
	unmake();
	await_live(1);
}

/* ---- from plain threads ---- */

static void *thread_derives(void *arg)
{
	struct sley_future *future;
	uint64_t value = 1;
	REQUIRE(sley_future_map(&future, source, add_one, NULL, 0, 8) == 0);
	struct sley_future *last = chain(future, 10);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(take(last, &value) == 0 && value == 12);
	return NULL;
}

/* Callbacks given by a plain thread are tasks all the same. */
TASK_TEST(threads, 2)
{
	pthread_t thread;
	make(8);
	REQUIRE(pthread_create(&thread, NULL, thread_derives, NULL) == 0);
	REQUIRE(sley_await(source, NULL, SOON) == 0);
	pthread_join(thread, NULL);
	unmake();
}

/* ---- races ---- */

#define ROUNDS test_scale(3000)

static int answers[3];

static void resolve(void *arg)
{
	uint64_t value = 20;
	stagger(1);
	answers[0] = sley_promise_resolve(promise, &value);
}

/* Given while the source is completed: linked before, or run at once, never both and never neither. */
TASK_TEST(register_race, EVERY_WAY)
{
	for (long i = 0; i < ROUNDS; i++) {
		struct sley_future *futures[2];
		uint64_t word = 0;
		int returned = 0;
		stagger_begin();
		make(8);
		sley_task task = sley_spawn(resolve, NULL);
		stagger(2);
		REQUIRE(sley_future_map(&futures[0], source, double_it, &returned, sizeof(returned), 8) == 0);
		REQUIRE(sley_future_then(&futures[1], source, look, &returned, sizeof(returned), 8) == 0);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0 && answers[0] == 0);
		REQUIRE(take(futures[0], &word) == 0 && word == 40);
		REQUIRE(take(futures[1], &word) == 0 && word == 1020);
		unmake();
	}
}

static struct sley_future *derived;

static void cancel_derived(void *arg)
{
	stagger(3);
	answers[1] = sley_future_cancel(derived);
}

static unsigned called[10000]; /* by round */

static int count_call(void *round, const void *value, void *result)
{
	fetch_add(&called[*(const long *)round], 1, relaxed);
	*(uint64_t *)result = 1;
	return 0;
}

#if RACE_POINTS

/*
 *   resolves the source                  cancels the derived future
 *   makes the task of the callback
 *                                        completes the future; there is no task to cancel yet
 *   says which task it is, starts it
 *   the task: the future is complete
 */
TASK_TEST(cancelled_before_its_task, 2)
{
	long round = 0;
	called[0] = 0;
	make(8);
	REQUIRE(sley_future_map(&derived, source, count_call, &round, sizeof(round), 8) == 0);
	race_stop("callback_has_task");
	sley_task task = sley_spawn(resolve, NULL);
	race_wait("callback_has_task");
	REQUIRE(sley_future_cancel(derived) == 0);
	race_go("callback_has_task");
	REQUIRE(sley_join(task, SOON) == 0 && answers[0] == 0);
	await_live(1);
	REQUIRE(called[0] == 0);
	REQUIRE(sley_await(derived, NULL, SOON) == -ECANCELED && sley_future_free(derived) == 0);
	unmake();
}

#endif

/*
 * The source is resolved, its callback's task started, run and ended, while the derived future is cancelled: whoever is
 * first decides, and the callback runs once or never.
 */
TASK_TEST(cancel_race, EVERY_WAY)
{
	unsigned counts[2] = { 0, 0 };
	memset(called, 0, sizeof(called));
	for (long i = 0; i < ROUNDS; i++) {
		uint64_t word = 0;
		stagger_begin();
		make(8);
		REQUIRE(sley_future_map(&derived, source, count_call, &i, sizeof(i), 8) == 0);
		sley_task one = sley_spawn(resolve, NULL), two = sley_spawn(cancel_derived, NULL);
		REQUIRE(sley_join(one, SLEY_NEVER) == 0 && sley_join(two, SLEY_NEVER) == 0);
		REQUIRE(answers[0] == 0);
		int error = take(derived, &word);
		REQUIRE(answers[1] == 0 ? error == -ECANCELED && word == 0
					: answers[1] == -EALREADY && error == 0 && word == 1 && called[i] == 1);
		counts[error == 0]++;
		unmake();
	}
	REQUIRE(counts[0] > 0 && counts[1] > 0);
	await_live(1); /* callbacks that were on their way end */
	for (long i = 0; i < ROUNDS; i++)
		REQUIRE(called[i] <= 1);
}
