/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of the context switch and the scheduler. */
#include "bench.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>

#include <sley.h>

#include "runtime/context/context.h"

/* ---- switch: there and back again between two contexts, no scheduler ---- */

#define SWITCH_STACK 65536

static struct context here, there;
static ucontext_t u_here, u_there;
static char switch_stack[SWITCH_STACK] __attribute__((aligned(16)));

static void bounce(void)
{
	for (;;)
		context_switch(&there, &here);
}

static double switch_sley(unsigned rounds)
{
	int64_t start;
	context_make(&there, switch_stack, switch_stack + SWITCH_STACK, bounce);
	context_switch(&here, &there);
	start = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		context_switch(&here, &there);
	return (double)(bench_now() - start);
}

static void u_bounce(void)
{
	for (;;)
		swapcontext(&u_there, &u_here);
}

static double switch_ucontext(unsigned rounds)
{
	int64_t start;
	getcontext(&u_there);
	u_there.uc_stack.ss_sp = switch_stack;
	u_there.uc_stack.ss_size = SWITCH_STACK;
	makecontext(&u_there, u_bounce, 0);
	swapcontext(&u_here, &u_there);
	start = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		swapcontext(&u_here, &u_there);
	return (double)(bench_now() - start);
}

static void run_switch(const struct bench_run *run, double *values)
{
	bool sley = strcmp(run->impl, "sley") == 0;
	unsigned rounds = bench_count(run, sley ? 50000000 : 2000000);
	values[0] = (sley ? switch_sley(rounds) : switch_ucontext(rounds)) / 2 / rounds;
}

static const struct bench_row row_switch = {
	.name = "switch",
	.impls = { "sley", "ucontext" },
	.values = { { "switch", "ns" } },
	.kind = BENCH_NO_WORKERS,
	.run = run_switch,
};

/* ---- yields ---- */

struct yields {
	unsigned tasks, rounds;
	double ns;
};

static void yield_task(void *arg)
{
	const struct yields *y = arg;
	for (unsigned i = 0; i < y->rounds; i++)
		sley_yield();
}

/* The time includes the tasks' start and end: some 100 ns each, against at least 50 yields. */
static int yield_main(void *arg)
{
	struct yields *y = arg;
	sley_task *ids = calloc(y->tasks, sizeof(*ids));
	int64_t start = bench_now();
	for (unsigned i = 0; i < y->tasks; i++)
		ids[i] = sley_spawn(yield_task, y);
	for (unsigned i = 0; i < y->tasks; i++)
		if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER))
			return 1;
	y->ns = (double)(bench_now() - start);
	free(ids);
	return 0;
}

static void run_yields(const struct bench_run *run, double *values, unsigned tasks, unsigned rounds)
{
	struct yields y = { .tasks = tasks, .rounds = rounds };
	bench_in_tasks(run, yield_main, &y);
	values[0] = y.ns / ((double)y.tasks * y.rounds);
}

static void run_yield2(const struct bench_run *run, double *values)
{
	run_yields(run, values, 2, bench_count(run, 5000000));
}

static void run_yield1k(const struct bench_run *run, double *values)
{
	run_yields(run, values, 1000, bench_count(run, 5000));
}

static void run_yield100k(const struct bench_run *run, double *values)
{
	run_yields(run, values, bench_count(run, 100000), 50);
}

static const struct bench_row row_yield2 = {
	.name = "yield2",
	.impls = { "sley" },
	.values = { { "yield2", "ns/switch" } },
	.kind = BENCH_WORKERS,
	.counted = true,
	.shared = true,
	.run = run_yield2,
};

static const struct bench_row row_yield1k = {
	.name = "yield1k",
	.impls = { "sley" },
	.values = { { "yield1k", "ns/switch" } },
	.kind = BENCH_WORKERS,
	.counted = true,
	.shared = true,
	.run = run_yield1k,
};

static const struct bench_row row_yield100k = {
	.name = "yield100k",
	.impls = { "sley" },
	.values = { { "yield100k", "ns/switch" } },
	.kind = BENCH_WORKERS,
	.run = run_yield100k,
};

/* ---- spawn and join: empty tasks in batches of 1,000 ---- */

#define BATCH 1000

struct spawns {
	unsigned batches;
	double ns;
};

static void empty_task(void *arg)
{
	(void)arg;
}

static int spawn_main(void *arg)
{
	struct spawns *s = arg;
	sley_task ids[BATCH];
	int64_t start = bench_now();
	for (unsigned b = 0; b < s->batches; b++) {
		for (unsigned i = 0; i < BATCH; i++)
			ids[i] = sley_spawn(empty_task, NULL);
		for (unsigned i = 0; i < BATCH; i++)
			if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER))
				return 1;
	}
	s->ns = (double)(bench_now() - start);
	return 0;
}

static void run_spawn_join(const struct bench_run *run, double *values)
{
	struct spawns s = { .batches = bench_count(run, 5000) };
	bench_in_tasks(run, spawn_main, &s);
	values[0] = s.ns / ((double)s.batches * BATCH);
}

static const struct bench_row row_spawn_join = {
	.name = "spawn_join",
	.impls = { "sley" },
	.values = { { "spawn_join", "ns/task" } },
	.kind = BENCH_WORKERS,
	.counted = true,
	.shared = true,
	.run = run_spawn_join,
};

/* ---- computing: what the kernel does to threads that only compute ---- */

#define COMPUTING 8    /* tasks */
#define STEP      1000 /* iterations: some 300 ns */
#define PIECE     2000 /* steps between two yields: far less than what makes a hog */

struct computing {
	int64_t ends_at;
	/* sums over all tasks; atomic adds */
	int64_t ns;
	uint64_t pieces, moves, switches;
};

/* Involuntary context switches of the calling thread. */
static uint64_t switches_here(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nivcsw;
}

/* Time for which some thread of the machine has waited for a CPU (PSI), us; NaN: the kernel does not tell. */
static double stalled_us(void)
{
	double us;
	FILE *file = fopen("/proc/pressure/cpu", "re");
	bool told = file && fscanf(file, "some avg10=%*f avg60=%*f avg300=%*f total=%lf", &us) == 1;
	if (file)
		fclose(file);
	return told ? us : NAN;
}

/* After each step it looks where it runs. Returns how often that was another CPU. */
static unsigned compute_piece(void)
{
	unsigned moves = 0;
	int cpu = sched_getcpu();
	for (unsigned i = 0; i < PIECE; i++) {
		int now;
		for (unsigned j = 0; j < STEP; j++)
			__asm__ volatile("");
		now = sched_getcpu();
		moves += now != cpu;
		cpu = now;
	}
	return moves;
}

static void compute_task(void *arg)
{
	struct computing *c = arg;
	do {
		uint64_t switches = switches_here();
		int64_t start = bench_now();
		unsigned moves = compute_piece();
		__atomic_fetch_add(&c->ns, bench_now() - start, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->switches, switches_here() - switches, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->moves, moves, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->pieces, 1, __ATOMIC_RELAXED);
		sley_yield();
	} while (bench_now() < c->ends_at); /* one piece at least: a run may be late */
}

static int compute_main(void *arg)
{
	struct computing *c = arg;
	sley_task ids[COMPUTING];
	for (unsigned i = 0; i < COMPUTING; i++)
		ids[i] = sley_spawn(compute_task, c);
	for (unsigned i = 0; i < COMPUTING; i++)
		if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER))
			return 1;
	return 0;
}

static void run_compute(const struct bench_run *run, double *values)
{
	const int64_t ns = run->quick ? 30000000 : 3000000000;
	struct computing c = { .ends_at = bench_now() + ns };
	double stalled = stalled_us();
	bench_in_tasks(run, compute_main, &c);
	values[3] = (stalled_us() - stalled) / ((double)ns / 1e9);
	values[0] = (double)c.ns / (double)(c.pieces * PIECE);
	values[1] = (double)c.switches / ((double)ns / 1e9);
	values[2] = (double)c.moves / ((double)ns / 1e9);
}

static const struct bench_row row_compute = {
	.name = "compute",
	.impls = { "sley" },
	.values = { { "compute_step", "ns" },
		    { "compute_switches", "switches/s" },
		    { "compute_moves", "moves/s" },
		    { "compute_stalled", "us/s" } },
	.kind = BENCH_WORKERS,
	.run = run_compute,
};

const struct bench_row *const bench_sched_rows[] = {
	&row_switch, &row_yield2, &row_yield1k, &row_yield100k, &row_spawn_join, &row_compute, NULL,
};
