/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is published of tasks that one worker takes out of another's queue. */
#include "tests/unit/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "run/taken.h"

/* ---- without a run: two workers that are records alone ---- */

static struct sley_region_worker lines[2];
static struct task tasks[4];
static struct task *const loot[] = { &tasks[0], &tasks[1], &tasks[2], &tasks[3] };

static struct worker *fake(unsigned number)
{
	return &scheduler.workers[number];
}

static void fakes_open(void)
{
	scheduler.workers = aligned_alloc(CACHE_LINE, 2 * sizeof(*scheduler.workers));
	assert_non_null(scheduler.workers);
	memset(scheduler.workers, 0, 2 * sizeof(*scheduler.workers));
	for (unsigned i = 0; i < 2; i++) {
		lines[i] = (struct sley_region_worker){ 0 };
		fake(i)->number = i;
		fake(i)->line = &lines[i];
		fake(i)->tick = 100;
	}
	for (unsigned i = 0; i < 4; i++)
		tasks[i].taken = 0;
}

static void fakes_close(void)
{
	free(scheduler.workers);
	scheduler.workers = NULL;
}

/* Tasks that others take and begin during one dispatch count for it, with the time of their beginning. */
TEST(in_one_dispatch)
{
	fakes_open();
	int64_t before = clock_now();
	taken_note(fake(1), 100, loot, 3);
	assert_int_equal(lines[1].elsewhere, SLEY_ELSEWHERE(100, 3, 0));
	taken_begin(&tasks[0]);
	taken_begin(&tasks[2]);
	assert_int_equal(lines[1].elsewhere, SLEY_ELSEWHERE(100, 3, 2));
	assert_true(lines[1].elsewhere_ns >= 2 * (uint64_t)before);
	assert_true(lines[1].elsewhere_ns <= 2 * (uint64_t)clock_now());
	assert_int_equal(tasks[0].taken, 0);
	assert_int_equal(lines[0].elsewhere, 0);
	fakes_close();
}

/* A task that is begun when the worker has gone on was not kept by it: it counts for no dispatch. */
TEST(after_the_dispatch)
{
	fakes_open();
	taken_note(fake(0), 100, loot, 2);
	fake(0)->tick = 101;
	taken_begin(&tasks[0]);
	taken_note(fake(0), 101, &loot[2], 1);
	taken_begin(&tasks[1]);
	assert_int_equal(lines[0].elsewhere, SLEY_ELSEWHERE(101, 1, 0));
	assert_int_equal(lines[0].elsewhere_ns, 0);
	taken_note(fake(0), 100, &loot[3], 1); /* a thief that was held up: the dispatch is over */
	assert_int_equal(lines[0].elsewhere, SLEY_ELSEWHERE(101, 1, 0));
	fakes_close();
}

/* A task that is taken out of a second queue waits for that worker from then on, and no more for the first. */
TEST(taken_twice)
{
	fakes_open();
	taken_note(fake(0), 100, loot, 1);
	taken_note(fake(1), 100, loot, 1);
	assert_int_equal(lines[0].elsewhere, SLEY_ELSEWHERE(100, 1, 1));
	assert_int_equal(lines[1].elsewhere, SLEY_ELSEWHERE(100, 1, 0));
	taken_begin(&tasks[0]);
	assert_int_equal(lines[0].elsewhere, SLEY_ELSEWHERE(100, 1, 1));
	assert_int_equal(lines[1].elsewhere, SLEY_ELSEWHERE(100, 1, 1));
	fakes_close();
}

/* The numbers stop at their limit, and do not run into each other. */
TEST(saturation)
{
	fakes_open();
	lines[0].elsewhere = SLEY_ELSEWHERE(100, 0xffff, 0xffff);
	taken_note(fake(0), 100, loot, 2);
	taken_begin(&tasks[0]);
	assert_int_equal(lines[0].elsewhere, SLEY_ELSEWHERE(100, 0xffff, 0xffff));
	fakes_close();
}

/* ---- in a run ---- */

#define VICTIMS 5

static unsigned begun;
static int64_t begun_sum;

static void victim(void *unused)
{
	(void)unused;
	fetch_add(&begun_sum, clock_now(), relaxed);
	fetch_add(&begun, 1, release);
}

/* Keeps its worker until the other one has run what it has spawned. */
static void keeper(void *unused)
{
	(void)unused;
	const struct sley_region_worker *line = &region.workers[record_of(sley_self())->worker];
	uint64_t before_ns = load(&line->elsewhere_ns, relaxed);
	await_asleep(1); /* a thief that is held up since an earlier dispatch would count for that */
	int64_t start = clock_now();
	for (unsigned i = 0; i < VICTIMS; i++)
		REQUIRE(sley_go(victim, NULL) == 0);
	while (load(&begun, acquire) < VICTIMS)
		;
	uint64_t sum_ns = load(&line->elsewhere_ns, relaxed) - before_ns;
	REQUIRE(load(&line->elsewhere, relaxed) == SLEY_ELSEWHERE((uint32_t)line->dispatches, VICTIMS, VICTIMS));
	REQUIRE(sum_ns >= (uint64_t)start * VICTIMS && sum_ns <= (uint64_t)begun_sum);
}

/* What a worker leaves while its task keeps it is published with the number and the times of the beginnings. */
TASK_TEST(kept, 2)
{
	begun = 0;
	begun_sum = 0;
	REQUIRE(sley_join(sley_spawn(keeper, NULL), SOON) == 0);
}
