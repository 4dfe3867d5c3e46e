/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Slots: holding and handing on, the exchange of tenants, what happens when there is no memory for an image, and all of
 * it under real tasks. The tenants of the first tests are no tasks: their live bytes are a pattern, their sp a number.
 */
#include "stack/slot.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "run/starved.h"
#include "stack/copy.h"
#include "tests/race.h"

#define TENANTS 6

static struct stack_worker worker;
static struct tenant tenants[TENANTS];

static int open_slots(void **state)
{
	memset(tenants, 0, sizeof(tenants));
	return blocks_open() || slots_open(2, 64 << 10, 1) || stack_worker_init(&worker, 0);
}

static int close_slots(void **state)
{
	stack_worker_fini(&worker);
	slots_close();
	blocks_close();
	return 0;
}

/* ---- holding ---- */

/* Waiters get the slot in the order in which they came, still held; newcomers cannot barge in. */
TEST_WITH(hand_on, open_slots, close_slots)
{
	struct slot *slot = slot_pick(&worker, false);
	assert_true(slot_try(slot));
	assert_false(slot_try(slot));
	for (int i = 0; i < 3; i++)
		assert_false(slot_hold(slot, &tenants[i]));
	assert_ptr_equal(slot_release(slot), &tenants[0]);
	assert_false(slot_try(slot)); /* held for tenant 0 */
	assert_false(slot_hold(slot, &tenants[3]));
	assert_ptr_equal(slot_release(slot), &tenants[1]);
	assert_false(slot_hold(slot, &tenants[4]));
	assert_ptr_equal(slot_release(slot), &tenants[2]);
	assert_ptr_equal(slot_release(slot), &tenants[3]);
	assert_ptr_equal(slot_release(slot), &tenants[4]);
	assert_null(slot_release(slot));
	assert_true(slot_hold(slot, &tenants[5]));
	assert_null(slot_release(slot));
}

static struct slot *raced;
static unsigned inside;
static uint64_t holds; /* protected by the slot */

static unsigned ran[TENANTS]; /* atomic */

/* Does what a worker does with a task: runs it, releases, runs whoever was granted the slot. */
static void run_held(struct tenant *tenant)
{
	while (tenant) {
		REQUIRE(fetch_add(&inside, 1, relaxed) == 0);
		holds++;
		REQUIRE(fetch_sub(&inside, 1, relaxed) == 1);
		struct tenant *next = slot_release(raced);
		store(&ran[tenant - tenants], 1, release);
		tenant = next;
	}
}

#if RACE_POINTS

static void *hold_it(void *tenant)
{
	return slot_hold(raced, tenant) ? raced : NULL;
}

static void *release_it(void *unused)
{
	return slot_release(raced);
}

static pthread_t start_at(const char *point, void *(*step)(void *), void *arg)
{
	pthread_t thread;
	race_stop(point);
	assert_int_equal(pthread_create(&thread, NULL, step, arg), 0);
	race_wait(point);
	return thread;
}

static void *go_on(const char *point, pthread_t thread)
{
	void *result;
	race_go(point);
	pthread_join(thread, &result);
	return result;
}

/*
 *   thread A                     thread B
 *                                hold: the slot is held
 *   release: drops it
 *                                swaps itself in as a waiter: must fail, or it would wait for ever
 */
TEST_WITH(released_under_a_waiter, open_slots, close_slots)
{
	raced = slot_pick(&worker, false);
	assert_true(slot_try(raced));
	pthread_t thread = start_at("slot_is_looked_at", hold_it, &tenants[0]);
	assert_null(slot_release(raced));
	assert_ptr_equal(go_on("slot_is_looked_at", thread), raced);
	assert_false(slot_try(raced));
	assert_null(slot_release(raced));
}

/* The same the other way round: it was free, and is held when B swaps itself in as the holder. */
TEST_WITH(held_under_a_holder, open_slots, close_slots)
{
	raced = slot_pick(&worker, false);
	pthread_t thread = start_at("slot_is_looked_at", hold_it, &tenants[0]);
	assert_true(slot_try(raced));
	assert_null(go_on("slot_is_looked_at", thread));
	assert_ptr_equal(slot_release(raced), &tenants[0]);
	assert_null(slot_release(raced));
}

/*
 *   thread A                     thread B
 *   release: nobody waits
 *                                hold: pushes its tenant
 *   swaps HELD for 0: must fail, or the tenant would be lost
 *   takes the waiters
 */
TEST_WITH(waited_for_under_a_release, open_slots, close_slots)
{
	raced = slot_pick(&worker, false);
	assert_true(slot_try(raced));
	pthread_t thread = start_at("slot_is_released", release_it, NULL);
	assert_false(slot_hold(raced, &tenants[1]));
	assert_ptr_equal(go_on("slot_is_released", thread), &tenants[1]);
	assert_null(slot_release(raced));
}

#endif

static void *race_for_slot(void *arg)
{
	struct tenant *mine = arg;
	unsigned *mine_ran = &ran[mine - tenants];
	long rounds = test_scale(30000);
	for (long i = 0; i < rounds; i++) {
		if (slot_hold(raced, mine))
			run_held(mine);
		while (!load(mine_ran, acquire))
			cpu_relax();
		store(mine_ran, 0, relaxed);
	}
	return NULL;
}

/* Threads that want one slot all the time: one at a time has it, every wish is granted once, no waiter is lost. */
TEST_WITH(race, open_slots, close_slots)
{
	pthread_t threads[4];
	raced = slot_pick(&worker, false);
	holds = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_for_slot, &tenants[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(holds, 4 * (uint64_t)test_scale(30000));
	assert_true(slot_try(raced));
	assert_null(slot_release(raced));
}

/* ---- exchanging ---- */

/* What each tenant has on its stack, by the model. */
static struct {
	unsigned char mark;
	size_t live;
} model[TENANTS];

/* The tenant ran, and parked with so many live bytes. */
static void park(int i, size_t live)
{
	struct tenant *tenant = &tenants[i];
	model[i].mark = (unsigned char)(model[i].mark * 5 + i + 1);
	model[i].live = live;
	tenant->context.sp = tenant->slot->top - live;
	for (size_t k = 0; k < live; k++)
		((unsigned char *)tenant->context.sp)[k] = (unsigned char)(model[i].mark + k);
}

static void check_live(int i)
{
	struct tenant *tenant = &tenants[i];
	assert_ptr_equal(tenant->slot->resident, tenant);
	assert_null(tenant->image);
	assert_ptr_equal(tenant->context.sp, tenant->slot->top - model[i].live);
	for (size_t k = 0; k < model[i].live; k++) {
		if (((unsigned char *)tenant->context.sp)[k] != (unsigned char)(model[i].mark + k))
			fail_msg("tenant %d: byte %zu of %zu is wrong", i, k, model[i].live);
	}
}

static struct slot *bind_all(void)
{
	struct slot *slot = slot_pick(&worker, false);
	assert_true(slot_try(slot));
	memset(model, 0, sizeof(model));
	for (int i = 0; i < TENANTS; i++)
		tenants[i].slot = slot;
	return slot;
}

/* Makes it resident, and asserts who went. */
static void enter(int i, int expected)
{
	struct tenant *evicted;
	assert_int_equal(slot_enter(&worker, &tenants[i], &evicted), 0);
	assert_ptr_equal(evicted, expected < 0 ? NULL : &tenants[expected]);
	assert_ptr_equal(tenants[i].slot->resident, &tenants[i]);
}

static void leave_all(struct slot *slot)
{
	for (int i = 0; i < TENANTS; i++) {
		if (slot->resident == &tenants[i])
			slot_leave(&tenants[i]);
		else
			slot_abandon(&tenants[i]);
	}
	assert_null(slot->resident);
	assert_null(slot_release(slot));
}

/* Tenants come and go in random order with live bytes that change: each finds its own, at the same addresses. */
TEST_WITH(exchange, open_slots, close_slots)
{
	struct slot *slot = bind_all();
	long rounds = test_scale(20000);
	unsigned random = 1;
	int resident = -1;
	for (long r = 0; r < rounds; r++) {
		random = random * 1664525 + 1013904223;
		int i = (int)((random >> 10) % TENANTS);
		enter(i, i == resident ? -1 : resident);
		if (resident >= 0 && i != resident)
			assert_non_null(tenants[resident].image);
		if (model[i].live > 0)
			check_live(i);
		park(i, 16 + (random >> 16) % ((r & 31) == 0 ? 60000 : 900));
		resident = i;
	}
	assert_int_equal(worker.reserve_used, 0);
	leave_all(slot);
}

/* Entering who is resident already costs nothing: no image, nobody evicted. */
TEST_WITH(resident, open_slots, close_slots)
{
	struct slot *slot = bind_all();
	enter(0, -1);
	park(0, 300);
	store(&block_test_fail, 1, relaxed);
	enter(0, -1);
	store(&block_test_fail, 0, relaxed);
	check_live(0);
	leave_all(slot);
}

/*
 * No memory for images: the first eviction goes into the reserve, the next one is -ENOMEM and changes nothing; who lies in the
 * reserve can still be exchanged for the resident; with memory the reserve comes free again.
 */
TEST_WITH(reserve, open_slots, close_slots)
{
	struct slot *slot = bind_all();
	struct tenant *evicted;
	enter(0, -1);
	park(0, 3000);
	store(&block_test_fail, 1, relaxed);
	enter(1, 0);
	park(1, 500);
	assert_true(stack_reserve_has(tenants[0].image));
	assert_int_equal(worker.reserve_used, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(slot_enter(&worker, &tenants[2], &evicted), -ENOMEM);
		assert_null(evicted);
		check_live(1);
	}
	for (int i = 0; i < 50; i++) { /* they take turns in the reserve, larger and smaller */
		int comes = i % 2, goes = 1 - comes;
		enter(comes, goes);
		check_live(comes);
		assert_true(stack_reserve_has(tenants[goes].image));
		park(comes, (size_t)(100 + i * 1200));
	}
	store(&block_test_fail, 0, relaxed);
	enter(2, 1);
	park(2, 100);
	enter(0, 2);
	check_live(0);
	assert_int_equal(worker.reserve_used, 0);
	enter(1, 0);
	check_live(1);
	enter(2, 1);
	check_live(2);
	leave_all(slot);
}

/* The newcomer's own image takes the resident, if it is of a size: that needs no memory and no reserve. */
TEST_WITH(swap, open_slots, close_slots)
{
	struct slot *slot = bind_all();
	enter(0, -1);
	park(0, 200);
	enter(1, 0);
	park(1, 210); /* the same class */
	store(&block_test_fail, 1, relaxed);
	for (int i = 0; i < 50; i++) {
		enter(i % 2, 1 - i % 2);
		check_live(i % 2);
		park(i % 2, (size_t)(193 + i % 31));
		assert_int_equal(worker.reserve_used, 0);
	}
	park(1, 5000); /* another class: the reserve */
	enter(0, 1);
	check_live(0);
	assert_int_equal(worker.reserve_used, 1);
	store(&block_test_fail, 0, relaxed);
	enter(1, 0);
	check_live(1);
	assert_int_equal(worker.reserve_used, 0);
	leave_all(slot);
}

/* ---- with real tasks ---- */

#ifndef SLEY_ASAN /* there no two tasks share a slot */
static unsigned turns;

NOINLINE static void deep(unsigned seed, int depth)
{
	volatile unsigned frame[20];
	for (unsigned i = 0; i < 20; i++)
		frame[i] = seed * 31 + i + (unsigned)depth;
	if (depth > 0) {
		deep(seed, depth - 1);
	} else {
		for (int i = 0; i < 20; i++) {
			fetch_add(&turns, 1, relaxed);
			sley_yield();
		}
	}
	for (unsigned i = 0; i < 20; i++)
		REQUIRE(frame[i] == seed * 31 + i + (unsigned)depth);
}

static void deep_task(void *arg)
{
	deep((unsigned)(uintptr_t)arg, (int)((uintptr_t)arg % 30));
}

enum { TASKS = 200 };

static int main_patterns(void *arg)
{
	static sley_task tasks[TASKS];
	uint64_t copies = counter(SLEY_COUNTER_copies);
	for (uintptr_t i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn(deep_task, (void *)i)) > 0);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(counter(SLEY_COUNTER_copies) > copies);
	return 0;
}

/* Frames of tasks that share few slots, deep and shallow, on several threads, are what they were after each wait. */
TEST(patterns)
{
	struct sley_options options = { .size = sizeof(options) };
	for (unsigned slots = 1; slots <= 4; slots += 3) {
		for (unsigned workers = 1; workers <= 4; workers++) {
			options.stack_slots = slots;
			options.workers = workers;
			run_with(main_patterns, NULL, &options);
		}
	}
}

static int main_starved(void *arg)
{
	static sley_task tasks[TASKS];
	uint64_t failures = counter(SLEY_COUNTER_image_failures);
	sley_time deadline = SOON;
	turns = 0;
	store(&block_test_fail, 1, relaxed);
	for (uintptr_t i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn(deep_task, (void *)i)) > 0);
	/* one turn and the first task would be stuck in it: this is progress by the reserve */
	while (load(&turns, relaxed) < 200 || counter(SLEY_COUNTER_image_failures) == failures) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	store(&block_test_fail, 0, relaxed);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(load(&turns, relaxed) == TASKS * 20);
	return 0;
}

/* Without any memory for images tasks still get on, by the reserve; newcomers wait and are counted; with memory all end. */
TEST(starved)
{
	struct sley_options options = { .size = sizeof(options), .stack_slots = 2 };
	for (unsigned workers = 1; workers <= 3; workers++) {
		options.workers = workers;
		run_with(main_starved, NULL, &options);
	}
}

static void sleep_a_little(void *arg)
{
	char frame[200];
	memset(frame, (int)(uintptr_t)arg, sizeof(frame));
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_sleep(sley_in(SLEY_US(100))) == 0);
	for (int i = 0; i < 200; i++)
		REQUIRE(frame[i] == (char)(uintptr_t)arg);
	fetch_add(&turns, 1, relaxed);
}

static int main_starved_to_the_end(void *arg)
{
	static sley_task tasks[30];
	turns = 0;
	store(&block_test_fail, 1, relaxed);
	for (uintptr_t i = 0; i < 30; i++)
		REQUIRE((tasks[i] = sley_spawn(sleep_a_little, (void *)i)) > 0);
	for (int i = 0; i < 30; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(turns == 30);
	return 0;
}

static void hold_and_end(void *gate)
{
	REQUIRE(sley_group_wait(gate, SLEY_NEVER) == 0);
}

static void sleep_and_end(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_US(50))) == 0);
	fetch_add(&turns, 1, relaxed);
}

/*
 * Three tasks take both stacks and the only reserve; all others starve. One of the three ends, and so do, one by one,
 * those of its stack. Those of the other stack cannot run all that time.
 */
static int main_retries(void *arg)
{
	enum { N = 400 };
	static sley_task tasks[N], holders[3];
	static struct sley_group gates[2];
	turns = 0;
	REQUIRE(sley_group_add(&gates[0], 1) == 0 && sley_group_add(&gates[1], 1) == 0);
	store(&block_test_fail, 1, relaxed);
	for (int i = 0; i < 3; i++) {
		REQUIRE((holders[i] = sley_spawn(hold_and_end, &gates[i == 1])) > 0);
		await_state(holders[i], SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	}
	for (int i = 0; i < N; i++)
		REQUIRE((tasks[i] = sley_spawn(sleep_and_end, NULL)) > 0);
	while (load(&starved_count, relaxed) < N)
		sley_yield();
	uint64_t failures = counter(SLEY_COUNTER_image_failures);
	int64_t began = sley_now();
	REQUIRE(sley_group_done(&gates[1]) == 0);
	while (load(&turns, relaxed) < N / 4)
		sley_yield();
	failures = counter(SLEY_COUNTER_image_failures) - failures;
	/* some for each that has ended; and the watchdog's, at every look */
	REQUIRE(failures <= 4 * N + (uint64_t)(sley_now() - began) / 1000000);
	REQUIRE(sley_group_done(&gates[0]) == 0);
	for (int i = 0; i < N; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(holders[i], SOON) == 0);
	store(&block_test_fail, 0, relaxed);
	return 0;
}

/* What is freed for one task is tried for some, not for all that starve. */
TEST(retries)
{
	struct sley_options options = { .size = sizeof(options), .stack_slots = 2 };
	options.workers = 1;
	run_with(main_retries, NULL, &options);
}

/* Tasks that do not need each other all end even if there is never any memory for an image. */
TEST(starved_to_the_end)
{
	struct sley_options options = { .size = sizeof(options), .stack_slots = 1 };
	for (unsigned workers = 1; workers <= 3; workers++) {
		options.workers = workers;
		run_with(main_starved_to_the_end, NULL, &options);
	}
}
#endif
