/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Blocks that sentinels find. In debug builds the watchdog is stopped meanwhile, so nothing else can find them. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "assist/sentinel.h"
#include "base/atomic.h"
#include "run/block_site.h"
#include "run/idle.h"
#include "tests/race.h"
#include "tests/unit/gate.h"

#define MOST 8

/* In the place of what unit tests have otherwise: see tests/unit/run.c. */
__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "idle", 1);
}

static struct gate gates[MOST];

/* A task that blocks until let_go(). All are of one spawn site. */
static sley_task spawn_block(struct gate *gate)
{
	gates_open(gate, 1);
	sley_task task = sley_spawn(gate_block, gate);
	REQUIRE(task > 0);
	return task;
}

static void let_go(struct gate *gate, sley_task task)
{
	gate_let_go(gate);
	REQUIRE(sley_join(task, SOON) == 0);
	gates_close(gate, 1);
}

/* More tasks block than there are workers, and this task runs all the same. */
static void block_all(void)
{
	sley_task tasks[MOST];
	unsigned n = 2 * scheduler.target;
	for (unsigned i = 0; i < n; i++)
		tasks[i] = spawn_block(&gates[i]);
	for (unsigned i = 0; i < n; i++)
		await_at_least(&gates[i].entered, 1);
	for (unsigned i = 0; i < n; i++)
		let_go(&gates[i], tasks[i]);
}

/* The first blocks are found by the tick, and make the sentinels. */
static void make_sentinels(void)
{
	sley_time end = SOON;
	while (sentinels_count() == 0) {
		REQUIRE(sley_now() < end);
		block_all();
	}
}

/* However a block is found, what is queued behind it runs. */
TASK_TEST(all_blocked, 1, 2, 4)
{
	make_sentinels();
	for (int round = 0; round < 20; round++)
		block_all();
}

/* The sentinels belong to a run: they end with it, and the next one has its own. */
TEST(runs)
{
	for (int i = 0; i < 3; i++) {
		run(main_all_blocked, 1);
		REQUIRE(sentinels_count() == 0);
	}
}

static int main_off(void *unused)
{
	for (int i = 0; i < 3; i++)
		block_all();
	REQUIRE(sentinels_count() == 0);
	return 0;
}

/* There are none without their source, though sites are seen to block. */
TEST(off)
{
	setenv("SLEY_ASSIST", "tick", 1);
	run(main_off, 1);
	switch_on();
}

/* ---- driven ---- */

#if RACE_POINTS

/* Waits for a thread at the point, and does not block this one. */
static void await_point(const char *point)
{
	sley_time end = SOON;
	while (!race_reached(point)) {
		REQUIRE(sley_now() < end);
		sley_yield();
	}
}

/* Whether a sentinel can read the states of all workers' threads: the watchdog sees to that. */
static bool threads_are_prepared(void)
{
	for (unsigned i = 0; i < scheduler.made; i++) {
		if (load(&worker_get(i)->files[LOOKER_SENTINEL].fd, relaxed) == 0)
			return false;
	}
	return true;
}

static void stop_watchdog(void)
{
	sley_time end = SOON;
	for (;;) {
		race_stop("watchdog_looks");
		await_point("watchdog_looks");
		if (threads_are_prepared())
			return;
		REQUIRE(sley_now() < end);
		race_go("watchdog_looks");
	}
}

/* Runs `main` on one CPU, so with one sentinel, as the watchdog makes sentinels only for CPUs that are used. */
static void run_on_one_cpu(int (*main)(void *), unsigned workers)
{
	cpu_set_t all, one;
	REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	run(main, workers);
	REQUIRE(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static int main_alone(void *unused)
{
	sley_task tasks[MOST];
	make_sentinels();
	for (int round = 0; round < 10; round++) {
		stop_watchdog();
		for (unsigned i = 0; i < scheduler.target; i++)
			tasks[i] = spawn_block(&gates[i]);
		for (unsigned i = 0; i < scheduler.target; i++)
			await_at_least(&gates[i].entered, 1);
		race_go("watchdog_looks");
		for (unsigned i = 0; i < scheduler.target; i++)
			let_go(&gates[i], tasks[i]);
	}
	return 0;
}

/* A sentinel alone finds blocks. The spares are in hand, as nobody makes one. */
TEST(alone)
{
	run_on_one_cpu(main_alone, 1);
	run_on_one_cpu(main_alone, 2);
}

/* A sentinel stands before its rest, and the watchdog is stopped. */
static void hold_sentinel(void)
{
	sley_time end = SOON;
	make_sentinels();
	stop_watchdog();
	race_stop("sentinel_is_to_rest");
	while (!race_reached("sentinel_is_to_rest")) {
		REQUIRE(sley_now() < end);
		let_go(&gates[MOST - 1], spawn_block(&gates[MOST - 1])); /* it does not block, and arms the sentinel */
	}
}

/*
 * A plain thread does a step while all tasks wait. This task is not to block, as its spawn site would be watched, too, and
 * the sentinel would not rest. So it does not join the thread.
 */
static unsigned thread_done; /* atomic */

static void start_thread(void *(*step)(void *))
{
	pthread_t thread;
	store(&thread_done, 0, relaxed);
	REQUIRE(pthread_create(&thread, NULL, step, NULL) == 0 && pthread_detach(thread) == 0);
}

static void *release_sentinel(void *unused)
{
	while (!load(&gates[0].entered, acquire))
		sched_yield();
	race_go("sentinel_is_to_rest");
	store(&thread_done, 1, release);
	return NULL;
}

static int main_rest(void *unused)
{
	for (int round = 0; round < 5; round++) {
		hold_sentinel();
		sley_task task = spawn_block(&gates[0]);
		start_thread(release_sentinel);
		await_at_least(&gates[0].entered, 1);
		await_at_least(&thread_done, 1);
		race_go("watchdog_looks");
		let_go(&gates[0], task);
	}
	return 0;
}

/* A task blocks after the sentinel's last look, and before it rests: the sentinel looks again. */
TEST(rest)
{
	run_on_one_cpu(main_rest, 1);
}

static void *end_block(void *unused)
{
	while (!race_reached("sentinel_is_to_note"))
		sched_yield();
	gate_let_go(&gates[0]);
	store(&thread_done, 1, release);
	return NULL;
}

static int main_over(void *unused)
{
	for (int round = 0; round < 5; round++) {
		hold_sentinel();
		uint64_t blocks = counter(SLEY_COUNTER_blocks);
		race_stop("sentinel_is_to_note");
		race_go("sentinel_is_to_rest");
		sley_task task = spawn_block(&gates[0]);
		start_thread(end_block);
		REQUIRE(sley_join(task, SOON) == 0);
		await_at_least(&thread_done, 1);
		race_stop("sentinel_is_to_rest");
		race_go("sentinel_is_to_note");
		await_point("sentinel_is_to_rest");
		REQUIRE(counter(SLEY_COUNTER_blocks) == blocks);
		race_go("sentinel_is_to_rest");
		race_go("watchdog_looks");
		gates_close(gates, 1);
	}
	return 0;
}

/* A block that ends before the sentinel notes it is not noted. */
TEST(over)
{
	run_on_one_cpu(main_over, 1);
}

/* ---- trusted ---- */

static void make_trusted(uint32_t site)
{
	store(&block_site_confirms[site], 0, relaxed);
	store(&block_site_proofs[site], TRUST_LEAST, relaxed);
}

static int main_trusted(void *unused)
{
	static int fds[SLEY_REGION_WORKERS];
	make_sentinels();
	for (int round = 0; round < 5; round++) {
		sley_task task = spawn_block(&gates[0]);
		await_at_least(&gates[0].entered, 1);
		uint32_t site = record_of(task)->site;
		let_go(&gates[0], task);
		stop_watchdog();
		for (unsigned i = 0; i < scheduler.made; i++)
			fds[i] = exchange(&worker_get(i)->files[LOOKER_SENTINEL].fd, 0, relaxed); /* cannot ask */
		make_trusted(site);
		task = spawn_block(&gates[0]);
		await_at_least(&gates[0].entered, 1);
		for (unsigned i = 0; i < scheduler.made; i++)
			store(&worker_get(i)->files[LOOKER_SENTINEL].fd, fds[i], relaxed);
		race_go("watchdog_looks");
		let_go(&gates[0], task);
	}
	return 0;
}

/* A block of a task that is trusted to sleep is noted without a look into /proc. */
TEST(trusted)
{
	run_on_one_cpu(main_trusted, 1);
}

static cpu_set_t all_cpus;

/* The task is dispatched on one CPU and computes on another until the sentinel has looked. Returns whether it was noted. */
static bool is_noted_elsewhere(sley_time deadline)
{
	uint32_t site = record_of(sley_self())->site;
	const uint64_t *note = &worker_self()->block->note;
	cpu_set_t before, others = all_cpus;
	REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
	block_site_note(site);
	make_trusted(site);
	sley_yield(); /* from here on a sentinel watches this task */
	CPU_CLR(sched_getcpu(), &others);
	REQUIRE(sched_setaffinity(0, sizeof(others), &others) == 0);
	while (!load(note, relaxed) && load(&block_site_proofs[site], relaxed) >= TRUST_LEAST)
		REQUIRE(sley_now() < deadline);
	bool noted = load(note, relaxed);
	REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0);
	return noted;
}

static int main_moved(void *unused)
{
	sley_time deadline = SOON;
	make_sentinels();
	while (is_noted_elsewhere(deadline))
		sley_yield();
	return 0;
}

/*
 * A task of a trusted site is moved to another CPU and computes there: its old CPU's sentinel sees that, and trusts no
 * more. Unless the thread has to wait for that CPU just then: then it is done again.
 */
TEST(moved)
{
	REQUIRE(sched_getaffinity(0, sizeof(all_cpus), &all_cpus) == 0);
	if (CPU_COUNT(&all_cpus) < 2)
		test_skip("there is one CPU");
	run_on_one_cpu(main_moved, 1);
}

#endif
