/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Broadcasts: each subscriber gets each item; what becomes of slow ones; what becomes of all when the senders have gone. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"

static struct sley_broadcast *news;
static struct sley_subscriber *fast, *slow;

static void tell(uint64_t item)
{
	REQUIRE(sley_broadcast_send(news, &item, SOON) == 0);
}

static uint64_t hear(struct sley_subscriber *subscriber, int lost)
{
	uint64_t item = 0;
	REQUIRE(sley_subscriber_recv(subscriber, &item, SOON) == lost);
	return item;
}

/* Each gets each, from when it has subscribed; who is behind loses the oldest, and is told how many. */
TASK_TEST(lossy, 1)
{
	uint64_t item;
	REQUIRE(sley_broadcast_new(&news, 8, 3, 0) == 0);
	tell(1); /* to nobody */
	REQUIRE(sley_subscribe(&fast, news) == 0);
	tell(2);
	REQUIRE(sley_subscribe(&slow, news) == 0);
	REQUIRE(hear(fast, 0) == 2 && sley_subscriber_recv(fast, &item, 0) == -ETIMEDOUT);
	for (uint64_t i = 3; i <= 8; i++) {
		tell(i);
		REQUIRE(hear(fast, 0) == i);
	}
	REQUIRE(hear(slow, 3) == 6 && hear(slow, 0) == 7);
	tell(9);
	REQUIRE(hear(slow, 0) == 8 && sley_broadcast_free(news) == 0);
	REQUIRE(hear(slow, 0) == 9 && sley_subscriber_recv(slow, &item, SLEY_NEVER) == -EPIPE);
	REQUIRE(hear(fast, 0) == 9 && sley_subscriber_recv(fast, &item, 0) == -EPIPE);
	REQUIRE(sley_subscriber_free(slow) == 0 && sley_subscriber_free(fast) == 0);
}

static unsigned order[3], turns; /* atomic */

static void send_in_turn(void *arg)
{
	tell((uint64_t)(uintptr_t)arg);
	order[fetch_add(&turns, 1, relaxed)] = (unsigned)(uintptr_t)arg;
}

static sley_task start_sending(uintptr_t item)
{
	sley_task task = sley_spawn(send_in_turn, (void *)item);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
	return task;
}

/* Senders wait for the slowest, in their order; also for one that goes, and one that is cancelled leaves the queue. */
TASK_TEST(back_pressure, 1, 2)
{
	uint64_t item = 0;
	turns = 0;
	REQUIRE(sley_broadcast_new(&news, 8, 2, SLEY_BROADCAST_WAIT) == 0);
	REQUIRE(sley_subscribe(&fast, news) == 0 && sley_subscribe(&slow, news) == 0);
	tell(1);
	tell(2);
	REQUIRE(sley_broadcast_send(news, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_broadcast_send(news, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	sley_task first = start_sending(3), second = start_sending(4);
	REQUIRE(hear(fast, 0) == 1 && hear(fast, 0) == 2);
	REQUIRE(sley_subscriber_recv(fast, &item, 0) == -ETIMEDOUT);
	REQUIRE(hear(slow, 0) == 1);
	REQUIRE(sley_join(first, SOON) == 0 && turns == 1 && order[0] == 3);
	REQUIRE(state_of(second) == SLEY_TASK_WAITING);
	REQUIRE(sley_subscriber_free(slow) == 0); /* 2 and 3 have one reader alone from now on */
	REQUIRE(sley_join(second, SOON) == 0 && order[1] == 4);
	REQUIRE(hear(fast, 0) == 3 && hear(fast, 0) == 4);
	REQUIRE(sley_broadcast_free(news) == 0 && sley_subscriber_recv(fast, &item, 0) == -EPIPE);
	REQUIRE(sley_subscriber_free(fast) == 0);
}

/* ---- many ---- */

#define SENDERS     3
#define SUBSCRIBERS 4

static bool waits;
static uint64_t each;

static void read_all(void *arg)
{
	struct sley_subscriber *subscriber = arg;
	uint64_t item, last[SENDERS] = { 0 }, got = 0, lost = 0;
	int result;
	while ((result = sley_subscriber_recv(subscriber, &item, SLEY_NEVER)) >= 0) {
		uint64_t sender = item % SENDERS, number = item / SENDERS;
		REQUIRE(number > last[sender]); /* in the order of each sender */
		last[sender] = number;
		lost += (uint64_t)result;
		got++;
	}
	REQUIRE(result == -EPIPE && got + lost == SENDERS * each && (lost == 0 || !waits));
	REQUIRE(sley_subscriber_free(subscriber) == 0);
}

static void send_all(void *arg)
{
	for (uint64_t i = 1; i <= each; i++)
		tell(i * SENDERS + (uint64_t)(uintptr_t)arg);
	REQUIRE(sley_broadcast_free(news) == 0);
}

static void *send_all_in_thread(void *arg)
{
	send_all(arg);
	return NULL;
}

static void mix(size_t capacity, unsigned flags)
{
	sley_task tasks[SENDERS + SUBSCRIBERS];
	struct sley_subscriber *subscriber;
	pthread_t thread;
	waits = flags & SLEY_BROADCAST_WAIT;
	each = (uint64_t)test_scale(3000);
	REQUIRE(sley_broadcast_new(&news, 8, capacity, flags) == 0);
	for (int i = 0; i < SUBSCRIBERS; i++) {
		REQUIRE(sley_subscribe(&subscriber, news) == 0);
		tasks[i] = sley_spawn(read_all, subscriber);
	}
	for (uintptr_t i = 1; i < SENDERS; i++)
		REQUIRE(sley_broadcast_ref(news) == news);
	for (uintptr_t i = 0; i < SENDERS - 1; i++)
		tasks[SUBSCRIBERS + i] = sley_spawn(send_all, (void *)i);
	REQUIRE(pthread_create(&thread, NULL, send_all_in_thread, (void *)(uintptr_t)(SENDERS - 1)) == 0);
	for (int i = 0; i < SUBSCRIBERS + SENDERS - 1; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	pthread_join(thread, NULL);
}

/* Senders, a thread among them, and subscribers: nothing is got twice or out of order, and what is lost is told. */
TASK_TEST(many, 1, 2, 4)
{
	mix(1, SLEY_BROADCAST_WAIT);
	mix(7, SLEY_BROADCAST_WAIT);
	mix(1, 0);
	mix(7, 0);
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	uint64_t space[32] = { 0 }, item = 0;
	struct sley_broadcast *here = (struct sley_broadcast *)(void *)space;
	struct sley_subscriber *there = (struct sley_subscriber *)(void *)space;
	REQUIRE(sley_broadcast_send(here, &item, 0) == -EFAULT && sley_subscribe(&slow, here) == -EFAULT);
	REQUIRE(sley_broadcast_free(here) == -EFAULT && sley_subscriber_free(there) == -EFAULT);
	REQUIRE(sley_subscriber_recv(there, &item, 0) == -EFAULT);
}

TASK_TEST(answers, 1)
{
	static char text[4096];
	uint64_t item = 0;
	struct sley_broadcast *none = NULL;
	struct sley_subscriber *nobody = NULL;
	REQUIRE(sley_broadcast_new(NULL, 8, 1, 0) == -EINVAL && sley_broadcast_new(&news, 65537, 1, 0) == -EINVAL);
	REQUIRE(sley_broadcast_new(&news, 8, 0, 0) == -EINVAL && sley_broadcast_new(&news, 8, 1, 2) == -EINVAL);
	REQUIRE(sley_broadcast_new(&news, 8, SIZE_MAX / 4, 0) == -EOVERFLOW);
	REQUIRE(sley_broadcast_new(&news, 0, SIZE_MAX / 4, SLEY_BROADCAST_WAIT) == -EOVERFLOW);
	REQUIRE(sley_broadcast_new(&news, 0, 2, SLEY_BROADCAST_WAIT) == 0 && sley_subscribe(&fast, news) == 0);
	REQUIRE(sley_broadcast_send(news, NULL, 0) == 0 && sley_subscriber_recv(fast, NULL, 0) == 0);
	REQUIRE(sley_broadcast_free(news) == 0 && sley_subscriber_free(fast) == 0);
	REQUIRE(sley_broadcast_new(&news, 3, 5, SLEY_BROADCAST_WAIT) == 0); /* counters behind an odd ring */
	REQUIRE(sley_subscribe(&fast, news) == 0 && sley_broadcast_send(news, "abc", 0) == 0);
	REQUIRE(sley_broadcast_send(news, NULL, 0) == -EFAULT && sley_subscriber_recv(fast, NULL, 0) == -EFAULT);
	REQUIRE(sley_broadcast_send(none, &item, 0) == -EINVAL && sley_subscribe(&slow, none) == -EINVAL);
	REQUIRE(sley_subscribe(NULL, news) == -EINVAL && sley_subscriber_recv(nobody, &item, 0) == -EINVAL);
	REQUIRE(sley_broadcast_free(none) == 0 && sley_subscriber_free(nobody) == 0 && !sley_broadcast_ref(none));
	REQUIRE(sley_subscriber_free(fast) == 0 && sley_broadcast_free(news) == 0);
	capture_begin();
	sley_task task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_broadcast_send() fails with -EFAULT: the broadcast") == 1);
}

static int main_left(void *arg)
{
	REQUIRE(sley_broadcast_new(&news, 8, 1, SLEY_BROADCAST_WAIT) == 0 && sley_subscribe(&slow, news) == 0);
	tell(1);
	return 0;
}

static int main_again(void *arg)
{
	tell(2); /* nobody is subscribed any more: it waits for none */
	return 0;
}

/* Outside of a run: a subscription that ends there is not waited for in the next one. */
TEST(outside)
{
	uint64_t item = 3;
	run(main_left, 1);
	assert_int_equal(sley_broadcast_send(news, &item, 0), -ENOTCONN);
	assert_int_equal(sley_subscriber_free(slow), 0);
	run(main_again, 1);
	assert_int_equal(sley_broadcast_free(news), 0);
}
