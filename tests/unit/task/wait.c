/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The protocol of all waits: of event, deadline and close exactly one ends a wait, and none ends the next one. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/worker.h"

/* ---- the list, without a run ---- */

static struct task fakes[5];

/* A wait that nobody has ended. */
static void open_wait(struct task *task)
{
	task->wait.next = &task->wait;
	task->claim = ((task->claim >> CLAIM_BITS) + 1) << CLAIM_BITS;
}

/* Linked nodes come out in the order in which they went in; unlinking takes any of them; twice does no harm. */
TEST(list)
{
	struct sley_waiters waiters = { 0 };
	for (int leave = 0; leave < 5; leave++) {
		for (int i = 0; i < 5; i++) {
			open_wait(&fakes[i]);
			wait_link(&waiters, &fakes[i].wait);
		}
		wait_unlink(&waiters, &fakes[leave].wait);
		wait_unlink(&waiters, &fakes[leave].wait);
		for (int i = 0; i < 5; i++) {
			if (i != leave)
				assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[i]);
		}
		assert_null(wait_pop(&waiters, CLAIM_EVENT));
		assert_null(waiters.head);
		assert_null(waiters.tail);
	}
}

/* Popping skips waits that a deadline has ended already, and they are not linked afterwards. */
TEST(pop_skips)
{
	struct sley_waiters waiters = { 0 };
	for (int i = 0; i < 5; i++) {
		open_wait(&fakes[i]);
		wait_link(&waiters, &fakes[i].wait);
	}
	assert_true(wait_claim(&fakes[0], CLAIM_DEADLINE));
	assert_true(wait_claim(&fakes[1], CLAIM_DEADLINE));
	assert_true(wait_claim(&fakes[4], CLAIM_DEADLINE));
	assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[2]);
	wait_unlink(&waiters, &fakes[0].wait); /* what its task does when it wakes */
	wait_unlink(&waiters, &fakes[4].wait); /* and one that is still linked */
	assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[3]);
	assert_null(wait_pop(&waiters, CLAIM_EVENT));
}

/* One claim wins; a claim by the number of an earlier wait fails, whoever ended that one, and changes nothing. */
TEST(claim)
{
	struct task *task = &fakes[0];
	open_wait(task);
	uint64_t first = wait_number(task);
	assert_true(wait_claim_number(task, first, CLAIM_EVENT));
	assert_false(wait_claim_number(task, first, CLAIM_DEADLINE));
	assert_false(wait_claim(task, CLAIM_CLOSED));
	open_wait(task);
	assert_int_equal(wait_number(task), first + 1);
	assert_false(wait_claim_number(task, first, CLAIM_DEADLINE)); /* the late timer */
	assert_true(wait_claim(task, CLAIM_CLOSED));
	assert_int_equal(task->claim & 0xff, CLAIM_CLOSED);
}

/* ---- raced ---- */

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
 * Claims what is open for the event, and once more by the same number, as a timer does that was taken out of the heap
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

/* In even rounds the claimers know only the number of an earlier wait, so that only the deadline can end this one. */
static void waiter(void *unused)
{
	long rounds = test_scale(20000);
	uint64_t deadlines = 0;
	unsigned random = 1;
	race.task = task_self();
	for (long i = 1; i <= rounds; i++) {
		random = random * 1664525 + 1013904223;
		sley_time deadline = sley_in(SLEY_US((random >> 16) % 60));
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

static struct sley_chan *tokens;
static uint64_t sent, received, timed_out;
static unsigned senders;

static void send_tokens(void *arg)
{
	long rounds = test_scale(20000);
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
