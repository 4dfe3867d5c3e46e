/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Receiving several items of a channel at once: order, numbers, waiting senders, and each answer that is documented. */
#include "tests/unit/run.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/atomic.h"

static struct sley_chan *chan;

static void new_chan(size_t item, size_t capacity)
{
	REQUIRE(sley_chan_new(&chan, item, capacity) == 0);
}

static void free_chan(void)
{
	REQUIRE(sley_chan_free(chan) == 0);
}

/* It takes what is there, in order, and not more than is asked for; only with nothing there does it wait. */
TASK_TEST(there, 1)
{
	uint64_t items[200];
	new_chan(sizeof(*items), 200);
	for (uint64_t i = 0; i < 170; i++)
		REQUIRE(sley_chan_send(chan, &i, SOON) == 0);
	REQUIRE(sley_chan_recv_many(chan, items, 0, 0) == 0 && sley_chan_length(chan) == 170);
	REQUIRE(sley_chan_recv_many(chan, items, 70, 0) == 70 && sley_chan_length(chan) == 100);
	REQUIRE(sley_chan_recv_many(chan, items + 70, 130, 0) == 100);
	for (uint64_t i = 0; i < 170; i++)
		REQUIRE(items[i] == i);
	REQUIRE(sley_chan_recv_many(chan, items, 200, 0) == -ETIMEDOUT);
	REQUIRE(sley_chan_recv_many(chan, items, 200, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_chan_send(chan, &items[3], SOON) == 0 && sley_chan_close(chan) == 0);
	REQUIRE(sley_chan_recv_many(chan, items, 200, SOON) == 1 && items[0] == 3);
	REQUIRE(sley_chan_recv_many(chan, items, 200, SOON) == -EPIPE);
	free_chan();
}

static void send_one(void *arg)
{
	char item[2500];
	memset(item, (int)(uintptr_t)arg, sizeof(item));
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
}

/* Senders that wait give their items, too, behind those of the buffer and in the order in which they came. */
TASK_TEST(senders, 1, 3)
{
	static char items[20][2500];
	sley_task tasks[12];
	for (size_t capacity = 0; capacity <= 2; capacity += 2) {
		new_chan(sizeof(items[0]), capacity);
		for (uintptr_t i = 0; i < 12; i++) {
			tasks[i] = sley_spawn(send_one, (void *)i);
			await_state(tasks[i], i < capacity ? SLEY_TASK_ENDED : SLEY_TASK_WAITING,
				    i < capacity ? SLEY_WAIT_NONE : SLEY_WAIT_SEND);
		}
		REQUIRE(sley_chan_recv_many(chan, items, 20, 0) == 12);
		for (int i = 0; i < 12; i++) {
			REQUIRE(sley_join(tasks[i], SOON) == 0);
			REQUIRE(items[i][0] == i && items[i][2499] == i);
		}
		free_chan();
	}
}

static ssize_t received;
static uint64_t places[8];

static void receive(void *arg)
{
	received = sley_chan_recv_many(chan, places, 8, SLEY_NEVER);
}

/* The wait is for the first item, and a close ends it; the place is noted as that of any receiver. */
TASK_TEST(waits, 1, 3)
{
	uint64_t item = 7;
	new_chan(sizeof(item), 0);
	for (int closes = 0; closes < 2; closes++) {
		sley_task task = sley_spawn(receive, NULL);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
		REQUIRE(closes ? sley_chan_close(chan) == 0 : sley_chan_send(chan, &item, SOON) == 0);
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(closes ? received == -EPIPE : received == 1 && places[0] == 7);
	}
	free_chan();
}

static uint64_t sum_sent, sum_received; /* atomic */

static void send_many(void *arg)
{
	long items = test_scale(20000);
	for (uint64_t i = 1; i <= (uint64_t)items; i++) {
		fetch_add(&sum_sent, i, relaxed);
		REQUIRE(sley_chan_send(chan, &i, SLEY_NEVER) == 0);
	}
}

static void receive_many(void *arg)
{
	uint64_t items[100];
	ssize_t n;
	while ((n = sley_chan_recv_many(chan, items, 100, SLEY_NEVER)) > 0) {
		REQUIRE(n <= 100);
		while (n-- > 0)
			fetch_add(&sum_received, items[n], relaxed);
	}
	REQUIRE(n == -EPIPE);
}

/* Four senders and three receivers: no item is lost or doubled. */
TASK_TEST(many, 1, 2, 4)
{
	sley_task tasks[7];
	for (size_t capacity = 0; capacity <= 128; capacity += 64) {
		sum_sent = sum_received = 0;
		new_chan(sizeof(uint64_t), capacity);
		for (int i = 0; i < 7; i++)
			tasks[i] = i < 4 ? sley_spawn(send_many, NULL) : sley_spawn(receive_many, NULL);
		for (int i = 0; i < 7; i++) {
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
			if (i == 3)
				REQUIRE(sley_chan_close(chan) == 0);
		}
		REQUIRE(sum_sent == sum_received && sum_sent > 0);
		free_chan();
	}
}

static void *plain_thread(void *arg)
{
	receive_many(NULL);
	return NULL;
}

/* A plain thread may receive so, and waits itself. */
TASK_TEST(plain_thread, 1, 2)
{
	pthread_t thread;
	sum_sent = sum_received = 0;
	new_chan(sizeof(uint64_t), 5);
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	send_many(NULL);
	REQUIRE(sley_chan_close(chan) == 0 && pthread_join(thread, NULL) == 0);
	REQUIRE(sum_sent == sum_received);
	free_chan();
}

static void cancelled(void *arg)
{
	uint64_t items[2];
	REQUIRE(sley_chan_recv_many(chan, items, 2, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_chan_send(chan, &(uint64_t){ 5 }, SLEY_NEVER) == 0); /* there is room, so this is no wait */
	REQUIRE(sley_chan_recv_many(chan, items, 2, SLEY_NEVER) == 1 && items[0] == 5);
}

/* A null channel is never ready, a null array is refused, and so is a number that no array can have; what is ready is done. */
TASK_TEST(answers, 1)
{
	uint64_t items[2];
	new_chan(sizeof(*items), 1);
	REQUIRE(sley_chan_recv_many(NULL, items, 2, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_chan_recv_many(chan, NULL, 2, SOON) == -EFAULT);
	REQUIRE(sley_chan_recv_many(chan, items, (size_t)SSIZE_MAX + 1, SOON) == -EINVAL);
	sley_task task = sley_spawn(cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	free_chan();
}

/* Outside of a run there is none to work in. */
TEST_FIRST(outside)
{
	uint64_t item;
	assert_int_equal(sley_chan_new(&chan, sizeof(item), 1), 0);
	assert_int_equal(sley_chan_recv_many(chan, &item, 1, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_chan_free(chan), 0);
}
