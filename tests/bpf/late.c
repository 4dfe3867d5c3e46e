/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Ground truth of tasks that were late because of a block, although they were in no queue when it began: timers that were
 * due, descriptors that were ready, tasks that a plain thread made ready, waiters of a mutex. They measure themselves how
 * late they are; the tracer must agree on how many there were, and on the time in all. The block is followed by a short one,
 * which is not the one to blame.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"

#define ROUNDS     2
#define BLOCK_MS   "120"
#define BLOCK_NS   120000000L
#define TASKS      8
#define TASKS_TEXT "8"

struct truth {
	long blocks, tasks, unsure, early, delayed_ns;
	long waited_ns; /* for a CPU, by all threads */
};

struct run {
	struct planted planted;
	struct truth truth;
	uint64_t tasks; /* as seen */
	long delayed_ns;
	char text[256]; /* all of this */
};

static void order(struct run *run, const char *kind)
{
	struct truth *t = &run->truth;
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", kind);
	REQUIRE(write(run->planted.input, line, (size_t)n) == n);
	REQUIRE(sscanf(planted_answer(&run->planted),
		       "blocks %ld tasks %ld unsure %ld early %ld delayed_ns %ld waited_ns %ld", &t->blocks, &t->tasks,
		       &t->unsure, &t->early, &t->delayed_ns, &t->waited_ns) == 6);
}

/*
 * A block is added up when its thread is switched out again; it is counted last. (It may have slept several times.) Each
 * planted block is followed by a short one in the same dispatch, at whose end the worker finds what was late.
 */
static struct block_total until_added(struct run *run, uint64_t count)
{
	int64_t give_up = test_now() + 10000000000;
	struct report report;
	do {
		REQUIRE(test_now() < give_up);
		planted_report(&run->planted, SYS_poll, &report);
	} while (report.total.count < count);
	return report.total;
}

/* The short blocks have delayed nobody for longer than they lasted. */
static void check_short(struct run *run, const struct block_total *before, const struct block_total *now)
{
	uint64_t lasted = now->total_ns - before->total_ns, delayed = now->delayed_ns - before->delayed_ns;
	if (delayed > (TASKS + 1) * lasted)
		fail_msg("%s; short blocks of %.3f ms: seen %.3f ms", run->text, (double)lasted / 1e6,
			 (double)delayed / 1e6);
}

/* One round of blocks, and what is seen of it. */
static void block(struct run *run, const char *kind)
{
	struct truth *t = &run->truth;
	struct report before, now, short_before;
	struct block_total short_now;
	planted_report(&run->planted, SYS_poll, &short_before);
	planted_report(&run->planted, SYS_clock_nanosleep, &before);
	order(run, kind);
	planted_refresh(&run->planted); /* a spare may be new */
	short_now = until_added(run, short_before.total.count + (uint64_t)t->blocks);
	planted_report(&run->planted, SYS_clock_nanosleep, &now);
	run->tasks = now.total.delayed_tasks - before.total.delayed_tasks;
	run->delayed_ns = (long)(now.total.delayed_ns - before.total.delayed_ns);
	snprintf(run->text, sizeof(run->text),
		 "%s: %ld tasks (%ld unsure, %ld early), %.3f ms in all (%.3f ms without a CPU); seen: %" PRIu64
		 " tasks, %.3f ms in all",
		 kind, t->tasks, t->unsure, t->early, t->delayed_ns / 1e6, t->waited_ns / 1e6, run->tasks,
		 run->delayed_ns / 1e6);
	print_message("%s\n", run->text);
	check_short(run, &short_before.total, &short_now);
}

/* Starts a service with that source of blocks. It has blocked once before it is watched. */
static void start(struct run *run, const char *workers, const char *source)
{
	static struct tracer *tracer; /* for all tests: to load its programs takes long */
	char program[64] = "tests/bpf/late.planted";
	char *argv[] = { (char *)test_build_path(program), (char *)workers, BLOCK_MS, TASKS_TEXT, NULL };
	memset(run, 0, sizeof(*run));
	if (!tracer)
		tracer = planted_tracer(NULL);
	setenv("SLEY_ASSIST", source, 1);
	planted_start(&run->planted, argv);
	unsetenv("SLEY_ASSIST");
	planted_times(&run->planted);
	order(run, "timer");
	planted_watch(&run->planted, tracer);
}

/*
 * Nobody takes over: all that comes during the block waits for its end. By the victims' own clocks, within 10 %; or half a
 * millisecond and the time that threads had to wait for a CPU, each. With a second worker one more may have waited, in the
 * queue of the first. Another worker has begun that one, and what the first made ready at its end, so its delay may be
 * taken for the mean of both. A task that was in the queues of both counts for both.
 */
static void check_kept(struct run *run, const char *kind)
{
	const struct truth *t = &run->truth;
	for (int i = 0; i < ROUNDS; i++) {
		block(run, kind);
		long allowed = t->delayed_ns / 10, each = TASKS * (500000 + t->waited_ns);
		long second = t->blocks - 1, twice = second ? t->early : 0;
		long more = second * BLOCK_NS / 2 + twice * (BLOCK_NS + t->waited_ns);
		allowed = allowed < each ? each : allowed;
		if ((long)run->tasks < t->tasks - t->unsure || (long)run->tasks > TASKS + second + twice)
			fail_msg("%s", run->text);
		if (run->delayed_ns < t->delayed_ns - allowed || run->delayed_ns > t->delayed_ns + allowed + more)
			fail_msg("%s", run->text);
	}
}

/* Another worker takes over, and what it did in time is no delay of the block's. Who was late for less is not counted. */
static void check_handed(struct run *run, const char *kind)
{
	const struct truth *t = &run->truth;
	block(run, kind);
	long allowed = t->delayed_ns / 10 + TASKS * (1000000 + t->waited_ns);
	if (labs(run->delayed_ns - t->delayed_ns) > allowed)
		fail_msg("%s", run->text);
}

TEST(one_worker)
{
	struct run run;
	start(&run, "1", "off");
	check_kept(&run, "timer");
	check_kept(&run, "descriptor");
	check_kept(&run, "ready");
	check_kept(&run, "mutex");
	planted_stop(&run.planted, false);
}

/* Both block: who comes back first finds what was late. The other one's task may have been stolen. */
TEST(two_workers)
{
	struct run run;
	start(&run, "2", "off");
	check_kept(&run, "timer");
	check_kept(&run, "descriptor");
	check_kept(&run, "ready");
	planted_stop(&run.planted, false);
}

/* Nobody can take over what waits for the mutex. */
static void check_source(const char *workers, const char *source)
{
	struct run run;
	start(&run, workers, source);
	check_handed(&run, "timer");
	check_handed(&run, "descriptor");
	check_handed(&run, "ready");
	check_kept(&run, "mutex");
	planted_stop(&run.planted, false);
}

TEST(tick)
{
	check_source("1", "tick");
}

TEST(idle)
{
	check_source("1", "idle");
}

TEST(idle_of_two)
{
	check_source("2", "idle");
}
