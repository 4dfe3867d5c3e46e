/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How deep stacks are said to be, of tasks and sites, and that the pages of deep calls come back in idle time, while
 * every live byte stays. What one look does is in stack/pages.c.
 */
#include "run/depth.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "run/worker.h"
#include "watch/memory.h"

#define SIZE ((size_t)256 << 10)

/* A run in which nobody looks before main wants it. */
static void run_unlooked(int (*main)(void *), void *arg, const struct sley_options *options)
{
	store(&depth_interval, SLEY_SEC(1000), relaxed);
	run_with(main, arg, options);
}

/* Touches `depth` bytes of stack and returns. */
NOINLINE static void dig(size_t depth)
{
	char frame[4000];
	__asm__ volatile("" : : "r"(frame) : "memory"); /* it is really there */
	frame[0] = frame[sizeof(frame) - 1] = 1;
	if (depth > sizeof(frame))
		dig(depth - sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
}

static unsigned deepest(sley_task task)
{
	return SLEY_TASK_DEEPEST(load(&record_of(task)->parent_deepest, relaxed));
}

static const struct sley_region_site *site_of(sley_task task)
{
	return &region.sites[record_of(task)->site];
}

/* Waits in idle time, so that the watchdog looks, until it has done so for some time or `done` says that it is enough. */
static void await_look(bool (*done)(void *), void *arg)
{
	sley_time deadline = SOON;
	while (!done(arg)) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	}
}

static unsigned resident(const struct slot *slot)
{
	unsigned char pages[SIZE / 4096];
	unsigned n = 0;
	REQUIRE(mincore(slot->low, SIZE, pages) == 0);
	for (size_t i = 0; i < SIZE / PAGE; i++)
		n += pages[i] & 1;
	return n;
}

/* ---- what a task parks with ---- */

static struct sley_group gate;

NOINLINE static void park_with(size_t bytes)
{
	volatile char frame[bytes];
	memset((char *)frame, 3, bytes);
	REQUIRE(sley_group_wait(&gate, SLEY_NEVER) == 0);
	REQUIRE(frame[0] == 3 && frame[bytes - 1] == 3);
}

static void park(void *bytes)
{
	park_with((size_t)bytes);
}

static int main_parked(void *arg)
{
	sley_task small, large, largest;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	REQUIRE((small = sley_spawn(park, (void *)100)) > 0);
	for (size_t bytes = 50000; bytes <= 100000; bytes += 50000) {
		largest = sley_spawn(park, (void *)bytes);
		REQUIRE(largest > 0);
		large = bytes == 50000 ? largest : large;
	}
	await_state(small, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	await_state(large, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	await_state(largest, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	/* a task leaves its stack a moment after it says that it waits; the site's depth is what is noted last */
	for (sley_time deadline = SOON; deepest(large) < 12 || load(&site_of(small)->deepest, relaxed) < 1 ||
					load(&site_of(largest)->deepest, relaxed) < 24;) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(load(&record_of(small)->live16, relaxed) >= 100 / 16 && deepest(small) <= 2);
	REQUIRE(load(&site_of(small)->live16, relaxed) < 4000 / 16 && load(&site_of(small)->deepest, relaxed) <= 2);
	REQUIRE(deepest(large) >= 12 && deepest(large) <= 15);
	REQUIRE(deepest(largest) >= 24 && deepest(largest) <= 27);
	REQUIRE(site_of(large) == site_of(largest));
	REQUIRE(load(&site_of(large)->live16, relaxed) >= 100000 / 16 &&
		load(&site_of(large)->live16, relaxed) <= 104000 / 16);
	REQUIRE(load(&site_of(large)->deepest, relaxed) >= 24 && load(&site_of(large)->deepest, relaxed) <= 27);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_join(small, SOON) == 0 && sley_join(large, SOON) == 0 && sley_join(largest, SOON) == 0);
	return 0;
}

/* The task's figure is what it parked with, its site's is the most of all its tasks. */
TEST(parked)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	run_unlooked(main_parked, NULL, &options);
}

/* ---- what it touched ---- */

static struct slot *dug; /* whose stack the last digger had */

static void dig_and_park(void *unused)
{
	char mark[100];
	memset(mark, 0x5a, sizeof(mark));
	dig(150000);
	store(&dug, task_self()->tenant.slot, release);
	REQUIRE(sley_group_wait(&gate, SLEY_NEVER) == 0);
	for (size_t i = 0; i < sizeof(mark); i++)
		REQUIRE(mark[i] == 0x5a);
	dig(150000); /* what was given back is there again */
}

static bool is_trimmed(void *unused)
{
	return resident(load(&dug, acquire)) < 8;
}

/* The figures follow a moment later. */
static bool is_so_deep(void *task)
{
	return deepest(*(sley_task *)task) >= 150000 / PAGE &&
	       load(&site_of(*(sley_task *)task)->deepest, relaxed) >= 150000 / PAGE;
}

static bool is_given_back(void *before)
{
	return counter(SLEY_COUNTER_given_back) - *(uint64_t *)before >= 150000 - 8 * PAGE;
}

static int main_touched(void *private)
{
	struct sley_task_options options = { .size = sizeof(options), .private_stack = private != NULL };
	uint64_t given = counter(SLEY_COUNTER_given_back);
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task task = sley_spawn_with(&options, dig_and_park, NULL, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	REQUIRE(resident(load(&dug, acquire)) >= 150000 / PAGE);
	REQUIRE(deepest(task) <= 2); /* nobody has looked */
	store(&depth_interval, 0, relaxed);
	await_look(is_trimmed, NULL);
	await_look(is_given_back, &given);
	await_look(is_so_deep, &task);
	REQUIRE(deepest(task) <= 150000 / PAGE * 3 / 2);
	REQUIRE(load(&site_of(task)->deepest, relaxed) == deepest(task));
	REQUIRE(load(&site_of(task)->live16, relaxed) < 4000 / 16);
	REQUIRE(sley_group_done(&gate) == 0);
	return sley_join(task, SOON);
}

/*
 * Of a call that came back the pages are given back while the task is parked, its live bytes stay, and it is known how
 * deep the call was. The same for a private stack.
 */
TEST(touched)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	run_unlooked(main_touched, NULL, &options);
	run_unlooked(main_touched, &gate, &options);
}

/* ---- tasks that have ended ---- */

static void dig_down(void *depth)
{
	dig((size_t)depth);
	store(&dug, task_self()->tenant.slot, release);
}

static bool site_is_so_deep(void *site)
{
	return load(&((struct sley_region_site *)site)->deepest, relaxed) >= 120000 / PAGE;
}

static int main_ended(void *private)
{
	struct sley_task_options options = { .size = sizeof(options), .private_stack = private != NULL };
	const struct sley_region_site *site = NULL;
	for (int i = 0; i < 3; i++) {
		sley_task task =
			sley_spawn_with(&options, dig_down, (void *)(size_t)(i == 1 ? 120000 : 100), SLEY_BY_POINTER);
		site = site_of(task);
		REQUIRE(sley_join(task, SOON) == 0);
	}
	REQUIRE(resident(load(&dug, acquire)) >= 120000 / PAGE); /* the last stack used is the next */
	store(&depth_interval, 0, relaxed);
	await_look(is_trimmed, NULL);
	await_look(site_is_so_deep, (void *)site);
	REQUIRE(load(&site->deepest, relaxed) <= 120000 / PAGE * 3 / 2);
	return 0;
}

/* Also of short-lived tasks it is known how deep those of a site were, and their stacks, ready for reuse, are trimmed. */
TEST(ended)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	run_unlooked(main_ended, NULL, &options);
	run_unlooked(main_ended, &gate, &options);
}

static int main_mixed(void *unused)
{
	const struct sley_region_site *sites[2] = { NULL };
	for (int i = 0; i < 2; i++) {
		sley_task task = i == 0 ? sley_spawn(dig_down, (void *)(size_t)100000)
					: sley_spawn(dig_down, (void *)(size_t)100);
		sites[i] = site_of(task);
		REQUIRE(sley_join(task, SOON) == 0);
	}
	REQUIRE(sites[0] != sites[1]);
	REQUIRE(resident(load(&dug, acquire)) >= 100000 / PAGE); /* both had this one */
	store(&depth_interval, 0, relaxed);
	await_look(is_trimmed, NULL);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(20))) == 0); /* were it said, it would be by now */
	REQUIRE(load(&sites[0]->deepest, relaxed) <= 2 && load(&sites[1]->deepest, relaxed) <= 2);
	return 0;
}

/* Which of two sites was so deep cannot be known: then it is not said of either. */
TEST(mixed)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	run_unlooked(main_mixed, NULL, &options);
}

/* ---- a look against tasks that run ---- */

static unsigned stop; /* atomic */
static uint64_t trims;

/*
 * the looking thread                       a worker
 * holds the slot                           finds it held: its task waits for the slot
 * gives back what is below the resident's sp
 * releases it: the task is granted it      runs the task, which finds its frames
 */
static void *look_all_the_time(void *unused)
{
	while (!load(&stop, acquire)) {
		for (unsigned i = 0; i < slots_made(); i++) {
			if (load(&slot_at(i)->owner, relaxed) && slot_try(slot_at(i))) {
				depth_trim(slot_at(i));
				trims++;
			}
		}
		struct slot *held[8];
		unsigned n = slots_hold_private(held, 8);
		for (unsigned i = 0; i < n; i++)
			depth_trim(held[i]);
	}
	return NULL;
}

NOINLINE static void descend(unsigned seed, unsigned depth)
{
	volatile unsigned frame[300];
	for (unsigned i = 0; i < 300; i++)
		frame[i] = seed * 31 + depth * 7 + i;
	if (depth > 0)
		descend(seed, depth - 1);
	if (seed % 3 == 0)
		dig(60000);
	sley_yield();
	for (unsigned i = 0; i < 300; i++)
		REQUIRE(frame[i] == seed * 31 + depth * 7 + i);
}

static void patterned(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	for (unsigned round = 0; round < 5; round++)
		descend(seed, seed % 12);
}

static int main_race(void *unused)
{
	enum { TASKS = 200 };
	static sley_task tasks[TASKS];
	long rounds = test_scale(20);
	pthread_t thread;
	stop = 0;
	trims = 0;
	REQUIRE(pthread_create(&thread, NULL, look_all_the_time, NULL) == 0);
	for (long round = 0; round < rounds; round++) {
		for (uintptr_t i = 0; i < TASKS; i++) {
			struct sley_task_options options = { .size = sizeof(options),
							     .private_stack = i % 16 == 0,
							     .pinned = i % 8 < 2 };
			REQUIRE((tasks[i] = sley_spawn_with(&options, patterned, (void *)i, SLEY_BY_POINTER)) > 0);
		}
		for (int i = 0; i < TASKS; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0);
	}
	store(&stop, 1, release);
	pthread_join(thread, NULL);
	REQUIRE(trims > 0);
	return 0;
}

/* Looks that never end take no live byte and lose no task, be it pinned or on a private stack, on shared slots and own ones. */
TEST(race)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	store(&memory_interval, SLEY_SEC(1000),
	      relaxed); /* the watchdog, else the only one that looks, holds free stacks */
	run_with(main_race, NULL, &options);
#ifndef SLEY_ASAN
	options.stack_slots = 2;
	run_with(main_race, NULL, &options);
#endif
}

/* ---- quiet ---- */

static int main_quiet(void *unused)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	return 0;
}

/* The figures of an earlier run, with more slots, do not lead astray. */
TEST(runs)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .stack_slots = 3 };
	store(&depth_interval, 0, relaxed);
	run(main_quiet, 1);
#ifndef SLEY_ASAN
	run_with(main_quiet, NULL, &options);
#else
	(void)options;
#endif
}
