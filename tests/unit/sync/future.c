/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Futures: awaiting, looking, cancelling, freeing; and each of these against their completion. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sync/future.h"
#include "tests/unit/sync/stagger.h"

static struct sley_future *future;
static struct sley_promise *promise;

static void make(size_t size)
{
	REQUIRE(sley_promise_new(&promise, &future, size) == 0);
}

static void unmake(void)
{
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

static bool is_awaited(void)
{
	lock_take(&future->lock);
	bool awaited = future->waiters.head;
	lock_drop(&future->lock);
	return awaited;
}

/* With 1, 2 and 4 workers, and with so few stacks that whoever waits is copied out. */
/* ---- awaiting ---- */

#define AWAITERS 40
#define LARGE    3000

static unsigned got;

static void await_value(void *size)
{
	char value[LARGE + 1];
	size_t n = (size_t)(uintptr_t)size;
	memset(value, 0x55, sizeof(value));
	REQUIRE(sley_await(future, value, SLEY_NEVER) == 0);
	for (size_t i = 0; i < n; i++)
		REQUIRE((unsigned char)value[i] == (unsigned char)(i + n));
	REQUIRE(value[n] == 0x55); /* not a byte more */
	fetch_add(&got, 1, relaxed);
}

static void await_error(void *size)
{
	char value[LARGE] = { 0x55 };
	REQUIRE(sley_await(future, value, SLEY_NEVER) == -EBADMSG);
	REQUIRE(value[0] == 0x55);
	fetch_add(&got, 1, relaxed);
}

static void await_in_all(void (*body)(void *), size_t size, int error)
{
	char value[LARGE];
	sley_task tasks[AWAITERS];
	got = 0;
	make(size);
	for (size_t i = 0; i < size; i++)
		value[i] = (char)(i + size);
	for (unsigned i = 0; i < AWAITERS; i++) {
		tasks[i] = sley_spawn_at(SLEY_SITE("body"), NULL, body, (void *)(uintptr_t)size, SLEY_BY_POINTER);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_FUTURE);
	}
	REQUIRE(got == 0 && sley_future_ready(future) == 0);
	REQUIRE((error ? sley_promise_reject(promise, error) : sley_promise_resolve(promise, value)) == 0);
	memset(value, 0, sizeof(value)); /* ours again */
	for (unsigned i = 0; i < AWAITERS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(got == AWAITERS && sley_future_ready(future) == 1);
	body((void *)(uintptr_t)size); /* and once more, without a wait */
	unmake();
}

/* Any number of tasks await one future; each gets the whole value, into its own stack, or the error and nothing. */
TASK_TEST(await, EVERY_WAY)
{
	static const size_t sizes[] = { 0, 1, 8, 100, LARGE };
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		await_in_all(await_value, sizes[i], 0);
		await_in_all(await_error, sizes[i], -EBADMSG);
	}
}

/* The deadline is the wait's; the future goes on, and its own error is told apart. */
TASK_TEST(deadlines, 1)
{
	uint64_t value = 7, result = 0;
	make(sizeof(value));
	REQUIRE(sley_await(future, &result, 0) == -ETIMEDOUT);
	REQUIRE(sley_await(future, &result, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_future_ready(future) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_await(future, &result, 0) == 0 && result == 7); /* it is there: the deadline does not matter */
	REQUIRE(sley_await(future, NULL, 0) == 0);
	unmake();
	make(0);
	REQUIRE(sley_promise_reject(promise, -ETIMEDOUT) == 0);
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == -ETIMEDOUT); /* its own: */
	REQUIRE(sley_future_ready(future) == 1);
	unmake();
}

static void await_cancelled(void *arg)
{
	uint64_t result = 0;
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_future_ready(future) == 0);
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == -ECANCELED);
	int old = sley_cancel_mask(1);
	store(&got, 1, release);
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0 && result == 9);
	sley_cancel_mask(old);
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0 && result == 9); /* not a wait */
}

/* Cancelling a task that awaits ends its wait and leaves the future alone. */
TASK_TEST(cancelled_awaiter, 1, 2)
{
	uint64_t value = 9;
	got = 0;
	make(sizeof(value));
	sley_task task = sley_spawn(await_cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_FUTURE);
	REQUIRE(sley_cancel(task) == 0);
	while (!load(&got, acquire) || !is_awaited())
		sley_yield();
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	unmake();
}

/* ---- cancelling the future ---- */

static void await_rejected(void *arg)
{
	REQUIRE(sley_await(future, NULL, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_cancelled() == 0 && sley_future_ready(future) == 1);
}

/* A cancelled future is rejected with -ECANCELED, at once and for good; a complete one cannot be cancelled. */
TASK_TEST(cancel, 1, 2)
{
	make(0);
	sley_task task = sley_spawn(await_rejected, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_FUTURE);
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_future_cancel(future) == -EALREADY);
	REQUIRE(sley_promise_resolve(promise, NULL) == -EALREADY);
	REQUIRE(sley_promise_reject(promise, -EIO) == -EALREADY);
	REQUIRE(sley_await(future, NULL, 0) == -ECANCELED);
	unmake();
	make(0);
	REQUIRE(sley_promise_resolve(promise, NULL) == 0);
	REQUIRE(sley_future_cancel(future) == -EALREADY && sley_await(future, NULL, 0) == 0);
	unmake();
}

/* ---- ownership ---- */

/* Handles are independent. (That nothing is leaked or freed twice is for AddressSanitizer to say.) */
TASK_TEST(handles, 1)
{
	uint64_t value = 3, result;
	make(sizeof(value));
	struct sley_future *other = sley_future_ref(future);
	REQUIRE(other == future);
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(sley_await(other, &result, 0) == 0 && result == 3);
	REQUIRE(sley_future_free(other) == 0);
	make(0); /* without a handle on its future a promise is still good for its owner */
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_promise_resolve(promise, NULL) == 0);
	REQUIRE(sley_promise_free(promise) == 0);
	REQUIRE(sley_future_free(NULL) == 0 && sley_future_ref(NULL) == NULL);
}

static void await_and_count(void *arg)
{
	uint64_t result;
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0 && result == 12);
	fetch_add(&got, 1, relaxed);
}

/* Freeing the handle that tasks wait with: they still get the value. */
TASK_TEST(free_while_awaited, 1, 3)
{
	uint64_t value = 12;
	sley_task tasks[3];
	got = 0;
	make(sizeof(value));
	for (int i = 0; i < 3; i++) {
		tasks[i] = sley_spawn(await_and_count, NULL);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_FUTURE);
	}
	REQUIRE(sley_future_free(future) == 0); /* the only handle that anybody has: who waits is safe */
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_promise_free(promise) == 0);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(got == 3);
}

/* ---- plain threads, and the end of the run ---- */

static void *thread_awaits(void *arg)
{
	uint64_t result = 0;
	REQUIRE(sley_await(future, &result, 0) == -ETIMEDOUT);
	REQUIRE(sley_await(future, &result, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	fetch_add(&got, 1, release);
	REQUIRE(sley_await(future, &result, SOON) == 0 && result == 5);
	REQUIRE(sley_await(future, &result, 0) == 0);
	return NULL;
}

static void await_five(void *arg)
{
	uint64_t result = 0;
	REQUIRE(sley_await(future, &result, SLEY_NEVER) == 0 && result == 5);
}

static struct sley_future *left[4];
static struct sley_promise *left_promises[4];
static pthread_t stranded_thread;

static void *thread_is_stranded(void *arg)
{
	return (void *)(intptr_t)sley_await(left[0], NULL, SLEY_NEVER);
}

static int sleep_for_ever(void *arg, void *result)
{
	return sley_sleep(SLEY_NEVER);
}

static int main_leaves(void *arg)
{
	uint64_t value = 77;
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_promise_new(&left_promises[i], &left[i], sizeof(value)) == 0);
	REQUIRE(sley_promise_resolve(left_promises[1], &value) == 0);
	REQUIRE(sley_async(&left[3], sleep_for_ever, NULL, SLEY_BY_POINTER, sizeof(value)) == 0);
	future = left[0];
	REQUIRE(pthread_create(&stranded_thread, NULL, thread_is_stranded, NULL) == 0);
	while (!is_awaited())
		sley_yield();
	return 0;
}

/* What futures of an earlier run answer. */
static void look_at_what_is_left(int error)
{
	uint64_t value = 0;
	struct sley_future *made;
	assert_int_equal(sley_await(left[0], &value, 0), error);
	assert_int_equal(sley_future_ready(left[0]), 0);
	assert_int_equal(sley_future_cancel(left[0]), error);
	assert_int_equal(sley_promise_resolve(left_promises[0], &value), error);
	assert_int_equal(sley_promise_reject(left_promises[0], -EIO), error);
	assert_int_equal(sley_future_all(&made, left, 4), error);
	assert_int_equal(sley_future_timeout(&made, left[1], SLEY_NEVER), error);
	assert_int_equal(sley_await(left[1], &value, 0), 0);
	assert_int_equal(value, 77);
}

static int main_later(void *arg)
{
	look_at_what_is_left(-ENOTCONN);
	assert_int_equal(sley_future_free(left[2]), 0);
	assert_int_equal(sley_promise_free(left_promises[2]), 0);
	return 0;
}

/*
 * At the end of the run a plain thread that awaits is told. Then what is complete can still be had, all else is refused,
 * in a later run too, and everything can be freed: in a run, outside of one, future first or promise first.
 */
TEST(after_the_run)
{
	struct sley_promise *none = NULL;
	void *result;
	run(main_leaves, 2);
	assert_int_equal(pthread_join(stranded_thread, &result), 0);
	assert_int_equal((intptr_t)result, -ENOTCONN);
	look_at_what_is_left(-ENOTCONN);
	run(main_later, 1);
	assert_int_equal(sley_promise_free(left_promises[0]), 0);
	assert_int_equal(sley_future_free(left[0]), 0);
	assert_int_equal(sley_future_free(left[1]), 0);
	assert_int_equal(sley_promise_free(left_promises[1]), 0);
	assert_int_equal(sley_future_free(left[3]), 0); /* its task was abandoned */
	assert_int_equal(sley_promise_new(&none, &left[0], 8), -ENOTCONN);
	assert_null(none);
}

/* Plain threads await and block, among tasks that do. */
TASK_TEST(threads, 1, 2)
{
	pthread_t threads[4];
	uint64_t value = 5;
	got = 0;
	make(sizeof(value));
	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_awaits, NULL) == 0);
	while (load(&got, acquire) < 4)
		sley_sleep(sley_in(SLEY_US(100)));
	sley_task task = sley_spawn(await_five, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_FUTURE);
	REQUIRE(sley_promise_resolve(promise, &value) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	unmake();
}

/* ---- bad input ---- */

static int main_bad(void *arg)
{
	REQUIRE(sley_await(NULL, NULL, 0) == -EINVAL && sley_future_ready(NULL) == -EINVAL);
	REQUIRE(sley_future_cancel(NULL) == -EINVAL && sley_future_which(NULL) == -EINVAL);
	make(0);
	REQUIRE(sley_future_which(future) == -EAGAIN);
	REQUIRE(sley_promise_resolve(promise, NULL) == 0 && sley_future_which(future) == -EINVAL);
	unmake();
	return 0;
}

static void use_stack(void *arg)
{
	char block[sizeof(struct sley_future)] = { 0 };
	struct sley_future *on_stack = (void *)block;
	REQUIRE(sley_await(on_stack, NULL, 0) == -EFAULT && sley_future_ready(on_stack) == -EFAULT);
	REQUIRE(sley_future_cancel(on_stack) == -EFAULT && sley_future_free(on_stack) == -EFAULT);
	REQUIRE(sley_promise_free((void *)block) == -EFAULT);
}

static int main_bad_stack(void *arg)
{
	sley_task task = sley_spawn(use_stack, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* Null futures, and what cannot be one. */
TEST(bad)
{
	char text[2048];
	run(main_bad, 1);
	capture_begin();
	run(main_bad_stack, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "the future"), 1);
}

/* ---- races ----
 *
 * The other side is a task; both begin at once and are staggered at random. What must hold is the same in each order:
 * every call gets exactly one of the answers that it may get, they fit each other, and all tasks end.
 */

#define ROUNDS test_scale(5000)

static sley_task waiter;
static int answer;
static uint64_t result;

static void resolve(void *arg)
{
	uint64_t value = 1;
	stagger(1);
	answer = sley_promise_resolve(promise, &value);
}

/*
 *     resolver                       awaiter
 *     lock; DONE; pop; claim EVENT   begin; link; unlock; park; the timer claims DEADLINE
 *     ready, unless it lost          lock; unlink, unless popped
 */
TASK_TEST(resolve_deadline, EVERY_WAY)
{
	unsigned counts[2] = { 0, 0 };
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		make(sizeof(result));
		result = 0;
		sley_task other = sley_spawn(resolve, NULL);
		stagger(2);
		/* claimed by the resolver, or by the timer, which may itself come before or after */
		int error = sley_await(future, &result, i % 4 == 0 ? 0 : sley_in(SLEY_US(i % 5)));
		REQUIRE((error == 0 && result == 1) || (error == -ETIMEDOUT && result == 0));
		counts[error == 0]++;
		REQUIRE(sley_await(future, &result, SOON) == 0 && result == 1);
		REQUIRE(sley_join(other, SLEY_NEVER) == 0 && answer == 0);
		unmake();
	}
	REQUIRE(counts[0] > 0 && counts[1] > 0);
}

static void await_once(void *arg)
{
	int error = sley_await(future, &result, SLEY_NEVER);
	REQUIRE((error == 0 && result == 1) || (error == -ECANCELED && result == 0));
	answer = error;
}

/* The awaiting task is cancelled while the future is resolved: it gets the one or the other, and ends. */
TASK_TEST(resolve_cancelled, EVERY_WAY)
{
	uint64_t value = 1;
	unsigned counts[2] = { 0, 0 };
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		make(sizeof(result));
		result = 0;
		waiter = sley_spawn(await_once, NULL);
		stagger(3);
		if (i % 2) {
			REQUIRE(sley_cancel(waiter) == 0);
			stagger(4);
			REQUIRE(sley_promise_resolve(promise, &value) == 0);
		} else {
			REQUIRE(sley_promise_resolve(promise, &value) == 0);
			REQUIRE(sley_cancel(waiter) == 0);
		}
		REQUIRE(sley_join(waiter, SLEY_NEVER) == 0);
		counts[answer == 0]++;
		unmake();
	}
	REQUIRE(counts[0] > 0 && counts[1] > 0);
}

static void cancel_future(void *arg)
{
	stagger(5);
	answer = sley_future_cancel(future);
}

/* Both claim; exactly one wins, the other is told, and whoever awaits sees the winner's outcome. */
TASK_TEST(resolve_cancel, EVERY_WAY)
{
	uint64_t value = 1;
	unsigned counts[2] = { 0, 0 };
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		make(sizeof(result));
		result = 0;
		sley_task other = sley_spawn(cancel_future, NULL);
		stagger(6);
		int resolved = sley_promise_resolve(promise, &value);
		int error = sley_await(future, &result, SLEY_NEVER);
		REQUIRE(sley_join(other, SLEY_NEVER) == 0);
		REQUIRE(resolved == 0 ? answer == -EALREADY && error == 0 && result == 1
				      : resolved == -EALREADY && answer == 0 && error == -ECANCELED && result == 0);
		counts[error == 0]++;
		unmake();
	}
	REQUIRE(counts[0] > 0 && counts[1] > 0);
}

static void await_by_ref(void *arg)
{
	int error = sley_await(arg, &result, SLEY_NEVER);
	REQUIRE(error == 0 && result == 1);
	REQUIRE(sley_future_free(arg) == 0);
}

/* The owner frees, another awaits by a handle of its own, a third resolves: the last one frees the memory. */
TASK_TEST(resolve_free, EVERY_WAY)
{
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		make(sizeof(result));
		result = 0;
		sley_task other = sley_spawn(resolve, NULL);
		sley_task second = sley_spawn(await_by_ref, sley_future_ref(future));
		stagger(7);
		REQUIRE(sley_future_free(future) == 0);
		REQUIRE(sley_join(other, SLEY_NEVER) == 0 && answer == 0);
		REQUIRE(sley_promise_free(promise) == 0);
		REQUIRE(sley_join(second, SLEY_NEVER) == 0);
	}
}
