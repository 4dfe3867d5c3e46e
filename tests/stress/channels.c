/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Channels in use: the programs in which Go's tests (test/chan, test/ken, runtime/chan_test.go) exercise its channels,
 * as cases of our own, each with 1, 2 and 8 workers and with few and many stacks. What they test of the language has no
 * counterpart in C: directions of channel types, evaluation order of cases, statements as expressions.
 */
#include "stress.h"

#include <stdio.h>
#include <stdlib.h>

static void each_shape(void (*body)(void))
{
	for (unsigned workers = 1; workers <= 8; workers *= workers < 2 ? 2 : 4) {
		STRESS_RUN(body, .workers = workers, .stack_slots = 1024);
#ifndef SLEY_ASAN /* there a slot is for one task */
		STRESS_RUN(body, .workers = workers, .stack_slots = 4);
#endif
	}
}

static struct sley_chan *chan_new(size_t item, size_t capacity)
{
	struct sley_chan *chan;
	REQUIRE(sley_chan_new(&chan, item, capacity) == 0);
	return chan;
}

static void chan_free(struct sley_chan *chan)
{
	REQUIRE(sley_chan_free(chan) == 0); /* not -EBUSY */
}

static void put(struct sley_chan *chan, long item)
{
	REQUIRE(sley_chan_send(chan, &item, SLEY_NEVER) == 0);
	stress_progress();
}

static long get(struct sley_chan *chan)
{
	long item = -1;
	REQUIRE(sley_chan_recv(chan, &item, SLEY_NEVER) == 0);
	return item;
}

/* What a task works on; by value. */
struct job {
	struct sley_chan *from, *to;
	long n;
};

#define start(fn, ...) stress_started(sley_spawn_copy(fn, &((struct job){ __VA_ARGS__ }), sizeof(struct job)))

/* ---- sieve: a chain that grows by a task for each prime ---- */

static void count_up(void *arg)
{
	struct job *job = arg;
	for (long i = 2; sley_chan_send(job->to, &i, SLEY_NEVER) == 0; i++)
		;
}

static void sift(void *arg)
{
	struct job *job = arg;
	long i;
	while (sley_chan_recv(job->from, &i, SLEY_NEVER) == 0) {
		if (i % job->n != 0 && sley_chan_send(job->to, &i, SLEY_NEVER) != 0)
			break;
	}
	sley_chan_close(job->from); /* whoever sends to us ends too */
}

static bool is_prime(long n)
{
	for (long i = 2; i * i <= n; i++) {
		if (n % i == 0)
			return false;
	}
	return true;
}

static void sieve_body(void)
{
	enum { PRIMES = 60 };
	struct sley_chan *chan[PRIMES + 1];
	sley_task task[PRIMES + 1];
	long last = 1;
	chan[0] = chan_new(sizeof(long), 0);
	task[0] = start(count_up, .to = chan[0]);
	for (int i = 0; i < PRIMES; i++) {
		long prime = get(chan[i]);
		REQUIRE(is_prime(prime));
		while (++last < prime)
			REQUIRE(!is_prime(last)); /* none is left out */
		chan[i + 1] = chan_new(sizeof(long), 0);
		task[i + 1] = start(sift, .from = chan[i], .to = chan[i + 1], .n = prime);
		stress_progress();
	}
	REQUIRE(sley_chan_close(chan[PRIMES]) == 0);
	for (int i = PRIMES; i >= 0; i--)
		stress_join(task[i]);
	for (int i = 0; i <= PRIMES; i++)
		chan_free(chan[i]);
}

/* Proves that a growing chain of unbuffered channels passes everything on in order, and that closing takes it down. */
TEST(sieve)
{
	each_shape(sieve_body);
}

/* ---- a long chain, and order among waiters ---- */

static void pass_on(void *arg)
{
	struct job *job = arg;
	put(job->to, get(job->from) + 1);
}

static void chain_body(void)
{
	long length = test_scale(5000);
	struct sley_chan **chan = calloc((size_t)length + 1, sizeof(*chan));
	sley_task *task = calloc((size_t)length, sizeof(*task));
	REQUIRE(chan && task);
	chan[0] = chan_new(sizeof(long), 0);
	for (long i = 0; i < length; i++) {
		chan[i + 1] = chan_new(sizeof(long), 0);
		task[i] = start(pass_on, .from = chan[i], .to = chan[i + 1]);
	}
	put(chan[0], 0);
	REQUIRE(get(chan[length]) == length);
	for (long i = 0; i < length; i++) {
		stress_join(task[i]);
		chan_free(chan[i]);
	}
	chan_free(chan[length]);
	free(chan);
	free(task);
}

static struct sley_chan *queue;

static void queue_up(void *arg)
{
	put(queue, ((struct job *)arg)->n);
}

static void order_body(void)
{
	enum { TASKS = 50 };
	sley_task task[TASKS];
	queue = chan_new(sizeof(long), 0);
	for (long i = 0; i < TASKS; i++) {
		task[i] = start(queue_up, .n = i);
		while (load(&stress_record(task[i])->state, relaxed) != SLEY_TASK_WAITING)
			sley_yield();
	}
	for (long i = 0; i < TASKS; i++)
		REQUIRE(get(queue) == i);
	for (int i = 0; i < TASKS; i++)
		stress_join(task[i]);
	chan_free(queue);
}

/* Proves that a value goes through thousands of tasks, each woken once, and that waiting senders are served in order. */
TEST(chain)
{
	each_shape(chain_body);
	each_shape(order_body);
}

/* ---- a select does one thing ---- */

static struct sley_chan *lane[4], *merged;

static void send_anywhere(void *arg)
{
	long n = ((struct job *)arg)->n;
	for (long i = 0; i < n; i++) {
		struct sley_case c[4];
		for (int k = 0; k < 4; k++)
			c[k] = (struct sley_case){ .chan = lane[k], .op = SLEY_SEND, .from = &i };
		int which = sley_select(c, 4, SLEY_NEVER);
		REQUIRE(which >= 0 && which < 4 && c[which].error == 0);
	}
	for (int k = 0; k < 4; k++)
		REQUIRE(sley_chan_close(lane[k]) == 0);
}

static void merge(void *arg)
{
	struct job *job = arg;
	long i;
	while (sley_chan_recv(job->from, &i, SLEY_NEVER) == 0)
		put(merged, i);
	put(merged, -1);
}

static void once_body(void)
{
	long n = test_scale(20000), last = -1, got = 0;
	sley_task task[5];
	bool *seen = calloc((size_t)n, 1);
	merged = chan_new(sizeof(long), 0);
	for (int k = 0; k < 4; k++) {
		lane[k] = chan_new(sizeof(long), 0);
		task[k] = start(merge, .from = lane[k]);
	}
	task[4] = start(send_anywhere, .n = n);
	for (int open = 4; open > 0;) {
		long i = get(merged);
		open -= i < 0;
		if (i < 0)
			continue;
		REQUIRE(i < n && !seen[i]); /* sent by one case alone */
		seen[i] = true;
		got++;
		REQUIRE(i <= last + 5); /* four merge and one may be on its way */
		last = i > last ? i : last;
	}
	REQUIRE(got == n);
	for (int k = 0; k < 5; k++)
		stress_join(task[k]);
	for (int k = 0; k < 4; k++)
		chan_free(lane[k]);
	chan_free(merged);
	free(seen);
}

/* Proves that of the four sends of a select one is done, never two, however its receivers race for it. */
TEST(once)
{
	each_shape(once_body);
}

/* ---- everything at once on four channels ---- */

#define MIXED test_scale(5000)

static void send_to(void *arg)
{
	struct job *job = arg;
	for (long i = 0; i < job->n; i++)
		put(job->to, 1);
}

static void receive_from(void *arg)
{
	struct job *job = arg;
	for (long i = 0; i < job->n; i++)
		REQUIRE(get(job->from) == 1);
}

/* MIXED operations on each channel, one select at a time; a channel that is done becomes null. */
static void select_all(void *arg)
{
	int op = (int)((struct job *)arg)->n;
	long done[4] = { 0 }, one = 1, item;
	struct sley_case c[4];
	for (int k = 0; k < 4; k++)
		c[k] = (struct sley_case){ .chan = lane[k], .op = op, .into = &item };
	for (long i = 0; i < 4 * MIXED; i++) {
		for (int k = 0; op == SLEY_SEND && k < 4; k++)
			c[k].from = &one;
		int which = sley_select(c, 4, SLEY_NEVER);
		REQUIRE(which >= 0 && c[which].error == 0 && (op == SLEY_SEND || item == 1));
		if (++done[which] == MIXED)
			c[which].chan = NULL;
	}
}

static void mixed_body(void)
{
	static const size_t capacities[4] = { 0, 0, 2, 3 };
	sley_task task[10];
	for (int k = 0; k < 4; k++) {
		lane[k] = chan_new(sizeof(long), capacities[k]);
		task[2 * k] = start(send_to, .to = lane[k], .n = MIXED);
		task[2 * k + 1] = start(receive_from, .from = lane[k], .n = MIXED);
	}
	task[8] = start(select_all, .n = SLEY_SEND);
	task[9] = start(select_all, .n = SLEY_RECV);
	for (int k = 0; k < 10; k++)
		stress_join(task[k]);
	for (int k = 0; k < 4; k++)
		chan_free(lane[k]);
}

/* Proves that plain operations and selects on the same channels, buffered and not, balance to the last item. */
TEST(mixed)
{
	each_shape(mixed_body);
}

/* ---- selects that meet themselves and each other ---- */

static void meet(void *arg)
{
	struct job *job = arg;
	for (long i = 0; i < 2 * MIXED; i++) {
		long mine = job->n, theirs = -1;
		struct sley_case c[2] = {
			{ .chan = job->to, .op = i % 2 ? SLEY_SEND : SLEY_RECV, .into = i % 2 ? &mine : &theirs },
			{ .chan = job->to, .op = i % 2 ? SLEY_RECV : SLEY_SEND, .into = i % 2 ? &theirs : &mine },
		};
		int which = sley_select(c, 2, SLEY_NEVER);
		REQUIRE(which >= 0 && c[which].error == 0);
		REQUIRE(c[which].op == SLEY_SEND || theirs == !job->n); /* there are two of us: never our own */
		stress_progress();
	}
}

static void meet_body(void)
{
	struct sley_chan *chan = chan_new(sizeof(long), 0);
	sley_task task[2] = { start(meet, .to = chan, .n = 0), start(meet, .to = chan, .n = 1) };
	stress_join(task[0]);
	stress_join(task[1]);
	chan_free(chan);
}

/* Proves that two selects that both send and receive on one channel always meet each other and never themselves. */
TEST(meet)
{
	each_shape(meet_body);
}

/* ---- many workers between two queues ---- */

static struct sley_chan *results;
static struct sley_group working;

static void work(void *arg)
{
	long v;
	while (sley_chan_recv(queue, &v, SLEY_NEVER) == 0) {
		if (v % 7 == ((struct job *)arg)->n % 7)
			sley_yield(); /* upsets the order */
		put(results, v);
	}
	REQUIRE(sley_group_done(&working) == 0);
}

static void feed(void *arg)
{
	for (long i = 0; i < ((struct job *)arg)->n; i++)
		put(queue, i);
	REQUIRE(sley_chan_close(queue) == 0);
	stress_wait(&working);
	REQUIRE(sley_chan_close(results) == 0);
}

static void pool_body(void)
{
	enum { WORKERS = 23 };
	long n = test_scale(20000), count = 0, sum = 0, v;
	sley_task task[WORKERS + 1];
	queue = chan_new(sizeof(long), 3 * WORKERS);
	results = chan_new(sizeof(long), 3 * WORKERS);
	REQUIRE(sley_group_add(&working, WORKERS) == 0);
	for (long i = 0; i < WORKERS; i++)
		task[i] = start(work, .n = i);
	task[WORKERS] = start(feed, .n = n);
	while (sley_chan_recv(results, &v, SLEY_NEVER) == 0) {
		count++;
		sum += v;
	}
	REQUIRE(count == n && sum == n * (n - 1) / 2);
	for (int i = 0; i <= WORKERS; i++)
		stress_join(task[i]);
	chan_free(queue);
	chan_free(results);
}

/* Proves that a pool of consumers between two buffered channels loses nothing when the first is closed. */
TEST(pool)
{
	each_shape(pool_body);
}

/* ---- what is ready all the time is always found ---- */

static void must_find(void *arg)
{
	struct job *job = arg;
	long item;
	struct sley_case c[2] = {
		{ .chan = job->from, .op = SLEY_RECV, .into = &item },
		{ .chan = job->to, .op = SLEY_RECV, .into = &item },
	};
	REQUIRE(sley_try_select(c, 2) >= 0);
	stress_progress();
}

static void always_ready_body(void)
{
	for (long i = 0; i < test_scale(4000); i++) {
		struct sley_chan *a = chan_new(sizeof(long), 1), *b = chan_new(sizeof(long), (size_t)i % 2);
		long item = 1;
		put(a, 1);
		sley_task task = start(must_find, .from = a, .to = b);
		if (i % 3 == 0)
			stress_spin((uint32_t)i % 200);
		if (i % 2)
			put(b, 1);
		else
			REQUIRE(sley_chan_close(b) == 0);
		int answer = sley_chan_try_recv(a, &item); /* from here on b alone is ready */
		REQUIRE(answer == 0 || answer == -EAGAIN);
		stress_join(task);
		chan_free(a);
		chan_free(b);
	}
}

/*
 * Proves that select looks at its channels at one moment, not one after the other: b becomes ready before a ceases to
 * be.
 *
 *   select (wrong)          the other
 *   a: looks later
 *   b: not ready
 *                           makes b ready; takes from a
 *   a: not ready any more: finds nothing
 */
TEST(one_moment)
{
	each_shape(always_ready_body);
}

/* ---- memory ---- */

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they keep memory of their own */
static long resident_pages(void)
{
	long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	REQUIRE(file && fscanf(file, "%ld %ld", &size, &resident) == 2);
	fclose(file);
	return resident;
}

static void select_many(void *arg)
{
	struct job *job = arg;
	char big[200];
	for (long i = 0; i < job->n; i++) {
		struct sley_case c[2] = {
			{ .chan = job->from, .op = SLEY_RECV, .into = big },
			{ .chan = job->to, .op = SLEY_RECV, .into = big },
		};
		REQUIRE(sley_select(c, 2, SLEY_NEVER) == 0);
		if (i % 1024 == 0)
			stress_progress();
	}
}

static void send_many(void *arg)
{
	struct job *job = arg;
	for (long i = 0; i < job->n; i++)
		REQUIRE(sley_chan_send(job->to, (char[200]){ 0 }, SLEY_NEVER) == 0);
}

static void memory_body(void)
{
	struct sley_chan *busy = chan_new(200, 0), *never = chan_new(200, 0);
	long before = 0;
	for (int round = 0; round < 5; round++) {
		sley_task a = start(select_many, .from = busy, .to = never, .n = test_scale(20000));
		sley_task b = start(send_many, .to = busy, .n = test_scale(20000));
		stress_join(a);
		stress_join(b);
		if (round == 0)
			before = resident_pages();
	}
	REQUIRE(resident_pages() - before < 1024); /* 4 MiB; 80,000 lost nodes alone would be 3, with their items 20 */
	chan_free(busy);
	chan_free(never);
}

/* Proves that the nodes and blocks which selects leave behind on a channel where nothing happens are given back. */
TEST(memory)
{
	each_shape(memory_body);
}
#endif
