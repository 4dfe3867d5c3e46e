/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Waiting: of event, deadline, cancellation and close exactly one ends a wait, and none ends the next one. In debug builds
 * two of them meet at each moment that matters, in every call that waits (tests/stress/matrix.c has the rows).
 */
#include "run/park.h"

#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"
#include "run/queue.h"
#include "run/worker.h"
#include "tests/race.h"
#include "tests/stress/matrix_call.h"
#include "tests/stress/stress.h"

static struct sley_chan *tokens;

#if RACE_POINTS

/* ---- at the moments that matter ---- */

static bool is_caller(void)
{
	return sley_self() == load(&call.caller, relaxed);
}

static void await_point(const char *point)
{
	sley_time deadline = SOON;
	while (!race_reached(point)) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Starts the call; its task stands at the point, where its wait can be ended and has not left its stack. */
static sley_task stop_linked(const struct matrix_row *row)
{
	race_stop_if("wait_is_linked", is_caller);
	sley_task task = start_call(row, SLEY_NEVER, false, true);
	await_point("wait_is_linked");
	return task;
}

/* Its wait is over, though the task stands there still: another worker has taken it and found its slot held. */
static void await_held(sley_task task)
{
	await_state(task, SLEY_TASK_SLOT, SLEY_WAIT_NONE);
}

/* What comes late can be had by another call. */
static bool outlasts(const struct matrix_row *row)
{
	return row->ready && !row->each_anew;
}

/* The call again: what came when it had given up is there still. */
static void once_more(const struct matrix_row *row, sley_task task, int given_up)
{
	stress_join(task);
	if (call.result == row->done) { /* it looked again before it gave up */
		check_answer("given up", row->done);
		return;
	}
	check_answer("given up", given_up);
	expect_answer(start_call(row, SOON, false, true), "once more", row->done);
}

/*
 *   caller                          another worker
 *   links its node, unlocks
 *                                   the event: claims it, readies it
 *                                   takes it: its slot is held, so it waits there
 *   switches away, lands,
 *   releases: it is handed on
 */
static void woken_early(const struct matrix_row *row)
{
	if (!row->ready)
		return;
	sley_task task = stop_linked(row);
	row->ready();
	await_held(task);
	race_go("wait_is_linked");
	expect_answer(task, "woken before it has left", row->done);
}

/*
 *   caller                          canceller              whoever brings the event
 *   links its node, unlocks
 *                                   claims it, readies it
 *                                                          pops the node: cannot claim it
 *   switches away, is resumed,
 *   locks, unlinks, unlocks
 */
static void cancelled_early(const struct matrix_row *row)
{
	sley_task task = stop_linked(row);
	REQUIRE(sley_cancel(task) == 0);
	await_held(task);
	if (outlasts(row))
		row->ready();
	race_go("wait_is_linked");
	if (outlasts(row))
		once_more(row, task, -ECANCELED);
	else
		expect_answer(task, "cancelled before it has left", -ECANCELED);
}

/* The object is closed when its waiter has not left its stack. */
static void closed_early(const struct matrix_row *row)
{
	if (!row->close)
		return;
	sley_task task = stop_linked(row);
	row->close();
	await_held(task);
	race_go("wait_is_linked");
	expect_answer(task, "closed before it has left", row->closed);
	row->reopen();
}

/*
 *   caller                          canceller, or timers   whoever brings the event
 *   waits                           claims it, readies it
 *   is resumed
 *                                                          pops the node: cannot claim it
 *   locks, unlinks, unlocks
 */
static void event_is_late(const struct matrix_row *row)
{
	sley_task task = start_call(row, SLEY_NEVER, false, true);
	until_it_waits(task, row);
	race_stop_if("wait_is_over", is_caller);
	REQUIRE(sley_cancel(task) == 0);
	await_point("wait_is_over");
	if (outlasts(row))
		row->ready();
	race_go("wait_is_over");
	if (outlasts(row))
		once_more(row, task, -ECANCELED);
	else
		expect_answer(task, "cancelled", -ECANCELED);
}

static int main_ways(void *unused)
{
	for (const struct matrix_row *const *table = matrix_tables; *table; table++) {
		for (const struct matrix_row *row = *table; row->name; row++) {
			if (row->in_task || row->waits_before)
				continue;
			row->open();
			woken_early(row);
			cancelled_early(row);
			closed_early(row);
			event_is_late(row);
			row->end();
		}
	}
	return 0;
}

/* Whichever of two ends of a wait comes first is the one; the other leaves no trace, and loses nothing that it brought. */
TEST(ways)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .offload_threads = 1 };
	run_with(main_ways, NULL, &options);
}

static unsigned received_first; /* atomic */

static void receive_two(void *unused)
{
	sley_time patience = SLEY_US(500);
	int error;
	do /* until it waits before its time is over */
		error = sley_chan_recv(tokens, NULL, sley_in(patience *= 2));
	while (error == -ETIMEDOUT);
	REQUIRE(error == 0);
	store(&received_first, 1, release);
	REQUIRE(sley_chan_recv(tokens, NULL, SLEY_NEVER) == 0);
}

/*
 *   a worker                        task                      another worker
 *   takes the timer of wait n
 *                                                             an event: claims n
 *                                   is resumed, waits n + 1
 *   claims n: must fail
 */
TASK_TEST(late_timer, 2)
{
	received_first = 0;
	REQUIRE(sley_chan_new(&tokens, 0, 0) == 0);
	race_stop("timer_taken");
	sley_task task = sley_spawn(receive_two, NULL);
	await_point("timer_taken");
	REQUIRE(sley_chan_try_send(tokens, NULL) == 0);
	await_at_least(&received_first, 1);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	race_stop("timer_is_over");
	race_go("timer_taken");
	await_point("timer_is_over");
	REQUIRE(state_of(task) == SLEY_TASK_WAITING);
	race_go("timer_is_over");
	REQUIRE(sley_chan_try_send(tokens, NULL) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_chan_free(tokens) == 0);
}

#endif

/* ---- at any moment ---- */

static struct {
	struct task *task;
	uint64_t number; /* of a wait, 0: none; atomic */
	unsigned stop;
	uint64_t won, late; /* by the claimers; atomic */
	uint64_t events;    /* seen by the waiter */
} race;

static void delay(unsigned *random, sley_time most)
{
	*random = *random * 1664525 + 1013904223;
	sley_time until = sley_in((sley_time)(*random >> 16) * most >> 16);
	while (sley_now() < until)
		cpu_relax();
}

/*
 * Claims what is open for the event, and once more by the same number, as a timer does that was taken out of the wheel
 * just before its wait was over:
 *
 *   claimer                task                    timers
 *                          waits n
 *   reads n
 *                                                  deadline: claims n
 *   claims n: fails        wakes, waits n + 1
 *   claims n: must fail
 */
static void *claimer(void *seed)
{
	unsigned random = (unsigned)(uintptr_t)seed;
	while (!load(&race.stop, acquire)) {
		uint64_t number = load(&race.number, acquire);
		if (number == 0)
			continue;
		delay(&random, SLEY_US(60));
		if (wait_claim_number(race.task, number, CLAIM_EVENT)) {
			fetch_add(&race.won, 1, relaxed);
			task_ready(race.task);
		}
		if (wait_claim_number(race.task, number, CLAIM_CLOSED))
			fetch_add(&race.late, 1, relaxed);
	}
	return NULL;
}

/*
 * In even rounds the claimers know only the number of an earlier wait, so that only the deadline can end this one. In every
 * eighth round there is no deadline, so that only the event can.
 */
static void waiter(void *unused)
{
	long rounds = test_scale(4000);
	uint64_t deadlines = 0;
	unsigned random = 1;
	race.task = task_self();
	for (long i = 1; i <= rounds; i++) {
		random = random * 1664525 + 1013904223;
		sley_time deadline = i % 8 == 1 ? SLEY_NEVER : sley_in(SLEY_US((random >> 16) % 60));
		wait_begin(race.task, SLEY_WAIT_GROUP, 0, NULL);
		uint64_t number = wait_number(race.task);
		if (i % 2)
			store(&race.number, number, release);
		enum claim who = wait_park(race.task, deadline);
		REQUIRE(wait_number(race.task) == number);
		REQUIRE(who == CLAIM_DEADLINE || (who == CLAIM_EVENT && i % 2));
		race.events += who == CLAIM_EVENT;
		deadlines += who == CLAIM_DEADLINE;
		if (who == CLAIM_DEADLINE)
			REQUIRE(sley_now() >= deadline);
	}
	REQUIRE(race.events + deadlines == (uint64_t)rounds);
}

/* A deadline against events from two threads, many times: each wait has one outcome, and who won agrees with who was told. */
TASK_TEST(race, 1, 2)
{
	pthread_t threads[2];
	race.number = race.stop = 0;
	race.won = race.late = race.events = 0;
	sley_task task = sley_spawn(waiter, NULL);
	REQUIRE(sley_sleep(0) == 0);
	for (uintptr_t i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, claimer, (void *)(i + 1)) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	store(&race.stop, 1, release);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	REQUIRE(race.won == race.events); /* none lost, none doubled */
	REQUIRE(race.late == 0);
	REQUIRE(race.events > 0);
}

static uint64_t sent, received, timed_out;
static unsigned senders;

static void send_tokens(void *arg)
{
	long rounds = test_scale(2000);
	unsigned random = (unsigned)(uintptr_t)arg;
	for (long i = 0; i < rounds; i++) {
		delay(&random, SLEY_US(20));
		int error = sley_chan_send(tokens, NULL, sley_in(SLEY_US((random >> 8) % 20)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		fetch_add(error ? &timed_out : &sent, 1, relaxed);
	}
	fetch_sub(&senders, 1, acq_rel);
}

static void receive_tokens(void *arg)
{
	unsigned random = (unsigned)(uintptr_t)arg;
	while (load(&senders, acquire) > 0) {
		delay(&random, SLEY_US(20));
		int error = sley_chan_recv(tokens, NULL, sley_in(SLEY_US((random >> 8) % 20)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		fetch_add(error ? &timed_out : &received, 1, relaxed);
	}
}

/* Both ends of an unbuffered channel with deadlines: what was sent was received, whoever lost a race left no trace. */
TASK_TEST(tokens, 2, 4)
{
	sley_task tasks[6];
	sent = received = timed_out = 0;
	senders = 3;
	REQUIRE(sley_chan_new(&tokens, 0, 0) == 0);
	for (uintptr_t i = 0; i < 3; i++) {
		tasks[2 * i] = sley_spawn(send_tokens, (void *)(2 * i));
		tasks[2 * i + 1] = sley_spawn(receive_tokens, (void *)(2 * i + 1));
	}
	for (int i = 0; i < 6; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sent == received && sent > 0 && timed_out > 0);
	REQUIRE(sley_chan_free(tokens) == 0); /* not -EBUSY: the losers were unlinked */
}

int main(void)
{
	matrix_block_signals();
	return tests_main(NULL, NULL);
}
