/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls: cancellation and deadlines at any moment. */
#include "tests/unit/io/offloaded.h"

#include <string.h>

#include "base/atomic.h"
#include "tests/race.h"

#if RACE_POINTS

/* ---- at each stage of the job ---- */

static struct late {
	sley_task task; /* atomic */
	void (*fn)(void *);
	int error;
	struct numbers numbers;
} late;

static bool is_late(void)
{
	return sley_self() == load(&late.task, relaxed);
}

static void call_late(void *unused)
{
	struct numbers numbers = late.numbers;
	store(&late.task, sley_self(), relaxed);
	late.error = sley_offload_with(&with_drop, late.fn, &numbers, sizeof(numbers), SLEY_NEVER);
	late.numbers = numbers;
}

static void keep_thread(void *unused)
{
	struct numbers numbers = { 0 };
	REQUIRE(sley_offload(square_slowly, &numbers, sizeof(numbers), SLEY_NEVER) == 0);
}

/* A call that is queued behind another one is cancelled; its task stands where it is about to look at the job. */
static sley_task stop_given_up(void (*fn)(void *), sley_task *keeper)
{
	offloaded_reset();
	late = (struct late){ .fn = fn, .numbers = { 3, 4 } };
	*keeper = sley_spawn(keep_thread, NULL);
	await_at_least(&offloaded.began, 1);
	sley_task task = sley_spawn(call_late, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
	race_stop_if("wait_is_over", is_late);
	REQUIRE(sley_cancel(task) == 0);
	race_wait("wait_is_over");
	return task;
}

static void end_given_up(sley_task task, int error)
{
	race_go("wait_is_over");
	REQUIRE(sley_join(task, SOON) == 0 && late.error == error);
}

/*
 *   task                            thread
 *   its wait is cancelled
 *                                   nothing; takes the job; or takes it and ends it
 *   takes it back: it never ran; leaves it to the thread; or has its result
 */
static int main_given_up(void *unused)
{
	sley_task keeper, task = stop_given_up(square, &keeper);
	end_given_up(task, -ECANCELED);
	REQUIRE(offloaded.drops == 1 && offloaded.dropped_out == 4 && late.numbers.out == 4);
	open_gate(1);
	REQUIRE(sley_join(keeper, SOON) == 0 && offloaded.began == 1);

	task = stop_given_up(square_slowly, &keeper);
	open_gate(1);
	REQUIRE(sley_join(keeper, SOON) == 0);
	await_at_least(&offloaded.began, 2);
	end_given_up(task, -ECANCELED);
	REQUIRE(load(&offloaded.drops, relaxed) == 0 && late.numbers.out == 4);
	open_gate(1);
	await_at_least(&offloaded.drops, 1);
	REQUIRE(offloaded.dropped_out == -1);
	await_rest();

	task = stop_given_up(square, &keeper);
	open_gate(1);
	REQUIRE(sley_join(keeper, SOON) == 0);
	await_rest();
	end_given_up(task, 0);
	REQUIRE(offloaded.drops == 0 && late.numbers.out == 9);
	return 0;
}

TEST(given_up_at_each_stage)
{
	struct sley_options o = SMALL(2, 1, 4);
	run_with(main_given_up, NULL, &o);
}

#endif

/* ---- at any moment ---- */

/*
 * Cancellation and deadlines against start and end of the job. Whatever wins, of each call exactly one is true: it
 * returned 0, fn ran and nothing was dropped; or it failed and its block was dropped, once, whether fn ran or not.
 *
 *   task: queue -------- take back?
 *   thread:   take -- fn -- end
 *   canceller:    ^ here, or anywhere
 */
struct race {
	unsigned began, ran, dropped; /* atomic */
	int error;
	unsigned spin;
	sley_time deadline;
};

struct race_block {
	struct race *race;
	unsigned done;
};

static void race_run(void *block)
{
	struct race_block *b = block;
	fetch_add(&b->race->began, 1, release);
	for (unsigned i = 0; i < b->race->spin; i++)
		cpu_relax();
	b->done = 1;
	fetch_add(&b->race->ran, 1, relaxed);
}

static void race_dropped(void *block)
{
	struct race_block *b = block;
	REQUIRE(b->done == load(&b->race->ran, relaxed));
	fetch_add(&b->race->dropped, 1, release);
}

static void race_call(void *arg)
{
	static const struct sley_offload_options options = { .size = sizeof(options), .dropped = race_dropped };
	struct race *race = arg;
	struct race_block block = { .race = race };
	race->error = sley_offload_with(&options, race_run, &block, sizeof(block), race->deadline);
	REQUIRE(block.done == (race->error == 0));
}

static unsigned outcomes[4]; /* succeeded; never ran; ran and was dropped */

static void settle(struct race *race, int failure)
{
	sley_time deadline = SOON;
	if (race->error == 0) {
		REQUIRE(race->ran == 1 && load(&race->dropped, acquire) == 0);
		outcomes[0]++;
		return;
	}
	REQUIRE(race->error == failure);
	while (load(&race->dropped, acquire) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(race->dropped == 1);
	outcomes[race->ran ? 2 : 1]++;
}

#define RACES test_scale(3000)

static int main_race_cancel(void *arg)
{
	static struct race race;
	for (long i = 0; i < RACES; i++) {
		race = (struct race){ .spin = (unsigned)(i * 7 % 2000), .deadline = SLEY_NEVER };
		sley_task task = sley_spawn(race_call, &race);
		for (long yields = i % 4; yields > 0; yields--)
			sley_yield();
		while (i % 4 == 3 && load(&race.began, acquire) == 0) /* against its end; else against its start */
			sley_yield();
		for (long spin = i % 4 == 3 ? i % 16 * 100 : i * 13 % 1500; spin > 0; spin--)
			cpu_relax();
		REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_join(task, SOON) == 0);
		settle(&race, -ECANCELED);
	}
	return 0;
}

static int main_race_deadline(void *arg)
{
	static struct race race;
	for (long i = 0; i < RACES; i++) {
		race = (struct race){ .spin = (unsigned)(i * 7 % 2000), .deadline = sley_in(SLEY_US(i % 60)) };
		sley_task task = sley_spawn(race_call, &race);
		REQUIRE(sley_join(task, SOON) == 0);
		settle(&race, -ETIMEDOUT);
	}
	return 0;
}

static void check_race(int (*main)(void *))
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 2, 2);
		memset(outcomes, 0, sizeof(outcomes));
		run_with(main, NULL, &o);
		print_message("%u workers: %u succeeded, %u never ran, %u dropped\n", workers, outcomes[0], outcomes[1],
			      outcomes[2]);
		assert_int_equal(outcomes[0] + outcomes[1] + outcomes[2], RACES);
	}
}

TEST(race_cancel)
{
	check_race(main_race_cancel);
}

TEST(race_deadline)
{
	check_race(main_race_deadline);
}

/* Many tasks, a small queue, deadlines and cancellation everywhere: places are neither lost nor doubled. */
static void race_many(void *arg)
{
	struct race *race = arg;
	unsigned n = (unsigned)test_scale(300);
	for (unsigned i = 0; i < n; i++) {
		*race = (struct race){ .spin = i * 7 % 100, .deadline = i % 3 ? sley_in(SLEY_US(i % 90)) : SLEY_NEVER };
		race_call(race);
		while (race->error && load(&race->dropped, acquire) == 0)
			sley_yield();
		REQUIRE(race->dropped == (race->error != 0));
		if (race->error == -ECANCELED)
			return;
	}
}

static int main_race_many(void *arg)
{
	enum { TASKS = 24 };
	static struct race races[TASKS];
	sley_task tasks[TASKS];
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(race_many, &races[i]);
	for (unsigned i = 0; i < TASKS; i += 5) {
		sley_sleep(sley_in(SLEY_US(500)));
		REQUIRE(sley_cancel(tasks[i]) == 0);
	}
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	struct jobs *jobs = &jobs_of[POOL_BLOCKING];
	await_rest();
	lock_take(&jobs->lock);
	REQUIRE(jobs->length == 0 && jobs->handed == 0 && !jobs->waiters.head);
	REQUIRE(list_is_empty(&jobs->queued) && list_is_empty(&jobs->taken) && jobs->threads <= 2);
	lock_drop(&jobs->lock);
	return 0;
}

TEST(race_many)
{
	for (unsigned workers = 1; workers <= 8; workers *= 2) {
		struct sley_options o = SMALL(workers, 2, 3);
		o.stack_slots = FEW_SLOTS(4);
		run_with(main_race_many, NULL, &o);
	}
}
