/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rows of timers. `timers`: a million tasks, each of which sleeps until a time of its own. `timer_cancel`: what a server does
 * with deadlines: each wait has one that is far away, and the event comes first.
 */
#include "bench.h"
#include "process.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

/* ---- timers ---- */

#define SLEEPERS 1000000
#define COUNTED  500 /* sleepers, of which each sleeps in each round */

struct timers {
	unsigned tasks, rounds; /* rounds: 0: each task sleeps once, from its start on */
	sley_time begin;        /* of the rounds */
	sley_task *ids;
	int64_t before, peak; /* resident bytes */
	double ns, cpu_ms;
};

static struct timers timers;

static void sleep_for(void *us)
{
	if (sley_sleep(sley_in(SLEY_US((intptr_t)us))))
		abort();
}

static void sleep_in_rounds(void *us)
{
	for (unsigned i = 0; i < timers.rounds; i++)
		if (sley_sleep(timers.begin + i * SLEY_MS(500) + SLEY_US((intptr_t)us)))
			abort();
}

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/*
 * A million tasks sleep for 1 to 1,000 ms each. Where sleeps are counted, fewer tasks sleep several times, until times that
 * lie as closely, and all of them sleep when the first of these comes: so the counts do not depend on how fast tasks are.
 */
static sley_task spawn_sleeper(uint32_t random)
{
	if (timers.rounds == 0)
		return sley_spawn(sleep_for, (void *)(intptr_t)((1 + random % 1000) * 1000));
	return sley_spawn(sleep_in_rounds, (void *)(intptr_t)(random % timers.tasks));
}

static int timers_main(void *arg)
{
	struct timers *t = arg;
	double cpu = cpu_ms();
	uint32_t random = 1;
	int64_t start = bench_now();
	t->begin = sley_in(SLEY_MS(500));
	for (unsigned i = 0; i < t->tasks; i++) {
		random = random * 1664525 + 1013904223;
		t->ids[i] = spawn_sleeper(random >> 8);
	}
	if (sley_sleep(sley_in(SLEY_MS(1)))) /* most have begun to sleep */
		return 1;
	t->peak = process_resident(getpid());
	for (unsigned i = 0; i < t->tasks; i++)
		if (t->ids[i] < 0 || sley_join(t->ids[i], SLEY_NEVER))
			return 1;
	t->ns = (double)(bench_now() - start);
	t->cpu_ms = cpu_ms() - cpu;
	return 0;
}

static void run_timers(const struct bench_run *run, double *values)
{
	unsigned sleeps = bench_count(run, SLEEPERS);
	struct timers *t = &timers;
	t->rounds = run->divisor && !run->quick ? sleeps / COUNTED : 0;
	t->tasks = t->rounds ? COUNTED : sleeps;
	t->ids = malloc(t->tasks * sizeof(*t->ids));
	if (!t->ids)
		bench_fail("no memory");
	for (unsigned i = 0; i < t->tasks; i++)
		t->ids[i] = 1; /* touched before it counts */
	t->before = process_resident(getpid());
	bench_in_tasks(run, timers_main, t);
	values[0] = t->ns / sleeps;
	values[1] = t->cpu_ms;
	values[2] = (double)(t->peak - t->before) / (1 << 20);
}

static const struct bench_row row_timers = {
	.name = "timers",
	.impls = { "sley" },
	.values = { { "timers", "ns/sleep" }, { "timers_cpu", "ms" }, { "timers_rss", "MiB" } },
	.kind = BENCH_WORKERS,
	.counted = true,
	.run = run_timers,
};

/* ---- timer_cancel ---- */

#define WAITERS 1000
#define FAR     SLEY_SEC(30)

struct cancels {
	unsigned rounds;
	struct sley_chan *chan[WAITERS];
	double ns;
};

struct waiter {
	struct cancels *c;
	unsigned index;
};

static void waiter(void *arg)
{
	const struct waiter *w = arg;
	char item;
	for (unsigned i = 0; i < w->c->rounds; i++)
		if (sley_chan_recv(w->c->chan[w->index], &item, sley_in(FAR)))
			abort();
}

/* It and the waiters take turns: all of them begin to wait, then each gets its item. */
static int cancel_main(void *arg)
{
	struct cancels *c = arg;
	sley_task ids[WAITERS];
	char item = 0;
	for (unsigned i = 0; i < WAITERS; i++) {
		const struct waiter w = { c, i };
		if (sley_chan_new(&c->chan[i], 1, 1))
			return 1;
		ids[i] = sley_spawn_copy(waiter, &w, sizeof(w));
	}
	sley_yield();
	int64_t start = bench_now();
	for (unsigned r = 0; r < c->rounds; r++) {
		for (unsigned i = 0; i < WAITERS; i++)
			if (sley_chan_send(c->chan[i], &item, SLEY_NEVER))
				return 1;
		sley_yield();
	}
	c->ns = (double)(bench_now() - start);
	for (unsigned i = 0; i < WAITERS; i++)
		if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER) || sley_chan_free(c->chan[i]))
			return 1;
	return 0;
}

static void run_timer_cancel(const struct bench_run *run, double *values)
{
	static struct cancels c;
	c.rounds = bench_count(run, 2000);
	bench_in_tasks(run, cancel_main, &c);
	values[0] = c.ns / ((double)c.rounds * WAITERS);
}

static const struct bench_row row_timer_cancel = {
	.name = "timer_cancel",
	.impls = { "sley" },
	.values = { { "timer_cancel", "ns/wait" } },
	.kind = BENCH_WORKERS,
	.counted = true,
	.shared = true,
	.run = run_timer_cancel,
};

const struct bench_row *const bench_timer_rows[] = { &row_timers, &row_timer_cancel, NULL };
