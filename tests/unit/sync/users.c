/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A channel that frees itself with its last user, and what the users of one side see when the other side has gone. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"

static struct sley_chan *chan;
static int answer;
static uint64_t sum;

static void make(size_t capacity, unsigned senders, unsigned receivers)
{
	REQUIRE(sley_chan_new(&chan, sizeof(uint64_t), capacity) == 0);
	while (senders-- > 0)
		REQUIRE(sley_chan_ref(chan, SLEY_SEND) == 0);
	while (receivers-- > 0)
		REQUIRE(sley_chan_ref(chan, SLEY_RECV) == 0);
}

static void send_until_error(void *arg)
{
	uint64_t item = 1;
	while ((answer = sley_chan_send(chan, &item, SLEY_NEVER)) == 0)
		item++;
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == 0);
}

static void recv_until_error(void *arg)
{
	uint64_t item;
	while ((answer = sley_chan_recv(chan, &item, SLEY_NEVER)) == 0)
		sum += item;
	REQUIRE(sley_chan_unref(chan, SLEY_RECV) == 0);
}

/* The last receiver goes: a sender that waits gets -EPIPE, and frees the channel (ASan, and the leak check, see to it). */
TASK_TEST(receivers_gone, 1, 2)
{
	uint64_t item = 0;
	make(2, 1, 2);
	sley_task task = sley_spawn(send_until_error, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SEND);
	REQUIRE(sley_chan_unref(chan, SLEY_RECV) == 0);
	REQUIRE(sley_chan_recv(chan, &item, SOON) == 0 && item == 1); /* one is left */
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SEND);
	REQUIRE(sley_chan_unref(chan, SLEY_RECV) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && answer == -EPIPE);
}

/* The last sender goes: what is buffered is received, and then -EPIPE. */
TASK_TEST(senders_gone, 1, 2)
{
	make(8, 2, 1);
	sum = 0;
	for (uint64_t i = 1; i <= 3; i++)
		REQUIRE(sley_chan_send(chan, &i, SOON) == 0);
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == 0);
	sley_task task = sley_spawn(recv_until_error, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_chan_free(chan) == -EBUSY);
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && answer == -EPIPE && sum == 6);
}

/* ---- many ---- */

#define SENDERS   4
#define RECEIVERS 3

static uint64_t sent, received, refused; /* atomic */

static void send_some(void *arg)
{
	uint64_t item = (uint64_t)(uintptr_t)arg;
	for (int i = 0; i < 50; i++) {
		if (sley_chan_send(chan, &item, SLEY_NEVER) == 0)
			fetch_add(&sent, item, relaxed);
		else
			fetch_add(&refused, 1, relaxed);
	}
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == 0);
}

static void recv_some(void *arg)
{
	uint64_t item;
	while (sley_chan_recv(chan, &item, SLEY_NEVER) == 0)
		fetch_add(&received, item, relaxed);
	REQUIRE(sley_chan_unref(chan, SLEY_RECV) == 0);
}

static void *send_in_thread(void *arg)
{
	send_some(arg);
	return NULL;
}

/* Users that come and go at the same time, a plain thread among them: who comes last frees it, and nothing is lost. */
TASK_TEST(many, 1, 2, 4)
{
	for (long round = test_scale(200); round > 0; round--) {
		sley_task tasks[SENDERS + RECEIVERS];
		pthread_t thread;
		sent = received = refused = 0;
		make((size_t)round % 3, SENDERS + 1, RECEIVERS);
		REQUIRE(pthread_create(&thread, NULL, send_in_thread, (void *)7) == 0);
		for (uintptr_t i = 0; i < SENDERS; i++)
			tasks[i] = sley_spawn(send_some, (void *)i);
		for (int i = 0; i < RECEIVERS; i++)
			tasks[SENDERS + i] = sley_spawn(recv_some, NULL);
		for (int i = 0; i < SENDERS + RECEIVERS; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0);
		pthread_join(thread, NULL);
		REQUIRE(sent == received && refused == 0);
	}
}

/* ---- answers ---- */

static void wait_without_use(void *arg)
{
	uint64_t item;
	answer = sley_chan_recv(arg, &item, SLEY_NEVER);
}

static void select_without_use(void *arg)
{
	uint64_t item;
	struct sley_case cases[] = { { .chan = arg, .op = SLEY_RECV, .into = &item } };
	answer = sley_select_ordered(cases, 1, SLEY_NEVER);
}

static void on_copying_stack(void *arg)
{
	uint64_t space[32] = { 0 };
	REQUIRE(sley_chan_ref((struct sley_chan *)(void *)space, SLEY_SEND) == -EFAULT);
	REQUIRE(sley_chan_unref((struct sley_chan *)(void *)space, SLEY_SEND) == -EFAULT);
}

/* One worker: who was woken by the close has not run yet when the channel would be freed. */
TASK_TEST(answers, 1)
{
	static char text[4096];
	struct sley_chan *none = NULL;
	make(1, 0, 0);
	REQUIRE(sley_chan_ref(none, SLEY_SEND) == -EINVAL && sley_chan_unref(none, SLEY_SEND) == -EINVAL);
	REQUIRE(sley_chan_ref(chan, 2) == -EINVAL && sley_chan_unref(chan, -1) == -EINVAL);
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == -EINVAL && sley_chan_ref(chan, SLEY_RECV) == 0);
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == -EINVAL && sley_chan_free(chan) == -EBUSY);
	capture_begin();
	sley_task task = sley_spawn(select_without_use, chan);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
	REQUIRE(sley_chan_unref(chan, SLEY_RECV) == -EBUSY); /* this select looks at it once more */
	REQUIRE(sley_join(task, SOON) == 0 && answer == 0 && sley_chan_free(chan) == 0);
	make(1, 1, 0);
	task = sley_spawn(wait_without_use, chan);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_chan_unref(chan, SLEY_SEND) == 0); /* the close has ended its use */
	REQUIRE(sley_join(task, SOON) == 0 && answer == -EPIPE);
	task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "The last user of a channel has gone") == 1);
	REQUIRE(occurrences(text, "sley_chan_ref() fails with -EFAULT: the channel") == 1);
}

/* Outside of a run, before it and after it. */
TEST(outside)
{
	make(1, 1, 1);
	assert_int_equal(sley_chan_unref(chan, SLEY_SEND), 0);
	assert_int_equal(sley_chan_unref(chan, SLEY_RECV), 0);
}
