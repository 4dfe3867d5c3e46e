/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Generators that end early: freed or cancelled while they run, yield or wait; and races of both with items. */
#include "tests/unit/run.h"

#include "base/atomic.h"
#include "tests/race.h"
#include "tests/unit/sync/stagger.h"

static struct sley_gen *gen;

static unsigned cleaned;

/* Gives words until it is dropped; then cleans up, which takes a while. */
static int give_and_clean(void *masked)
{
	int error = 0;
	if (*(const int *)masked)
		sley_cancel_mask(1);
	for (uint64_t i = 0; error == 0; i++)
		error = sley_gen_yield(&i);
	REQUIRE(error == -ECANCELED);
	sley_cancel_mask(1);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_gen_yield(&error) == -ECANCELED); /* still */
	fetch_add(&cleaned, 1, relaxed);
	return -EIO; /* nobody hears it */
}

static int main_drop(void *arg)
{
	uint64_t item;
	for (int masked = 0; masked < 2; masked++) {
		cleaned = 0;
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0 && live_tasks() == 1); /* never started: nothing to clean */
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 1);
		REQUIRE(cleaned == 0);
		REQUIRE(sley_gen_free(gen, SOON) == 0);
		REQUIRE(load(&cleaned, relaxed) == 1); /* when it returns all is done */
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		int error = sley_gen_next(gen, &item, 0); /* an item will be there that nobody takes, if it is late */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		error = sley_gen_free(gen, 0); /* freed; it ends when it has */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		await_live(1);
		REQUIRE(load(&cleaned, relaxed) == 2);
	}
	return 0;
}

static int sleep_and_clean(void *arg)
{
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
	fetch_add(&cleaned, 1, relaxed);
	return 0;
}

static void cancelled_owner(void *arg)
{
	uint64_t item;
	int masked = 0;
	REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
	REQUIRE(sley_cancel(sley_self()) == 0);
	int error = sley_gen_free(gen, SLEY_NEVER); /* the wait ends at once, unless it was over at once; it is freed */
	REQUIRE(error == -ECANCELED || error == 0);
}

static struct sley_chan *leave;

/* Its cleanup waits until it is told to go on. */
static int give_and_linger(void *arg)
{
	REQUIRE(sley_gen_yield(&cleaned) == -ECANCELED);
	REQUIRE(sley_cancel_mask(1) == 0 && sley_chan_recv(leave, NULL, SOON) == 0);
	fetch_add(&cleaned, 1, relaxed);
	return 0;
}

static void make_lingering(void)
{
	unsigned item;
	REQUIRE(sley_gen_new(&gen, give_and_linger, NULL, 0, sizeof(item)) == 0);
	REQUIRE(sley_gen_next(gen, &item, SOON) == 0);
}

static void frees(void *arg)
{
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -ECANCELED);
}

static int main_drop_lingering(void *arg)
{
	cleaned = 0;
	REQUIRE(sley_chan_new(&leave, 0, 2) == 0);
	make_lingering();
	REQUIRE(sley_gen_free(gen, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	make_lingering();
	sley_task task = sley_spawn(frees, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(load(&cleaned, relaxed) == 0 && sley_chan_send(leave, NULL, 0) == 0 &&
		sley_chan_send(leave, NULL, 0) == 0);
	await_live(1);
	REQUIRE(load(&cleaned, relaxed) == 2 && sley_chan_free(leave) == 0);
	return 0;
}

static int main_drop_waiting(void *arg)
{
	uint64_t item;
	cleaned = 0;
	REQUIRE(sley_gen_new(&gen, sleep_and_clean, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_gen_free(gen, SOON) == 0 && load(&cleaned, relaxed) == 1);
	sley_task task = sley_spawn(cancelled_owner, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	await_live(1);
	return 0;
}

/* Dropped early: yield, or whatever it waits for, returns -ECANCELED, and it cleans up, also where it has masked that. */
TEST(drop)
{
	run_tight(main_drop);
	run_tight(main_drop_waiting);
	run_tight(main_drop_lingering);
}

/* ---- a generator that is cancelled ---- */

static sley_task body;
static unsigned stage;

static int give_until_cancelled(void *arg)
{
	uint64_t i = 0;
	int error;
	REQUIRE(sley_deadline() == SLEY_NEVER); /* not its consumer's */
	body = sley_self();
	while ((error = sley_gen_yield(&i)) == 0)
		i++;
	REQUIRE(error == -ECANCELED && sley_cancelled() == 1);
	return -ENOLINK;
}

static int consume_as_child(void *arg)
{
	uint64_t item;
	REQUIRE(sley_deadline() != SLEY_NEVER);
	REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
	REQUIRE(sley_cancel(body) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ENOLINK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

static int main_cancelled(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = SOON };
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, &options) == 0 && sley_scope_spawn(scope, consume_as_child, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == 0);
	return 0;
}

/* Cancelled by its id: it ends as it likes, and its consumer is told how. The consumer's deadline is not its own. */
TEST(cancelled)
{
	run_tight(main_cancelled);
}

static int give_stubbornly(void *arg)
{
	uint64_t item = 1;
	body = sley_self();
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_gen_yield(&item) == -ECANCELED); /* nobody has taken it yet */
	for (item = 2; item < 5; item++)
		REQUIRE(sley_gen_yield(&item) == -ECANCELED); /* no place for another */
	store(&stage, 1, release);
	return 0;
}

static int main_stubborn(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, give_stubbornly, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, 0) == -ETIMEDOUT);
	while (body == 0)
		sley_yield();
	await_state(body, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(body) == 0);
	while (!load(&stage, acquire))
		sley_yield();
	REQUIRE(sley_gen_ended(gen) == 0); /* there still is an item: */
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 1);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

/* A cancelled generator that goes on yielding does not overwrite the item that was not taken yet. */
TEST(stubborn)
{
	body = 0;
	run(main_stubborn, 1);
}

static int give_later(void *arg)
{
	uint64_t item = 6;
	while (load(&stage, acquire) == 0)
		sley_sleep(sley_in(SLEY_US(200)));
	int error = sley_gen_yield(&item);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED); /* not ended by a next that is none of its business */
	return error;
}

static int main_stale(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, give_later, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_US(500))) == -ETIMEDOUT);
	store(&stage, 1, release);
	sley_time until = sley_in(SLEY_MS(30)); /* while we sleep it yields: that is no reason to wake us */
	REQUIRE(sley_sleep(until) == 0 && sley_now() >= until);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 6);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/* A consumer that gave up is not woken, whatever it waits for then. */
TEST(stale)
{
	run_tight(main_stale);
}

/* ---- races ---- */

#define ROUNDS test_scale(5000)

static int give_staggered(void *arg)
{
	uint64_t i = 0;
	int error = 0;
	while (error == 0) {
		stagger((unsigned)i);
		error = sley_gen_yield(&i);
		i++;
	}
	fetch_add(&cleaned, 1, relaxed);
	return error;
}

static int main_drop_race(void *arg)
{
	cleaned = 0;
	for (long i = 0; i < ROUNDS; i++) {
		uint64_t item;
		stagger_begin();
		REQUIRE(sley_gen_new(&gen, give_staggered, NULL, 0, 8) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
		int error = sley_gen_next(gen, &item, 0); /* it may run on, on another worker */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		stagger(100);
		REQUIRE(sley_gen_free(gen, i % 2 ? SLEY_NEVER : 0) == 0 || i % 2 == 0);
		REQUIRE(i % 2 == 0 || load(&cleaned, relaxed) >= (unsigned)i / 2 + 1);
	}
	await_live(1);
	REQUIRE(load(&cleaned, relaxed) == (unsigned)ROUNDS); /* once each */
	return 0;
}

/* Freed while it runs on another worker, yields there, or waits: it ends once, and cleans up once. */
TEST(drop_race)
{
	run_tight(main_drop_race);
}

static void cancel_body(void *task)
{
	stagger(200);
	sley_cancel(*(sley_task *)task);
}

static int main_cancel_race(void *arg)
{
	for (long i = 0; i < ROUNDS; i++) {
		uint64_t item;
		int error;
		stagger_begin();
		REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
		sley_task task = sley_spawn_copy(cancel_body, &body, sizeof(body));
		uint64_t expected = 1;
		while ((error = sley_gen_next(gen, &item, SLEY_NEVER)) == 0) {
			REQUIRE(item == expected);
			expected++;
			stagger((unsigned)expected);
		}
		REQUIRE(error == -ENOLINK);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	}
	return 0;
}

/*
 * The body is cancelled while it hands items over: the consumer gets all items that were yielded, then the outcome. An
 * item is still being copied when the body, woken by the canceller, already goes on: `there` keeps it.
 */
TEST(cancel_race)
{
	run_tight(main_cancel_race);
}

#if RACE_POINTS

static sley_task consumer; /* atomic */
static uint64_t got;
static int answer;

static void next_once(void *arg)
{
	store(&consumer, sley_self(), relaxed);
	answer = sley_gen_next(gen, &got, SOON); /* with a deadline, so that it does not call the body */
}

static bool is_consumer(void)
{
	return sley_self() == load(&consumer, relaxed);
}

static bool is_body(void)
{
	return sley_self() == body;
}

/* A consumer's call, stopped when it or the body (`who`) has ended the other one's wait; then that task is cancelled. */
static void cancel_at_switch(bool (*who)(void), const sley_task *task)
{
	sley_time deadline = SOON;
	race_stop_if("wait_is_begun_for_other", who);
	sley_task called = sley_spawn(next_once, NULL);
	while (!race_reached("wait_is_begun_for_other")) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(sley_cancel(load(task, relaxed)) == 0);
	race_go("wait_is_begun_for_other");
	REQUIRE(sley_join(called, SLEY_NEVER) == 0);
}

/*
 *   consumer                         canceller              body
 *   begins to wait, claims the body
 *                                    claims the consumer
 *   readies the body, not itself                            yields: nobody waits; the item is kept
 */
TASK_TEST(cancelled_at_next, 2)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
	for (uint64_t i = 0; i < 2; i++) /* the second call finds the body in its yield */
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == i);
	cancel_at_switch(is_consumer, &consumer);
	REQUIRE(answer == -ECANCELED);
	REQUIRE(sley_gen_next(gen, &item, SOON) == 0 && item == 2);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

/* The same with the body in its yield: the consumer has the item, and the body ends. */
TASK_TEST(cancelled_at_yield, 2)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
	for (uint64_t i = 0; i < 2; i++)
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == i);
	cancel_at_switch(is_body, &body);
	REQUIRE(answer == 0 && got == 2);
	REQUIRE(sley_gen_next(gen, &item, SOON) == -ENOLINK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

#endif
