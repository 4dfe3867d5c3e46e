/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The stacks of tasks of spawn sites that were seen to block: whom they hold up, what they cost, what is refused there. */
#include "tests/unit/run.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "run/depth.h"
#include "stack/slot.h"
#include "tests/unit/gate.h"

#define SLOTS 2  /* all are shared */
#define MANY  64 /* blocking slots that come with them */

#ifdef SLEY_ASAN
#define SHARING 0 /* no two share a stack */
#else
#define SHARING 1
#endif

static unsigned on_blocking; /* atomic: tasks that were on a blocking slot */

static void note_slot(void)
{
	struct slot *slot = slot_of(__builtin_frame_address(0));
	fetch_add(&on_blocking, slot && slot->kind == SLOT_BLOCKING, relaxed);
}

static void nothing(void *unused)
{
}

static void refused(void *arg)
{
	struct sley_mutex mutex = SLEY_MUTEX_INIT;
	note_slot();
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_spawn(nothing, &mutex) == -EFAULT);
	sley_block_enter();
	sley_block_leave();
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_spawn(nothing, &mutex) == -EFAULT);
}

static int main_refused(void *unused)
{
	store(&on_blocking, 0, relaxed);
	for (unsigned i = 0; i < 3; i++) {
		sley_task task = sley_spawn(refused, NULL);
		REQUIRE(task > 0 && sley_join(task, SOON) == 0);
		REQUIRE(load(&on_blocking, relaxed) == (SHARING ? i : 0));
	}
	return 0;
}

/* What lies on the stack of a task is refused before the site was seen to block, and after, on a blocking slot. */
TEST(refused)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .stack_slots = SLOTS };
	run_with(main_refused, NULL, &options);
}

#if SHARING
static struct gate gates[MANY];

static void block(void *gate)
{
	note_slot();
	sley_block_enter();
	gate_block(gate);
	sley_block_leave();
}

/* Runs `n` tasks of one site that are all blocked at the same time, and meanwhile as many of another site. */
static void block_together(unsigned n)
{
	sley_task tasks[MANY], others[MANY];
	gates_open(gates, n);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn(block, &gates[i])) > 0);
	for (unsigned i = 0; i < n; i++)
		await_at_least(&gates[i].entered, 1);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((others[i] = sley_spawn(nothing, NULL)) > 0);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(others[i], SOON) == 0);
	for (unsigned i = 0; i < n; i++)
		gate_let_go(&gates[i]);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	gates_close(gates, n);
}

static int main_own(void *unused)
{
	store(&on_blocking, 0, relaxed);
	block_together(1);
	REQUIRE(load(&on_blocking, relaxed) == 0);
	for (int round = 0; round < 3; round++)
		block_together(8);
	REQUIRE(load(&on_blocking, relaxed) == 3 * 8);
	return 0;
}

/*
 * There are two stacks. After the first block of the site its next eight tasks are blocked at the same time, and tasks of
 * another site run meanwhile, as none of the eight has one of the two stacks.
 */
TEST(own)
{
	struct sley_options options = { .size = sizeof(options), .stack_slots = SLOTS };
	for (options.workers = 1; options.workers <= 4; options.workers *= 2)
		run_with(main_own, NULL, &options);
}

/* ---- many tasks ---- */

#define TASKS (20 * MANY)

static struct sley_event *event;
static unsigned waiting; /* atomic */

static void wait_there(void *unused)
{
	note_slot();
	sley_block_enter();
	sley_block_leave();
	fetch_add(&waiting, 1, relaxed);
	REQUIRE(sley_event_wait(event, SOON) == 0);
}

static sley_task spawn_there(void)
{
	sley_task task = sley_spawn(wait_there, NULL);
	REQUIRE(task > 0);
	return task;
}

/* Pages of blocking slots that are resident. */
static unsigned blocking_pages(unsigned *used)
{
	unsigned char resident[(256 << 10) / 4096];
	unsigned n = 0;
	*used = 0;
	for (unsigned i = 0; i < slots_made(); i++) {
		unsigned before = n;
		if (slot_at(i)->kind != SLOT_BLOCKING)
			continue;
		REQUIRE(mincore(slot_at(i)->low, stack_size, resident) == 0);
		for (size_t page = 0; page < stack_size / PAGE; page++)
			n += resident[page] & 1;
		*used += n > before;
	}
	return n;
}

static int main_many(void *unused)
{
	static sley_task tasks[TASKS];
	static struct sley_event one;
	unsigned used, pages;
	event = &one;
	for (int round = 0; round < 2; round++) {
		*event = (struct sley_event)SLEY_EVENT_INIT;
		store(&waiting, 0, relaxed);
		store(&on_blocking, 0, relaxed);
		for (int i = 0; i < TASKS; i++) {
			tasks[i] = spawn_there();
			if (i == 0) /* the site is seen to block from here on */
				await_at_least(&waiting, 1);
		}
		await_at_least(&waiting, TASKS);
		REQUIRE(load(&on_blocking, relaxed) == TASKS - (round == 0));
		pages = blocking_pages(&used);
		REQUIRE(used == MANY && pages < 4 * MANY);
		sley_event_set(event);
		for (int i = 0; i < TASKS; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0);
		sley_time deadline = SOON;
		while (blocking_pages(&used) > 0) {
			REQUIRE(sley_now() < deadline);
			REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
		}
	}
	return 0;
}

/* Of more tasks of a blocking site than there are blocking slots each slot has some, and all their memory comes back. */
TEST(many)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = SLOTS };
	int64_t interval = load(&depth_interval, relaxed);
	store(&depth_interval, 0, relaxed);
	run_with(main_many, NULL, &options);
	store(&depth_interval, interval, relaxed);
}
#endif
