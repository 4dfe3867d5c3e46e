/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators whose consumer calls the body (run/coroutine.h), and calls that become waits: because the body waits for
 * something else, because it or the consumer is cancelled, or because others come at the same time.
 */
#include "tests/unit/run.h"

#include <errno.h>

#include "base/atomic.h"
#include "context/control.h"
#include "tests/race.h"
#include "tests/unit/sync/stagger.h"

static struct sley_gen *gen;
static unsigned stage; /* atomic */
static sley_task body; /* atomic */

/* With sanitizers, the body is not called. */
#if defined(SLEY_ASAN)
#define CALLED_WAITS 2u
#else
#define CALLED_WAITS 0u
#endif

static int count_up(void *arg)
{
	store(&body, sley_self(), relaxed);
	for (uint64_t i = 0;; i++) {
		int error = sley_gen_yield(&i);
		if (error)
			return -ENOLINK;
	}
}

static void begin(int (*fn)(void *))
{
	uint64_t item;
	store(&stage, 0, relaxed);
	REQUIRE(sley_gen_new(&gen, fn, NULL, 0, sizeof(item)) == 0);
	for (uint64_t i = 0; i < 2; i++) /* the second call finds the body in its yield */
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == i);
}

static void expect(uint64_t expected)
{
	uint64_t item;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == expected);
}

/* No task waits for an item in vain, or is made ready for it: the body is called. */
TASK_TEST(called, 1, 2)
{
	begin(count_up);
	uint64_t waits = counter(SLEY_COUNTER_waits);
	for (uint64_t i = 2; i < 102; i++)
		expect(i);
	/* some at first: the body may still be leaving its stack, on another worker */
	REQUIRE(counter(SLEY_COUNTER_waits) - waits <= 10 + CALLED_WAITS * 100);
	REQUIRE(state_of(load(&body, relaxed)) == SLEY_TASK_WAITING);
	REQUIRE(state_of(sley_self()) == SLEY_TASK_RUNNING);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* ---- state that belongs to each side ---- */

#if defined(__x86_64__)
#define ROUND_UPWARD 0x4000u /* of MXCSR */
#elif defined(__aarch64__)
#define ROUND_UPWARD (1u << 22)
#else
#define ROUND_UPWARD 0u
#endif

static int keep_state(void *consumer)
{
	uint32_t control = control_get();
	for (uint64_t i = 0; i < 6; i++) {
		if (i > 0) /* at first it runs beside the consumer, which is about to wait */
			REQUIRE(state_of(*(sley_task *)consumer) == SLEY_TASK_WAITING);
		REQUIRE(state_of(sley_self()) == SLEY_TASK_RUNNING);
		errno = 100 + (int)i;
		if (i == 3) {
			control |= ROUND_UPWARD; /* not to be had by the consumer: the call becomes a wait */
			control_set(control);
		}
		REQUIRE(sley_gen_yield(&i) == 0);
		REQUIRE(errno == 100 + (int)i);
		REQUIRE(control_get() == control);
	}
	return 0;
}

/* errno, the control words and the states in the records are each side's own, before and after a call was split. */
TASK_TEST(state, 1, 2)
{
	uint64_t item;
	uint32_t control = control_get();
	sley_task own = sley_self();
	REQUIRE(sley_gen_new(&gen, keep_state, &own, sizeof(own), sizeof(item)) == 0);
	for (uint64_t i = 0; i < 6; i++) {
		errno = 5;
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == i);
		REQUIRE(errno == 5 && control_get() == control);
	}
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* ---- a call becomes a wait ---- */

static int wait_third(void *arg)
{
	store(&body, sley_self(), relaxed);
	for (uint64_t i = 0;; i++) {
		if (i == 2) {
			store(&stage, 1, release);
			while (load(&stage, acquire) < 2) {
				if (sley_sleep(sley_in(SLEY_US(100))) != 0)
					return -ENOLINK;
			}
		}
		if (sley_gen_yield(&i) != 0)
			return -ENOLINK;
	}
}

static int answer; /* of next_once(); read after its end */
static uint64_t got;

static void next_once(void *arg)
{
	answer = sley_gen_next(gen, &got, SLEY_NEVER);
}

/* The consumer, whose call was split. */
static sley_task split_call(void)
{
	begin(wait_third);
	sley_task consumer = sley_spawn(next_once, NULL);
	await_at_least(&stage, 1);
	await_state(consumer, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	return consumer;
}

/* Others are kept out while the body waits, as before; the item comes. */
TASK_TEST(split, 1, 2)
{
	uint64_t item;
	sley_task consumer = split_call();
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	store(&stage, 2, release);
	REQUIRE(sley_join(consumer, SLEY_NEVER) == 0 && answer == 0 && got == 2);
	expect(3);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* The consumer is cancelled: its wait ends at once, and the next call gets the item. */
TASK_TEST(split_cancelled, 1, 2)
{
	sley_task consumer = split_call();
	REQUIRE(sley_cancel(consumer) == 0);
	REQUIRE(sley_join(consumer, SLEY_NEVER) == 0 && answer == -ECANCELED);
	store(&stage, 2, release);
	expect(2);
	expect(3);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* The body is cancelled: the consumer gets its outcome. */
TASK_TEST(split_body_cancelled, 1, 2)
{
	sley_task consumer = split_call();
	REQUIRE(sley_cancel(load(&body, relaxed)) == 0);
	REQUIRE(sley_join(consumer, SLEY_NEVER) == 0 && answer == -ENOLINK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* ---- cancelled while the call is under way ---- */

static int spin_third(void *arg)
{
	store(&body, sley_self(), relaxed);
	for (uint64_t i = 0;; i++) {
		if (i == 2) {
			store(&stage, 1, release);
			while (load(&stage, acquire) < 2)
				;
		}
		if (sley_gen_yield(&i) != 0)
			return -ENOLINK;
	}
}

static void cancel_and_go(void *task)
{
	await_at_least(&stage, 1);
	REQUIRE(sley_cancel(load((sley_task *)task, relaxed)) == 0);
	store(&stage, 2, release);
}

/*
 * The body is cancelled while it runs: its item comes, then its end. If the consumer does not call it, but waits, it may
 * claim the body's wait before the body has seen that it was cancelled: then more items come.
 */
TASK_TEST(body_cancelled_in_call, 2)
{
	uint64_t item;
	begin(spin_third);
	sley_task canceller = sley_spawn(cancel_and_go, &body);
	expect(2);
	uint64_t expected = 3;
	int error;
	while ((error = sley_gen_next(gen, &item, SLEY_NEVER)) == 0) {
		REQUIRE(item == expected);
		expected++;
	}
	REQUIRE(error == -ENOLINK);
	REQUIRE(sley_join(canceller, SLEY_NEVER) == 0);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

static int spin_then_wait(void *arg)
{
	for (uint64_t i = 0;; i++) {
		if (i == 2) {
			store(&stage, 1, release);
			while (load(&stage, acquire) < 2)
				;
			sley_sleep(sley_in(SLEY_MS(1)));
		}
		if (sley_gen_yield(&i) != 0)
			return -ENOLINK;
	}
}

static sley_task self; /* atomic */

/* The consumer is cancelled while the body runs; when that waits, the call ends at once. */
TASK_TEST(consumer_cancelled_in_call, 2)
{
	uint64_t item;
	begin(spin_then_wait);
	store(&self, sley_self(), relaxed);
	sley_task canceller = sley_spawn(cancel_and_go, &self);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ECANCELED);
	sley_cancel_mask(1);
	REQUIRE(sley_join(canceller, SLEY_NEVER) == 0);
	expect(2);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

static void use_while_called(void *arg)
{
	uint64_t item;
	await_at_least(&stage, 1);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	store(&stage, 2, release);
}

/* Others are kept out while the body runs. */
TASK_TEST(busy, 2)
{
	begin(spin_third);
	sley_task other = sley_spawn(use_while_called, NULL);
	expect(2);
	REQUIRE(sley_join(other, SLEY_NEVER) == 0);
	expect(3);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* ---- calls in calls ---- */

#define DEPTH 6

static int relay(void *depth)
{
	const unsigned n = *(unsigned *)depth;
	unsigned below = n + 1;
	struct sley_gen *source;
	uint64_t item;
	int error = 0;
	if (n == DEPTH) {
		for (uint64_t i = 0; error == 0; i++) {
			if (i % 3 == 2)
				sley_sleep(sley_in(SLEY_US(50))); /* all calls become waits */
			if (i % 5 == 3)
				sley_yield();
			error = sley_gen_yield(&i);
		}
		return error;
	}
	REQUIRE(sley_gen_new(&source, relay, &below, sizeof(below), sizeof(item)) == 0);
	while (error == 0 && (error = sley_gen_next(source, &item, SLEY_NEVER)) == 0)
		error = sley_gen_yield(&item);
	sley_cancel_mask(1);
	REQUIRE(sley_gen_free(source, SLEY_NEVER) == 0);
	return error;
}

static void consume_until_cancelled(void *arg)
{
	struct sley_gen *outer;
	unsigned depth = 1;
	uint64_t item, expected = 0;
	int error;
	REQUIRE(sley_gen_new(&outer, relay, &depth, sizeof(depth), sizeof(item)) == 0);
	while ((error = sley_gen_next(outer, &item, SLEY_NEVER)) == 0) {
		REQUIRE(item == expected);
		expected++;
	}
	REQUIRE(error == -ECANCELED);
	sley_cancel_mask(1);
	REQUIRE(sley_gen_free(outer, SLEY_NEVER) == 0);
}

#define CONSUMERS 4
#define NESTED    ((unsigned)test_scale(200))

/* The innermost body waits now and then, and the consumers are cancelled at any point. */
static void nest(void)
{
	for (unsigned i = 0; i < NESTED; i++) {
		sley_task tasks[CONSUMERS];
		for (unsigned k = 0; k < CONSUMERS; k++)
			tasks[k] = sley_spawn(consume_until_cancelled, NULL);
		sley_sleep(sley_in(SLEY_US(100 + 13 * (i % 50))));
		for (unsigned k = 0; k < CONSUMERS; k++) {
			REQUIRE(sley_cancel(tasks[k]) == 0);
			REQUIRE(sley_join(tasks[k], SLEY_NEVER) == 0);
		}
	}
	await_live(1);
}

TASK_TEST(nested, 1, 2, 4)
{
	nest();
}

/* ---- consumers on several workers ---- */

struct turn {
	struct sley_chan *mine, *other;
	uint64_t first;
};

#define TURNS ((uint64_t)test_scale(20000))

static void take_turns(void *arg)
{
	const struct turn *turn = arg;
	for (uint64_t i = turn->first; i < TURNS; i += 2) {
		char token;
		REQUIRE(sley_chan_recv(turn->mine, &token, SLEY_NEVER) == 0);
		for (uint64_t k = 0; k < 3; k++)
			expect(2 + 3 * i + k);
		REQUIRE(sley_chan_send(turn->other, &token, SLEY_NEVER) == 0);
		stagger((unsigned)i);
	}
}

/* Two tasks pass the generator to each other: the body goes on where its consumer is. */
TASK_TEST(passed_on, 1, 2, 4)
{
	struct sley_chan *a, *b;
	begin(count_up);
	REQUIRE(sley_chan_new(&a, 1, 1) == 0 && sley_chan_new(&b, 1, 1) == 0);
	struct turn turns[2] = { { a, b, 0 }, { b, a, 1 } };
	sley_task tasks[2];
	for (int i = 0; i < 2; i++)
		tasks[i] = sley_spawn_copy(take_turns, &turns[i], sizeof(turns[i]));
	REQUIRE(sley_chan_send(a, "t", SLEY_NEVER) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(a) == 0 && sley_chan_free(b) == 0);
}

/* ---- two at the same moment ---- */

#if RACE_POINTS && !defined(SLEY_ASAN) /* with it, the body is not called */

static int other_answer;
static uint64_t other_got;

static void next_other(void *arg)
{
	other_answer = sley_gen_next(gen, &other_got, SOON); /* with a deadline: it does not call */
}

/* Waits until a task stands at the point, on another worker. */
static void await_point(const char *point)
{
	sley_time deadline = SOON;
	while (!race_reached(point)) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/*
 *   caller                     other
 *   busy? no
 *   claims the body
 *                              busy = true; CLAIM_CALLED: -EBUSY
 *   runs the body: an item
 */
TASK_TEST(caller_is_first, 2, 4)
{
	begin(count_up);
	race_stop("generator_body_is_called");
	sley_task caller = sley_spawn(next_once, NULL);
	await_point("generator_body_is_called");
	next_other(NULL);
	REQUIRE(other_answer == -EBUSY);
	race_go("generator_body_is_called");
	REQUIRE(sley_join(caller, SLEY_NEVER) == 0 && answer == 0 && got == 2);
	expect(3);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/*
 *   caller                     other
 *   busy? no
 *                              busy = true
 *   claims the body
 *   busy? yes: -EBUSY
 *                              waits; gets the item
 */
TASK_TEST(other_is_first, 4)
{
	begin(count_up);
	race_stop("generator_calls");
	sley_task caller = sley_spawn(next_once, NULL);
	await_point("generator_calls");
	race_stop("generator_is_entered");
	sley_task other = sley_spawn(next_other, NULL);
	await_point("generator_is_entered");
	race_go("generator_calls");
	REQUIRE(sley_join(caller, SLEY_NEVER) == 0 && answer == -EBUSY);
	race_go("generator_is_entered");
	REQUIRE(sley_join(other, SLEY_NEVER) == 0 && other_answer == 0 && other_got == 2);
	expect(3);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* The caller has begun its wait, and is cancelled before its stack is released: another worker takes it and waits for that. */
TASK_TEST(cancelled_at_split, 4)
{
	begin(wait_third);
	race_stop("coroutine_caller_waits");
	sley_task consumer = sley_spawn(next_once, NULL);
	await_point("coroutine_caller_waits");
	REQUIRE(sley_cancel(consumer) == 0);
	await_state(consumer, SLEY_TASK_SLOT, SLEY_WAIT_NONE);
	race_go("coroutine_caller_waits");
	REQUIRE(sley_join(consumer, SLEY_NEVER) == 0 && answer == -ECANCELED);
	store(&stage, 2, release);
	expect(2);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

#endif
