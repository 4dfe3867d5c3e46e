/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sources of streams: a channel, a generator, a ticker. (A listener: io/listener.c) */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "run/report.h"
#include "sync/chan.h"
#include "sync/generator.h"
#include "sync/stream.h"

/* ---- a channel; the state is its address ---- */

static int chan_next(void *state, void *item, sley_time deadline)
{
	int error = sley_chan_recv(state, item, deadline);
	return error == -EPIPE ? SLEY_END : error;
}

static int chan_drop(void *state, sley_time deadline)
{
	(void)deadline;
	sley_chan_close(state); /* fails without harm if it is closed already, or the run is over */
	return 0;
}

int sley_stream_from_chan(struct sley_stream **stream, struct sley_chan *chan)
{
	int error = chan ? check_shared(chan, "sley_stream_from_chan", "channel") : -EINVAL;
	return error ? error : sley_stream_new(stream, chan_next, chan_drop, chan, SLEY_BY_POINTER, chan->item);
}

/* ---- a generator ---- */

static int gen_next(void *state, void *item, sley_time deadline)
{
	return sley_gen_next(state, item, deadline);
}

static int gen_drop(void *state, sley_time deadline)
{
	return sley_gen_free(state, deadline);
}

int sley_stream_from_gen(struct sley_stream **stream, struct sley_gen *gen)
{
	int error = gen ? check_shared(gen, "sley_stream_from_gen", "generator") : -EINVAL;
	return error ? error : sley_stream_new(stream, gen_next, gen_drop, gen, SLEY_BY_POINTER, generator_item(gen));
}

/* ---- a ticker ---- */

struct ticker {
	sley_time interval;
	sley_time due; /* time of the next tick */
};

/* A plain thread sleeps in a receive from a null channel, which is never ready. */
static int ticker_sleep(sley_time until)
{
	if (task_self())
		return sley_sleep(until);
	int error = sley_chan_recv(NULL, NULL, until);
	return error == -ETIMEDOUT ? 0 : error;
}

static int ticker_next(void *state, void *item, sley_time deadline)
{
	struct ticker *ticker = state;
	sley_time now = clock_now(), latest;
	if (now < ticker->due) {
		int error = ticker_sleep(MIN(ticker->due, deadline));
		if (error)
			return error;
		now = clock_now();
	}
	if (now < ticker->due)
		return -ETIMEDOUT;
	latest = now - (now - ticker->due) % ticker->interval;
	memcpy(item, &latest, sizeof(latest));
	if (__builtin_add_overflow(latest, ticker->interval, &ticker->due))
		ticker->due = SLEY_NEVER;
	return 0;
}

int sley_stream_ticker(struct sley_stream **stream, sley_time interval)
{
	struct ticker ticker = { interval, sley_in(interval) };
	if (interval < 1)
		return -EINVAL;
	return sley_stream_new(stream, ticker_next, NULL, &ticker, sizeof(ticker), sizeof(sley_time));
}
