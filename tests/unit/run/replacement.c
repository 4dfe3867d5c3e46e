/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the region says of blocked workers and of those that run in their place. */
#include "run/replacement.h"

#include "tests/unit/run.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/idle.h"
#include "run/worker.h"
#include "tests/race.h"

static unsigned entered, released; /* atomic */

static void block(void *unused)
{
	sley_block_enter();
	store(&entered, 1, release);
	while (!load(&released, acquire))
		sched_yield();
	sley_block_leave();
}

/*
 * There is one spare at most: the one that is made in hand for the next block could take this task while it looks around.
 * ONE_SPARE_TEST(name) { ... } is a TASK_TEST() with one worker and that limit.
 */
static void run_with_one_spare(int (*main)(void *))
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_threads = 1 };
	run_with(main, NULL, &options);
}

#define ONE_SPARE_TEST(name) \
	static void body_##name(void); \
	static int main_##name(void *unused) \
	{ \
		body_##name(); \
		return 0; \
	} \
	TEST(name) \
	{ \
		run_with_one_spare(main_##name); \
	} \
	static void body_##name(void)

/* A surplus worker could take this task without being woken for it. */
static void await_sleepers(void)
{
	sley_time end = SOON;
	while (idle_awake() > scheduler.target) {
		REQUIRE(sley_now() < end);
		sley_yield();
	}
	await_asleep(load(&scheduler.started, relaxed) - scheduler.target);
}

/* Returns when the task is blocked: from here on the calling task is on another worker, if there is but one. */
static sley_task block_one(void)
{
	store(&entered, 0, relaxed);
	store(&released, 0, relaxed);
	sley_task task = sley_spawn(block, NULL);
	REQUIRE(task > 0);
	await_at_least(&entered, 1);
	return task;
}

static uint64_t handover_sum(void)
{
	uint64_t sum = 0;
	for (int i = 0; i < SLEY_REGION_HANDOVERS; i++)
		sum += load(&region.header->handovers[i], relaxed);
	return sum;
}

static unsigned bucket(int64_t ns)
{
	unsigned i = 0;
	while (ns > 1 && i < SLEY_REGION_HANDOVERS - 1) {
		ns /= 2;
		i++;
	}
	return i;
}

/* The worker that runs the task, by the region. */
static unsigned worker_of(sley_task task)
{
	for (unsigned i = 0; i < load(&region.header->worker_count, acquire); i++) {
		if (load(&region.workers[i].task, relaxed) == (uint64_t)task)
			return i;
	}
	REQUIRE(!"the task runs");
	return 0;
}

/*
 * While a task is blocked, the line of its worker says so, since when, who told, and that this worker began a task in its
 * place, and the histogram and the counters of the site have one more. When it is back, the line is clear. In the first
 * round the spare is new, in the others it was in hand.
 */
ONE_SPARE_TEST(handed_over)
{
	for (uint64_t round = 0; round < 5; round++) {
		await_sleepers();
		uint64_t sum = handover_sum(), blocks = counter(SLEY_COUNTER_blocks),
			 in_place = counter(SLEY_COUNTER_handovers);
		int64_t before = sley_now();
		sley_task task = block_one();
		int64_t after = sley_now();
		unsigned number = worker_of(task);
		const struct sley_region_block *block = &region.blocks[number];
		const struct sley_region_site_blocks *site = &region.site_blocks[record_of(task)->site];
		REQUIRE(block->note == SLEY_NOTE(load(&region.workers[number].dispatches, relaxed), SLEY_SOURCE_TOLD,
						 SLEY_BLOCK_BLOCKED));
		REQUIRE(block->noted_ns >= before && block->handed_ns >= block->noted_ns && block->handed_ns <= after);
		REQUIRE(block->replacement == ((worker_of(sley_self()) + 1) | SLEY_BLOCK_RAN));
		REQUIRE(site->noted == round + 1 && site->handed == round + 1 &&
			site->in_vain == 0); /* the first test here */
		REQUIRE(handover_sum() == sum + 1 &&
			region.header->handovers[bucket(block->handed_ns - block->noted_ns)] > 0);
		REQUIRE(counter(SLEY_COUNTER_blocks) == blocks + 1);
		REQUIRE(counter(SLEY_COUNTER_handovers) == in_place + 1);
		store(&released, 1, release);
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(load(&block->note, acquire) == 0 && block->replacement == 0 && block->noted_ns == 0);
	}
}

/*
 * A replacement takes over what waits before it looks at the reactor. The task below waits for the other one on the new
 * worker, which may look at the reactor meanwhile: then it is done again.
 */
ONE_SPARE_TEST(before_the_reactor)
{
	int64_t polled, noted;
	sley_time end = SOON;
	do {
		REQUIRE(sley_now() < end);
		await_sleepers();
		sley_task task = block_one();
		polled = worker_self()->polled;
		noted = load(&region.blocks[worker_of(task)].noted_ns, relaxed);
		store(&released, 1, release);
		REQUIRE(sley_join(task, SOON) == 0);
	} while (polled >= noted);
}

/* The header says which sources are at work, and for how many workers and spares. */
static int main_options(void *sources)
{
	REQUIRE(region.header->target == 3 && region.header->max_threads == 7);
	REQUIRE(load(&region.header->sources, relaxed) == *(unsigned *)sources);
	return 0;
}

TEST(options)
{
	struct sley_options options = { .size = sizeof(options), .workers = 3, .max_threads = 7 };
	unsigned sources = 1u << SLEY_SOURCE_TOLD; /* SLEY_ASSIST=off: see tests/unit/run.c */
	run_with(main_options, &sources, &options);
	assert_int_equal(region.header->sources, 0);
	setenv("SLEY_ASSIST", "tick", 1);
	sources |= 1u << SLEY_SOURCE_TICK;
	run_with(main_options, &sources, &options);
	setenv("SLEY_ASSIST", "off", 1);
}

static void nothing(void *unused)
{
}

/* A block with a task queued behind it that is over at once: whoever is woken takes over or comes late, and counts once. */
TASK_TEST(counted_once, 1)
{
	uint32_t site = 0;
	store(&released, 1, relaxed);
	sley_task task = sley_spawn(block, NULL); /* so that a spare is made */
	REQUIRE(task > 0 && sley_join(task, SOON) == 0);
	uint64_t wakes = counter(SLEY_COUNTER_wakes), took = counter(SLEY_COUNTER_handovers);
	uint64_t in_vain = counter(SLEY_COUNTER_woken_in_vain);
	for (int i = 0; i < 1000; i++) {
		REQUIRE((task = sley_spawn(nothing, NULL)) > 0);
		sley_block_enter();
		sley_block_leave();
		REQUIRE(sley_join(task, SOON) == 0);
	}
	site = record_of(sley_self())->site;
	took = counter(SLEY_COUNTER_handovers) - took;
	in_vain = counter(SLEY_COUNTER_woken_in_vain) - in_vain;
	/* a new spare may take over once without being woken */
	REQUIRE(took + in_vain <=
		counter(SLEY_COUNTER_wakes) - wakes + load(&scheduler.made, acquire) - scheduler.target);
	const struct sley_region_site_blocks *blocks = &region.site_blocks[site];
	REQUIRE(load(&blocks->handed, relaxed) + load(&blocks->in_vain, relaxed) <= load(&blocks->noted, relaxed));
}

/* The number of pinned tasks that wait for a blocked worker is in its line. */
TASK_TEST(pinned, 1)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = true };
	sley_task tasks[3], task = block_one();
	unsigned number = worker_of(task);
	REQUIRE(number == 0);
	for (int i = 0; i < 3; i++)
		REQUIRE((tasks[i] = sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER)) > 0);
	REQUIRE(load(&region.blocks[number].pinned, relaxed) == 3);
	store(&released, 1, release);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && load(&region.blocks[number].pinned, relaxed) == 0);
}

/* A dump says of a blocked worker that it is, who found it and who is in its place. */
ONE_SPARE_TEST(dump)
{
	char text[8192], expected[64];
	int ends[2];
	sley_task task = block_one();
	REQUIRE(pipe(ends) == 0 && sley_dump(ends[1]) == 0);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	REQUIRE(n > 0);
	text[n] = '\0';
	snprintf(expected, sizeof(expected), " us (told), replaced by worker %u\n", worker_of(sley_self()));
	REQUIRE(occurrences(text, ", blocked for ") == 1 && occurrences(text, expected) == 1);
	store(&released, 1, release);
	REQUIRE(sley_join(task, SOON) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void spawn_two(sley_task tasks[2])
{
	for (int i = 0; i < 2; i++) /* the second one is for any worker */
		REQUIRE((tasks[i] = sley_spawn(nothing, NULL)) > 0);
}

static void join_two(const sley_task tasks[2])
{
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
}

/* The other worker sleeps, and would see new work. */
static void await_poller(void)
{
	sley_time end = SOON;
	while (!idle_has_poller() || idle_count() != 1)
		REQUIRE(sley_now() < end);
}

/*
 * A task that was found blocked runs when it makes others ready: then its note is over, and nobody is woken for what this
 * worker comes to. A block that is announced goes on, and that of a task that computes.
 */
ONE_SPARE_TEST(back_with_work)
{
	sley_task task = block_one(), tasks[2];
	store(&released, 1, release);
	REQUIRE(sley_join(task, SOON) == 0);
	for (int round = 0; round < 20; round++) {
		await_sleepers();
		struct worker *self = worker_self();
		REQUIRE(blocked_note(self, self->tick, SLEY_SOURCE_TICK)); /* wakes the other one, to see new work */
		await_poller();
		uint64_t wakes = counter(SLEY_COUNTER_wakes);
		spawn_two(tasks);
		REQUIRE(!self->block->note && load(&scheduler.blocked, relaxed) == 0 &&
			counter(SLEY_COUNTER_wakes) == wakes);
		join_two(tasks);
	}
	await_sleepers();
	struct worker *self = worker_self();
	sley_block_enter();
	spawn_two(tasks);
	REQUIRE(self->block->note);
	sley_block_leave();
	join_two(tasks);
	await_sleepers();
	self = worker_self();
	REQUIRE(hog_note(self, self->tick, SLEY_SOURCE_TICK));
	spawn_two(tasks);
	REQUIRE(self->block->note);
	join_two(tasks);
}

#if RACE_POINTS

/*
 *     this worker:            blocked; wakes a spare              is back                 joins the task
 *     the spare:                                finds the task                  runs it
 * It was woken in vain, its task is no hand-over, and the next block of the site is looked at for longer.
 */
ONE_SPARE_TEST(comes_late)
{
	sley_task task = block_one();
	store(&released, 1, release);
	REQUIRE(sley_join(task, SOON) == 0);
	await_sleepers();
	uint64_t took = counter(SLEY_COUNTER_handovers), in_vain = counter(SLEY_COUNTER_woken_in_vain);
	const struct sley_region_block *block = &region.blocks[worker_of(sley_self())];
	const struct sley_region_site_blocks *site = &region.site_blocks[record_of(sley_self())->site];
	struct sley_region_site_blocks old = *site;
	int64_t confirm = block_site_confirm(record_of(sley_self())->site);
	REQUIRE((task = sley_spawn(nothing, NULL)) > 0);
	race_stop("spinner_has_found");
	sley_block_enter();
	REQUIRE(load(&block->replacement, relaxed) != 0);
	race_wait("spinner_has_found");
	sley_block_leave();
	REQUIRE(block->replacement == 0 && block->note == 0);
	race_go("spinner_has_found");
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(counter(SLEY_COUNTER_handovers) == took && counter(SLEY_COUNTER_woken_in_vain) == in_vain + 1);
	REQUIRE(site->noted == old.noted + 1 && site->handed == old.handed && site->in_vain == old.in_vain + 1);
	REQUIRE(block_site_confirm(record_of(sley_self())->site) > confirm);
}

#endif
