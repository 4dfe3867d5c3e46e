/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The watch: the latest value, and who waits for another one. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>

struct value {
	uint64_t words[40];
};

static struct sley_watch *watch;
static int answer;

static void make(uint64_t value)
{
	REQUIRE(sley_watch_new(&watch, sizeof(value), &value) == 0);
}

/* The versions, what a late reader sees, and the last value of a closed watch. */
TASK_TEST(latest, 1)
{
	uint64_t value = 0, seen = 0, version;
	make(1);
	REQUIRE(sley_watch_next(watch, &value, &seen, 0) == 0 && value == 1 && seen > 0);
	REQUIRE(sley_watch_next(watch, &value, &seen, 0) == -ETIMEDOUT);
	REQUIRE(sley_watch_next(watch, &value, &seen, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (uint64_t i = 2; i <= 5; i++)
		REQUIRE(sley_watch_set(watch, &i) == 0);
	REQUIRE(sley_watch_get(watch, &value, NULL) == 0 && value == 5);
	REQUIRE(sley_watch_next(watch, &value, &seen, SLEY_NEVER) == 0 && value == 5);
	REQUIRE(sley_watch_set(watch, &value) == 0); /* an equal one is another one */
	REQUIRE(sley_watch_close(watch) == 0 && sley_watch_close(watch) == -EPIPE);
	REQUIRE(sley_watch_set(watch, &value) == -EPIPE);
	REQUIRE(sley_watch_next(watch, &value, &seen, SLEY_NEVER) == 0 && value == 5);
	REQUIRE(sley_watch_next(watch, &value, &seen, SLEY_NEVER) == -EPIPE);
	REQUIRE(sley_watch_get(watch, &value, &version) == 0 && value == 5 && version == seen);
	REQUIRE(sley_watch_free(watch) == 0);
}

static void follow(void *arg)
{
	struct value value;
	uint64_t seen = 0, last = 0;
	int error;
	while ((error = sley_watch_next(watch, &value, &seen, SLEY_NEVER)) == 0) {
		REQUIRE(value.words[0] >= last &&
			value.words[39] == value.words[0]); /* whole, and never an older one */
		last = value.words[0];
	}
	REQUIRE(error == -EPIPE && last == (uint64_t)(uintptr_t)arg);
}

static void *follow_in_thread(void *arg)
{
	follow(arg);
	return NULL;
}

static void set_all(uint64_t n)
{
	struct value value;
	for (int i = 0; i < 40; i++)
		value.words[i] = n;
	REQUIRE(sley_watch_set(watch, &value) == 0);
}

/* Tasks and a thread follow the changes: none sees an older value after a newer one, and all see the last. */
TASK_TEST(followers, 1, 2, 4)
{
	struct value zero = { { 0 } };
	sley_task tasks[5];
	pthread_t thread;
	uint64_t last = (uint64_t)test_scale(2000);
	REQUIRE(sley_watch_new(&watch, sizeof(zero), &zero) == 0);
	for (int i = 0; i < 5; i++)
		tasks[i] = sley_spawn(follow, (void *)(uintptr_t)last);
	REQUIRE(pthread_create(&thread, NULL, follow_in_thread, (void *)(uintptr_t)last) == 0);
	for (uint64_t n = 1; n <= last; n++) {
		set_all(n);
		if (n % 3 == 0)
			sley_yield();
	}
	REQUIRE(sley_watch_close(watch) == 0);
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	pthread_join(thread, NULL);
	REQUIRE(sley_watch_free(watch) == 0);
}

static void wait_for_change(void *arg)
{
	uint64_t value = 0, seen;
	REQUIRE(sley_watch_get(watch, &value, &seen) == 0);
	answer = sley_watch_next(watch, &value, &seen, SLEY_NEVER);
	REQUIRE(answer != 0 || value == 2);
}

/* Freeing it: one worker, so who was woken has not run yet. By a change: it looks once more. By the close: it does not. */
TASK_TEST(freed, 1)
{
	uint64_t two = 2;
	make(1);
	sley_task task = sley_spawn(wait_for_change, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_watch_free(watch) == -EBUSY);
	REQUIRE(sley_watch_set(watch, &two) == 0 && sley_watch_free(watch) == -EBUSY);
	REQUIRE(sley_join(task, SOON) == 0 && answer == 0);
	task = sley_spawn(wait_for_change, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_cancel(task) == 0 && sley_watch_free(watch) == -EBUSY);
	REQUIRE(sley_join(task, SOON) == 0 && answer == -ECANCELED);
	task = sley_spawn(wait_for_change, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	REQUIRE(sley_watch_close(watch) == 0 && sley_watch_free(watch) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && answer == -EPIPE);
}

static void on_copying_stack(void *arg)
{
	uint64_t space[32] = { 0 }, value = 0, seen = 0;
	struct sley_watch *here = (struct sley_watch *)(void *)space;
	REQUIRE(sley_watch_set(here, &value) == -EFAULT && sley_watch_get(here, &value, &seen) == -EFAULT);
	REQUIRE(sley_watch_next(here, &value, &seen, 0) == -EFAULT && sley_watch_close(here) == -EFAULT);
	REQUIRE(sley_watch_free(here) == -EFAULT);
}

TASK_TEST(answers, 1)
{
	static char text[4096];
	uint64_t value = 0, seen = 0;
	struct sley_watch *empty, *none = NULL;
	make(1);
	REQUIRE(sley_watch_new(NULL, 8, &value) == -EINVAL && sley_watch_new(&empty, 8, NULL) == -EINVAL);
	REQUIRE(sley_watch_new(&empty, 65537, &value) == -EINVAL && sley_watch_new(&empty, 0, NULL) == 0);
	REQUIRE(sley_watch_next(empty, NULL, &seen, 0) == 0 && sley_watch_set(empty, NULL) == 0);
	REQUIRE(sley_watch_next(empty, NULL, &seen, 0) == 0 && sley_watch_free(empty) == 0);
	REQUIRE(sley_watch_set(none, &value) == -EINVAL && sley_watch_set(watch, NULL) == -EINVAL);
	REQUIRE(sley_watch_get(none, &value, &seen) == -EINVAL && sley_watch_get(watch, NULL, &seen) == -EINVAL);
	REQUIRE(sley_watch_next(none, &value, &seen, 0) == -EINVAL);
	REQUIRE(sley_watch_next(watch, NULL, &seen, 0) == -EINVAL);
	REQUIRE(sley_watch_next(watch, &value, NULL, 0) == -EINVAL);
	REQUIRE(sley_watch_close(none) == -EINVAL && sley_watch_free(none) == 0 && sley_watch_free(watch) == 0);
	capture_begin();
	sley_task task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_watch_set() fails with -EFAULT: the watch") == 1);
}

TEST(outside)
{
	uint64_t value = 1, seen = 0;
	make(1);
	assert_int_equal(sley_watch_set(watch, &value), -ENOTCONN);
	assert_int_equal(sley_watch_next(watch, &value, &seen, 0), -ENOTCONN);
	assert_int_equal(sley_watch_free(watch), 0);
}
