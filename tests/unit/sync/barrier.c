/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The barrier: nobody passes before all have come, round after round, and who gives up has not come. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"

#define PARTIES 5

static struct sley_barrier barrier = SLEY_BARRIER_INIT(PARTIES);
static unsigned came, serials; /* atomic */

static void join(sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
}

/* ---- rounds ---- */

static void go_round(void *arg)
{
	for (unsigned i = 1; i <= (unsigned)test_scale(2000); i++) {
		fetch_add(&came, 1, relaxed);
		int answer = sley_barrier_wait(&barrier, SOON);
		REQUIRE(answer == 0 || answer == SLEY_BARRIER_SERIAL);
		fetch_add(&serials, answer == SLEY_BARRIER_SERIAL, relaxed);
		REQUIRE(load(&came, relaxed) >= i * PARTIES); /* all have come */
		answer = sley_barrier_wait(&barrier, SOON);
		REQUIRE(load(&serials, relaxed) == i); /* one of them is the serial one */
		REQUIRE(answer >= 0 && load(&came, relaxed) <= (i + 1) * PARTIES);
	}
}

static void *go_round_in_thread(void *arg)
{
	go_round(arg);
	return NULL;
}

static int main_rounds(void *threads)
{
	sley_task tasks[PARTIES];
	pthread_t thread;
	int n = PARTIES - (threads != NULL);
	came = serials = 0;
	if (threads)
		REQUIRE(pthread_create(&thread, NULL, go_round_in_thread, NULL) == 0);
	for (int i = 0; i < n; i++)
		tasks[i] = sley_spawn(go_round, NULL);
	for (int i = 0; i < n; i++)
		join(tasks[i]);
	if (threads)
		REQUIRE(pthread_join(thread, NULL) == 0);
	return 0;
}

/* Nobody passes before all have come, and exactly one is the serial one, round after round; tasks and a thread. */
TEST(rounds)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		for (uintptr_t threads = 0; threads < 2; threads++) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_rounds, (void *)threads, &options);
		}
	}
}

/* ---- giving up ---- */

static struct sley_barrier three;
static int answers[3];

static void come(void *arg)
{
	answers[(uintptr_t)arg] = sley_barrier_wait(&three, SOON);
}

static sley_task start(uintptr_t number)
{
	sley_task task = sley_spawn(come, (void *)number);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_BARRIER);
	return task;
}

/* A party that times out or is cancelled is as one that never came: the others wait on, another may take its place. */
TASK_TEST(giving_up, 1, 2)
{
	for (int how = 0; how < 2; how++) {
		three = (struct sley_barrier)SLEY_BARRIER_INIT(3);
		sley_task first = start(0);
		if (how == 0) {
			REQUIRE(sley_barrier_wait(&three, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
			REQUIRE(sley_barrier_wait(&three, 0) == -ETIMEDOUT);
		} else {
			sley_task quits = start(1);
			REQUIRE(sley_cancel(quits) == 0);
			join(quits);
			REQUIRE(answers[1] == -ECANCELED);
		}
		sley_task second = start(1); /* the second again: who gave up does not count, and breaks nothing */
		REQUIRE(sley_barrier_wait(&three, 0) == SLEY_BARRIER_SERIAL);
		join(first);
		join(second);
		REQUIRE(answers[0] == 0 && answers[1] == 0);
	}
}

static void come_and_sleep(void *arg)
{
	come(arg);
	answers[2] = sley_sleep(SOON);
}

/* A round that is completed before a party that was cancelled could take back its arrival: it has passed. */
TASK_TEST(late, 1)
{
	three = (struct sley_barrier)SLEY_BARRIER_INIT(2);
	sley_task task = sley_spawn(come_and_sleep, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_BARRIER);
	REQUIRE(sley_cancel(task) == 0); /* its wait is over, but it has not run yet */
	REQUIRE(sley_barrier_wait(&three, 0) == SLEY_BARRIER_SERIAL);
	join(task);
	REQUIRE(answers[0] == 0 && answers[2] == -ECANCELED);
}

static unsigned passed, gave_up; /* atomic */

static void come_hastily(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	int answer = sley_barrier_wait(&three, sley_in(SLEY_US(i % 40)));
	REQUIRE(answer == 0 || answer == SLEY_BARRIER_SERIAL || answer == -ETIMEDOUT);
	fetch_add(answer < 0 ? &gave_up : &passed, 1, relaxed);
}

/*
 * The last one against the deadline of another: it has come, or it has not, and all agree.
 *
 *   party's timer             last one
 *   claims: deadline
 *                             arrives: the round is complete, with the party in it
 *   the round is over: 0, not -ETIMEDOUT
 */
TASK_TEST(races, 1, 2, 4)
{
	passed = gave_up = 0;
	for (long i = 0; i < test_scale(2000); i++) {
		sley_task tasks[3];
		three = (struct sley_barrier)SLEY_BARRIER_INIT(3);
		unsigned before = load(&passed, relaxed);
		for (uintptr_t k = 0; k < 3; k++)
			tasks[k] = sley_spawn(come_hastily, (void *)((uintptr_t)i + 10 * k));
		for (int k = 0; k < 3; k++)
			join(tasks[k]);
		unsigned now = load(&passed, relaxed) - before;
		REQUIRE(now == 0 || now == 3); /* all or none: never a round of two */
		REQUIRE(three.arrived == 0 && three.round == now / 3);
	}
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	struct sley_barrier here = SLEY_BARRIER_INIT(1);
	REQUIRE(sley_barrier_wait(&here, 0) == -EFAULT);
}

static int main_answers(void *arg)
{
	static char text[1024];
	three = (struct sley_barrier){ 0 };
	REQUIRE(sley_barrier_wait(&three, SOON) == -EINVAL);
	three = (struct sley_barrier)SLEY_BARRIER_INIT(1);
	for (int i = 0; i < 1000; i++)
		REQUIRE(sley_barrier_wait(&three, 0) == SLEY_BARRIER_SERIAL);
	capture_begin();
	join(sley_spawn(on_copying_stack, NULL));
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_barrier_wait() fails with -EFAULT: the barrier") == 1);
	return 0;
}

TEST_FIRST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_barrier_wait(&barrier, 0), -ENOTCONN);
}
