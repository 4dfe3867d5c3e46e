/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Threads that become workers while a process is watched: their first block is seen, although nobody has told the tracer
 * of them. So no test here refreshes the tracer after the tasks have begun to block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"

#define TASKS      16
#define TASKS_TEXT "16"
#define PAUSE_NS   100000000
#define BLOCK_SIZE 512 /* bytes of the planted function, at most */

static struct tracer *tracer;
static struct planted planted;
static struct block_record seen[4 * TASKS];
static unsigned seen_count;

static void start(const char *kind, const char *tasks)
{
	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "spares", kind, tasks, NULL);
	planted_watch(&planted, tracer);
}

static void stop(void)
{
	planted_stop(&planted, false);
	tracer_close(tracer);
}

static void keep_sleep(void *context, const struct block_record *block)
{
	(void)context;
	if (block->syscall == SYS_clock_nanosleep && seen_count < 4 * TASKS)
		seen[seen_count++] = *block;
}

static const struct block_record *find(long task)
{
	for (unsigned i = 0; i < seen_count; i++)
		if (seen[i].task == (uint64_t)task)
			return &seen[i];
	fail_msg("the block of task %#lx is not seen; %u others are", task, seen_count);
	return NULL;
}

/* The planted function has called what blocks. */
static bool is_called_by(const struct block_record *block, unsigned long function)
{
	unsigned long word;
	for (size_t at = 0; at + sizeof(word) <= block->stack_size; at += sizeof(word)) {
		memcpy(&word, block->stack + at, sizeof(word));
		if (word > function && word < function + BLOCK_SIZE)
			return true;
	}
	return false;
}

/* The line that the service has written, against what was seen of that block. */
static void check_block(const char *line)
{
	static struct sley_region_worker lines[SLEY_REGION_WORKERS];
	const struct block_record *block;
	unsigned long function;
	long task, from, to;
	int tid, workers;
	REQUIRE(sscanf(line, "block %ld %d %ld %ld %lu", &task, &tid, &from, &to, &function) == 5);
	block = find(task);
	assert_int_equal(block->flags & BLOCK_EARLY, 0);
	assert_true(is_called_by(block, function));
	assert_string_equal(planted_site(&planted, block->site).entry, "planted");
	assert_true(block->start_ns >= (uint64_t)from && block->end_ns <= (uint64_t)to);
	assert_true(block->end_ns - block->start_ns >= PAUSE_NS / 2);
	workers = region_workers(&planted.process.region, lines); /* planted_site() has refreshed it */
	assert_in_range(block->worker, 0, workers - 1);
	assert_int_equal(lines[block->worker].tid, tid);
}

/* Has the tasks block: all their blocks are seen as they were, and no others. */
static void check_blocks(unsigned tasks)
{
	static char truth[TASKS][256];
	planted_order(&planted);
	for (unsigned i = 0; i < tasks; i++)
		snprintf(truth[i], sizeof(truth[i]), "%s", planted_answer(&planted));
	assert_string_equal(planted_answer(&planted), "done");
	seen_count = 0;
	assert_true(tracer_poll(tracer, keep_sleep, NULL) >= 0);
	for (unsigned i = 0; i < tasks; i++)
		check_block(truth[i]);
	assert_int_equal(seen_count, tasks);
}

/* New workers of the same run, that is all but those which there were. */
static void check_new(uint32_t before)
{
	unsigned new = 0;
	for (unsigned i = 0; i < seen_count; i++)
		new += seen[i].worker >= before;
	assert_true(new + before >= seen_count &&new > 0);
}

/* A spare is made for a block, and its first task blocks at once. */
TEST(spares)
{
	uint32_t before;
	start("spares", TASKS_TEXT);
	before = planted.process.region.header.worker_count;
	check_blocks(TASKS);
	check_new(before);
	stop();
}

/* A child of vfork() is another process, though it runs in a worker's memory with that worker's thread pointer. */
TEST(vfork)
{
	start("vfork", TASKS_TEXT);
	check_blocks(TASKS);
	stop();
}

/* A thread that is made while nobody is a worker becomes one. */
TEST(thread)
{
	start("thread", "1");
	check_blocks(1);
	stop();
}

/* The worker of a run is the worker of the next one, after it was none and was looked at meanwhile. */
TEST(again)
{
	start("again", "1");
	planted_order(&planted);
	assert_string_equal(planted_answer(&planted), "between");
	assert_int_equal(tracer_refresh(tracer, planted.key, planted.process.region.header.worker_count), 0);
	check_blocks(1);
	stop();
}
