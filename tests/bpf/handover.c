/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Ground truth of hand-overs: a task blocks the only worker with tasks behind it, which measure themselves how late they
 * are. What the tracer says must agree: how many were delayed, for how long in all, and who took over and when.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"
#include "tests/tools/tool.h"

#define ROUNDS     5
#define BLOCK_MS   "150" /* any source finds it before its end */
#define BLOCK_NS   150000000
#define TASKS      7
#define TASKS_TEXT "7"

struct truth {
	long tasks, delayed_ns;
	long first_ns;  /* after the start of the block one of them began */
	int tid;        /* on this thread; 0: none did before its end */
	long waited_ns; /* for a CPU, by all threads */
};

struct run {
	struct planted planted;
	struct truth truth;
	struct block_record block;
	unsigned blocks;
};

static void keep_block(void *context, const struct block_record *block)
{
	struct run *run = context;
	if (block->syscall != SYS_clock_nanosleep)
		return;
	run->block = *block;
	run->blocks++;
}

static void read_truth(struct run *run)
{
	struct truth *t = &run->truth;
	REQUIRE(sscanf(planted_answer(&run->planted), "tasks %ld delayed_ns %ld first_ns %ld tid %d waited_ns %ld",
		       &t->tasks, &t->delayed_ns, &t->first_ns, &t->tid, &t->waited_ns) == 5);
}

/* Until all workers sleep: one that still runs for the block before would take the tasks, and would not be woken. */
static void until_idle(struct planted *planted)
{
	static struct sley_region_worker lines[SLEY_REGION_WORKERS];
	int64_t give_up = test_now() + 10000000000;
	unsigned busy;
	do {
		REQUIRE(test_now() < give_up);
		REQUIRE(region_refresh(&planted->process.region) == REGION_OK);
		busy = 0;
		for (int i = region_workers(&planted->process.region, lines) - 1; i >= 0; i--)
			busy += lines[i].mode == SLEY_WORKER_RUNTIME ||
				(lines[i].mode == SLEY_WORKER_TASK &&
				 strcmp(planted_site(planted, lines[i].site).entry, "holder") != 0);
	} while (busy > 0);
}

/* A block is told when its thread is switched out again: perhaps after another thread has written the answer. */
static void until_told(struct run *run)
{
	int64_t give_up = test_now() + 10000000000;
	for (run->blocks = 0; run->blocks == 0;) {
		REQUIRE(test_now() < give_up);
		REQUIRE(tracer_poll(run->planted.tracer, keep_block, run) >= 0);
	}
}

/* One block, with its truth. */
static void block(struct run *run)
{
	struct truth *t = &run->truth;
	until_idle(&run->planted);
	planted_order(&run->planted);
	read_truth(run);
	planted_refresh(&run->planted); /* a spare may be new */
	until_told(run);
	print_message("truth: %ld tasks, %.3f ms in all, the first after %.3f ms, %.3f ms without a CPU\n", t->tasks,
		      t->delayed_ns / 1e6, t->first_ns / 1e6, t->waited_ns / 1e6);
	print_message("seen:  %u tasks, %.3f ms in all, worker %d after %.3f ms\n", run->block.delayed_tasks,
		      run->block.delayed_ns / 1e6, (int)run->block.replacement - 1,
		      run->block.handed_ns ? (run->block.handed_ns - run->block.start_ns) / 1e6 : -1);
}

/* Starts a service with that source of blocks. It has blocked once before it is watched: it has a spare then. */
static void start(struct run *run, const char *source, const char *kind)
{
	memset(run, 0, sizeof(*run));
	struct tracer *tracer = planted_tracer(NULL);
	setenv("SLEY_ASSIST", source, 1);
	planted_start_named(&run->planted, "handover", kind, BLOCK_MS, TASKS_TEXT);
	unsetenv("SLEY_ASSIST");
	planted_times(&run->planted);
	planted_order(&run->planted);
	planted_answer(&run->planted);
	planted_watch(&run->planted, tracer);
}

static void stop(struct run *run)
{
	struct tracer *tracer = run->planted.tracer;
	planted_stop(&run->planted, false);
	tracer_close(tracer);
}

/*
 * The victims' own clocks: within 10 %, or half a millisecond each; and the time that a thread waited for a CPU, when it had
 * begun a victim that had not read its clock yet, or between the block's end and the reading of that.
 */
static void check_delay(const struct run *run)
{
	long allowed = run->truth.delayed_ns / 10, each = run->truth.tasks * 500000;
	assert_int_equal(run->blocks, 1);
	assert_int_equal(run->block.delayed_tasks, run->truth.tasks);
	if (allowed < each)
		allowed = each;
	allowed += run->truth.tasks * run->truth.waited_ns;
	assert_in_range(run->block.delayed_ns + allowed - run->truth.delayed_ns, 0, 2 * allowed);
}

static pid_t thread_of(struct run *run, uint32_t worker)
{
	static struct sley_region_worker lines[SLEY_REGION_WORKERS];
	REQUIRE(region_refresh(&run->planted.process.region) == REGION_OK); /* it may be new */
	REQUIRE(region_workers(&run->planted.process.region, lines) > (int)worker);
	return (pid_t)lines[worker].tid;
}

/* The worker that began the first of them is the one that took over, and at that time. */
static void check_handed(struct run *run)
{
	const struct block_record *block = &run->block;
	assert_true(block->replacement > 0);
	assert_true(block->handed_ns >= block->noted_ns && block->noted_ns > block->start_ns);
	assert_int_equal(thread_of(run, block->replacement - 1), run->truth.tid);
	assert_true(block->handed_ns - block->start_ns <= (uint64_t)run->truth.first_ns);
	assert_true(block->handed_ns - block->start_ns + 1000000 + (uint64_t)run->truth.waited_ns >=
		    (uint64_t)run->truth.first_ns);
}

/* With a source on, another worker takes over, and delays end there. */
static void check_source(const char *source)
{
	struct run run;
	start(&run, source, "queued");
	for (int i = 0; i < ROUNDS; i++) {
		block(&run);
		check_delay(&run);
		check_handed(&run);
	}
	stop(&run);
}

TEST(tick)
{
	check_source("tick");
}

TEST(idle)
{
	check_source("idle");
}

/* Nobody takes over: all wait until the end. */
static void check_kept(const char *source, const char *kind)
{
	struct run run;
	start(&run, source, kind);
	for (int i = 0; i < ROUNDS; i++) {
		block(&run);
		check_delay(&run);
		assert_int_equal(run.block.handed_ns, 0);
		assert_true(run.block.delayed_ns >= TASKS * (uint64_t)BLOCK_NS);
	}
	stop(&run);
}

/* No source is on. */
TEST(off)
{
	check_kept("off", "queued");
}

/* The tasks are pinned to the worker that is blocked. */
TEST(pinned)
{
	check_kept("tick", "pinned");
}

/* No spare is left. */
TEST(full)
{
	check_kept("tick", "full");
}

/* ---- what asynctop says ---- */

/* Until somebody watches it. */
static void until_watched(struct planted *planted)
{
	int64_t give_up = test_now() + 10000000000;
	do {
		REQUIRE(test_now() < give_up);
		REQUIRE(region_refresh(&planted->process.region) == REGION_OK);
	} while (planted->process.region.header.level < SLEY_LEVEL_TIMES);
}

/* Has asynctop report on a service that blocks once meanwhile. */
static void report(struct run *run, const char *source, const char *kind, const char *format, struct tool *tool)
{
	const char *args[] = { format, "-d", "2", "-n", "1", "-p", NULL, NULL };
	memset(run, 0, sizeof(*run));
	tracer_close(planted_tracer(NULL));
	setenv("SLEY_ASSIST", source, 1);
	planted_start_named(&run->planted, "handover", kind, BLOCK_MS, TASKS_TEXT);
	unsetenv("SLEY_ASSIST");
	planted_order(&run->planted);
	planted_answer(&run->planted);
	args[6] = tool_number(run->planted.pid);
	tool_start(tool, false, args);
	until_watched(&run->planted);
	until_idle(&run->planted);
	planted_order(&run->planted);
	read_truth(run);
	tool_finish(tool);
	assert_int_equal(tool->code, 0);
}

/* A number of the row of the planted call. */
static long number_in(const struct tool *tool, const char *key)
{
	const char *at = strstr(tool->out, "\"blockers\":[");
	char name[64];
	snprintf(name, sizeof(name), "\"%s\":", key);
	at = at ? strstr(at, "\"syscall\":\"clock_nanosleep\"") : NULL;
	at = at ? strstr(at, name) : NULL;
	if (!at)
		fail_msg("no %s in: %s", key, tool->out);
	return strtol(at + strlen(name), NULL, 10);
}

static void expect_text(const struct tool *tool, const char *text)
{
	if (!strstr(tool->out, text))
		fail_msg("\"%s\" is not in: %s", text, tool->out);
}

/* JSON and verdict of a hand-over have the numbers of the truth. */
TEST(report_handover)
{
	struct run run;
	struct tool tool;
	char text[64];
	report(&run, "tick", "queued", "--json", &tool);
	tool_assert_schema(tool.out);
	run.blocks = 1;
	run.block.delayed_tasks = (uint32_t)number_in(&tool, "delayed_tasks");
	run.block.delayed_ns = (uint64_t)number_in(&tool, "delayed_ns");
	check_delay(&run);
	expect_text(&tool, "\"handover\":\"done\"");
	assert_int_equal(number_in(&tool, "handed"), 1);
	assert_int_equal(thread_of(&run, (uint32_t)number_in(&tool, "handed_to")), run.truth.tid);
	assert_in_range(number_in(&tool, "handed_after_ns"), 1, run.truth.first_ns);
	snprintf(text, sizeof(text), "; worker %ld took over after ", number_in(&tool, "handed_to"));
	expect_text(&tool, text);
	expect_text(&tool, "; " TASKS_TEXT " ready tasks waited ");
	tool_free(&tool);
	planted_stop(&run.planted, false);
}

/* Text: no hand-over, and why. */
static void check_why(const char *source, const char *kind, const char *why)
{
	struct run run;
	struct tool tool;
	report(&run, source, kind, "-b", &tool);
	expect_text(&tool, why);
	expect_text(&tool, "; " TASKS_TEXT " ready tasks waited ");
	tool_free(&tool);
	planted_stop(&run.planted, false);
}

TEST(report_off)
{
	check_why("off", "queued",
		  "; no worker took over: the process does not look for blocks (option assist is off); ");
}

TEST(report_full)
{
	check_why("tick", "full", "; no worker took over: all 2 threads were in use: raise max_threads; ");
}

TEST(report_pinned)
{
	check_why("tick", "pinned", "; no other worker could take over: the tasks behind it are pinned to this one; ");
}
