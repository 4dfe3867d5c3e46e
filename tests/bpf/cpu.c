/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Ground truth of CPU times: tasks measure by their threads' clocks how long they had a CPU, and samples must agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"

struct wanted {
	uint64_t task;
	uint32_t site;
	uint64_t ns; /* as seen */
};

static void ignore(void *context, const struct block_record *block)
{
	(void)context;
	(void)block;
}

static void look_for(void *context, const struct tracer_cpu *cpu)
{
	struct wanted *wanted = context;
	if (wanted->task ? cpu->task == wanted->task : (!cpu->task && cpu->site == wanted->site))
		wanted->ns += cpu->ns;
}

static uint64_t seen(struct planted *planted, uint64_t task, uint32_t site)
{
	struct wanted wanted = { task, site, 0 };
	REQUIRE(tracer_poll(planted->tracer, ignore, NULL) >= 0);
	REQUIRE(tracer_cpu_times(planted->tracer, planted->key, look_for, &wanted) == 0);
	return wanted.ns;
}

/* The only spawn site whose tasks run that function. */
static uint32_t site_of(struct planted *planted, const char *entry)
{
	for (uint32_t i = 0;; i++)
		if (strcmp(planted_site(planted, i).entry, entry) == 0)
			return i;
}

/*
 * One task, and its site. The time is that of a number of samples, which is by chance more or less: 4 times the root of the
 * number, 4 being certain enough for a test that runs a hundred times a day.
 */
static void check(struct planted *planted, const char *entry, uint64_t task, double used)
{
	double period = CPU_PERIOD_NS, samples = used / period, allowed = 0, root = samples;
	uint64_t of_task = seen(planted, task, 0), of_site = seen(planted, 0, site_of(planted, entry));
	for (int i = 0; i < 40 && root > 0; i++)
		root = (root + samples / root) / 2;
	allowed = used / 10 + (4 * root + 4) * period;
	print_message("%s: %.1f ms; seen %.1f ms of the task, %.1f ms of its site\n", entry, used / 1e6,
		      (double)of_task / 1e6, (double)of_site / 1e6);
	if (of_task != of_site || (double)of_task > used + allowed || (double)of_task < used - allowed)
		fail_msg("%s: %.1f ms; seen %.1f ms of the task, %.1f ms of its site; allowed %.1f ms", entry,
			 used / 1e6, (double)of_task / 1e6, (double)of_site / 1e6, allowed / 1e6);
}

/* Tasks of several sites share two threads; a task that blocks its thread has no CPU meanwhile. */
TEST(shares)
{
	struct tracer *tracer = planted_tracer(NULL);
	struct planted planted;
	planted_start_named(&planted, "cpu", NULL, NULL, NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	for (int i = 0; i < 4; i++) {
		char entry[64];
		unsigned long task;
		long used;
		REQUIRE(sscanf(planted_answer(&planted), "%63s %lu %ld", entry, &task, &used) == 3);
		check(&planted, entry, task, (double)used);
	}
	planted_stop(&planted, false);
	tracer_close(tracer);
}
