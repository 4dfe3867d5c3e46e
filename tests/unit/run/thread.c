/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Plain threads in calls that do not wait, while runs begin and end around them. */
#include "run/thread.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/atomic.h"

static unsigned stop, inside[4]; /* atomic; inside: calls that found a run */

static void nothing(void *arg)
{
}

static bool over(int64_t result)
{
	return result == -ENOTCONN;
}

static void spawn_and_cancel(unsigned *found)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	sley_task id = sley_spawn_with(&detached, nothing, NULL, SLEY_BY_POINTER);
	REQUIRE(id > 0 || id == -EAGAIN || over(id)); /* they come faster than they end */
	if (id > 0) {
		int error = sley_cancel(id); /* it may be another run by now, and the id stale */
		REQUIRE(error == 0 || error == -ESRCH || over(error));
		fetch_add(found, 1, relaxed);
	}
}

static void own_and_close(unsigned *found)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	REQUIRE(fd >= 0);
	int error = sley_own(fd);
	REQUIRE(error == 0 || over(error));
	if (error == 0)
		fetch_add(found, 1, relaxed);
	error = sley_close(fd);
	REQUIRE(error == 0 || over(error));
	if (error)
		REQUIRE(close(fd) == 0);
}

static void dump(unsigned *found)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int error = sley_dump(fd);
	REQUIRE(error == 0 || over(error));
	if (error == 0)
		fetch_add(found, 1, relaxed);
	close(fd);
}

static void *call(void *number)
{
	static void (*const calls[])(unsigned *) = { spawn_and_cancel, own_and_close, dump, spawn_and_cancel };
	uintptr_t i = (uintptr_t)number;
	while (!load(&stop, relaxed))
		calls[i](&inside[i]);
	return NULL;
}

static int main_short(void *found)
{
	unsigned before = load(&inside[(uintptr_t)found], relaxed);
	sley_time deadline = SOON;
	while (load(&inside[(uintptr_t)found], relaxed) == before) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

/*
 *   a plain thread                       the run
 *   there is a run                       its main task returns
 *   looks at tasks and entries           gives their memory back: not before the thread has left
 *
 * Each run ends as soon as one of the threads has been in it; these are in the middle of a call then, in most of them.
 */
TEST(run_ends)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .max_tasks = 1000 };
	pthread_t threads[4];
	store(&stop, 0, relaxed);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call, (void *)i), 0);
	for (long i = 0, n = test_scale(24); i < n; i++) {
		int result, error = sley_run(main_short, (void *)(uintptr_t)(i % 4), &options, &result);
		REQUIRE(error == -EAGAIN || (error == 0 && result == 0)); /* -EAGAIN: the threads had all tasks first */
	}
	store(&stop, 1, relaxed);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
