/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pairs of ends that come at the same moment, a hundred thousand times each: cancellation against completion, deadline against
 * event, close against event, join against end. Outcomes are counted by both sides: none may be lost or doubled. (tests/unit/run/park.c has each pair meet
 * for certain; here they do so under load.)
 *
 * A batch is 64 waits, each in a task of its own, and two tasks that go over them in orders of their own: so some ends
 * meet at once, on two workers, and others come before the wait or long after it.
 */
#include "tests/stress/stress.h"

#define WAITS 64

#ifdef SLEY_ASAN /* there a stack is for one task */
#define FEW_STACKS 128
#else
#define FEW_STACKS 16
#endif

static const struct race {
	void (*waiter)(void *number);
	void (*sides[2])(unsigned number);
} * race;

static struct sley_chan *chans[WAITS];
static sley_task waiters[WAITS];
static int answers[WAITS];    /* of the waits */
static unsigned given[WAITS]; /* events that a side saw taken; atomic */
static uint64_t outcomes[4];  /* by enum outcome; owned by the main task */
static unsigned batch_number;
enum outcome { EVENT, TIMED_OUT, CANCELLED, CLOSED };

static void side(void *which)
{
	uint32_t seed = batch_number * 2 + (uint32_t)(uintptr_t)which;
	unsigned start = stress_random(&seed) % WAITS;
	stress_spin(stress_random(&seed) % 2000);
	for (unsigned i = 0; i < WAITS; i++)
		race->sides[(uintptr_t)which]((start + i) % WAITS);
}

static void count(int answer)
{
	REQUIRE(answer == 0 || answer == -ETIMEDOUT || answer == -ECANCELED || answer == -EPIPE);
	outcomes[answer == 0 ? EVENT : answer == -ETIMEDOUT ? TIMED_OUT : answer == -ECANCELED ? CANCELLED : CLOSED]++;
}

static void batch(void)
{
	sley_task sides[2] = { 0 };
	batch_number++; /* nobody of the last batch is left to read it */
	for (unsigned i = 0; i < WAITS; i++) {
		answers[i] = 1;
		given[i] = 0;
		waiters[i] = stress_spawn(race->waiter, (void *)(uintptr_t)i);
	}
	if (batch_number % 2)
		sley_yield(); /* most wait already */
	for (uintptr_t k = 0; k < 2; k++) {
		uintptr_t i = batch_number % 8 == 5 ? 1 - k : k;
		if (!race->sides[i])
			continue;
		sides[i] = stress_spawn(side, (void *)i);
		if (batch_number % 8 == 1 || batch_number % 8 == 5) { /* now and then one is first for certain */
			stress_join(sides[i]);
			sides[i] = 0;
		}
	}
	for (int i = 0; i < 2; i++) {
		if (sides[i])
			stress_join(sides[i]);
	}
	stress_progress();
}

static void open_channels(void)
{
	for (unsigned i = 0; i < WAITS; i++)
		REQUIRE(sley_chan_new(&chans[i], sizeof(uint64_t), 0) == 0);
}

static void free_channels(void)
{
	for (unsigned i = 0; i < WAITS; i++)
		REQUIRE(sley_chan_free(chans[i]) == 0); /* not -EBUSY: no loser is left in it */
}

/* All waits of this race; what both sides counted agrees. */
static void run_race(const struct race *which, bool reopen)
{
	race = which;
	for (int i = 0; i < 4; i++)
		outcomes[i] = 0;
	open_channels();
	for (long n = test_scale(100000) / WAITS + 1; n > 0; n--) {
		batch();
		for (unsigned i = 0; i < WAITS; i++) {
			stress_join(waiters[i]);
			count(answers[i]);
			REQUIRE(given[i] == (answers[i] == 0)); /* taken once where it was given, and nowhere else */
		}
		if (reopen) {
			free_channels();
			open_channels();
		}
	}
	free_channels();
}

/* ---- what meets ---- */

static void receive(void *number)
{
	unsigned i = (unsigned)(uintptr_t)number;
	uint64_t item = 0;
	answers[i] = sley_chan_recv(chans[i], &item, SLEY_NEVER);
	REQUIRE(item == (answers[i] == 0 ? i + 1000u : 0));
}

static void receive_briefly(void *number)
{
	unsigned i = (unsigned)(uintptr_t)number;
	uint64_t item = 0;
	sley_time brief = batch_number % 8 == 1 ? SLEY_MS(2) : SLEY_US((i * 7 + batch_number) % 40);
	answers[i] = sley_chan_recv(chans[i], &item, sley_in(brief));
	REQUIRE(item == (answers[i] == 0 ? i + 1000u : 0));
}

static void give(unsigned i)
{
	uint64_t item = i + 1000;
	int error = sley_chan_try_send(chans[i], &item);
	REQUIRE(error == 0 || error == -EAGAIN || error == -EPIPE);
	given[i] += error == 0;
}

static void cancel(unsigned i)
{
	REQUIRE(sley_cancel(waiters[i]) == 0);
}

static void close_channel(unsigned i)
{
	REQUIRE(sley_chan_close(chans[i]) == 0);
}

static void cancel_body(void)
{
	static const struct race cancelled = { receive, { give, cancel } };
	run_race(&cancelled, false);
	REQUIRE(outcomes[EVENT] > 0 && outcomes[CANCELLED] > 0 && outcomes[TIMED_OUT] + outcomes[CLOSED] == 0);
}

/*
 *   waiter            giver                          canceller
 *   links, parks      pops the node; claims: EVENT   CANCEL; claims: CANCELLED
 *                     one of the two wins: it makes the waiter ready; the other's attempt leaves no trace
 */
TEST(cancellation_against_completion)
{
	STRESS_RUN(cancel_body, .workers = 2);
	STRESS_RUN(cancel_body, .workers = 4, .stack_slots = FEW_STACKS);
}

static void deadline_body(void)
{
	static const struct race timed = { receive_briefly, { give } };
	run_race(&timed, false);
	REQUIRE(outcomes[EVENT] > 0 && outcomes[TIMED_OUT] > 0 && outcomes[CANCELLED] + outcomes[CLOSED] == 0);
}

/* The timer's claim, by the number of the wait, against the event's. */
TEST(deadline_against_event)
{
	STRESS_RUN(deadline_body, .workers = 2);
	STRESS_RUN(deadline_body, .workers = 4, .stack_slots = FEW_STACKS);
}

static void close_body(void)
{
	static const struct race closed = { receive, { give, close_channel } };
	run_race(&closed, true);
	REQUIRE(outcomes[EVENT] > 0 && outcomes[CLOSED] > 0 && outcomes[CANCELLED] + outcomes[TIMED_OUT] == 0);
}

/* Whoever begins to wait after the close finds it; whoever waited is popped by one of the two, under the channel's lock. */
TEST(close_against_wait)
{
	STRESS_RUN(close_body, .workers = 2);
	STRESS_RUN(close_body, .workers = 4, .stack_slots = FEW_STACKS);
}

/* ---- join against end ---- */

static uint64_t joined, refused; /* atomic */

static void end_soon(void *number)
{
	stress_spin((unsigned)(uintptr_t)number * 5);
}

/* Both sides join each task, with a deadline that comes soon, again and again: one of them gets it. */
static void join_briefly(unsigned i)
{
	int error;
	do
		error = sley_join(waiters[i], sley_in(SLEY_US(i % 8)));
	while (error == -ETIMEDOUT);
	REQUIRE(error == 0 || error == -EINVAL || error == -ESRCH);
	fetch_add(&given[i], error == 0, relaxed);
	fetch_add(error == 0 ? &joined : &refused, 1, relaxed);
}

static void join_body(void)
{
	static const struct race joins = { end_soon, { join_briefly, join_briefly } };
	race = &joins;
	joined = refused = 0;
	long batches = test_scale(100000) / WAITS + 1;
	for (long n = 0; n < batches; n++) {
		batch();
		for (unsigned i = 0; i < WAITS; i++) {
			if (given[i] == 0) /* both were told that the other joins, and that one timed out */
				stress_join(waiters[i]);
			REQUIRE(given[i] <= 1);
			REQUIRE(sley_join(waiters[i], 0) == -ESRCH);
		}
	}
	REQUIRE(stress_provoked(joined > 0 && refused > 0) && joined + refused == (uint64_t)batches * WAITS * 2);
}

/*
 *   task                     joiner              another joiner
 *   ends: ENDED              joins, waits        -EINVAL while the first waits, -ESRCH afterwards
 *   claims the joiner        its deadline comes
 *   one of the two wins: the joiner frees the task, or it may be joined again
 */
TEST(join_against_end)
{
	STRESS_RUN(join_body, .workers = 2);
	STRESS_RUN(join_body, .workers = 4, .stack_slots = FEW_STACKS);
}
