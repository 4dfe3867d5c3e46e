/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Streams of channels, generators and tickers: their ends, their back-pressure, and what freeing does to the source. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/compiler.h"

static struct sley_stream *stream;
static struct sley_chan *chan;
static struct sley_gen *gen;

/* ---- a channel ---- */

#define ITEMS 500

static unsigned sent;

static void send_all(void *arg)
{
	for (uint64_t i = 0; i < ITEMS; i++) {
		REQUIRE(sley_chan_send(chan, &i, SLEY_NEVER) == 0);
		fetch_add(&sent, 1, relaxed);
	}
	REQUIRE(sley_chan_close(chan) == 0);
}

static int main_chan(void *arg)
{
	uint64_t item;
	sent = 0;
	REQUIRE(sley_chan_new(&chan, sizeof(item), 3) == 0);
	REQUIRE(sley_stream_from_chan(&stream, chan) == 0);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	sley_task task = sley_spawn(send_all, NULL);
	for (uint64_t i = 0; i < ITEMS; i++) {
		if (i % 100 == 50) /* slow: the sender gets no further than the channel lets it */
			await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SEND);
		REQUIRE(load(&sent, relaxed) <= i + 4);
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == i);
	}
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0 && sley_chan_free(chan) == 0);
	return 0;
}

static void send_until_closed(void *arg)
{
	uint64_t i = 0;
	int error;
	while ((error = sley_chan_send(chan, &i, SLEY_NEVER)) == 0)
		i++;
	REQUIRE(error == -EPIPE);
}

static int main_chan_dropped(void *arg)
{
	uint64_t item;
	REQUIRE(sley_chan_new(&chan, sizeof(item), 0) == 0);
	REQUIRE(sley_stream_from_chan(&stream, chan) == 0);
	sley_task task = sley_spawn(send_until_closed, NULL);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == 0);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
	REQUIRE(sley_join(task, SOON) == 0); /* it is told */
	REQUIRE(sley_chan_free(chan) == 0);
	REQUIRE(sley_stream_from_chan(&stream, NULL) == -EINVAL);
	return 0;
}

/* What is received; its end; a slow consumer makes the sender wait; dropped early, the sender does not wait for ever. */
TEST(chan)
{
	run_all(main_chan);
	run_all(main_chan_dropped);
}

/* ---- a generator ---- */

static unsigned yielded, cleaned;

static int give(void *items)
{
	int error = 0;
	for (uint64_t i = 0; error == 0 && i < *(uint64_t *)items; i++) {
		fetch_add(&yielded, 1, relaxed);
		error = sley_gen_yield(&i);
	}
	fetch_add(&cleaned, 1, relaxed);
	return error ? error : -ENODATA;
}

static int main_gen(void *arg)
{
	uint64_t item, items = 20;
	yielded = cleaned = 0;
	REQUIRE(sley_gen_new(&gen, give, &items, sizeof(items), sizeof(item)) == 0);
	REQUIRE(sley_stream_from_gen(&stream, gen) == 0);
	for (uint64_t i = 0; i < items; i++) {
		REQUIRE(yielded == i); /* never ahead */
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == i);
	}
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == -ENODATA);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0 && cleaned == 1);
	items = 1000000;
	REQUIRE(sley_gen_new(&gen, give, &items, sizeof(items), sizeof(item)) == 0);
	REQUIRE(sley_stream_from_gen(&stream, gen) == 0);
	REQUIRE(sley_stream_take(stream, 5) == 0);
	while (sley_stream_next(stream, &item, SLEY_NEVER) == 0)
		;
	REQUIRE(cleaned == 1);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0 && cleaned == 2 && yielded == 25);
	REQUIRE(sley_stream_from_gen(&stream, NULL) == -EINVAL);
	return 0;
}

/* Its cleanup waits until it is told to go on. */
static int give_and_linger(void *arg)
{
	uint64_t item = 1;
	REQUIRE(sley_gen_yield(&item) == -ECANCELED);
	REQUIRE(sley_cancel_mask(1) == 0 && sley_chan_recv(chan, NULL, SOON) == 0);
	fetch_add(&cleaned, 1, relaxed);
	return 0;
}

static void make_lingering(void)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, give_and_linger, NULL, 0, sizeof(item)) == 0);
	REQUIRE(sley_stream_from_gen(&stream, gen) == 0 && sley_stream_next(stream, &item, SOON) == 0);
}

static void frees(void *arg)
{
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == -ECANCELED);
}

static int main_lingering(void *arg)
{
	cleaned = 0;
	REQUIRE(sley_chan_new(&chan, 0, 2) == 0);
	make_lingering();
	REQUIRE(sley_stream_free(stream, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	make_lingering();
	sley_task task = sley_spawn(frees, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && load(&cleaned, relaxed) == 0);
	REQUIRE(sley_chan_send(chan, NULL, 0) == 0 && sley_chan_send(chan, NULL, 0) == 0);
	await_live(1);
	REQUIRE(load(&cleaned, relaxed) == 2 && sley_chan_free(chan) == 0);
	return 0;
}

/* What it gives, in step; dropped early, it has cleaned up when the stream is freed, unless the free is given up. */
TEST(gen)
{
	run_all(main_gen);
	run_all(main_lingering);
}

/* ---- a ticker ---- */

static int main_ticker(void *arg)
{
	sley_time start = sley_now(), tick, last = 0, interval = SLEY_MS(2);
	REQUIRE(sley_stream_ticker(&stream, 0) == -EINVAL && sley_stream_ticker(&stream, -1) == -EINVAL);
	REQUIRE(sley_stream_ticker(&stream, interval) == 0);
	for (int i = 0; i < 20; i++) {
		REQUIRE(sley_stream_next(stream, &tick, SLEY_NEVER) == 0);
		REQUIRE(tick <= sley_now() && tick >= start + interval);              /* never early */
		REQUIRE(last == 0 || ((tick - last) % interval == 0 && tick > last)); /* in its rhythm */
		last = tick;
	}
	REQUIRE(sley_sleep(last + 10 * interval) == 0);                         /* too slow for ten ticks: */
	REQUIRE(sley_stream_next(stream, &tick, 0) == 0);                       /* one is there at once, */
	REQUIRE(tick >= last + 10 * interval && (tick - last) % interval == 0); /* the latest; */
	last = tick;
	REQUIRE(sley_stream_next(stream, &tick, SLEY_NEVER) == 0); /* the others are not made up for */
	REQUIRE(tick > last && tick <= sley_now());
	REQUIRE(sley_stream_free(stream, 0) == 0);
	REQUIRE(sley_stream_ticker(&stream, SLEY_SEC(3600)) == 0);
	REQUIRE(sley_stream_next(stream, &tick, 0) == -ETIMEDOUT);
	REQUIRE(sley_stream_next(stream, &tick, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_stream_free(stream, 0) == 0);
	REQUIRE(sley_stream_ticker(&stream, SLEY_NEVER) == 0); /* a tick that never comes */
	REQUIRE(sley_stream_next(stream, &tick, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_stream_free(stream, 0) == 0);
	return 0;
}

static void wait_for_tick(void *arg)
{
	sley_time tick;
	REQUIRE(sley_stream_next(stream, &tick, SLEY_NEVER) == -ECANCELED);
}

static int main_ticker_cancelled(void *arg)
{
	REQUIRE(sley_stream_ticker(&stream, SLEY_SEC(3600)) == 0);
	sley_task task = sley_spawn(wait_for_tick, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_stream_free(stream, 0) == 0);
	return 0;
}

/* Never early, in its rhythm; for a consumer that is late the latest tick, once. */
TEST(ticker)
{
	run(main_ticker, 1);
	run(main_ticker, 2);
	run(main_ticker_cancelled, 1);
}

/* ---- plain threads ---- */

static void *thread_consumes(void *arg)
{
	sley_time tick;
	uint64_t item, items = 10;
	REQUIRE(sley_stream_ticker(&stream, SLEY_MS(1)) == 0);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_stream_next(stream, &tick, SLEY_NEVER) == 0 && tick <= sley_now());
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
	REQUIRE(sley_gen_new(&gen, give, &items, sizeof(items), sizeof(item)) == 0);
	REQUIRE(sley_stream_from_gen(&stream, gen) == 0);
	for (uint64_t i = 0; i < 5; i++)
		REQUIRE(sley_stream_next(stream, &item, SOON) == 0 && item == i);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	REQUIRE(sley_stream_from_chan(&stream, chan) == 0);
	for (uint64_t i = 0; i < ITEMS; i++)
		REQUIRE(sley_stream_next(stream, &item, SOON) == 0 && item == i);
	REQUIRE(sley_stream_next(stream, &item, SOON) == SLEY_END);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	return NULL;
}

/* All three, consumed by a plain thread. */
TASK_TEST(threads, 1, 2)
{
	pthread_t thread;
	REQUIRE(sley_chan_new(&chan, sizeof(uint64_t), 2) == 0);
	sley_task task = sley_spawn(send_all, NULL);
	REQUIRE(pthread_create(&thread, NULL, thread_consumes, NULL) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	pthread_join(thread, NULL);
	REQUIRE(sley_chan_free(chan) == 0);
}
