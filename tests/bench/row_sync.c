/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what tasks do together: channels, select, the mutex, offloaded calls, and a million timers. */
#include "bench.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

/* What must not fail here, does not. */
static void must(int error)
{
	if (error < 0)
		bench_fail("a call answered %d", error);
}

static struct sley_chan *channel(size_t capacity)
{
	struct sley_chan *chan = NULL;
	must(sley_chan_new(&chan, sizeof(int64_t), capacity));
	return chan;
}

static int finish(sley_task *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		must(ids[i] < 0 ? (int)ids[i] : 0);
		must(sley_join(ids[i], SLEY_NEVER));
	}
	return 0;
}

/* ---- chan_pingpong: round trips of two tasks over two unbuffered channels ---- */

#define LOCKERS  8
#define SELECTED 4

/* Of a row, or of one of its copies. */
struct work {
	unsigned rounds; /* in all */
	unsigned senders, receivers;
	double ns;
	bool many;
	struct sley_chan *ping, *pong, *items;
	struct sley_chan *selected[SELECTED];
	unsigned selecting;     /* atomic: the next of these */
	struct sley_event stop; /* is never set */
	struct sley_mutex mutex;
	uint64_t counted; /* protected by the mutex */
};

static void pong_task(void *arg)
{
	const struct work *w = arg;
	int64_t item;
	for (unsigned i = 0; i < w->rounds; i++) {
		must(sley_chan_recv(w->ping, &item, SLEY_NEVER));
		must(sley_chan_send(w->pong, &item, SLEY_NEVER));
	}
}

static void ping_task(void *arg)
{
	const struct work *w = arg;
	for (int64_t i = 0, item; i < w->rounds; i++) {
		must(sley_chan_send(w->ping, &i, SLEY_NEVER));
		must(sley_chan_recv(w->pong, &item, SLEY_NEVER));
	}
}

static int pingpong_main(void *arg)
{
	struct work *w = arg;
	int64_t start = bench_now();
	w->ping = channel(0);
	w->pong = channel(0);
	finish((sley_task[]){ sley_spawn(pong_task, w), sley_spawn(ping_task, w) }, 2);
	w->ns = (double)(bench_now() - start);
	must(sley_chan_free(w->ping));
	must(sley_chan_free(w->pong));
	return 0;
}

static void run_pingpong(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 2000000) };
	bench_in_tasks(run, pingpong_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- chan_NxM: N senders, M receivers, items of 8 bytes, capacity 128; chan_many: 1x1, up to 64 received at once ---- */

static void send_task(void *arg)
{
	const struct work *w = arg;
	for (int64_t i = 0; i < w->rounds / w->senders; i++)
		must(sley_chan_send(w->items, &i, SLEY_NEVER));
}

static void recv_task(void *arg)
{
	const struct work *w = arg;
	int64_t item;
	while (sley_chan_recv(w->items, &item, SLEY_NEVER) == 0)
		continue;
}

#define MANY 64

static void recv_many_task(void *arg)
{
	const struct work *w = arg;
	int64_t many[MANY];
	while (sley_chan_recv_many(w->items, many, MANY, SLEY_NEVER) > 0)
		continue;
}

static int flow_main(void *arg)
{
	struct work *w = arg;
	sley_task senders[4], receivers[4];
	int64_t start = bench_now();
	w->items = channel(128);
	for (unsigned i = 0; i < w->receivers; i++)
		receivers[i] = w->many ? sley_spawn(recv_many_task, w) : sley_spawn(recv_task, w);
	for (unsigned i = 0; i < w->senders; i++)
		senders[i] = sley_spawn(send_task, w);
	finish(senders, w->senders);
	must(sley_chan_close(w->items));
	finish(receivers, w->receivers);
	w->ns = (double)(bench_now() - start);
	must(sley_chan_free(w->items));
	return 0;
}

static void run_flow_of(const struct bench_run *run, double *values, unsigned senders, unsigned receivers, bool many)
{
	struct work w = {
		.rounds = bench_count(run, 10000000), .senders = senders, .receivers = receivers, .many = many
	};
	bench_in_tasks(run, flow_main, &w);
	values[0] = w.ns / w.rounds;
}

static void run_flow(const struct bench_run *run, double *values, unsigned senders, unsigned receivers)
{
	run_flow_of(run, values, senders, receivers, false);
}

static void run_many(const struct bench_run *run, double *values)
{
	run_flow_of(run, values, 1, 1, true);
}

static void run_1x1(const struct bench_run *run, double *values)
{
	run_flow(run, values, 1, 1);
}

static void run_4x1(const struct bench_run *run, double *values)
{
	run_flow(run, values, 4, 1);
}

static void run_4x4(const struct bench_run *run, double *values)
{
	run_flow(run, values, 4, 4);
}

/* ---- skynet: a tree of tasks, ten to a parent, a million leaves; sums by unbuffered channel ---- */

struct branch {
	struct sley_chan *up;
	int64_t number, size;
};

static void skynet_task(void *arg)
{
	const struct branch *b = arg;
	int64_t sum = b->number;
	if (b->size > 1) {
		struct sley_chan *chan = channel(0);
		struct branch child = { .up = chan, .size = b->size / 10 };
		sum = 0;
		for (int i = 0; i < 10; i++) {
			child.number = b->number + i * child.size;
			sley_task id =
				sley_spawn_with((&(struct sley_task_options){ .size = sizeof(struct sley_task_options),
									      .detached = 1 }),
						skynet_task, &child, sizeof(child));
			must(id < 0 ? (int)id : 0);
		}
		for (int64_t i = 0, part; i < 10; i++, sum += part)
			must(sley_chan_recv(chan, &part, SLEY_NEVER));
		must(sley_chan_free(chan));
	}
	must(sley_chan_send(b->up, &sum, SLEY_NEVER));
}

static int skynet_main(void *arg)
{
	struct work *w = arg;
	struct branch root = { .up = channel(0), .size = w->rounds };
	int64_t sum, start = bench_now(), n = w->rounds;
	sley_task id = sley_spawn_copy(skynet_task, &root, sizeof(root));
	must(sley_chan_recv(root.up, &sum, SLEY_NEVER));
	w->ns = (double)(bench_now() - start);
	finish(&id, 1);
	return sum != n * (n - 1) / 2;
}

static void run_skynet(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 1000000) };
	bench_in_tasks(run, skynet_main, &w);
	values[0] = w.ns / 1e6;
}

/* ---- mutex: 8 tasks lock, increment, unlock ---- */

static void lock_task(void *arg)
{
	struct work *w = arg;
	for (unsigned i = 0; i < w->rounds / LOCKERS; i++) {
		must(sley_mutex_lock(&w->mutex, SLEY_NEVER));
		w->counted++;
		must(sley_mutex_unlock(&w->mutex));
	}
}

static int mutex_main(void *arg)
{
	struct work *w = arg;
	sley_task ids[LOCKERS];
	int64_t start = bench_now();
	for (unsigned i = 0; i < LOCKERS; i++)
		ids[i] = sley_spawn(lock_task, w);
	finish(ids, LOCKERS);
	w->ns = (double)(bench_now() - start);
	return w->counted != w->rounds / LOCKERS * LOCKERS;
}

static void run_mutex(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, LOCKERS * 1000000) };
	bench_in_tasks(run, mutex_main, &w);
	values[0] = w.ns / w.rounds;
}

/*
 * ---- select: one task receives from four senders, an unbuffered channel each; select_any: an event that is never set is
 * in the list, too ----
 */

static void select_send_task(void *arg)
{
	struct work *w = arg;
	struct sley_chan *chan = w->selected[__atomic_fetch_add(&w->selecting, 1, __ATOMIC_RELAXED)];
	for (int64_t i = 0; i < w->rounds / SELECTED; i++)
		must(sley_chan_send(chan, &i, SLEY_NEVER));
}

static void select_task(void *arg)
{
	struct work *w = arg;
	struct sley_case cases[SELECTED + 1] = { [SELECTED] = { .event = &w->stop, .op = SLEY_EVENT } };
	int n = w->many ? SELECTED + 1 : SELECTED;
	int64_t item;
	for (unsigned i = 0; i < SELECTED; i++)
		cases[i] = (struct sley_case){ .chan = w->selected[i], .op = SLEY_RECV, .into = &item };
	for (unsigned i = 0; i < w->rounds / SELECTED * SELECTED; i++)
		must(sley_select(cases, n, SLEY_NEVER));
}

static int select_main(void *arg)
{
	struct work *w = arg;
	sley_task ids[SELECTED + 1];
	int64_t start = bench_now();
	for (unsigned i = 0; i < SELECTED; i++)
		w->selected[i] = channel(0);
	for (unsigned i = 0; i < SELECTED; i++)
		ids[i] = sley_spawn(select_send_task, w);
	ids[SELECTED] = sley_spawn(select_task, w);
	finish(ids, SELECTED + 1);
	w->ns = (double)(bench_now() - start);
	for (unsigned i = 0; i < SELECTED; i++)
		must(sley_chan_free(w->selected[i]));
	return 0;
}

static void run_select(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 2000000) };
	bench_in_tasks(run, select_main, &w);
	values[0] = w.ns / w.rounds;
}

static void run_select_any(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 2000000), .many = true };
	bench_in_tasks(run, select_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- offload: a call of nothing on another thread, and back ---- */

static void offloaded(void *arg)
{
	(void)arg;
}

static int offload_main(void *arg)
{
	struct work *w = arg;
	char block[64] = { 0 };
	int64_t start = bench_now();
	for (unsigned i = 0; i < w->rounds; i++)
		must(sley_offload(offloaded, block, sizeof(block), SLEY_NEVER));
	w->ns = (double)(bench_now() - start);
	return 0;
}

static void run_offload(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 200000) };
	bench_in_tasks(run, offload_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- future: a function as a task, and its result awaited ---- */

static int double_it(void *arg, void *result)
{
	*(int64_t *)result = 2 * *(const int64_t *)arg;
	return 0;
}

static int future_main(void *arg)
{
	struct work *w = arg;
	int64_t start = bench_now();
	for (int64_t i = 0, twice; i < w->rounds; i++) {
		struct sley_future *future;
		must(sley_async(&future, double_it, &i, sizeof(i), sizeof(twice)));
		must(sley_await(future, &twice, SLEY_NEVER));
		must(sley_future_free(future));
		if (twice != 2 * i)
			return 1;
	}
	w->ns = (double)(bench_now() - start);
	return 0;
}

static void run_future(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 2000000) };
	bench_in_tasks(run, future_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- broadcast: an item for four subscribers, for which the sender waits if they are slow ---- */

#define SUBSCRIBED 4

static void subscriber_task(void *subscriber)
{
	int64_t item;
	while (sley_subscriber_recv(subscriber, &item, SLEY_NEVER) == 0)
		continue;
	must(sley_subscriber_free(subscriber));
}

static int broadcast_main(void *arg)
{
	struct work *w = arg;
	struct sley_broadcast *broadcast;
	sley_task ids[SUBSCRIBED];
	int64_t start = bench_now();
	must(sley_broadcast_new(&broadcast, sizeof(int64_t), 128, SLEY_BROADCAST_WAIT));
	for (unsigned i = 0; i < SUBSCRIBED; i++) {
		struct sley_subscriber *subscriber = NULL;
		must(sley_subscribe(&subscriber, broadcast));
		ids[i] = sley_spawn(subscriber_task, subscriber);
	}
	for (int64_t i = 0; i < w->rounds; i++)
		must(sley_broadcast_send(broadcast, &i, SLEY_NEVER));
	must(sley_broadcast_free(broadcast));
	finish(ids, SUBSCRIBED);
	w->ns = (double)(bench_now() - start);
	return 0;
}

static void run_broadcast(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 1000000) };
	bench_in_tasks(run, broadcast_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- generator: an item of a generator ---- */

static int count(void *arg)
{
	unsigned rounds = *(const unsigned *)arg;
	for (int64_t i = 0; i < rounds; i++)
		must(sley_gen_yield(&i));
	return 0;
}

static int generator_main(void *arg)
{
	struct work *w = arg;
	struct sley_gen *gen;
	int64_t start = bench_now(), item, sum = 0;
	int end;
	must(sley_gen_new(&gen, count, &w->rounds, sizeof(w->rounds), sizeof(item)));
	while ((end = sley_gen_next(gen, &item, SLEY_NEVER)) == 0)
		sum += item;
	must(end);
	must(sley_gen_free(gen, SLEY_NEVER));
	w->ns = (double)(bench_now() - start);
	return sum == (int64_t)w->rounds * (w->rounds - 1) / 2 ? 0 : 1;
}

static void run_generator(const struct bench_run *run, double *values)
{
	struct work w = { .rounds = bench_count(run, 5000000) };
	bench_in_tasks(run, generator_main, &w);
	values[0] = w.ns / w.rounds;
}

/* ---- the rows ---- */

#define ROW(id, is_counted, is_shared, function, ...) \
	static const struct bench_row row_##id = { .name = #id, \
						   .impls = { "sley" }, \
						   .values = { __VA_ARGS__ }, \
						   .kind = BENCH_WORKERS, \
						   .counted = is_counted, \
						   .shared = is_shared, \
						   .run = function }

ROW(chan_pingpong, true, true, run_pingpong, { "chan_pingpong", "ns/roundtrip" });
ROW(chan_1x1, true, true, run_1x1, { "chan_1x1", "ns/item" });
ROW(chan_many, true, true, run_many, { "chan_many", "ns/item" });
ROW(chan_4x1, false, true, run_4x1, { "chan_4x1", "ns/item" });
ROW(chan_4x4, false, true, run_4x4, { "chan_4x4", "ns/item" });
ROW(skynet, false, false, run_skynet, { "skynet", "ms" });
ROW(mutex, true, true, run_mutex, { "mutex", "ns/op" });
ROW(select, true, true, run_select, { "select", "ns/item" });
ROW(select_any, true, true, run_select_any, { "select_any", "ns/item" });
ROW(broadcast, true, true, run_broadcast, { "broadcast", "ns/item" });
ROW(offload, false, true, run_offload, { "offload", "ns/call" });
ROW(future, true, true, run_future, { "future", "ns/roundtrip" });
ROW(generator, true, true, run_generator, { "generator", "ns/item" });

const struct bench_row *const bench_sync_rows[] = {
	&row_chan_pingpong, &row_chan_1x1,   &row_chan_many, &row_chan_4x1, &row_chan_4x4, &row_skynet,    &row_mutex,
	&row_select,        &row_select_any, &row_broadcast, &row_offload,  &row_future,   &row_generator, NULL,
};
