/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Blocks that sentinels find. In debug builds the watchdog is stopped meanwhile, so nothing else can find them. */
#include "tests/unit/assist/armed.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "assist/sentinel.h"
#include "base/atomic.h"
#include "run/block_site.h"
#include "run/worker.h"

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
	setenv("SLEY_ASSIST", "idle", 1);
}

/* ---- driven ---- */

#if RACE_POINTS

#define MOST 8

static struct gate gates[MOST];

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

static int main_no_turn(void *unused)
{
	for (int round = 0; round < 5; round++) {
		sley_time end = SOON;
		make_sentinels();
		race_stop("sentinel_is_to_rest");
		while (!race_reached("sentinel_is_to_rest")) {
			REQUIRE(sley_now() < end);
			let_go(&gates[MOST - 1], spawn_block(&gates[MOST - 1]));
		}
		block_all();
		race_go("sentinel_is_to_rest");
	}
	return 0;
}

/* The only sentinel has no turn, as on a CPU that others keep busy: the tick finds all blocks. */
TEST(no_turn)
{
	run_on_one_cpu(main_no_turn, 1);
	run_on_one_cpu(main_no_turn, 2);
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
		for (unsigned i = 0; i < load(&scheduler.made, acquire); i++)
			fds[i] = exchange(&worker_get(i)->files[LOOKER_SENTINEL].fd, 0, relaxed); /* cannot ask */
		make_trusted(site);
		task = spawn_block(&gates[0]);
		await_at_least(&gates[0].entered, 1);
		for (unsigned i = 0; i < load(&scheduler.made, acquire); i++)
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
