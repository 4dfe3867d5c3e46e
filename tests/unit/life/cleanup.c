/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cleanups: in which order, how often, masked, and what they may still use. */
#include "tests/unit/run.h"

#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

static char order[16];
static unsigned ran; /* atomic */

static void note(void *letter)
{
	size_t n = strlen(order);
	REQUIRE(n + 1 < sizeof(order));
	order[n] = (char)(uintptr_t)letter;
	order[n + 1] = '\0';
}

static void push(char letter)
{
	REQUIRE(sley_cleanup_push(note, (void *)(uintptr_t)letter) == 0);
}

/* Runs fn(arg) as a task, waits for its end, and returns what note() wrote meanwhile. */
static const char *notes_of(void (*fn)(void *), void *arg)
{
	order[0] = '\0';
	REQUIRE(sley_join(sley_spawn(fn, arg), SOON) == 0);
	return order;
}

/* ---- order ---- */

static void push_more(void *arg)
{
	note((void *)'m');
	push('x');
	push('y');
}

static void pushes(void *arg)
{
	push('1');
	push('2');
	REQUIRE(sley_cleanup_push(push_more, NULL) == 0);
	push('3');
}

static void pops(void *arg)
{
	push('1');
	push('2');
	push('3');
	REQUIRE(sley_cleanup_pop(0) == 0);
	REQUIRE(strcmp(order, "") == 0);
	REQUIRE(sley_cleanup_pop(1) == 0);
	REQUIRE(strcmp(order, "2") == 0);
}

static void pops_all(void *arg)
{
	push('1');
	REQUIRE(sley_cleanup_pop(1) == 0);
	REQUIRE(sley_cleanup_pop(1) == -ENOENT);
}

/* The latest first, each once, those that a cleanup pushes too; popping takes back the latest. */
TASK_TEST(order, 1, 2)
{
	REQUIRE(strcmp(notes_of(pushes, NULL), "3myx21") == 0);
	REQUIRE(strcmp(notes_of(pops, NULL), "21") == 0);
	REQUIRE(strcmp(notes_of(pops_all, NULL), "1") == 0);
}

/* ---- masked ---- */

static void waits(void *arg)
{
	struct sley_chan *chan = arg;
	int item;
	REQUIRE(sley_cancelled() == 1);
	REQUIRE(sley_chan_recv(chan, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_cancel_mask(1) == 1);
	note((void *)'w');
}

static void is_cancelled(void *chan)
{
	int item;
	REQUIRE(sley_cleanup_push(waits, chan) == 0);
	REQUIRE(sley_chan_recv(chan, &item, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_cleanup_push(waits, chan) == 0);
	REQUIRE(sley_cleanup_pop(1) == 0);
	REQUIRE(sley_chan_recv(chan, &item, SLEY_NEVER) == -ECANCELED); /* and as it was afterwards */
}

/* A cleanup of a cancelled task waits as if it were not, and can see that it is. */
TASK_TEST(masked, 1, 2)
{
	struct sley_chan *chan;
	order[0] = '\0';
	REQUIRE(sley_chan_new(&chan, sizeof(int), 0) == 0);
	sley_task task = sley_spawn(is_cancelled, chan);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_cancel(task) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(strcmp(order, "ww") == 0);
	REQUIRE(sley_chan_free(chan) == 0);
}

/* ---- the end comes afterwards ---- */

static struct sley_group gate;

static void waits_for_gate(void *arg)
{
	REQUIRE(sley_group_wait(&gate, SOON) == 0);
	store(&ran, 1, relaxed);
}

static void slow_end(void *arg)
{
	REQUIRE(sley_cleanup_push(waits_for_gate, NULL) == 0);
}

/* A task has not ended before its cleanups have. */
TASK_TEST(end, 1, 2)
{
	store(&ran, 0, relaxed);
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task task = sley_spawn(slow_end, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	REQUIRE(sley_join(task, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(load(&ran, relaxed) == 1);
}

static void count(void *arg)
{
	fetch_add(&ran, 1, relaxed);
}

static void needs_another(void *arg)
{
	sley_task task = sley_spawn(count, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
}

static int main_of_main(void *arg)
{
	REQUIRE(sley_cleanup_push(count, NULL) == 0);
	REQUIRE(sley_cleanup_push(needs_another, NULL) == 0);
	return 0;
}

/* The main task's run while other tasks still do. */
TEST(main)
{
	ran = 0;
	run(main_of_main, 2);
	assert_int_equal(ran, 2);
}

/* ---- what is still there ---- */

static void check_block(void *arg)
{
	const char *block = arg;
	for (int i = 0; i < 100; i++)
		REQUIRE(block[i] == 'b');
	note((void *)'b');
}

static void by_value(void *block)
{
	REQUIRE(sley_cleanup_push(check_block, block) == 0);
}

/* The block that travelled by value lives until the cleanups have run. */
TASK_TEST(block, 2)
{
	char block[100];
	memset(block, 'b', sizeof(block));
	order[0] = '\0';
	sley_task task = sley_spawn_copy(by_value, block, sizeof(block));
	memset(block, 'x', sizeof(block));
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(strcmp(order, "b") == 0);
}

/* ---- refused ---- */

static int main_refused(void *arg)
{
	REQUIRE(sley_cleanup_push(NULL, NULL) == -EINVAL);
	REQUIRE(sley_cleanup_pop(1) == -ENOENT);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_cleanup_push(count, NULL) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_cleanup_push(count, NULL) == 0);
	REQUIRE(sley_cleanup_pop(0) == 0);
	return 0;
}

/* No function, none to pop, no memory; outside of a task. */
TEST(refused)
{
	run(main_refused, 1);
	assert_int_equal(sley_cleanup_push(count, NULL), -EDEADLK);
	assert_int_equal(sley_cleanup_pop(1), -EDEADLK);
}

/* ---- many, ended in every way ---- */

#define TASKS 200

static unsigned runs[TASKS]; /* atomic */

static void count_own(void *number)
{
	fetch_add(&runs[(uintptr_t)number], 1, relaxed);
}

static void ends_some_way(void *number)
{
	REQUIRE(sley_cleanup_push(count_own, number) == 0);
	if ((uintptr_t)number % 3 == 0)
		sley_sleep(SLEY_NEVER);
	if ((uintptr_t)number % 3 == 1)
		sley_yield();
}

static int main_many(void *arg)
{
	sley_task tasks[TASKS];
	memset(runs, 0, sizeof(runs));
	for (uintptr_t i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(ends_some_way, (void *)i);
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE(sley_cancel(tasks[i]) == 0);
	for (unsigned i = 0; i < TASKS; i++) {
		REQUIRE(sley_join(tasks[i], SOON) == 0);
		REQUIRE(load(&runs[i], relaxed) == 1);
	}
	return 0;
}

/* Tasks that end by themselves and tasks that are cancelled, on four slots: each cleanup once. */
TEST(many)
{
	struct sley_options options = { .size = sizeof(options), .workers = 4, .stack_slots = 4 };
#ifdef SLEY_ASAN
	options.stack_slots = TASKS + 64;
#endif
	run_with(main_many, NULL, &options);
}
