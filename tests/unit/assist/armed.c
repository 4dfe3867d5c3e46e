/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/assist/armed.h"

#include <sched.h>
#include <stdlib.h>

#include "assist/sentinel.h"
#include "base/atomic.h"
#include "run/idle.h"
#include "run/worker.h"
#include "tests/race.h"

#define MOST 8

/* In the place of what unit tests have otherwise: see tests/unit/run.c. */
__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "idle", 1);
}

static struct gate gates[MOST];

sley_task spawn_block(struct gate *gate)
{
	gates_open(gate, 1);
	void *volatile memory = malloc(1);
	free(memory);
	sley_task task = sley_spawn(gate_block, gate);
	REQUIRE(task > 0);
	return task;
}

void let_go(struct gate *gate, sley_task task)
{
	gate_let_go(gate);
	REQUIRE(sley_join(task, SOON) == 0);
	gates_close(gate, 1);
}

void block_all(void)
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

void make_sentinels(void)
{
	sley_time end = SOON;
	while (sentinels_count() == 0) {
		REQUIRE(sley_now() < end);
		block_all();
	}
}

#if RACE_POINTS

void await_point(const char *point)
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
	for (unsigned i = 0; i < load(&scheduler.made, acquire); i++) {
		if (load(&worker_get(i)->files[LOOKER_SENTINEL].fd, relaxed) == 0)
			return false;
	}
	return true;
}

void stop_watchdog(void)
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

void run_on_one_cpu(int (*main)(void *), unsigned workers)
{
	cpu_set_t all, one;
	REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	run(main, workers);
	REQUIRE(sched_setaffinity(0, sizeof(all), &all) == 0);
}

int main_alone(void *unused)
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

#endif
