/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Channels: order, capacity, items of all sizes, closing, and each answer that the calls document. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

static struct sley_chan *chan;

/* ---- order and contents ---- */

struct shape {
	size_t item, capacity;
};

/* The i-th item: its number (as far as it fits) and a pattern. */
static void fill(char *item, size_t size, uint64_t i)
{
	memset(item, (int)(i * 31), size);
	memcpy(item, &i, size < sizeof(i) ? size : sizeof(i));
}

static void send_all(void *arg)
{
	const struct shape *shape = arg;
	long items = test_scale(5000);
	char item[3000];
	for (long i = 0; i < items; i++) {
		fill(item, shape->item, (uint64_t)i);
		REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
		memset(item, 0xee, sizeof(item)); /* ours again */
	}
	REQUIRE(sley_chan_close(chan) == 0);
}

static void receive_all(void *arg)
{
	const struct shape *shape = arg;
	long items = test_scale(5000);
	char item[3000], expected[3000];
	for (long i = 0; i < items; i++) {
		memset(item, 0x55, sizeof(item));
		REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0);
		fill(expected, shape->item, (uint64_t)i);
		REQUIRE(memcmp(item, expected, shape->item) == 0);
		REQUIRE(item[shape->item] == 0x55); /* not a byte more */
	}
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == -EPIPE);
}

static int main_order(void *arg)
{
	static const struct shape shapes[] = {
		{ 0, 0 },   { 0, 3 }, { 1, 0 },   { 1, 1 },   { 4, 7 },    { 8, 0 },
		{ 8, 128 }, { 9, 0 }, { 100, 0 }, { 100, 5 }, { 2500, 0 }, { 2500, 2 },
	};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		REQUIRE(sley_chan_new(&chan, shapes[i].item, shapes[i].capacity) == 0);
		sley_task sender = sley_spawn(send_all, (void *)&shapes[i]);
		sley_task receiver = sley_spawn(receive_all, (void *)&shapes[i]);
		REQUIRE(sley_join(sender, SLEY_NEVER) == 0 && sley_join(receiver, SLEY_NEVER) == 0);
		REQUIRE(sley_chan_free(chan) == 0);
	}
	return 0;
}

/* Items of all sizes arrive whole and in order, with and without a buffer, between tasks that share stacks and not. */
TEST(order)
{
	struct sley_options few = { .size = sizeof(few), .workers = 2, .stack_slots = 1 };
	run(main_order, 1);
	run(main_order, 3);
#ifndef SLEY_ASAN
	run_with(main_order, NULL, &few);
#else
	(void)few;
#endif
}

static uint64_t sum_sent, sum_received, count_received;

static void send_many(void *arg)
{
	long items = test_scale(20000);
	uint64_t base = (uint64_t)(uintptr_t)arg << 32;
	for (uint64_t i = 1; i <= (uint64_t)items; i++) {
		uint64_t item = base + i;
		REQUIRE(sley_chan_send(chan, &item, SLEY_NEVER) == 0);
		fetch_add(&sum_sent, item, relaxed);
	}
}

static void receive_many(void *arg)
{
	uint64_t item, last[8] = { 0 };
	while (sley_chan_recv(chan, &item, SLEY_NEVER) == 0) {
		REQUIRE((uint32_t)item > last[item >> 32]); /* each sender's come in its order */
		last[item >> 32] = (uint32_t)item;
		fetch_add(&sum_received, item, relaxed);
		fetch_add(&count_received, 1, relaxed);
	}
}

/* Four senders and four receivers: no item is lost or doubled, and closing gives out what is buffered. */
TASK_TEST(many, 1, 2, 4)
{
	sley_task tasks[8];
	for (size_t capacity = 0; capacity < 20; capacity += 6) {
		sum_sent = sum_received = count_received = 0;
		REQUIRE(sley_chan_new(&chan, sizeof(uint64_t), capacity) == 0);
		for (uintptr_t i = 0; i < 4; i++) {
			tasks[i] = sley_spawn(send_many, (void *)i);
			tasks[4 + i] = sley_spawn(receive_many, NULL);
		}
		for (int i = 0; i < 4; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		REQUIRE(sley_chan_close(chan) == 0);
		for (int i = 4; i < 8; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		REQUIRE(sum_sent == sum_received && count_received == 4 * (uint64_t)test_scale(20000));
		REQUIRE(sley_chan_free(chan) == 0);
	}
}

static void send_one(void *arg)
{
	uint64_t item = (uint64_t)(uintptr_t)arg;
	REQUIRE(sley_chan_send(chan, &item, SLEY_NEVER) == 0);
}

/* Senders are served in the order in which they came, across the buffer and those that wait. */
TASK_TEST(senders_order, 2)
{
	sley_task tasks[30];
	uint64_t item;
	REQUIRE(sley_chan_new(&chan, sizeof(item), 2) == 0);
	for (uintptr_t i = 0; i < 30; i++) {
		tasks[i] = sley_spawn(send_one, (void *)i);
		await_state(tasks[i], i < 2 ? SLEY_TASK_ENDED : SLEY_TASK_WAITING,
			    i < 2 ? SLEY_WAIT_NONE : SLEY_WAIT_SEND);
	}
	for (uint64_t i = 0; i < 30; i++)
		REQUIRE(sley_chan_recv(chan, &item, SLEY_NEVER) == 0 && item == i);
	for (int i = 0; i < 30; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
}

/* ---- answers ---- */

static int main_new(void *arg)
{
	struct sley_chan *c = NULL;
	REQUIRE(sley_chan_new(&c, (64 << 10) + 1, 0) == -EINVAL);
	REQUIRE(sley_chan_new(&c, SIZE_MAX, 1) == -EINVAL);
	REQUIRE(sley_chan_new(&c, 64 << 10, SIZE_MAX / 2) == -EOVERFLOW);
	REQUIRE(sley_chan_new(&c, 1, SIZE_MAX) == -EOVERFLOW);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they end the process instead */
	REQUIRE(sley_chan_new(&c, 64 << 10, (size_t)1 << 46) == -ENOMEM);
#endif
	REQUIRE(c == NULL);
	REQUIRE(sley_chan_new(&c, 64 << 10, 1) == 0);
	REQUIRE(sley_chan_free(c) == 0);
	REQUIRE(sley_chan_free(NULL) == 0);
	return 0;
}

/* What cannot be made, in a run and outside of one. */
TEST_FIRST(new)
{
	assert_int_equal(main_new(NULL), 0);
	run(main_new, 1);
}

/* Deadlines of both ends; a null channel never becomes ready. */
TASK_TEST(deadlines, 1)
{
	uint64_t item = 1;
	REQUIRE(sley_chan_new(&chan, sizeof(item), 1) == 0);
	REQUIRE(sley_chan_recv(chan, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_chan_recv(chan, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_chan_send(chan, &item, 0) == 0); /* there is room: the deadline does not matter */
	REQUIRE(sley_chan_send(chan, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_chan_send(chan, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_chan_recv(chan, &item, 0) == 0);
	REQUIRE(sley_chan_recv(NULL, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* null: never ready */
	REQUIRE(sley_chan_send(NULL, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_chan_try_send(NULL, &item) == -EAGAIN && sley_chan_try_recv(NULL, &item) == -EAGAIN);
	REQUIRE(sley_chan_free(chan) == 0);
}

/* Trying, and what a closed channel answers. */
TASK_TEST(try, 1)
{
	char item[100] = { 'a' }, back[100];
	REQUIRE(sley_chan_new(&chan, sizeof(item), 2) == 0);
	REQUIRE(sley_chan_try_recv(chan, back) == -EAGAIN);
	REQUIRE(sley_chan_try_send(chan, item) == 0 && sley_chan_try_send(chan, item) == 0);
	REQUIRE(sley_chan_try_send(chan, item) == -EAGAIN);
	REQUIRE(sley_chan_try_recv(chan, back) == 0 && back[0] == 'a');
	REQUIRE(sley_chan_close(chan) == 0);
	REQUIRE(sley_chan_close(chan) == -EPIPE);
	REQUIRE(sley_chan_try_send(chan, item) == -EPIPE);
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == -EPIPE);
	REQUIRE(sley_chan_try_recv(chan, back) == 0); /* what is buffered can still be had */
	REQUIRE(sley_chan_try_recv(chan, back) == -EPIPE);
	REQUIRE(sley_chan_recv(chan, back, SLEY_NEVER) == -EPIPE);
	REQUIRE(sley_chan_free(chan) == 0);
}

static unsigned ended_by_close;

static void send_until_closed(void *arg)
{
	char item[100] = { 0 };
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == -EPIPE);
	fetch_add(&ended_by_close, 1, relaxed);
}

static void receive_until_closed(void *arg)
{
	char item[100];
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == -EPIPE);
	fetch_add(&ended_by_close, 1, relaxed);
}

/* Close wakes all waiters of either end with -EPIPE; while they wait, the channel cannot be freed. */
TASK_TEST(close, 1, 3)
{
	static void (*const bodies[])(void *) = { send_until_closed, receive_until_closed };
	sley_task tasks[20];
	for (int b = 0; b < 2; b++) {
		ended_by_close = 0;
		REQUIRE(sley_chan_new(&chan, 100, 0) == 0);
		for (int i = 0; i < 20; i++) {
			tasks[i] = sley_spawn_at(SLEY_SITE("body"), NULL, bodies[b], NULL, SLEY_BY_POINTER);
			await_state(tasks[i], SLEY_TASK_WAITING, b ? SLEY_WAIT_RECV : SLEY_WAIT_SEND);
		}
		REQUIRE(sley_chan_free(chan) == -EBUSY);
		REQUIRE(sley_chan_close(chan) == 0);
		for (int i = 0; i < 20; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		REQUIRE(ended_by_close == 20);
		REQUIRE(sley_chan_free(chan) == 0);
	}
}

static void receive_and_end(void *arg)
{
	char item[100];
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0);
}

/* No memory to hold a large item while waiting: -ENOMEM, only when it must wait, and the channel goes on. */
TASK_TEST(no_memory, 1)
{
	char item[100] = { 0 };
	uint64_t word = 1;
	struct sley_chan *words;
	REQUIRE(sley_chan_new(&chan, sizeof(item), 1) == 0 && sley_chan_new(&words, sizeof(word), 0) == 0);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == -ENOMEM);
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0); /* room: needs no block */
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == -ENOMEM);
	REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_send(words, &word, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* a word waits in its node */
	store(&block_test_fail, 0, relaxed);
	sley_task task = sley_spawn(receive_and_end, NULL);
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(chan) == 0 && sley_chan_free(words) == 0);
}

/* ---- other threads, and after a run ---- */

static struct sley_chan *back;

static void *plain_thread(void *unused)
{
	uint64_t item = 0;
	REQUIRE(sley_chan_recv(chan, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_chan_recv(chan, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (uint64_t i = 0; i < 1000; i++)
		REQUIRE(sley_chan_send(chan, &i, SLEY_NEVER) == 0);
	for (uint64_t i = 0; i < 1000;) {
		int error = sley_chan_try_send(chan, &i);
		REQUIRE(error == 0 || error == -EAGAIN);
		i += error == 0;
	}
	for (uint64_t i = 0; i < 1000; i++)
		REQUIRE(sley_chan_recv(back, &item, SLEY_NEVER) == 0 && item == i);
	REQUIRE(sley_chan_close(back) == 0);
	REQUIRE(sley_chan_recv(back, &item, SLEY_NEVER) == -EPIPE);
	REQUIRE(sley_chan_send(back, &item, SLEY_NEVER) == -EPIPE);
	return NULL;
}

static int main_plain(void *capacity)
{
	pthread_t thread;
	uint64_t item;
	REQUIRE(sley_chan_new(&chan, sizeof(item), (uintptr_t)capacity) == 0);
	REQUIRE(sley_chan_new(&back, sizeof(item), (uintptr_t)capacity) == 0);
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	for (uint64_t i = 0; i < 2000; i++) {
		if (i % 100 == 0)
			sley_sleep(sley_in(SLEY_US(100))); /* lets the thread fall asleep now and then */
		REQUIRE(sley_chan_recv(chan, &item, SOON) == 0 && item == i % 1000);
	}
	for (uint64_t i = 0; i < 1000; i++)
		REQUIRE(sley_chan_send(back, &i, SOON) == 0);
	pthread_join(thread, NULL); /* it has what it wants, and needs no worker */
	REQUIRE(sley_chan_recv(back, &item, SOON) == -EPIPE);
	REQUIRE(sley_chan_free(chan) == 0 && sley_chan_free(back) == 0);
	return 0;
}

/* A plain thread may send, receive, try and close; it waits itself, and is woken by tasks as they are by it. */
TEST(plain_thread)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		for (uintptr_t capacity = 0; capacity < 5; capacity += 4) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_plain, (void *)capacity, &options);
		}
	}
}

static unsigned waiting_threads;

static void *stranded(void *sending)
{
	uint64_t item[4] = { 0 };
	fetch_add(&waiting_threads, 1, relaxed);
	return (void *)(intptr_t)(sending ? sley_chan_send(chan, item, SLEY_NEVER) : sley_chan_recv(chan, item, SOON));
}

static pthread_t strands[2];

static int main_strand(void *sending)
{
	REQUIRE(sley_chan_new(&chan, 32, 0) == 0);
	waiting_threads = 0;
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&strands[i], NULL, stranded, sending) == 0);
	while (load(&waiting_threads, relaxed) < 2)
		sley_yield();
	return 0;
}

/* Threads that wait, or are about to, when the run ends are told so, and nothing that they use is gone before they have left. */
TEST(run_ends)
{
	for (int round = 0; round < test_scale(200); round++) {
		struct sley_options options = { .size = sizeof(options), .workers = 2 };
		run_with(main_strand, (void *)(uintptr_t)(round % 2), &options);
		for (int i = 0; i < 2; i++) {
			void *answer;
			assert_int_equal(pthread_join(strands[i], &answer), 0);
			assert_int_equal((intptr_t)answer, -ENOTCONN);
		}
		assert_int_equal(sley_chan_free(chan), 0);
	}
}

static void receive_for_ever(void *arg)
{
	uint64_t item;
	sley_chan_recv(chan, &item, SLEY_NEVER);
}

static int main_abandon(void *arg)
{
	REQUIRE(sley_chan_new(&chan, 8, 0) == 0);
	sley_task task = sley_spawn(receive_for_ever, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	return 0;
}

/* Outside of a run: nobody waits, so a channel can be freed even if an abandoned task once did; the rest has no run to work in. */
TEST(outside)
{
	uint64_t item = 0;
	run(main_abandon, 1);
	assert_int_equal(sley_chan_send(chan, &item, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_chan_recv(chan, &item, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_chan_try_send(chan, &item), -ENOTCONN);
	assert_int_equal(sley_chan_try_recv(chan, &item), -ENOTCONN);
	assert_int_equal(sley_chan_close(chan), -ENOTCONN);
	assert_int_equal(sley_chan_free(chan), 0);
}
