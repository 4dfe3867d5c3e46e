/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cancellation: it ends every wait, now and later, unless masked; it never takes away what was done. */
#include "tests/unit/run.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"

static struct sley_chan *chan;
static struct sley_mutex mutex;
static struct sley_group group;
static sley_task sleeper;
static int ends[2];

/* ---- each wait ---- */

static int wait_sleep(void)
{
	return sley_sleep(SLEY_NEVER);
}

static int wait_join(void)
{
	return sley_join(sleeper, SLEY_NEVER);
}

static int wait_mutex(void)
{
	return sley_mutex_lock(&mutex, SLEY_NEVER);
}

static int wait_group(void)
{
	return sley_group_wait(&group, SLEY_NEVER);
}

static int wait_send(void)
{
	uint64_t item[3] = { 1, 2, 3 };
	return sley_chan_send(chan, item, SLEY_NEVER);
}

static int wait_recv(void)
{
	uint64_t item[3];
	return sley_chan_recv(chan, item, SLEY_NEVER);
}

static int wait_null(void)
{
	return sley_chan_recv(NULL, NULL, SLEY_NEVER);
}

static int wait_select(void)
{
	uint64_t item[3];
	struct sley_case cases[] = { { .chan = chan, .op = SLEY_RECV, .into = item }, { .op = SLEY_RECV } };
	return sley_select(cases, 2, SLEY_NEVER);
}

static int wait_read(void)
{
	char byte;
	return (int)sley_read(ends[0], &byte, 1, SLEY_NEVER);
}

static int wait_poll(void)
{
	return sley_poll(ends[0], 1, sley_in(SLEY_SEC(3600)));
}

static const struct {
	int (*call)(void);
	enum sley_wait_kind kind;
} waits[] = {
	{ wait_sleep, SLEY_WAIT_SLEEP }, { wait_join, SLEY_WAIT_JOIN },     { wait_mutex, SLEY_WAIT_MUTEX },
	{ wait_group, SLEY_WAIT_GROUP }, { wait_send, SLEY_WAIT_SEND },     { wait_recv, SLEY_WAIT_RECV },
	{ wait_null, SLEY_WAIT_RECV },   { wait_select, SLEY_WAIT_SELECT }, { wait_read, SLEY_WAIT_READ },
	{ wait_poll, SLEY_WAIT_POLL },
};

static int answers[2];

static void wait_twice(void *row)
{
	int (*call)(void) = waits[(uintptr_t)row].call;
	answers[0] = call();
	REQUIRE(sley_cancelled() == 1);
	answers[1] = call(); /* and it stays so */
}

static void sleep_for_ever(void *arg)
{
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
}

/* Every wait ends with -ECANCELED, the next one too; its object is as if nobody had waited. */
TASK_TEST(each, 1, 2)
{
	REQUIRE(sley_chan_new(&chan, 24, 0) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	REQUIRE(sley_group_add(&group, 1) == 0);
	sleeper = sley_spawn(sleep_for_ever, NULL);
	for (uintptr_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		sley_task task = sley_spawn(wait_twice, (void *)i);
		await_state(task, SLEY_TASK_WAITING, waits[i].kind);
		answers[0] = answers[1] = 1;
		REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(answers[0] == -ECANCELED && answers[1] == -ECANCELED);
		REQUIRE(sley_cancel(task) == -ESRCH);
	}
	REQUIRE(sley_cancel(sleeper) == 0);
	REQUIRE(sley_join(sleeper, SOON) == 0);
	/* nobody was left linked: each object goes on */
	REQUIRE(sley_mutex_unlock(&mutex) == 0 && sley_mutex_lock(&mutex, 0) == 0 && sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_group_done(&group) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
	REQUIRE(write(ends[1], "x", 1) == 1 && wait_read() == 1);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- what is not a wait ---- */

static void do_at_once(void *arg)
{
	uint64_t item[3] = { 0 };
	while (!sley_cancelled())
		sley_yield();
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0);
	REQUIRE(sley_sleep(0) == 0);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == -ECANCELED);
}

/* What can be done without waiting is done, cancelled or not. */
TASK_TEST(at_once, 1, 2)
{
	REQUIRE(sley_chan_new(&chan, 24, 1) == 0);
	sley_task task = sley_spawn(do_at_once, NULL);
	REQUIRE(sley_cancel(task) == 0); /* perhaps before its first run */
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
	REQUIRE(sley_cancelled() == 0);
}

/* ---- masked ---- */

static unsigned stage;

static void masked(void *arg)
{
	uint64_t item[3];
	REQUIRE(sley_cancel_mask(1) == 0);
	REQUIRE(sley_cancel_mask(1) == 1);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0); /* cancelled in here */
	REQUIRE(sley_cancelled() == 1);
	REQUIRE(sley_chan_recv(chan, item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_cancel_mask(1) == 1);
	REQUIRE(sley_cancel_mask(0) == 1);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == -ECANCELED);
}

/* A masked wait is not cancelled, nor the next; the first after the mask is. Masks nest by the returned value. */
TASK_TEST(masked, 1, 2)
{
	uint64_t item[3] = { 0 };
	REQUIRE(sley_chan_new(&chan, 24, 0) == 0);
	sley_task task = sley_spawn(masked, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_cancel(task) == 0);
	for (int i = 0; i < 100; i++)
		sley_yield();
	REQUIRE(state_of(task) == SLEY_TASK_WAITING);
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
}

/* ---- answers ---- */

static void nothing(void *arg)
{
}

static int main_answers(void *arg)
{
	REQUIRE(sley_cancel(0) == -ESRCH && sley_cancel(-1) == -ESRCH && sley_cancel(INT64_MAX) == -ESRCH);
	sley_task task = sley_spawn(nothing, NULL);
	await_state(task, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	REQUIRE(sley_cancel(task) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_cancel(task) == -ESRCH);
	/* the entry's next task is not cancelled */
	for (int i = 0; i < 100; i++) {
		task = sley_spawn(nothing, NULL);
		REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	}
	REQUIRE(sley_cancel(sley_self()) == 0 && sley_cancelled());
	REQUIRE(sley_sleep(sley_in(SLEY_SEC(1))) == -ECANCELED);
	return 0;
}

/* Stale ids, ended tasks, oneself; outside of a run and of tasks. */
TEST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_cancel(1), -ENOTCONN);
	assert_int_equal(sley_cancelled(), 0);
	assert_int_equal(sley_cancel_mask(1), -EDEADLK);
}

/* ---- raced ---- */

static uint64_t outcomes[3];

static void race_waiter(void *arg)
{
	uint64_t item = 0;
	int error = sley_chan_recv(chan, &item, arg ? sley_in(SLEY_US((uintptr_t)arg % 50)) : SLEY_NEVER);
	REQUIRE(error == 0 || error == -ECANCELED || (arg && error == -ETIMEDOUT));
	fetch_add(&outcomes[error == 0 ? 0 : error == -ECANCELED ? 1 : 2], 1, relaxed);
}

static void race_sender(void *arg)
{
	uint64_t item = 1;
	int error;
	while ((error = sley_chan_try_send(chan, &item)) == -EAGAIN && !load(&stage, acquire))
		sley_yield();
	fetch_add((uint64_t *)arg, error == 0, relaxed);
}

/*
 * A canceller against an event against a deadline: each wait has one outcome, and it agrees with the sender's.
 *
 *   waiter               canceller            sender
 *   begins its wait      CANCEL
 *                                             pops the node, claims: one of the two wins
 *                        claims
 */
TASK_TEST(race, 1, 2, 4)
{
	static uint64_t sent;
	long rounds = test_scale(20000);
	sent = outcomes[0] = outcomes[1] = outcomes[2] = 0;
	REQUIRE(sley_chan_new(&chan, 8, 0) == 0);
	for (long i = 0; i < rounds; i++) {
		store(&stage, 0, relaxed);
		sley_task waiter = sley_spawn(race_waiter, (void *)(uintptr_t)(i % 3 * i));
		sley_task sender = sley_spawn(race_sender, &sent);
		if (i % 2)
			sley_yield();
		REQUIRE(sley_cancel(waiter) == 0);
		REQUIRE(sley_join(waiter, SOON) == 0);
		store(&stage, 1, release);
		REQUIRE(sley_join(sender, SOON) == 0);
	}
	REQUIRE(outcomes[0] + outcomes[1] + outcomes[2] == (uint64_t)rounds);
	REQUIRE(outcomes[0] == sent); /* what was sent was received: no event lost, none doubled */
	REQUIRE(outcomes[1] > 0);
	REQUIRE(sley_chan_free(chan) == 0);
}
