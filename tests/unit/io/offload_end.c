/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls that are given up, or wait for a place in the queue; and the end of the run. */
#include "tests/unit/io/offloaded.h"

#include <pthread.h>
#include <unistd.h>

#include "base/atomic.h"

/* ---- deadlines and cancellation ---- */

struct call {
	const struct sley_offload_options *options;
	void (*fn)(void *);
	sley_time deadline;
	int error; /* result */
	struct numbers numbers;
};

static void make_call(void *arg)
{
	struct call *call = arg;
	struct numbers numbers = call->numbers;
	call->error = sley_offload_with(call->options, call->fn, &numbers, sizeof(numbers), call->deadline);
	call->numbers = numbers;
}

/* Spawns the call, which cannot end by itself, and waits until it waits in this way. */
static sley_task start_waiting(struct call *call, enum sley_wait_kind kind)
{
	sley_task task = sley_spawn(make_call, call);
	REQUIRE(task > 0);
	await_state(task, SLEY_TASK_WAITING, kind);
	return task;
}

static sley_task start_call(struct call *call)
{
	return start_waiting(call, SLEY_WAIT_OFFLOAD);
}

static int join_call(sley_task task, struct call *call)
{
	REQUIRE(sley_join(task, SOON) == 0);
	return call->error;
}

static void check_queued(bool cancel)
{
	static struct call first, second;
	first = (struct call){ NULL, square_slowly, SLEY_NEVER };
	second = (struct call){ &with_drop, square, cancel ? SLEY_NEVER : sley_in(SLEY_MS(5)), .numbers = { 3, 4 } };
	offloaded_reset();
	sley_task one = start_call(&first);
	await_at_least(&offloaded.began, 1); /* the only thread is busy */
	sley_task two = sley_spawn(make_call, &second);
	if (cancel) {
		await_state(two, SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
		REQUIRE(load(&record_of(two)->wait_object, relaxed) == (uintptr_t)square);
		REQUIRE(sley_cancel(two) == 0);
	}
	REQUIRE(join_call(two, &second) == (cancel ? -ECANCELED : -ETIMEDOUT));
	REQUIRE(offloaded.drops == 1 && offloaded.dropped_out == 4);
	REQUIRE(second.numbers.in == 3 && second.numbers.out == 4);
	open_gate(1);
	REQUIRE(join_call(one, &first) == 0);
	second.deadline = SLEY_NEVER;
	REQUIRE(join_call(sley_spawn(make_call, &second), &second) == 0); /* its thread works */
	REQUIRE(offloaded.began == 2 && offloaded.drops == 1 && second.numbers.out == 9);
}

static void check_running(bool cancel)
{
	static struct call call;
	call = (struct call){ &with_drop, square_slowly, SLEY_NEVER, .numbers = { 3, 4 } };
	offloaded_reset();
	if (!cancel)
		call.deadline = sley_in(SLEY_MS(5));
	sley_task task = sley_spawn(make_call, &call);
	if (cancel) {
		await_at_least(&offloaded.began, 1);
		REQUIRE(sley_cancel(task) == 0);
	}
	REQUIRE(join_call(task, &call) == (cancel ? -ECANCELED : -ETIMEDOUT));
	REQUIRE(call.numbers.out == 4);           /* unchanged */
	if (load(&offloaded.began, acquire) == 0) /* the deadline came before the thread did: it never ran */
		return;
	REQUIRE(load(&offloaded.drops, relaxed) == 0 &&
		load(&offloaded.ended, relaxed) == 0); /* it has not ended, and the call has returned */
	open_gate(1);
	await_at_least(&offloaded.drops, 1);
	REQUIRE(offloaded.ended == 1 && offloaded.dropped_out == -1); /* as fn left it */
}

static int main_give_up(void *arg)
{
	for (int i = 0; i < 5; i++) {
		check_queued(false);
		check_queued(true);
		check_running(false);
		check_running(true);
	}
	await_rest();
	return 0;
}

/* A call that is given up while it is queued never runs; one that runs ends by itself, and its block is dropped. */
TEST(give_up)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 4);
		run_with(main_give_up, NULL, &o);
	}
}

static int main_cancelled_before(void *arg)
{
	struct numbers numbers = { .in = 3 };
	REQUIRE(sley_cancel(sley_self()) == 0);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), SLEY_NEVER) == -ECANCELED);
	REQUIRE(offloaded.drops == 1);
	REQUIRE(sley_cancel_mask(1) == 0);
	REQUIRE(sley_offload(square, &numbers, sizeof(numbers), SLEY_NEVER) == 0 && numbers.out == 9);
	REQUIRE(sley_cancel_mask(0) == 1);
	REQUIRE(offloaded.began == 1);
	return 0;
}

/* A task that was cancelled before does not even begin; unless that is masked. */
TEST(cancelled_before)
{
	offloaded_reset();
	run(main_cancelled_before, 1);
}

/* ---- the queue ---- */

static unsigned order[8], order_length; /* the only thread's */

static void note_order(void *block)
{
	order[order_length++] = (unsigned)((struct numbers *)block)->in;
}

static int main_full(void *arg)
{
	static struct call busy, calls[6];
	sley_task tasks[6];
	busy = (struct call){ NULL, square_slowly, SLEY_NEVER };
	order_length = 0;
	sley_task first = start_call(&busy);
	await_at_least(&offloaded.began, 1);
	for (unsigned i = 0; i < 6; i++) {
		calls[i] = (struct call){ &with_drop, note_order, SLEY_NEVER, .numbers = { i, i } };
		if (i == 2) /* the queue has two places: the third waits for one, and its deadline passes */
			calls[i].deadline = sley_in(SLEY_MS(5));
		tasks[i] = sley_spawn(make_call, &calls[i]);
		if (i == 2) {
			REQUIRE(join_call(tasks[i], &calls[i]) == -ETIMEDOUT);
			REQUIRE(offloaded.drops == 1 && offloaded.dropped_out == 2);
		} else {
			await_state(tasks[i], SLEY_TASK_WAITING, i < 2 ? SLEY_WAIT_OFFLOAD : SLEY_WAIT_QUEUE);
		}
	}
	REQUIRE(offload_active() == 3);
	REQUIRE(sley_cancel(tasks[4]) == 0); /* while it waits for a place */
	REQUIRE(join_call(tasks[4], &calls[4]) == -ECANCELED && offloaded.drops == 2 && offloaded.dropped_out == 4);
	REQUIRE(sley_cancel(tasks[0]) == 0); /* while it is queued: its place is the next one's */
	REQUIRE(join_call(tasks[0], &calls[0]) == -ECANCELED && offloaded.drops == 3);
	open_gate(1);
	REQUIRE(join_call(first, &busy) == 0);
	REQUIRE(join_call(tasks[1], &calls[1]) == 0 && join_call(tasks[3], &calls[3]) == 0);
	REQUIRE(join_call(tasks[5], &calls[5]) == 0);
	REQUIRE(order_length == 3 && order[0] == 1 && order[1] == 3 && order[2] == 5);
	REQUIRE(offloaded.drops == 3);
	await_rest();
	return 0;
}

/* A call that finds the queue full waits for a place, in order, and can be given up there. */
TEST(full)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 2);
		offloaded_reset();
		run_with(main_full, NULL, &o);
	}
}

static int main_separate(void *arg)
{
	static const struct sley_offload_options cpu = { .size = sizeof(cpu), .cpu = 1 };
	static struct call blocks[3];
	sley_task tasks[3];
	struct numbers numbers = { .in = 5 };
	for (unsigned i = 0; i < 3; i++) {
		blocks[i] = (struct call){ NULL, square_slowly, SLEY_NEVER };
		tasks[i] = start_call(&blocks[i]);
	}
	await_at_least(&offloaded.began, 2);
	REQUIRE(sley_offload_with(&cpu, square, &numbers, sizeof(numbers), SOON) == 0 && numbers.out == 25);
	REQUIRE(load(&jobs_of[POOL_BLOCKING].threads, relaxed) == 2 &&
		load(&jobs_of[POOL_COMPUTE].threads, relaxed) == 1);
	REQUIRE(offloaded.began == 3); /* the third is queued still */
	open_gate(3);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(join_call(tasks[i], &blocks[i]) == 0);
	return 0;
}

/* What computes has threads of its own: it goes on while all of the others are blocked and their queue is full. */
TEST(separate)
{
	struct sley_options o = SMALL(1, 2, 1);
	offloaded_reset();
	o.compute_threads = 1;
	run_with(main_separate, NULL, &o);
}

/* ---- the end of the run ---- */

struct ending {
	struct call running, queued, waiting, untaken;
};

/* Opens the gate when sley_run() waits for the pool: the jobs have lost their tasks by then. */
static void *open_late(void *arg)
{
	struct jobs *jobs = &jobs_of[POOL_BLOCKING];
	bool stopping;
	do {
		usleep(1000);
		lock_take(&jobs->lock);
		stopping = jobs->stopping;
		lock_drop(&jobs->lock);
	} while (!stopping);
	open_gate(1);
	return NULL;
}

static pthread_t opener;

static int main_end(void *arg)
{
	struct ending *e = arg;
	REQUIRE(pthread_create(&opener, NULL, open_late, NULL) == 0);
	start_call(&e->running);
	await_at_least(&offloaded.began, 1);
	start_call(&e->queued);
	start_waiting(&e->waiting, SLEY_WAIT_QUEUE);
	return 0;
}

/* main returns: what runs is waited for and dropped, what is queued is dropped and never runs, what waits is lost. */
TEST(end)
{
	struct ending e = {
		.running = { &with_drop, square_slowly, SLEY_NEVER, .error = 99 },
		.queued = { &with_drop, square, SLEY_NEVER, .error = 99 },
		.waiting = { &with_drop, square, SLEY_NEVER, .error = 99 },
	};
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 1);
		offloaded_reset();
		run_with(main_end, &e, &o);
		assert_int_equal(pthread_join(opener, NULL), 0);
		assert_int_equal(offloaded.began, 1);
		assert_int_equal(offloaded.ended, 1);
		assert_int_equal(offloaded.drops, 2);
		assert_int_equal(e.running.error, 99); /* none of them came back */
		assert_int_equal(e.queued.error, 99);
		assert_int_equal(e.waiting.error, 99);
	}
}

/* The one worker is main's all the time: the other task is ready, but does not come to take its result. */
static int main_end_untaken(void *arg)
{
	static struct call call;
	call = (struct call){ &with_drop, square_slowly, SLEY_NEVER, .error = 99 };
	sley_task task = start_call(&call);
	await_at_least(&offloaded.began, 1);
	open_gate(1);
	while (state_of(task) != SLEY_TASK_READY)
		;
	REQUIRE(offloaded.drops == 0);
	return 0;
}

TEST(end_untaken)
{
	offloaded_reset();
	run(main_end_untaken, 1);
	assert_int_equal(offloaded.ended, 1);
	assert_int_equal(offloaded.drops, 1);
	assert_int_equal(offloaded.dropped_out, -1);
}
