/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Channels case by case: what waits and what does not, every way to send against every way to receive, select against a
 * model. The questions are those of Go's tests (select3, select6, select7, nonblock, zerosize and kin of test/chan, and
 * runtime/chan_test.go), the cases our own.
 */
#include "tests/unit/run.h"

#include <string.h>

#include "base/atomic.h"

static struct sley_chan *chan_new(size_t item, size_t capacity)
{
	struct sley_chan *chan;
	REQUIRE(sley_chan_new(&chan, item, capacity) == 0);
	return chan;
}

static void chan_free(struct sley_chan *chan)
{
	REQUIRE(sley_chan_free(chan) == 0);
}

static int select_one(struct sley_chan *chan, int op, void *item, sley_time deadline)
{
	struct sley_case c[2] = { { .chan = NULL, .op = SLEY_RECV }, { .chan = chan, .op = op, .into = item } };
	int which = sley_select(c, 2, deadline);
	REQUIRE(which < 0 || which == 1);
	return which < 0 ? which : c[1].error;
}

static int try_one(struct sley_chan *chan, int op, void *item)
{
	struct sley_case c = { .chan = chan, .op = op, .into = item };
	int which = sley_try_select(&c, 1);
	return which < 0 ? which : c.error;
}

/* ---- what waits ---- */

enum state { ABSENT, UNBUFFERED, EMPTY, FULL, CLOSED, CLOSED_WITH_ITEM };

static struct sley_chan *in_state(enum state state)
{
	char item[24] = { 0 };
	if (state == ABSENT)
		return NULL;
	struct sley_chan *chan = chan_new(sizeof(item), state == UNBUFFERED ? 0 : 1);
	if (state == FULL || state == CLOSED_WITH_ITEM)
		REQUIRE(sley_chan_send(chan, item, 0) == 0);
	if (state >= CLOSED)
		REQUIRE(sley_chan_close(chan) == 0);
	return chan;
}

static void check_state(enum state state, int op, int expected)
{
	char item[24] = { 0 };
	int tried = expected == -ETIMEDOUT ? -EAGAIN : expected;
	for (int how = 0; how < 4; how++) {
		struct sley_chan *chan = in_state(state);
		if (how == 0)
			REQUIRE((op == SLEY_SEND ? sley_chan_send(chan, item, 0) : sley_chan_recv(chan, item, 0)) ==
				expected);
		else if (how == 1)
			REQUIRE((op == SLEY_SEND ? sley_chan_try_send(chan, item) : sley_chan_try_recv(chan, item)) ==
				tried);
		else if (how == 2)
			REQUIRE(select_one(chan, op, item, sley_in(SLEY_US(100))) == expected);
		else
			REQUIRE(try_one(chan, op, item) == tried);
		chan_free(chan);
	}
}

/* What is buffered is counted, closed or not. */
TASK_TEST(length, 1)
{
	struct sley_chan *chan = chan_new(2, 3);
	uint16_t item = 0;
	for (size_t i = 0; i < 3; i++) {
		REQUIRE(sley_chan_length(chan) == i && sley_chan_capacity(chan) == 3);
		REQUIRE(sley_chan_send(chan, &item, 0) == 0);
	}
	REQUIRE(sley_chan_close(chan) == 0);
	REQUIRE(sley_chan_recv(chan, &item, 0) == 0 && sley_chan_length(chan) == 2);
	REQUIRE(sley_chan_length(NULL) == 0 && sley_chan_capacity(NULL) == 0);
	chan_free(chan);
}

/* Each state of a channel against each operation, as a call, a try, a select and a select with a default. */
TASK_TEST(states, 1)
{
	check_state(ABSENT, SLEY_SEND, -ETIMEDOUT);
	check_state(ABSENT, SLEY_RECV, -ETIMEDOUT);
	check_state(UNBUFFERED, SLEY_SEND, -ETIMEDOUT);
	check_state(UNBUFFERED, SLEY_RECV, -ETIMEDOUT);
	check_state(EMPTY, SLEY_SEND, 0);
	check_state(EMPTY, SLEY_RECV, -ETIMEDOUT);
	check_state(FULL, SLEY_SEND, -ETIMEDOUT);
	check_state(FULL, SLEY_RECV, 0);
	check_state(CLOSED, SLEY_SEND, -EPIPE);
	check_state(CLOSED, SLEY_RECV, -EPIPE);
	check_state(CLOSED_WITH_ITEM, SLEY_SEND, -EPIPE);
	check_state(CLOSED_WITH_ITEM, SLEY_RECV, 0);
}

/* ---- every way to send against every way to receive ---- */

#define ITEMS 200

static struct sley_chan *chan, *other;
static size_t size; /* of an item */

static void fill(char *item, unsigned i)
{
	memset(item, (int)(i % 251), size);
}

static int send_by(unsigned how, char *item)
{
	struct sley_case twice[3] = {
		{ .chan = chan, .op = SLEY_SEND, .from = item },
		{ .chan = other, .op = SLEY_RECV, .into = NULL },
		{ .chan = chan, .op = SLEY_SEND, .from = item },
	};
	int error;
	switch (how) {
	case 0:
		return sley_chan_send(chan, item, SOON);
	case 1:
		return select_one(chan, SLEY_SEND, item, SOON);
	case 2:
		error = sley_select(twice, 3, SOON);
		return error == 0 || error == 2 ? twice[error].error : -EINVAL;
	case 3:
		while ((error = sley_chan_try_send(chan, item)) == -EAGAIN)
			sley_yield();
		return error;
	default:
		while ((error = try_one(chan, SLEY_SEND, item)) == -EAGAIN)
			sley_yield();
		return error;
	}
}

static int receive_by(unsigned how, char *item)
{
	struct sley_case twice[3] = {
		{ .chan = chan, .op = SLEY_RECV, .into = item },
		{ .chan = other, .op = SLEY_RECV, .into = NULL },
		{ .chan = chan, .op = SLEY_RECV, .into = item },
	};
	int error;
	switch (how) {
	case 0:
		return sley_chan_recv(chan, item, SOON);
	case 1:
		return select_one(chan, SLEY_RECV, item, SOON);
	case 2:
		error = sley_select(twice, 3, SOON);
		return error == 0 || error == 2 ? twice[error].error : -EINVAL;
	case 3:
		while ((error = sley_chan_try_recv(chan, item)) == -EAGAIN)
			sley_yield();
		return error;
	default:
		while ((error = try_one(chan, SLEY_RECV, item)) == -EAGAIN)
			sley_yield();
		return error;
	}
}

static void send_all(void *how)
{
	char item[100];
	for (unsigned i = 0; i < ITEMS; i++) {
		fill(item, i);
		REQUIRE(send_by((unsigned)(uintptr_t)how, item) == 0);
	}
	REQUIRE(sley_chan_close(chan) == 0);
}

static void check_pair(unsigned sender, unsigned receiver, size_t capacity)
{
	char item[100], expected[100];
	chan = chan_new(size, capacity);
	sley_task task = sley_spawn(send_all, (void *)(uintptr_t)sender);
	for (unsigned i = 0; i < ITEMS; i++) {
		memset(item, 255, sizeof(item));
		fill(expected, i);
		REQUIRE(receive_by(receiver, item) == 0);
		REQUIRE(memcmp(item, expected, size) == 0 &&
			(size == sizeof(item) || (unsigned char)item[size] == 255));
	}
	REQUIRE(receive_by(receiver, item) == -EPIPE);
	REQUIRE(sley_join(task, SOON) == 0);
	chan_free(chan);
}

static int main_pairs(void *arg)
{
	static const size_t sizes[] = { 0, 1, 4, 8, 9, 100 };
	other = chan_new(0, 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size = sizes[i];
		for (unsigned pair = 0; pair < 25; pair++) {
			/* two that only try never meet without a buffer: Go's neither */
			bool only_try = pair / 5 >= 3 && pair % 5 >= 3;
			if (!only_try)
				check_pair(pair / 5, pair % 5, 0);
			check_pair(pair / 5, pair % 5, 3);
		}
	}
	chan_free(other);
	return 0;
}

/* Five ways each: call, select, select with the channel twice, try, select with a default; of items of all sizes. */
TEST(pairs)
{
	struct sley_options few = { .size = sizeof(few), .workers = 2, .stack_slots = 4 };
	run(main_pairs, 1);
	run_with(main_pairs, NULL, &few);
}

/* ---- losers ---- */

static struct sley_chan *c, *d;
static unsigned woken; /* atomic */

static void select_both(void *arg)
{
	uint64_t item;
	struct sley_case cases[3] = {
		{ .chan = c, .op = SLEY_RECV, .into = &item },
		{ .chan = c, .op = SLEY_RECV, .into = &item },
		{ .chan = d, .op = SLEY_RECV, .into = &item },
	};
	REQUIRE(sley_select(cases, 3, SOON) == 2 && item == 1);
	fetch_add(&woken, 1, relaxed);
}

static void receive_c(void *number)
{
	uint64_t item;
	REQUIRE(sley_chan_recv(c, &item, SOON) == 0 && item == (uint64_t)(uintptr_t)number);
	fetch_add(&woken, 1, relaxed);
}

static sley_task start(void (*fn)(void *), uintptr_t arg, enum sley_wait_kind kind)
{
	sley_task task = sley_spawn_at(SLEY_SITE("waiter"), NULL, fn, (void *)arg, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, kind);
	return task;
}

/*
 * A select that was chosen elsewhere leaves the queues that it lost whole: whoever waits there is woken, in order. A
 * select first, in the middle, and last among the waiters of a channel; then it is chosen on another one.
 */
TASK_TEST(losers, 1, 2)
{
	for (unsigned place = 0; place < 3; place++) {
		sley_task tasks[4];
		uint64_t item = 1;
		c = chan_new(sizeof(item), 0);
		d = chan_new(sizeof(item), 0);
		woken = 0;
		for (unsigned i = 0; i < 3; i++)
			tasks[i] = i == place ? start(select_both, 0, SLEY_WAIT_SELECT)
					      : start(receive_c, 10 + i, SLEY_WAIT_RECV);
		REQUIRE(sley_chan_send(d, &item, SOON) == 0);
		REQUIRE(sley_join(tasks[place], SOON) == 0 && load(&woken, relaxed) == 1);
		tasks[3] = start(receive_c, 13, SLEY_WAIT_RECV); /* behind where it stood */
		for (unsigned i = 0; i < 4; i++) {
			item = 10 + i;
			if (i == place)
				continue;
			REQUIRE(sley_chan_try_send(c, &item) == 0);
			REQUIRE(sley_join(tasks[i], SOON) == 0);
		}
		REQUIRE(load(&woken, relaxed) == 4 && sley_chan_try_send(c, &item) == -EAGAIN);
		chan_free(c);
		chan_free(d);
	}
}

/* ---- chance ---- */

static unsigned values[2];

static void count_values(void *n)
{
	uint64_t item;
	for (uintptr_t i = 0; i < (uintptr_t)n; i++) {
		sley_yield();
		REQUIRE(sley_chan_recv(c, &item, SOON) == 0);
		values[item]++;
	}
}

/* Of two sends on one channel either is done, at once and when they have waited. */
TASK_TEST(chance, 1, 2)
{
	enum { N = 2000 };
	for (size_t capacity = 0; capacity <= N; capacity += N) {
		uint64_t item[2] = { 0, 1 };
		values[0] = values[1] = 0;
		c = chan_new(sizeof(uint64_t), capacity);
		sley_task task = sley_spawn(count_values, (void *)N);
		for (int i = 0; i < N; i++) {
			struct sley_case cases[2] = {
				{ .chan = c, .op = SLEY_SEND, .from = &item[0] },
				{ .chan = c, .op = SLEY_SEND, .from = &item[1] },
			};
			REQUIRE(sley_select(cases, 2, SOON) >= 0);
		}
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(values[0] > N / 3 && values[1] > N / 3);
		REQUIRE(values[0] + values[1] == N);
		chan_free(c);
	}
}

/* ---- against a model ---- */

#define CHANS 4

static struct {
	struct sley_chan *chan;
	uint64_t items[4];
	unsigned count, capacity;
	bool closed;
} model[CHANS];

static bool model_ready(unsigned k, int op)
{
	if (op == SLEY_SEND)
		return model[k].closed || model[k].count < model[k].capacity;
	return model[k].closed || model[k].count > 0;
}

/* Does what the select has done, and checks that it had to be so. */
static void model_do(unsigned k, const struct sley_case *done, uint64_t item)
{
	REQUIRE(model_ready(k, done->op));
	bool fails = model[k].closed && (done->op == SLEY_SEND || model[k].count == 0);
	REQUIRE(done->error == (fails ? -EPIPE : 0));
	if (fails)
		return;
	if (done->op == SLEY_SEND) {
		model[k].items[model[k].count++] = item;
	} else {
		REQUIRE(item == model[k].items[0]);
		memmove(model[k].items, model[k].items + 1, sizeof(uint64_t) * --model[k].count);
	}
}

static uint32_t chance(uint32_t n)
{
	static uint32_t state = 1;
	state = state * 1664525 + 1013904223;
	return (state >> 16) % n;
}

static void one_select(uint64_t number)
{
	struct sley_case cases[6];
	uint64_t out = number, in = 0;
	unsigned of[6], n = chance(7);
	bool any = false;
	for (unsigned i = 0; i < n; i++) {
		of[i] = chance(CHANS + 1);
		int op = chance(2) ? SLEY_SEND : SLEY_RECV;
		cases[i] = (struct sley_case){ .chan = of[i] < CHANS ? model[of[i]].chan : NULL, .op = op };
		if (op == SLEY_SEND)
			cases[i].from = &out;
		else
			cases[i].into = &in;
		any |= of[i] < CHANS && model_ready(of[i], op);
	}
	int which = chance(2) ? sley_try_select(cases, (int)n) : sley_select(cases, (int)n, 0);
	REQUIRE(any ? which >= 0 && which < (int)n && cases[which].chan : which == -EAGAIN || which == -ETIMEDOUT);
	if (any)
		model_do(of[which], &cases[which], cases[which].op == SLEY_SEND ? out : in);
}

/* Random selects over channels in random states do what a model says can be done, and nothing else. */
TASK_TEST(model, 1)
{
	uint64_t number = 0;
	for (long round = 0; round < test_scale(500); round++) {
		for (unsigned k = 0; k < CHANS; k++) {
			memset(&model[k], 0, sizeof(model[k]));
			model[k].capacity = chance(5);
			model[k].chan = chan_new(sizeof(uint64_t), model[k].capacity);
		}
		for (int i = 0; i < 100; i++) {
			one_select(++number);
			if (chance(100) == 0) {
				unsigned k = chance(CHANS);
				REQUIRE(sley_chan_close(model[k].chan) == (model[k].closed ? -EPIPE : 0));
				model[k].closed = true;
			}
		}
		for (unsigned k = 0; k < CHANS; k++)
			chan_free(model[k].chan);
	}
}
