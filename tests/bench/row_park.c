/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rows of a million parked tasks: how long it takes to spawn and park them, what each costs in resident memory, and how
 * long to wake and join them. In the `deep` rows each task parks three calls down, with a live array of 200 bytes in each.
 *
 * Memory is all that the process has more than before sley_run(): stacks, images, task records, the region, the
 * runtime's fixed part and the page tables. Only the array of ids, which is the benchmark's, was touched before.
 */
#include "bench.h"
#include "process.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sley.h>

#define TASKS 1000000
#define LIVE  200

struct park {
	unsigned tasks;
	void (*task)(void *);
	sley_task *ids;
	int64_t before, parked; /* resident bytes */
	double create_ms, wakejoin_ms;
};

static struct sley_group gate;
static atomic_uint arrived;

static void park_at_gate(void)
{
	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed); /* a count; what it counts is read by nobody */
	if (sley_group_wait(&gate, SLEY_NEVER))
		abort();
}

static void shallow_task(void *arg)
{
	(void)arg;
	park_at_gate();
}

/* An array that is live across the call below it, whatever the compiler knows of it. */
__attribute__((noinline)) static unsigned deep_call(unsigned depth)
{
	unsigned char live[LIVE];
	unsigned below = 0;
	memset(live, LIVE, sizeof(live));
	__asm__ volatile("" : : "r"(live) : "memory");
	if (depth > 1)
		below = deep_call(depth - 1);
	else
		park_at_gate();
	__asm__ volatile("" : : "r"(live) : "memory");
	return below + live[LIVE - 1];
}

static void deep_task(void *arg)
{
	(void)arg;
	if (deep_call(3) != 3 * LIVE)
		abort();
}

static int park_main(void *arg)
{
	struct park *p = arg;
	int64_t start = bench_now();
	sley_group_add(&gate, 1);
	for (unsigned i = 0; i < p->tasks; i++)
		p->ids[i] = sley_spawn_at(SLEY_SITE("park"), NULL, p->task, NULL, SLEY_BY_POINTER);
	while (atomic_load_explicit(&arrived, memory_order_relaxed) < p->tasks)
		sley_yield();
	p->create_ms = (double)(bench_now() - start) / 1e6;
	p->parked = process_resident(getpid());

	start = bench_now();
	sley_group_done(&gate);
	for (unsigned i = 0; i < p->tasks; i++)
		if (p->ids[i] < 0 || sley_join(p->ids[i], SLEY_NEVER))
			return 1;
	p->wakejoin_ms = (double)(bench_now() - start) / 1e6;
	return 0;
}

static void run_park(const struct bench_run *run, double *values, void (*task)(void *))
{
	struct park p = { .tasks = bench_count(run, TASKS), .task = task };
	p.ids = malloc(p.tasks * sizeof(*p.ids));
	if (!p.ids)
		bench_fail("no memory");
	memset(p.ids, 1, p.tasks * sizeof(*p.ids));
	p.before = process_resident(getpid());
	bench_in_tasks(run, park_main, &p);
	values[0] = p.create_ms;
	values[1] = (double)(p.parked - p.before) / p.tasks;
	values[2] = p.wakejoin_ms;
}

static void run_shallow(const struct bench_run *run, double *values)
{
	run_park(run, values, shallow_task);
}

static void run_deep(const struct bench_run *run, double *values)
{
	run_park(run, values, deep_task);
}

static const struct bench_row row_park = {
	.name = "park",
	.impls = { "sley" },
	.values = { { "park_create", "ms" }, { "park_rss", "B/task" }, { "park_wakejoin", "ms" } },
	.kind = BENCH_WORKERS,
	.run = run_shallow,
};

static const struct bench_row row_park_deep = {
	.name = "park_deep",
	.impls = { "sley" },
	.values = { { "park_deep_create", "ms" }, { "park_deep_rss", "B/task" }, { "park_deep_wakejoin", "ms" } },
	.kind = BENCH_WORKERS,
	.run = run_deep,
};

const struct bench_row *const bench_park_rows[] = { &row_park, &row_park_deep, NULL };
