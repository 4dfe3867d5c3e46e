/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Select: one case of several, fairly chosen; what waits in several places is taken from one alone. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "sync/chan.h"
#include "tests/race.h"

#define RECV(channel, place) \
	{ \
		.chan = (channel), .op = SLEY_RECV, .into = (place) \
	}
#define SEND(channel, place) \
	{ \
		.chan = (channel), .op = SLEY_SEND, .from = (place) \
	}

static struct sley_chan *a, *b;

static void make(size_t item, size_t capacity)
{
	REQUIRE(sley_chan_new(&a, item, capacity) == 0 && sley_chan_new(&b, item, capacity) == 0);
}

static void unmake(void)
{
	REQUIRE(sley_chan_free(a) == 0 && sley_chan_free(b) == 0); /* not -EBUSY: nothing is left linked */
}

/* ---- ready at once ---- */

/* The default case, deadlines, both directions, closed channels, null channels. */
TASK_TEST(ready, 1)
{
	uint64_t in = 0, out = 7;
	struct sley_case cases[] = { RECV(a, &in), RECV(b, &in), RECV(NULL, &in) };
	make(8, 1);
	cases[0].chan = a;
	cases[1].chan = b;
	REQUIRE(sley_try_select(cases, 3) == -EAGAIN);
	REQUIRE(sley_select(cases, 3, 0) == -ETIMEDOUT);
	REQUIRE(sley_select(cases, 3, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_chan_send(b, &out, 0) == 0);
	REQUIRE(sley_select(cases, 3, SLEY_NEVER) == 1 && cases[1].error == 0 && in == 7);
	cases[0] = (struct sley_case)SEND(a, &out);
	REQUIRE(sley_try_select(cases, 3) == 0 && cases[0].error == 0);
	REQUIRE(sley_try_select(cases, 3) == -EAGAIN);
	REQUIRE(sley_chan_recv(a, &in, 0) == 0 && in == 7);
	REQUIRE(sley_chan_close(b) == 0);
	REQUIRE(sley_select(cases + 1, 2, SLEY_NEVER) == 0 && cases[1].error == -EPIPE);
	cases[1] = (struct sley_case)SEND(b, &out);
	REQUIRE(sley_select(cases + 1, 2, SLEY_NEVER) == 0 && cases[1].error == -EPIPE);
	unmake();
}

/* Of four ready cases each is chosen as often, wherever it stands, the same channel in several. */
TASK_TEST(fair, 1)
{
	unsigned counts[4] = { 0 };
	char in;
	make(0, 1000000);
	struct sley_case cases[] = { RECV(a, &in), RECV(b, &in), SEND(a, &in), RECV(a, &in) };
	for (int i = 0; i < 20000; i++)
		REQUIRE(sley_chan_send(a, NULL, 0) == 0 && sley_chan_send(b, NULL, 0) == 0);
	for (int i = 0; i < 10000; i++)
		counts[sley_select(cases, 4, SLEY_NEVER)]++;
	for (int i = 0; i < 4; i++)
		REQUIRE(counts[i] > 2200 && counts[i] < 2800); /* 2,500 expected, sigma 43 */
	unmake();
}

/* ---- parked ---- */

struct big {
	uint64_t words[40];
};

static void fill(struct big *big, uint64_t value)
{
	for (int i = 0; i < 40; i++)
		big->words[i] = value + (uint64_t)i;
}

static bool holds(const struct big *big, uint64_t value)
{
	for (int i = 0; i < 40; i++) {
		if (big->words[i] != value + (uint64_t)i)
			return false;
	}
	return true;
}

static int chosen;
static struct sley_case *const no_case = NULL;

static void receive_big(void *arg)
{
	struct big here[2];
	struct sley_case cases[] = { RECV(a, &here[0]), RECV(b, &here[1]) };
	chosen = sley_select(cases, 2, SOON);
	REQUIRE(chosen >= 0 && cases[chosen].error == 0 && holds(&here[chosen], 100));
}

static void send_big(void *arg)
{
	struct big here[2];
	struct sley_case cases[] = { SEND(a, &here[0]), SEND(b, &here[1]) };
	fill(&here[0], 10);
	fill(&here[1], 20);
	chosen = sley_select(cases, 2, SOON);
	REQUIRE(chosen >= 0 && cases[chosen].error == 0);
}

static void wait_closed(void *arg)
{
	struct big here;
	struct sley_case cases[] = { SEND(a, &here), RECV(b, &here), RECV(b, &here) };
	fill(&here, 1);
	chosen = sley_select(cases, 3, SOON);
	REQUIRE(chosen >= 1 && cases[chosen].error == -EPIPE);
}

static int main_parked(void *arg)
{
	struct big item;
	make(sizeof(item), 0);
	for (int i = 0; i < 2; i++) {
		sley_task task = sley_spawn(receive_big, NULL);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
		fill(&item, 100);
		REQUIRE(sley_chan_try_send(i ? b : a, &item) == 0);
		REQUIRE(sley_chan_try_send(i ? a : b, &item) == -EAGAIN); /* it was taken from one alone */
		REQUIRE(sley_join(task, SOON) == 0 && chosen == i);
		task = sley_spawn(send_big, NULL);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
		REQUIRE(sley_chan_try_recv(i ? b : a, &item) == 0 && holds(&item, i ? 20 : 10));
		REQUIRE(sley_join(task, SOON) == 0 && chosen == i);
	}
	sley_task task = sley_spawn(wait_closed, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
	REQUIRE(sley_chan_close(b) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_select(no_case, 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	unmake();
	return 0;
}

/* A parked select gets its item off its stack, large ones too; the other cases are gone; close wakes it. Shared stacks. */
TEST(parked)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 2 };
	run_with(main_parked, NULL, &options);
	run(main_parked, 1);
}

/* The same channel to send on and to receive from: a select does not meet itself. */
TASK_TEST(self, 1)
{
	uint64_t in = 0, out = 1;
	make(8, 0);
	struct sley_case cases[] = { SEND(a, &out), RECV(a, &in), SEND(b, &out), RECV(b, &in), RECV(a, &in) };
	REQUIRE(sley_try_select(cases, 5) == -EAGAIN);
	REQUIRE(sley_select(cases, 5, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(in == 0);
	unmake();
}

/* ---- many at once ---- */

static uint64_t sums[2], counts[2];

static void mix(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	long rounds = test_scale(4000);
	uint64_t in = 0;
	for (long i = 0; i < rounds; i++) {
		random = random * 1664525 + 1013904223;
		uint64_t out = random;
		struct sley_case cases[] = { SEND(a, &out), RECV(b, &in), SEND(b, &out), RECV(a, &in) };
		int which = sley_select(cases, 4, sley_in(SLEY_US(random % 1000 + 1)));
		if (which == -ETIMEDOUT)
			continue;
		REQUIRE(which >= 0 && cases[which].error == 0);
		bool sent = cases[which].op == SLEY_SEND;
		fetch_add(&sums[sent], sent ? out : in, relaxed);
		fetch_add(&counts[sent], 1, relaxed);
	}
}

static void *mix_thread(void *arg)
{
	mix(arg);
	return NULL;
}

/* What nobody received any more. */
static bool drain(uint64_t *item, sley_time patience)
{
	if (sley_chan_recv(a, item, sley_in(patience)) != 0 && sley_chan_recv(b, item, sley_in(patience)) != 0)
		return false;
	fetch_add(&sums[0], *item, relaxed);
	fetch_add(&counts[0], 1, relaxed);
	return true;
}

static int main_many(void *capacity)
{
	sley_task tasks[8];
	pthread_t thread;
	uint64_t item;
	memset(sums, 0, sizeof(sums));
	memset(counts, 0, sizeof(counts));
	make(8, (uintptr_t)capacity);
	REQUIRE(pthread_create(&thread, NULL, mix_thread, (void *)99) == 0);
	for (uintptr_t i = 0; i < 8; i++)
		tasks[i] = sley_spawn(mix, (void *)i);
	for (int i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	while (drain(&item, SLEY_MS(1))) /* the thread may still be at it */
		continue;
	pthread_join(thread, NULL);
	while (drain(&item, 0))
		continue;
	REQUIRE(counts[0] == counts[1] && sums[0] == sums[1] && counts[0] > 0);
	unmake();
	return 0;
}

/*
 * Selects that meet each other on two channels in both directions, with deadlines, a plain thread among them: what was
 * sent was received, once.
 *
 *   select 1: send a, receive b        select 2: receive a, send b
 *   locks a, b                         waits for a
 *   links both, unlocks                finds 1 on a, claims it: its node on b is dead for all others
 */
TEST(many)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		for (uintptr_t capacity = 0; capacity < 4; capacity += 3) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_many, (void *)capacity, &options);
		}
	}
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	uint64_t space[16], in;
	struct sley_case cases[] = { RECV((struct sley_chan *)(void *)space, &in) };
	REQUIRE(sley_select(cases, 1, 0) == -EFAULT && sley_try_select(cases, 1) == -EFAULT);
}

static int main_answers(void *arg)
{
	static char text[1024];
	struct sley_case cases[2] = { { .op = SLEY_WRITABLE + 1 } };
	REQUIRE(sley_select(cases, 1, 0) == -EINVAL && sley_select(cases, -1, 0) == -EINVAL);
	REQUIRE(sley_select(cases, 65536, 0) == -EINVAL && sley_select(NULL, 1, 0) == -EINVAL);
	REQUIRE(sley_try_select(cases, 1) == -EINVAL && sley_try_select(NULL, 0) == -EAGAIN);
	capture_begin();
	sley_task task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_select() fails with -EFAULT: the channel") == 1);
	return 0;
}

/* A thousand cases over five hundred channels, each twice. */
TASK_TEST(wide, 1)
{
	struct sley_case *cases = calloc(1000, sizeof(*cases));
	struct sley_chan *wide[500];
	uint64_t item = 5, in = 0;
	for (int i = 0; i < 500; i++) {
		REQUIRE(sley_chan_new(&wide[i], 8, 1) == 0);
		cases[999 - i] = cases[i] = (struct sley_case)RECV(wide[i], &in);
	}
	REQUIRE(sley_try_select(cases, 1000) == -EAGAIN);
	for (int i = 0; i < 500; i++) {
		REQUIRE(sley_chan_send(wide[i], &item, 0) == 0);
		int which = sley_select(cases, 1000, SLEY_NEVER);
		REQUIRE(which == i || which == 999 - i);
		REQUIRE(sley_select(cases, 1000, sley_in(1)) == -ETIMEDOUT);
	}
	for (int i = 0; i < 500; i++)
		REQUIRE(sley_chan_free(wide[i]) == 0);
	free(cases);
}

/* Counts, operations, channels on copying stacks; outside of a run. */
TEST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_select(NULL, 0, 0), -ENOTCONN);
	assert_int_equal(sley_try_select(NULL, 0), -ENOTCONN);
}

#if RACE_POINTS
/* ---- races: what others do while a select links its nodes, or is about to unlink them ---- */

static struct sley_chan *low, *high; /* in the order in which a select locks and links them */
static uint64_t received;
static int answer;

static void select_both(void *unused)
{
	struct sley_case cases[] = { RECV(high, &received), RECV(low, &received) };
	answer = sley_select(cases, 2, SOON);
	REQUIRE(answer < 0 || cases[answer].error == 0);
}

static sley_task stop_select(const char *point)
{
	make(8, 0);
	low = a < b ? a : b;
	high = a < b ? b : a;
	race_stop(point);
	return sley_spawn(select_both, NULL);
}

/* The first channel's event claims the wait, and that channel is freed, before the second one is linked. */
static void claimed_while_linking(void)
{
	uint64_t out = 5;
	sley_task task = stop_select("select_goes_on_linking");
	race_wait("select_goes_on_linking");
	REQUIRE(sley_chan_try_send(low, &out) == 0);
	REQUIRE(sley_chan_free(low) == 0);
	race_go("select_goes_on_linking");
	REQUIRE(sley_join(task, SOON) == 0 && answer == 1 && received == 5);
	REQUIRE(sley_chan_free(high) == 0);
}

/*
 * A wait is over, and its other node still linked: a send that meets it finds nobody. The channel whose event has won may be
 * freed, the other one not before the select has been there.
 */
static void popped_in_vain(bool closed)
{
	uint64_t out = 6, late = 7;
	sley_task task = stop_select("select_is_to_unlink");
	while (!load(&low->receivers.head, relaxed) || !load(&high->receivers.head, relaxed))
		sley_yield();
	REQUIRE(sley_chan_try_send(high, &out) == 0);
	race_wait("select_is_to_unlink");
	REQUIRE(sley_chan_free(high) == 0);
	REQUIRE(sley_chan_free(low) == -EBUSY); /* linked */
	if (closed)
		REQUIRE(sley_chan_close(low) == 0);
	else
		REQUIRE(sley_chan_try_send(low, &late) == -EAGAIN);
	REQUIRE(!low->receivers.head && sley_chan_free(low) == -EBUSY); /* not linked any more */
	race_go("select_is_to_unlink");
	REQUIRE(sley_join(task, SOON) == 0 && answer == 0 && received == 6);
	REQUIRE(sley_chan_free(low) == 0);
}

static int main_races(void *unused)
{
	claimed_while_linking();
	popped_in_vain(false);
	popped_in_vain(true);
	return 0;
}

TEST(races)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	run_with(main_races, NULL, &options);
}
#endif
