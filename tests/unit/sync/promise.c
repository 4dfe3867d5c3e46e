/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Promises: completing a future from anywhere, once; and promises that are dropped. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sync/future.h"
#include "tests/race.h"
#include "tests/unit/sync/stagger.h"

static struct sley_future *future;
static struct sley_promise *promise;

/* Resolved or rejected once; the second is told and changes nothing. */
TASK_TEST(once, 1)
{
	uint64_t value = 4, result = 0;
	REQUIRE(sley_promise_new(&promise, &future, sizeof(value)) == 0);
	REQUIRE(sley_promise_resolve(promise, NULL) == -EINVAL);
	REQUIRE(sley_promise_reject(promise, 0) == -EINVAL && sley_promise_reject(promise, 1) == -EINVAL);
	REQUIRE(sley_future_ready(future) == 0); /* none of these did anything */
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	value = 5;
	REQUIRE(sley_promise_resolve(promise, &value) == -EALREADY);
	REQUIRE(sley_promise_reject(promise, -EIO) == -EALREADY);
	REQUIRE(sley_await(future, &result, 0) == 0 && result == 4);
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(sley_await(future, &result, 0) == 0 && result == 4); /* freeing changes nothing then */
	REQUIRE(sley_future_free(future) == 0);

	REQUIRE(sley_promise_new(&promise, &future, 0) == 0);
	REQUIRE(sley_promise_reject(promise, -EIO) == 0);
	REQUIRE(sley_promise_resolve(promise, NULL) == -EALREADY);
	REQUIRE(sley_await(future, NULL, 0) == -EIO);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

/* A promise that everybody dropped rejects with -EOWNERDEAD. */
TASK_TEST(dropped, 1)
{
	REQUIRE(sley_promise_new(&promise, &future, 8) == 0);
	REQUIRE(sley_promise_ref(promise) == promise);
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(sley_future_ready(future) == 0); /* another owner may still complete it */
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(sley_await(future, NULL, 0) == -EOWNERDEAD);
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_promise_free(NULL) == 0 && sley_promise_ref(NULL) == NULL);
}

TASK_TEST(bad, 1)
{
	struct sley_promise *p = NULL;
	struct sley_future *f = NULL;
	REQUIRE(sley_promise_new(NULL, &f, 8) == -EINVAL && sley_promise_new(&p, NULL, 8) == -EINVAL);
	REQUIRE(sley_promise_new(&p, &f, SIZE_MAX) == -EOVERFLOW);
	REQUIRE(sley_promise_new(&p, &f, SIZE_MAX / 2) == -EOVERFLOW);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they end the process instead */
	REQUIRE(sley_promise_new(&p, &f, (size_t)1 << 60) == -ENOMEM);
#endif
	REQUIRE(!p && !f); /* unchanged */
	REQUIRE(sley_promise_resolve(NULL, NULL) == -EINVAL && sley_promise_reject(NULL, -EIO) == -EINVAL);
}

/* ---- from plain threads ---- */

#define PROMISES 200

static struct sley_promise *promises[PROMISES];
static struct sley_future *futures[PROMISES];

/* Every third is resolved, rejected, dropped. */
static void *complete_all(void *arg)
{
	for (uint64_t i = 0; i < PROMISES; i++) {
		if (i % 3 == 0)
			REQUIRE(sley_promise_resolve(promises[i], &i) == 0);
		else if (i % 3 == 1)
			REQUIRE(sley_promise_reject(promises[i], -(int)i) == 0);
		REQUIRE(sley_promise_free(promises[i]) == 0);
	}
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	uint64_t result = 0;
	for (int i = 0; i < PROMISES; i++)
		REQUIRE(sley_promise_new(&promises[i], &futures[i], sizeof(uint64_t)) == 0);
	REQUIRE(pthread_create(&thread, NULL, complete_all, NULL) == 0);
	for (uint64_t i = 0; i < PROMISES; i++) {
		int error = sley_await(futures[i], &result, SOON);
		if (i % 3 == 0)
			REQUIRE(error == 0 && result == i);
		else
			REQUIRE(error == (i % 3 == 1 ? -(int)i : -EOWNERDEAD));
		REQUIRE(sley_future_free(futures[i]) == 0);
	}
	pthread_join(thread, NULL);
	return 0;
}

static void *from_outside(void *arg)
{
	struct sley_promise *p;
	struct sley_future *f;
	uint64_t value = 8, result = 0;
	REQUIRE(sley_promise_new(&p, &f, sizeof(value)) == 0);
	REQUIRE(sley_promise_resolve(p, &value) == 0);
	REQUIRE(sley_await(f, &result, SLEY_NEVER) == 0 && result == 8);
	REQUIRE(sley_promise_free(p) == 0 && sley_future_free(f) == 0);
	return NULL;
}

static int main_from_outside(void *arg)
{
	pthread_t thread;
	REQUIRE(pthread_create(&thread, NULL, from_outside, NULL) == 0);
	pthread_join(thread, NULL);
	return 0;
}

/* A plain thread completes what tasks await; and makes and awaits futures itself. */
TEST(threads)
{
	run(main_threads, 1);
	run(main_threads, 2);
	run(main_from_outside, 1);
}

/* ---- races ---- */

#define ROUNDS test_scale(5000)

static int answers[2];

/* By task `number`, who owns a handle. */
static void resolve_and_drop(void *number)
{
	uint64_t who = (uintptr_t)number;
	stagger((unsigned)who);
	answers[who] = sley_promise_resolve(promise, &who);
	REQUIRE(sley_promise_free(promise) == 0);
}

/* Of two resolvers one succeeds, its value is what the future has, and the other is told. */
TASK_TEST(two_resolvers, 1, 2, 4)
{
	uint64_t result = 9;
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		REQUIRE(sley_promise_new(&promise, &future, sizeof(result)) == 0);
		sley_promise_ref(promise);
		sley_task one = sley_spawn(resolve_and_drop, (void *)0), two = sley_spawn(resolve_and_drop, (void *)1);
		REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0);
		REQUIRE(sley_join(one, SLEY_NEVER) == 0 && sley_join(two, SLEY_NEVER) == 0);
		REQUIRE(result < 2 && answers[result] == 0 && answers[1 - result] == -EALREADY);
		REQUIRE(sley_future_free(future) == 0);
	}
}

static void drop(void *number)
{
	stagger((unsigned)(uintptr_t)number);
	REQUIRE(sley_promise_free(promise) == 0);
}

/* Two owners drop at once: neither may think that the other still has it, or who awaits would wait for ever. */
TASK_TEST(two_droppers, 1, 2, 4)
{
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		REQUIRE(sley_promise_new(&promise, &future, 0) == 0);
		sley_promise_ref(promise);
		sley_task one = sley_spawn(drop, (void *)0), two = sley_spawn(drop, (void *)1);
		REQUIRE(sley_await(future, NULL, SLEY_NEVER) == -EOWNERDEAD);
		REQUIRE(sley_join(one, SLEY_NEVER) == 0 && sley_join(two, SLEY_NEVER) == 0);
		REQUIRE(sley_future_free(future) == 0);
	}
}

#if RACE_POINTS

static void resolve_with_one(void *unused)
{
	uint64_t one = 1;
	REQUIRE(sley_promise_resolve(promise, &one) == 0);
}

/*
 *   resolver                             others
 *   claims the future
 *                                        resolve it too, cancel it: are told; it is not complete yet
 *   puts the value there, completes it
 */
TASK_TEST(claimed_by_another, 2)
{
	uint64_t result = 9, two = 2;
	REQUIRE(sley_promise_new(&promise, &future, sizeof(result)) == 0);
	race_stop("future_is_claimed");
	sley_task task = sley_spawn(resolve_with_one, NULL);
	race_wait("future_is_claimed");
	REQUIRE(sley_promise_resolve(promise, &two) == -EALREADY);
	REQUIRE(sley_promise_reject(promise, -EIO) == -EALREADY);
	REQUIRE(sley_future_cancel(future) == -EALREADY);
	REQUIRE(sley_future_ready(future) == 0);
	race_go("future_is_claimed");
	REQUIRE(sley_await(future, &result, SOON) == 0 && result == 1);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

/* ---- the memory goes ---- */

static void resolve_it(void *unused)
{
	REQUIRE(sley_promise_resolve(promise, NULL) == 0);
}

static void reject_it(void *unused)
{
	REQUIRE(sley_promise_reject(promise, -EIO) == 0);
}

static void cancel_it(void *unused)
{
	REQUIRE(sley_future_cancel(future) == 0);
}

/* Whoever saw that the future is complete frees it and the promise, and the memory becomes something else's. */
static void free_at_once(void (*completes)(void *), int answer)
{
	static char *blocks[16], same[sizeof(struct sley_future)];
	size_t n = sizeof(blocks) / sizeof(*blocks);
	REQUIRE(sley_promise_new(&promise, &future, 0) == 0);
	race_stop("future_is_done_and_locked");
	sley_task task = sley_spawn(completes, NULL);
	race_wait("future_is_done_and_locked");
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == answer);
	REQUIRE(sley_future_free(future) == 0 && sley_promise_free(promise) == 0);
	memset(same, 0xff, sizeof(same));
	for (size_t i = 0; i < n; i++) {
		REQUIRE((blocks[i] = malloc(sizeof(same))) != NULL);
		memset(blocks[i], 0xff, sizeof(same));
	}
	race_go("future_is_done_and_locked");
	REQUIRE(sley_join(task, SOON) == 0);
	for (size_t i = 0; i < n; i++) {
		REQUIRE(memcmp(blocks[i], same, sizeof(same)) == 0);
		free(blocks[i]);
	}
}

/*
 *   completes it                         awaits it
 *   state = DONE
 *                                        DONE: frees the future and the promise
 *   wakes who waits; unlocks: the reference is its own
 */
TASK_TEST(memory, 2)
{
	free_at_once(resolve_it, 0);
	free_at_once(reject_it, -EIO);
	free_at_once(cancel_it, -ECANCELED);
}

#endif
