/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The buffered stage of a stream. A separate task, the feeder, takes items from the stage below, starts a call for
 * each, and sends the futures of the results to the consumer, in order.
 *
 *      feeder                                          consumer
 *      send a permit: waits while `most` are out
 *      the next item from below
 *      start fn(item): a future
 *      send the future (or the error) in order ----->  receive it, await it, free it
 *                                                      receive a permit
 *      at the end: close the order        ---------->  SLEY_END
 *
 * So a slow source does not delay running calls, and a slow call does not delay the next item of the source. Rejected:
 * to take items in the consumer's own task, which can wait only for one of the two.
 *
 * Once the feeder has started, it lasts as long as the stage: when the source has ended, it waits until the stage is
 * dropped. Then it is cancelled. It cancels the calls under way and waits for them, as a call owns its item, and drops
 * the stage below. The feeder's record has two holders, the stage and the task; the last one frees it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "sync/argument.h"
#include "sync/chan.h"
#include "sync/future.h"
#include "sync/stream.h"

#define MOST 65535

/* Argument of a call's task: fn's argument, followed by the item. */
struct call {
	int (*fn)(void *arg, const void *from, void *to);
	void *arg;
	char item[] __attribute__((aligned(16)));
};

/* An element of `order`: a future's address, or an error as an odd number. */
typedef uint64_t entry;

struct feeder {
	unsigned refs;    /* atomic: held by the stage and the task */
	unsigned dropped; /* atomic */
	entry head;       /* received by the stage, but not consumed when it was dropped; 0: none */
	/* constant */
	struct sley_site *site;
	unsigned most;
	size_t item;  /* size of a result */
	size_t below; /* size of an item of the stage below */
	void (*discard)(void *item);
	struct sley_chan *permits, *order;
	struct sley_chan *gone; /* closed when the stage is dropped */
	/* owned by the task, once it has started */
	struct stage *source;
	entry *pending;    /* room for the entries of the calls under way, at the end */
	struct call *call; /* argument of the next call */
	/* fn's argument */
	char block[] __attribute__((aligned(16)));
};

struct buffered {
	struct stage stage; /* first */
	struct feeder *feeder;
	struct sley_future *task; /* future of the feeder's task; null: not started */
	entry head;               /* received, but not yet consumed; 0: none */
};

/* ---- entries ---- */

static entry entry_of_error(int error)
{
	return (uint64_t)-error << 1 | 1;
}

static struct sley_future *entry_future(entry entry)
{
	return entry & 1 ? NULL : (struct sley_future *)(uintptr_t)entry;
}

static int entry_error(entry entry)
{
	return -(int)(entry >> 1);
}

/* ---- the feeder's record ---- */

static void feeder_free(struct feeder *feeder)
{
	sley_chan_free(feeder->permits);
	sley_chan_free(feeder->order);
	sley_chan_free(feeder->gone);
	free(feeder->pending);
	free(feeder->call);
	free(feeder);
}

static void feeder_put(struct feeder *feeder)
{
	if (fetch_sub(&feeder->refs, 1, acq_rel) == 1)
		feeder_free(feeder);
}

static int feeder_allocate(struct feeder *feeder)
{
	int error = sley_chan_new(&feeder->permits, 0, feeder->most);
	if (error == 0)
		error = sley_chan_new(&feeder->order, sizeof(entry), feeder->most + 1);
	if (error == 0)
		error = sley_chan_new(&feeder->gone, 0, 0);
	int saved = errno;
	feeder->pending = calloc(feeder->most + 2, sizeof(entry));
	feeder->call = calloc(1, sizeof(struct call) + MAX(feeder->below, feeder->item));
	errno = saved;
	return error == 0 && (!feeder->pending || !feeder->call) ? -ENOMEM : error;
}

/* ---- the feeder's task ---- */

static int call_main(void *arg, void *result)
{
	struct call *call = arg;
	return call->fn(call->arg, call->item, result);
}

/* Starts a call for the item in feeder->call. Returns its entry. */
static entry call_start(struct feeder *feeder)
{
	struct sley_future *future;
	int error = sley_async_at(feeder->site, &future, call_main, feeder->call, sizeof(struct call) + feeder->below,
				  feeder->item);
	return error ? entry_of_error(error) : (entry)(uintptr_t)future;
}

/* Runs until the source ends, or the stage is dropped. */
static void feed(struct feeder *feeder)
{
	while (!load(&feeder->dropped, relaxed)) {
		int error = sley_chan_send(feeder->permits, NULL, SLEY_NEVER);
		if (error == 0)
			error = stage_next(feeder->source, feeder->call->item, SLEY_NEVER);
		if (error == SLEY_END)
			return;
		entry entry = error ? entry_of_error(error) : call_start(feeder);
		sley_chan_send(feeder->order, &entry, SLEY_NEVER); /* never waits: the capacity is one above that of
								    * `permits` */
		if (error == -ECANCELED && sley_cancelled())
			return; /* dropped; or the task was cancelled by its id: then the consumer gets this error */
	}
}

static size_t take_pending(struct feeder *feeder)
{
	size_t n = 0;
	if (feeder->head)
		feeder->pending[n++] = feeder->head;
	while (sley_chan_try_recv(feeder->order, &feeder->pending[n]) == 0)
		n++;
	return n;
}

/* Called when the results are not wanted: cancels the calls and waits for their ends. */
static void discard_all(struct feeder *feeder)
{
	size_t n = take_pending(feeder);
	struct sley_future *future;
	for (size_t i = 0; i < n; i++) {
		if ((future = entry_future(feeder->pending[i])) != NULL)
			sley_cancel(future->task); /* not the future, as it may have a result to discard */
	}
	for (size_t i = 0; i < n; i++) {
		if ((future = entry_future(feeder->pending[i])) == NULL)
			continue;
		int error = sley_await(future, feeder->call->item, SLEY_NEVER);
		sley_future_free(future);
		if (error == 0 && feeder->discard)
			feeder->discard(feeder->call->item);
	}
}

static int feeder_main(void *arg, void *result)
{
	struct feeder *feeder = arg;
	(void)result;
	feed(feeder);
	sley_chan_close(feeder->order);
	sley_cancel_mask(1);
	sley_chan_recv(feeder->gone, NULL, SLEY_NEVER);
	discard_all(feeder);
	stage_free(feeder->source, SLEY_NEVER);
	feeder_put(feeder);
	return 0;
}

/* ---- the stage ---- */

static struct buffered *buffered_of(struct stage *stage)
{
	return CONTAINER_OF(stage, struct buffered, stage);
}

static int feeder_begin(struct buffered *buffered)
{
	struct feeder *feeder = buffered->feeder;
	if (buffered->task)
		return buffered->task->run == scheduler.run ? 0 : -ENOTCONN;
	feeder->refs = 2;
	return sley_async_at(feeder->site, &buffered->task, feeder_main, feeder, SLEY_BY_POINTER, 0);
}

/*
 * Awaits the call at the head. Returns 0 or the call's error, and consumes it; or the error of the wait, and does not
 * consume it.
 */
static int consume(struct buffered *buffered, void *item, sley_time deadline)
{
	struct sley_future *future = entry_future(buffered->head);
	int error = future ? sley_await(future, item, deadline) : entry_error(buffered->head);
	if (future && error) {
		if (sley_future_ready(future) == 0)
			return error;
		error = sley_await(future, item, 0); /* the call's own error, or its result came at that moment */
	}
	sley_future_free(future);
	buffered->head = 0;
	sley_chan_try_recv(buffered->feeder->permits, NULL);
	return error;
}

static int buffered_next(struct stage *stage, void *item, sley_time deadline)
{
	struct buffered *buffered = buffered_of(stage);
	int error = feeder_begin(buffered);
	if (error == 0 && !buffered->head)
		error = sley_chan_recv(buffered->feeder->order, &buffered->head, deadline);
	if (error)
		return error == -EPIPE ? SLEY_END : error;
	return consume(buffered, item, deadline);
}

/* Called when the run is over. The feeder's task, if it has started, was abandoned with it. */
static int buffered_drop_after_run(struct buffered *buffered)
{
	struct feeder *feeder = buffered->feeder;
	struct task *none;
	do {
		if (buffered->head)
			sley_future_free(entry_future(buffered->head));
		/* sley_chan_try_recv() fails after the run; no sender is waiting */
	} while (chan_recv_now(feeder->order, 0, &buffered->head, &none) == 0);
	sley_future_free(buffered->task);
	int error = stage_free(feeder->source, 0);
	feeder_free(feeder);
	return error;
}

static int buffered_drop(struct stage *stage, sley_time deadline)
{
	struct buffered *buffered = buffered_of(stage);
	struct feeder *feeder = buffered->feeder;
	if (!buffered->task) {
		int error = stage_free(feeder->source, deadline);
		feeder_free(feeder);
		return error;
	}
	if (scheduler_error() || buffered->task->run != scheduler.run)
		return buffered_drop_after_run(buffered);
	feeder->head = buffered->head;
	store(&feeder->dropped, 1, relaxed); /* relaxed: the closed channel orders the writes before it */
	sley_chan_close(feeder->gone);
	sley_cancel(buffered->task->task);
	int error = sley_await(buffered->task, NULL, deadline);
	if (run_is_over(error)) /* the run ended while a thread waited */
		return buffered_drop_after_run(buffered);
	sley_future_free(buffered->task);
	feeder_put(feeder);
	return error;
}

static struct feeder *feeder_new(size_t n, size_t below, size_t item, unsigned most, int *error)
{
	struct feeder *feeder = stage_new(sizeof(*feeder), argument_size(n), error);
	if (!feeder)
		return NULL;
	feeder->most = most;
	feeder->item = item;
	feeder->below = below;
	*error = feeder_allocate(feeder);
	if (*error == 0)
		return feeder;
	feeder_free(feeder);
	return NULL;
}

static int push(struct sley_stream *stream, struct feeder *feeder)
{
	int error;
	struct buffered *buffered = stage_new(sizeof(*buffered), 0, &error);
	if (!buffered) {
		feeder_free(feeder);
		return error;
	}
	buffered->stage = (struct stage){ .next = buffered_next, .drop = buffered_drop, .item = feeder->item };
	buffered->feeder = feeder;
	feeder->source = stream->top;
	stream->top = &buffered->stage;
	return 0;
}

int sley_stream_buffered_at(struct sley_site *site, struct sley_stream *stream, unsigned most,
			    int (*fn)(void *, const void *, void *), const void *arg, size_t n, size_t item,
			    void (*discard)(void *))
{
	int error = argument_check((const void *)(uintptr_t)fn, arg, n, "sley_stream_buffered");
	if (error || item > STREAM_ITEM_MAX || most == 0 || most > MOST)
		return error ? error : -EINVAL;
	if ((error = stream_enter(stream, "sley_stream_buffered")) != 0)
		return error;
	struct feeder *feeder = feeder_new(n, stream->top->item, item, most, &error);
	if (feeder) {
		feeder->site = site;
		feeder->discard = discard;
		feeder->call->fn = fn;
		feeder->call->arg = argument_keep(feeder->block, arg, n, "sley_stream_buffered");
		error = push(stream, feeder);
	}
	stream_leave(stream);
	return error;
}
