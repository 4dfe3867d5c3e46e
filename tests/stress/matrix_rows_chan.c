/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of channels, select, and streams. */
#include "tests/stress/matrix_rows_chan.h"

#include <string.h>

#include "tests/stress/stress.h"

/* ---- channels: small and large items ---- */

#define LARGE 200

static struct sley_chan *chan, *other;
static char item[LARGE];

static void chan_open_of(size_t size, bool full)
{
	memset(item, 7, sizeof(item));
	REQUIRE(sley_chan_new(&chan, size, 1) == 0 && sley_chan_new(&other, size, 0) == 0);
	if (full)
		REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
}

static void recv_open(void)
{
	chan_open_of(8, false);
}

static void recv_open_large(void)
{
	chan_open_of(LARGE, false);
}

static void send_open(void)
{
	chan_open_of(8, true);
}

static void send_open_large(void)
{
	chan_open_of(LARGE, true);
}

static void chan_end(void)
{
	REQUIRE(sley_chan_free(chan) == 0 && sley_chan_free(other) == 0);
}

static void chan_close(void)
{
	REQUIRE(sley_chan_close(chan) == 0);
}

static void recv_reopen(void)
{
	chan_end();
	recv_open();
}

static void recv_reopen_large(void)
{
	chan_end();
	recv_open_large();
}

static void send_reopen(void)
{
	chan_end();
	send_open();
}

static void send_reopen_large(void)
{
	chan_end();
	send_open_large();
}

static void recv_ready(void)
{
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
}

static void send_ready(void)
{
	char here[LARGE];
	REQUIRE(sley_chan_recv(chan, here, SLEY_NEVER) == 0);
	REQUIRE(here[0] == 7 && here[7] == 7);
}

static int recv_call(sley_time deadline)
{
	char here[LARGE] = { 0 };
	int error = sley_chan_recv(chan, here, deadline);
	REQUIRE(here[0] == (error ? 0 : 7));
	return error;
}

static int recv_many_call(sley_time deadline)
{
	char here[3][LARGE] = { { 0 } };
	int n = (int)sley_chan_recv_many(chan, here, 3, deadline);
	REQUIRE(here[0][0] == (n > 0 ? 7 : 0));
	return n;
}

static int recv_call_large(sley_time deadline)
{
	char here[LARGE] = { 0 };
	int error = sley_chan_recv(chan, here, deadline);
	REQUIRE(here[0] == (error ? 0 : 7) && here[LARGE - 1] == here[0]);
	return error;
}

static int send_call(sley_time deadline)
{
	char here[LARGE];
	memset(here, 7, sizeof(here));
	return sley_chan_send(chan, here, deadline);
}

static int null_call(sley_time deadline)
{
	return sley_chan_recv(NULL, NULL, deadline);
}

static int select_recv_call(sley_time deadline)
{
	char here[2][LARGE];
	struct sley_case cases[] = { { .chan = other, .op = SLEY_RECV, .into = here[0] },
				     { .op = SLEY_SEND, .from = here[0] },
				     { .chan = chan, .op = SLEY_RECV, .into = here[1] } };
	int which = sley_select(cases, 3, deadline);
	if (which >= 0 && cases[which].error == 0)
		REQUIRE(here[1][0] == 7);
	return which >= 0 && cases[which].error ? cases[which].error : which;
}

static int select_send_call(sley_time deadline)
{
	char here[2][LARGE];
	struct sley_case cases[] = { { .chan = chan, .op = SLEY_SEND, .from = here[1] },
				     { .chan = other, .op = SLEY_RECV, .into = here[0] } };
	memset(here, 7, sizeof(here));
	int which = sley_select(cases, 2, deadline);
	return which >= 0 && cases[which].error ? cases[which].error : which;
}

static int select_none_call(sley_time deadline)
{
	return sley_select(NULL, 0, deadline);
}

/* ---- streams ---- */

static struct sley_stream *stream;

static int add_one(void *arg, const void *from, void *to)
{
	*(uint64_t *)to = *(const uint64_t *)from + 1;
	return 0;
}

static void stream_open(void)
{
	recv_open();
	REQUIRE(sley_stream_from_chan(&stream, chan) == 0);
	REQUIRE(sley_stream_map(stream, add_one, NULL, 0, sizeof(uint64_t)) == 0);
}

static void stream_end(void)
{
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
	chan_end();
}

static void stream_reopen(void)
{
	stream_end();
	stream_open();
}

static int stream_call(sley_time deadline)
{
	uint64_t value = 0;
	int error = sley_stream_next(stream, &value, deadline);
	REQUIRE(value == (error ? 0 : 0x0707070707070708));
	return error;
}

static int first_is_enough(void *arg, void *value)
{
	return *(uint64_t *)value == 0x0707070707070708 ? 42 : -EBADMSG;
}

static int for_each_call(sley_time deadline)
{
	return sley_stream_for_each(stream, first_is_enough, NULL, deadline);
}

/* ---- watches and broadcasts ---- */

static struct sley_watch *watch;
static uint64_t seen;
static struct sley_broadcast *broadcast;
static struct sley_subscriber *subscriber;

static void watch_open(void)
{
	uint64_t value = 7;
	REQUIRE(sley_watch_new(&watch, sizeof(value), &value) == 0);
	REQUIRE(sley_watch_get(watch, &value, &seen) == 0 && value == 7);
}

static void watch_end(void)
{
	REQUIRE(sley_watch_free(watch) == 0);
}

static void watch_ready(void)
{
	uint64_t value = 8;
	REQUIRE(sley_watch_set(watch, &value) == 0);
}

static void watch_close(void)
{
	REQUIRE(sley_watch_close(watch) == 0);
}

static void watch_reopen(void)
{
	watch_end();
	watch_open();
}

static int watch_call(sley_time deadline)
{
	uint64_t value = 0;
	int error = sley_watch_next(watch, &value, &seen, deadline);
	REQUIRE(value == (error ? 0 : 8));
	return error;
}

static void broadcast_open(void)
{
	REQUIRE(sley_broadcast_new(&broadcast, sizeof(uint64_t), 2, SLEY_BROADCAST_WAIT) == 0);
	REQUIRE(sley_subscribe(&subscriber, broadcast) == 0);
}

static void broadcast_open_full(void)
{
	broadcast_open();
	for (uint64_t i = 0; i < 2; i++)
		REQUIRE(sley_broadcast_send(broadcast, &i, SLEY_NEVER) == 0);
}

static void broadcast_close(void)
{
	REQUIRE(sley_broadcast_free(broadcast) == 0);
	broadcast = NULL;
}

static void broadcast_end(void)
{
	REQUIRE(sley_subscriber_free(subscriber) == 0);
	broadcast_close();
}

static void broadcast_reopen(void)
{
	REQUIRE(sley_subscriber_free(subscriber) == 0);
	broadcast_open();
}

static void broadcast_give(void)
{
	uint64_t value = 7;
	REQUIRE(sley_broadcast_send(broadcast, &value, SLEY_NEVER) == 0);
}

static void broadcast_take(void)
{
	uint64_t value;
	REQUIRE(sley_subscriber_recv(subscriber, &value, SLEY_NEVER) == 0);
}

static int broadcast_send_call(sley_time deadline)
{
	uint64_t value = 9;
	return sley_broadcast_send(broadcast, &value, deadline);
}

static int subscriber_recv_call(sley_time deadline)
{
	uint64_t value = 0;
	int result = sley_subscriber_recv(subscriber, &value, deadline);
	REQUIRE(value == (result ? 0 : 7));
	return result;
}

const struct matrix_row matrix_rows_chan[] = {
	{ "chan_recv", SLEY_WAIT_RECV, recv_open, chan_end, recv_call, recv_ready, NULL, chan_close, recv_reopen,
	  .closed = -EPIPE },
	{ "chan_recv, large", SLEY_WAIT_RECV, recv_open_large, chan_end, recv_call_large, recv_ready, NULL, chan_close,
	  recv_reopen_large, .closed = -EPIPE },
	{ "chan_recv_many", SLEY_WAIT_RECV, recv_open, chan_end, recv_many_call, recv_ready, NULL, chan_close,
	  recv_reopen, .done = 1, .closed = -EPIPE },
	{ "chan_send", SLEY_WAIT_SEND, send_open, chan_end, send_call, send_ready, NULL, chan_close, send_reopen,
	  .closed = -EPIPE },
	{ "chan_send, large", SLEY_WAIT_SEND, send_open_large, chan_end, send_call, send_ready, NULL, chan_close,
	  send_reopen_large, .closed = -EPIPE },
	{ "chan_recv, null", SLEY_WAIT_RECV, nothing, nothing, null_call },
	{ "select, receiving", SLEY_WAIT_SELECT, recv_open, chan_end, select_recv_call, recv_ready, NULL, chan_close,
	  recv_reopen, .done = 2, .closed = -EPIPE },
	{ "select, sending large", SLEY_WAIT_SELECT, send_open_large, chan_end, select_send_call, send_ready, NULL,
	  chan_close, send_reopen_large, .done = 0, .closed = -EPIPE },
	{ "select, nothing", SLEY_WAIT_SELECT, nothing, nothing, select_none_call },
	{ "stream_next", SLEY_WAIT_RECV, stream_open, stream_end, stream_call, recv_ready, NULL, chan_close,
	  stream_reopen, .closed = SLEY_END },
	{ "stream_for_each", SLEY_WAIT_RECV, stream_open, stream_end, for_each_call, recv_ready, NULL, chan_close,
	  stream_reopen, .done = 42, .closed = 0 },
	{ "watch_next", SLEY_WAIT_EVENT, watch_open, watch_end, watch_call, watch_ready, NULL, watch_close,
	  watch_reopen, .closed = -EPIPE },
	{ "subscriber_recv", SLEY_WAIT_EVENT, broadcast_open, broadcast_end, subscriber_recv_call, broadcast_give, NULL,
	  broadcast_close, broadcast_reopen, .closed = -EPIPE },
	{ "broadcast_send", SLEY_WAIT_EVENT, broadcast_open_full, broadcast_end, broadcast_send_call, broadcast_take },
	{ NULL },
};
