/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that block their thread, or compute for long, and do not say so. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/blocked.h"
#include "run/idle.h"
#include "run/watchdog_wake.h"

/* In the place of what unit tests have otherwise: see tests/unit/run.c. */
__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "tick", 1);
}

static unsigned done; /* atomic */

static void compute(void *unused)
{
	while (!load(&done, acquire))
		cpu_relax();
}

static void finish(void *unused)
{
	store(&done, 1, release);
}

/* As many tasks as there are workers compute until one runs that is queued behind them. */
TASK_TEST(hogs, 1, 2)
{
	sley_task tasks[3];
	unsigned n = scheduler.target;
	store(&done, 0, relaxed);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn(compute, NULL)) > 0);
	REQUIRE((tasks[n] = sley_spawn(finish, NULL)) > 0);
	for (unsigned i = 0; i <= n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

static unsigned all_noted, ran[2]; /* atomic */

static void count_run(void *arg)
{
	fetch_add((unsigned *)arg, 1, release);
}

/* Once all computing tasks are noted, adds tasks to its own worker's queues, and does not yield until they have run. */
static void compute_and_spawn(void *arg)
{
	unsigned *mine = arg;
	while (!load(&all_noted, relaxed)) {
		if (blocked_hogs() == scheduler.target)
			store(&all_noted, 1, relaxed);
	}
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_spawn(count_run, mine) > 0);
	while (load(mine, acquire) < 4)
		cpu_relax();
}

/* Work that a hog makes ready does not wait for the hog: others take it, from run-next, too. */
TASK_TEST(hogs_spawn, 1, 2)
{
	sley_task tasks[2];
	unsigned n = scheduler.target;
	store(&all_noted, 0, relaxed);
	for (unsigned i = 0; i < n; i++) {
		store(&ran[i], 0, relaxed);
		REQUIRE((tasks[i] = sley_spawn(compute_and_spawn, &ran[i])) > 0);
	}
	for (unsigned i = 0; i < n; i++) {
		while (sley_join(tasks[i], sley_now()) == -ETIMEDOUT) /* work waits */
			sley_yield();
	}
}

static unsigned count_done;

static void compute_some(void *unused)
{
	sley_time end = sley_now() + SLEY_MS(60);
	while (sley_now() < end)
		cpu_relax();
	fetch_add(&count_done, 1, relaxed);
}

/*
 * There are no more hogs noted than twice the workers, however many there are, and none is lost. Workers that wait for a
 * page or for a lock of a sanitizer are noted, too, and do not count here.
 */
TASK_TEST(hogs_are_few, 1)
{
	sley_task tasks[12];
	unsigned most = 0;
	store(&count_done, 0, relaxed);
	for (int i = 0; i < 12; i++)
		REQUIRE((tasks[i] = sley_spawn(compute_some, NULL)) > 0);
	while (load(&count_done, relaxed) < 12) {
		unsigned hogs = blocked_hogs();
		most = hogs > most ? hogs : most;
		sley_yield();
	}
	REQUIRE(most <= 2);
	for (int i = 0; i < 12; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

static void block_shortly(void *unused)
{
	struct timespec time = { .tv_nsec = 5 * 1000 * 1000 };
	nanosleep(&time, NULL);
}

/* A worker that runs tasks finds the other one blocked, once the watchdog has found a block. */
TASK_TEST(found_by_a_worker, 2)
{
	uint64_t found = 0;
	for (sley_time end = SOON; found == 0 && sley_now() < end;) {
		sley_task task = sley_spawn(block_shortly, NULL);
		while (sley_join(task, sley_now()) == -ETIMEDOUT)
			sley_yield();
		for (unsigned i = 0; i < load(&scheduler.made, acquire); i++)
			found += load(&worker_get(i)->counters[SLEY_COUNTER_blocks], relaxed);
	}
	REQUIRE(found > 0);
}

#ifndef SLEY_TSAN /* its looks take so long that the watchdog has no credit for the next one */
static int gate[2];
static unsigned rested; /* atomic: blocks during which the watchdog was seen at rest */

/* By a plain thread: ends one block after the other, each after the watchdog has rested, or after 400 ms. */
static void *end_blocks(void *unused)
{
	const int64_t ms = 1000 * 1000;
	char byte = 0;
	do {
		REQUIRE(read(gate[1], &byte, 1) == 1);
		sley_time end = sley_now() + 400 * ms;
		while (sley_now() < end && !load(&watchdog_promise.resting, acquire))
			cpu_relax();
		fetch_add(&rested, load(&watchdog_promise.resting, relaxed), relaxed);
		REQUIRE(write(gate[1], &byte, 1) == 1);
	} while (byte != 'e');
	return NULL;
}

static void block_at_gate(void *last)
{
	char byte = last ? 'e' : 'b';
	REQUIRE(sley_go(finish, NULL) == 0); /* work waits */
	REQUIRE(write(gate[0], &byte, 1) == 1 && read(gate[0], &byte, 1) == 1);
}

/*
 * While the only worker is blocked and its replacement sleeps, the watchdog rests. Once the worker is back, it does not:
 * the next block would be found late.
 */
TASK_TEST(rests_while_none_runs, 1)
{
	pthread_t thread;
	unsigned rests_on = 0;
	store(&rested, 0, relaxed);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, gate) == 0);
	REQUIRE(pthread_create(&thread, NULL, end_blocks, NULL) == 0);
	for (sley_time end = SOON; load(&rested, relaxed) < 5 && sley_now() < end;) {
		sley_task task = sley_spawn(block_at_gate, NULL);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
		sley_yield(); /* to a scheduling point */
		rests_on += load(&watchdog_promise.resting, relaxed);
	}
	REQUIRE(load(&rested, relaxed) >= 5);
	REQUIRE(rests_on <= 2); /* it may be about to find out that a worker runs */
	sley_task task = sley_spawn(block_at_gate, &gate);
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(close(gate[0]) == 0 && close(gate[1]) == 0);
}
#endif

/* With the source switched off a blocked worker is never noted: the task behind it runs when it is back. */
static int main_off(void *unused)
{
	sley_task task;
	struct timespec time = { .tv_nsec = 100 * 1000 * 1000 };
	uint64_t blocks = counter(SLEY_COUNTER_blocks);
	store(&done, 0, relaxed);
	REQUIRE((task = sley_spawn(finish, NULL)) > 0);
	REQUIRE(nanosleep(&time, NULL) == 0);
	REQUIRE(load(&done, acquire) == 0 && counter(SLEY_COUNTER_blocks) == blocks);
	REQUIRE(sley_join(task, SOON) == 0);
	return 0;
}

TEST(off)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .assist = SLEY_ASSIST_OFF };
	setenv("SLEY_ASSIST", "", 1);
	run_with(main_off, NULL, &options);
	setenv("SLEY_ASSIST", "off", 1);
	options.assist = SLEY_ASSIST_TICK;
	run_with(main_off, NULL, &options);
	switch_on();
}
