/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Once: once, for all who come; again after a failure; and what ends the waits of the others. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/atomic.h"
#include "tests/race.h"

static struct sley_once once;
static struct sley_chan *gate; /* what the function waits for */
static unsigned runs;          /* atomic */
static unsigned done;          /* written by the function, read by all who come back */

static void join(sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
}

static sley_task start(void (*fn)(void *), uintptr_t arg, enum sley_wait_kind kind)
{
	sley_task task = sley_spawn_at(SLEY_SITE("caller"), NULL, fn, (void *)arg, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, kind);
	return task;
}

static void reset(void)
{
	once = (struct sley_once)SLEY_ONCE_INIT;
	runs = done = 0;
}

/* ---- once ---- */

static int set(void *arg)
{
	REQUIRE(fetch_add(&runs, 1, relaxed) == 0);
	sley_yield();
	done = 1;
	return 0;
}

static void call(void *arg)
{
	REQUIRE(sley_once(&once, set, NULL, SOON) == 0);
	REQUIRE(done == 1);
}

static void *call_in_thread(void *arg)
{
	call(arg);
	return NULL;
}

static int main_once(void *arg)
{
	for (long i = 0; i < test_scale(300); i++) {
		sley_task tasks[6];
		pthread_t thread;
		reset();
		if (i % 16 == 0)
			REQUIRE(pthread_create(&thread, NULL, call_in_thread, NULL) == 0);
		for (int k = 0; k < 6; k++)
			tasks[k] = sley_spawn(call, NULL);
		for (int k = 0; k < 6; k++)
			join(tasks[k]);
		if (i % 16 == 0)
			REQUIRE(pthread_join(thread, NULL) == 0);
		REQUIRE(runs == 1);
		call(NULL);
	}
	return 0;
}

/* Many tasks, and a thread, at once: it runs once, and all see what it did. Afterwards it needs no run even. */
TEST(once)
{
	run(main_once, 1);
	run(main_once, 2);
	run(main_once, 4);
	assert_int_equal(sley_once(&once, set, NULL, 0), 0);
}

/* ---- failing ---- */

static int wait_and_answer(void *answer)
{
	char item;
	int error = sley_chan_recv(gate, &item, SOON);
	fetch_add(&runs, 1, relaxed);
	return error ? error : (int)(intptr_t)answer;
}

static int answers[4];

static void call_numbered(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	answers[i] = sley_once(&once, wait_and_answer, (void *)(intptr_t)(i < 2 ? -EIO - (int)i : 0), SOON);
}

/* A function that fails: its caller gets the answer, the next in line tries, until one succeeds. */
TASK_TEST(failing, 1, 2)
{
	sley_task tasks[4];
	char item = 0;
	reset();
	REQUIRE(sley_chan_new(&gate, 1, 0) == 0);
	tasks[0] = start(call_numbered, 0, SLEY_WAIT_RECV);
	for (uintptr_t i = 1; i < 4; i++)
		tasks[i] = start(call_numbered, i, SLEY_WAIT_ONCE);
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(load(&runs, relaxed) == i);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_RECV); /* the next in line runs it */
		REQUIRE(sley_once(&once, set, NULL, 0) == -ETIMEDOUT);    /* and nobody else */
		REQUIRE(sley_chan_send(gate, &item, SOON) == 0);
		join(tasks[i]);
	}
	join(tasks[3]);
	REQUIRE(runs == 3 && answers[0] == -EIO && answers[1] == -EIO - 1 && answers[2] == 0 && answers[3] == 0);
	REQUIRE(sley_chan_free(gate) == 0);
}

/* ---- cancelling and deadlines ---- */

static void call_hastily(void *arg)
{
	answers[1] = sley_once(&once, wait_and_answer, NULL, sley_in(SLEY_MS(2)));
}

/* A waiter that is cancelled or times out, leaves; a runner that is cancelled fails, and the next one runs it. */
TASK_TEST(cancel, 1, 2)
{
	char item = 0;
	reset();
	REQUIRE(sley_chan_new(&gate, 1, 0) == 0);
	sley_task runner = start(call_numbered, 2, SLEY_WAIT_RECV);
	sley_task waiter = start(call_numbered, 3, SLEY_WAIT_ONCE);
	REQUIRE(sley_cancel(waiter) == 0);
	join(waiter);
	REQUIRE(answers[3] == -ECANCELED);
	join(sley_spawn(call_hastily, NULL));
	REQUIRE(answers[1] == -ETIMEDOUT);
	waiter = start(call_numbered, 3, SLEY_WAIT_ONCE);
	REQUIRE(sley_cancel(runner) == 0); /* its function fails with that, so the other one runs it */
	join(runner);
	REQUIRE(answers[2] == -ECANCELED && runs == 1);
	await_state(waiter, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_chan_send(gate, &item, SOON) == 0);
	join(waiter);
	REQUIRE(answers[3] == 0 && runs == 2);
	REQUIRE(sley_chan_free(gate) == 0);
}

static unsigned failures, successes; /* atomic */

static int fail_twice(void *arg)
{
	sley_yield();
	return fetch_add(&runs, 1, relaxed) < 2 ? -EIO : 0;
}

static void call_in_race(sley_time deadline)
{
	int error = sley_once(&once, fail_twice, NULL, deadline);
	REQUIRE(error == 0 || error == -EIO || error == -ETIMEDOUT);
	fetch_add(error ? &failures : &successes, 1, relaxed);
}

static void race_hastily(void *arg)
{
	call_in_race(sley_in(SLEY_US((uintptr_t)arg % 30)));
}

static void race_patiently(void *arg)
{
	call_in_race(SOON);
}

static int main_race(void *arg)
{
	for (long i = 0; i < test_scale(1000); i++) {
		sley_task tasks[6];
		reset();
		for (uintptr_t k = 0; k < 6; k++) /* of three that do not leave, two can fail */
			tasks[k] = sley_spawn(i % 2 == 0 && k % 2 ? race_patiently : race_hastily,
					      (void *)(k * 7 + (uintptr_t)i));
		for (int k = 0; k < 6; k++)
			join(tasks[k]);
		while (sley_once(&once, fail_twice, NULL, SOON) !=
		       0) /* the part of the runner was given to nobody who left */
			;
		REQUIRE(load(&runs, relaxed) == 3);
	}
	return 0;
}

/*
 * Handing on the function against the deadline of the next one:
 *
 *   runner: it failed             first waiter's timer          second waiter
 *                                 claims: deadline
 *   pops the first: cannot claim it; pops the second            runs it
 */
TEST(races)
{
	run(main_race, 2);
	run(main_race, 4);
	assert_true(failures > 0 && successes > 0);
}

/* ---- answers ---- */

static int recurse(void *arg)
{
	return sley_once(&once, recurse, NULL, SOON);
}

static void on_copying_stack(void *arg)
{
	struct sley_once here = SLEY_ONCE_INIT;
	REQUIRE(sley_once(&here, set, NULL, 0) == -EFAULT);
}

static void *recurse_in_thread(void *unused)
{
	REQUIRE(sley_once(&once, recurse, NULL, SOON) == -EDEADLK);
	return NULL;
}

static int main_answers(void *arg)
{
	static char text[1024];
	pthread_t thread;
	reset();
	REQUIRE(sley_once(&once, NULL, NULL, SOON) == -EINVAL);
	REQUIRE(sley_once(&once, recurse, NULL, SOON) == -EDEADLK);
	REQUIRE(pthread_create(&thread, NULL, recurse_in_thread, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_once(&once, set, NULL, 0) == 0 && done); /* nobody runs it: the deadline does not matter */
	capture_begin();
	join(sley_spawn(on_copying_stack, NULL));
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_once() fails with -EFAULT: the once") == 1);
	return 0;
}

TEST_FIRST(answers)
{
	run(main_answers, 1);
	reset();
	assert_int_equal(sley_once(&once, set, NULL, 0), -ENOTCONN);
}

#if RACE_POINTS

/* ---- the memory goes ---- */

static unsigned told; /* atomic */

static void *reuse(void *unused)
{
	REQUIRE(sley_once(&once, set, NULL, SOON) == 0);
	memset(&once, 0xff, sizeof(once));
	store(&told, 1, relaxed);
	return NULL;
}

/*
 *   runs the function                    another caller
 *   state = DONE
 *                                        DONE: it is told, and the memory becomes something else's
 *   looks for those who wait; unlocks: not in that
 */
TASK_TEST(memory, 2)
{
	struct sley_once other;
	pthread_t thread;
	reset();
	told = 0;
	race_stop("once_is_done_and_locked");
	sley_task runner = sley_spawn(call, NULL);
	race_wait("once_is_done_and_locked");
	REQUIRE(pthread_create(&thread, NULL, reuse, NULL) == 0);
	for (int i = 0; i < 1000 && !load(&told, relaxed); i++)
		sched_yield();
	race_go("once_is_done_and_locked");
	REQUIRE(pthread_join(thread, NULL) == 0);
	join(runner);
	memset(&other, 0xff, sizeof(other));
	REQUIRE(memcmp(&once, &other, sizeof(once)) == 0);
}

#endif
