/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A process with as many threads as the region has room for: every one of them is watched, and none is left out. */
#include <string.h>
#include <sys/syscall.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"

#define TASKS      600 /* each blocks a thread of its own */
#define TASKS_TEXT "600"

struct seen {
	unsigned count, last; /* the highest number of a worker */
};

static void see_blocked(void *context, const struct block_record *block)
{
	struct seen *seen = context;
	if (block->syscall != SYS_read)
		return;
	seen->count++;
	if (block->worker > seen->last)
		seen->last = block->worker;
}

/* The planted tasks have a thread each: all are seen while they block, the last worker too, and all their later blocks. */
TEST(workers)
{
	struct tracer *tracer = planted_tracer(NULL);
	struct planted planted;
	struct seen seen = { 0 };
	struct report report;
	planted_start_named(&planted, "many", TASKS_TEXT, NULL, NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	assert_string_equal(planted_answer(&planted), "blocked");
	planted_refresh(&planted);
	assert_int_equal(tracer_blocked(tracer, planted.key, see_blocked, &seen), 0);
	assert_int_equal(seen.count, TASKS);
	assert_true(seen.last >= TASKS - 1);
	planted_order(&planted);
	assert_string_equal(planted_answer(&planted), "done");
	planted_report(&planted, SYS_clock_nanosleep, &report);
	assert_int_equal(report.total.count, TASKS);
	assert_int_equal(tracer_drops(tracer, planted.key).workers, 0);
	planted_stop(&planted, false);
	tracer_close(tracer);
}
