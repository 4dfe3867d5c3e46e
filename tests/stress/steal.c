/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Run queues under load: whatever way a task takes (deque, stolen, run-next, overflow to the global queue, inbox), it
 * runs exactly once. Each task marks its own place in `ran`; counts are exact.
 */
#include "stress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/deque.h"

static unsigned char *ran; /* by task: how often it ran; atomic */
static long total;
static struct sley_group all;

static void begin(long n)
{
	total = n;
	ran = calloc(1, (size_t)n);
	REQUIRE(ran);
}

static void run_once(long i)
{
	REQUIRE(i >= 0 && i < total);
	REQUIRE(fetch_add(&ran[i], 1, relaxed) == 0); /* relaxed: read-modify-writes of one byte are in one order */
	if (i % 64 == 0)
		stress_progress();
}

static void check_all_ran(void)
{
	for (long i = 0; i < total; i++)
		assert_int_equal(ran[i], 1);
	free(ran);
	ran = NULL;
}

/* ---- a tree of tasks ---- */

#define FAN 4

static void node(void *arg)
{
	long n = (long)(intptr_t)arg, children = 0;
	sley_task child[FAN];
	run_once(n);
	for (long i = FAN * n + 1; i <= FAN * n + FAN && i < total; i++)
		child[children++] = stress_spawn(node, (void *)(intptr_t)i);
	while (children-- > 0)
		stress_join(child[children]);
}

static void tree_body(void)
{
	stress_join(stress_spawn(node, (void *)0));
}

/*
 * Proves that a tree of tasks that spawn and join tasks is run whole, each node once, by 1 to 8 workers that can only
 * share it by stealing; and that the region counts as many ends as spawns.
 *
 *   owner                        thief 1                     thief 2
 *   push a, b, c, d              read a, b; cas head         read a, b
 *   pop c                        runs a, has b               cas head fails, reads c, d ...
 */
TEST(tree)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		begin(test_scale(200000));
		STRESS_RUN(tree_body, .workers = workers);
		check_all_ran();
		assert_int_equal(stress_counted(SLEY_COUNTER_spawned), total + 1);
		assert_int_equal(stress_counted(SLEY_COUNTER_ended), total + 1);
	}
	assert_true(stress_provoked(stress_counter(SLEY_COUNTER_steals) > 0));
}

/* ---- bursts that overflow the deque ---- */

static void leaf(void *arg)
{
	run_once((long)(intptr_t)arg);
	REQUIRE(sley_group_done(&all) == 0);
}

static void yielding_leaf(void *arg)
{
	for (int i = 0; i < 3; i++)
		sley_yield();
	leaf(arg);
}

static void overflow_body(void)
{
	REQUIRE(sley_group_add(&all, total) == 0);
	for (long i = 0; i < total; i++)
		REQUIRE(i % 2 ? sley_go(leaf, (void *)(intptr_t)i) == 0
			      : sley_go(yielding_leaf, (void *)(intptr_t)i) == 0);
	stress_wait(&all);
}

/*
 * Proves that tasks that overflow a deque run once: one task spawns many times what a deque holds, so that halves of it
 * go to the global queue while others steal from it and take their shares of the queue, which overflow again.
 */
TEST(overflow)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		begin(DEQUE_SIZE * 4 + test_scale(100000));
		STRESS_RUN(overflow_body, .workers = workers);
		check_all_ran();
	}
	assert_true(stress_counter(SLEY_COUNTER_overflows) > 0);
}

/* ---- tasks from plain threads ---- */

#define THREADS 4

static void spawn_share(unsigned number)
{
	for (long i = number; i < total; i += THREADS)
		REQUIRE(sley_go(leaf, (void *)(intptr_t)i) == 0);
}

static void inside(void *arg)
{
	spawn_share((unsigned)(uintptr_t)arg);
}

/* Three plain threads and one task spawn at once. */
static void threads_body(void)
{
	REQUIRE(sley_group_add(&all, total) == 0);
	stress_threads_start(THREADS - 1, spawn_share);
	stress_join(stress_spawn(inside, (void *)(uintptr_t)(THREADS - 1)));
	stress_wait(&all);
	stress_threads_join();
}

/* Proves that what several plain threads and a task spawn at the same time runs once, all of it. */
TEST(plain_threads)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		begin(test_scale(60000));
		STRESS_RUN(threads_body, .workers = workers);
		check_all_ran();
	}
}

/* ---- run-next ---- */

static struct sley_chan *ping, *pong;
static unsigned finished; /* atomic */

static void player(void *unused)
{
	int ball = 0;
	while (sley_chan_recv(ping, &ball, SLEY_NEVER) == 0) {
		ball++;
		if (sley_chan_send(pong, &ball, SLEY_NEVER) != 0)
			break;
	}
}

static void starving(void *arg)
{
	for (long i = 0; i < 300; i++) {
		sley_yield();
		stress_progress();
	}
	store(&finished, 1, relaxed); /* the pair need only see it at some time */
}

/* The pair plays until the third task has had all of its turns. */
static void fair_body(void)
{
	int sent = 0, ball;
	finished = 0;
	REQUIRE(sley_chan_new(&ping, sizeof(int), 0) == 0 && sley_chan_new(&pong, sizeof(int), 0) == 0);
	sley_task other = stress_spawn(player, NULL), third = stress_spawn(starving, NULL);
	while (!load(&finished, relaxed)) {
		REQUIRE(sley_chan_send(ping, &sent, SLEY_NEVER) == 0 && sley_chan_recv(pong, &ball, SLEY_NEVER) == 0);
		REQUIRE(ball == sent + 1);
		sent++;
	}
	REQUIRE(sley_chan_close(ping) == 0);
	stress_join(other);
	stress_join(third);
	REQUIRE(sley_chan_free(ping) == 0 && sley_chan_free(pong) == 0);
}

/* Proves that a pair of tasks that hand a ball to each other for ever does not keep a third from its turns. */
TEST(hand_off_is_fair)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(fair_body, .workers = workers);
}

static struct sley_chan *handed;
static long freed; /* atomic: how often `waker` was let go on */

static void sleeper(void *arg)
{
	long item;
	while (sley_chan_recv(handed, &item, SLEY_NEVER) == 0) {
		stress_progress();
		store(&freed, item, release);
	}
}

static void rescued_body(void)
{
	REQUIRE(sley_chan_new(&handed, sizeof(long), 0) == 0);
	sley_task other = stress_spawn(sleeper, NULL);
	freed = 0;
	for (long i = 1; i <= test_scale(40); i++) {
		/* the sleeper is in run-next then; the thread is not given away until it has run */
		REQUIRE(sley_chan_send(handed, &i, SLEY_NEVER) == 0);
		while (load(&freed, acquire) != i)
			cpu_relax();
	}
	REQUIRE(sley_chan_close(handed) == 0);
	stress_join(other);
	REQUIRE(sley_chan_free(handed) == 0);
}

/*
 * Proves that a task in the run-next place of a worker that never comes to it is taken by another one.
 *
 *   worker 1                        worker 2
 *   task A readies B: run-next      idle
 *   A computes                      woken by the watchdog, takes B, runs it
 *   A sees that B has run
 */
TEST(run_next_is_stolen)
{
	for (unsigned workers = 2; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(rescued_body, .workers = workers);
}

/* ---- pinned ---- */

static pid_t tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void pinned(void *arg)
{
	pid_t home = tid();
	for (int i = 0; i < 20; i++) {
		sley_yield();
		REQUIRE(tid() == home);
	}
	leaf(arg);
}

static void pinned_body(void)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = 1, .detached = 1 };
	REQUIRE(sley_group_add(&all, total) == 0);
	for (long i = 0; i < total; i++) {
		if (i % 3)
			REQUIRE(sley_spawn_with(&options, pinned, (void *)(intptr_t)i, SLEY_BY_POINTER) > 0);
		else
			REQUIRE(sley_go(yielding_leaf, (void *)(intptr_t)i) == 0);
		if (i % 100 == 0)
			sley_yield(); /* so that this task moves, and the next ones are pinned elsewhere */
	}
	stress_wait(&all);
}

/* Proves that pinned tasks stay on their thread, among others that are stolen, and that all run once. */
TEST(pinned_stay)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		begin(test_scale(20000));
		STRESS_RUN(pinned_body, .workers = workers);
		check_all_ran();
	}
}
