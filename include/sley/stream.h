/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Streams: items over time, from a channel, a generator, a listener, a ticker, or a function of one's own; changed on
 * their way by map, filter, take and buffered.
 *
 *     sley_stream_from_chan(&stream, urls);
 *     sley_stream_buffered(stream, 10, fetch, NULL, 0, sizeof(struct page), NULL); // ten at once, in order
 *     sley_stream_filter(stream, is_new, NULL, 0);
 *     error = sley_stream_for_each(stream, store, db, SLEY_NEVER);
 *     sley_stream_free(stream, SLEY_NEVER);
 *
 * A stream is pulled: nothing happens but in a call for the next item. So whoever feeds the source waits while the
 * consumer is slow; only buffered() runs ahead, by as many items as it is told. What map() and its kin do to a stream
 * holds for the items that come after the call.
 *
 * The next item is 0; the end is SLEY_END, for good; an error is negative, and not the end: the call may be made again,
 * and goes on behind whatever failed. When a deadline or a cancellation ends the wait, no item is lost.
 *
 * A stream has one owner and one consumer at a time (-EBUSY). It takes its source over when it is made: freeing the
 * stream ends the source. Functions of the user get the argument as those of sley_gen_new() do: n bytes by value, or a
 * pointer that must not lead into a copying stack. Items are copied, and lie off the stack where a function gets them.
 *
 * Errors of the calls that make or change a stream: -EINVAL: a null pointer, or a size above 64 KiB; -ENOMEM;
 * -EOVERFLOW; -EFAULT; -EBUSY: a task is in a call. Any thread. If one fails, nothing has changed.
 */
#ifndef SLEY_STREAM_H
#define SLEY_STREAM_H

#include <sley/chan.h>
#include <sley/generator.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque; on the heap. */
struct sley_stream;

/* ---- sources ---- */

/*
 * From a function: next() stores an item of `item` bytes at `item` and returns 0, or SLEY_END, after which it is not
 * called again, or an error; it may wait until `deadline`. Its state is given like an argument. drop() (may be null) is
 * called once, when the stream is freed: it gives back what the state holds, waits for that until `deadline` at the
 * latest, and returns 0, or what ended the wait.
 */
SLEY_API int sley_stream_new(struct sley_stream **, int (*next)(void *state, void *item, sley_time deadline),
			     int (*drop)(void *state, sley_time deadline), const void *state, size_t n, size_t item);

/*
 * What is received from the channel; it ends when the channel is closed and drained. Freeing the stream closes the
 * channel, so that its senders need not wait for ever; its memory remains the caller's.
 */
SLEY_API int sley_stream_from_chan(struct sley_stream **, struct sley_chan *);

/* What the generator gives. The generator is freed with the stream. */
SLEY_API int sley_stream_from_gen(struct sley_stream **, struct sley_gen *);

/*
 * A time (sley_time) every `interval` ns, the first an interval from now: when the tick was due. It never ends. A
 * consumer that is late gets the latest tick at once; those before it are dropped (as with Go's tickers), and the later
 * ones keep their rhythm. -EINVAL also: interval below 1.
 */
SLEY_API int sley_stream_ticker(struct sley_stream **, sley_time interval);

/*
 * The connections that a listening socket accepts: an item is a descriptor (int), the consumer's to close. It ends when
 * the listener is closed; freeing the stream closes it. Tasks only. -EINVAL also: it does not listen; -EBADF;
 * -ENOTSOCK.
 */
SLEY_API int sley_stream_from_listener(struct sley_stream **, int listener);

/* ---- on the way ---- */

/*
 * Items become what int fn(void *arg, const void *from, void *to) makes of them, `item` bytes each; it runs in the task
 * that consumes, may wait, and returns 0. If it fails, the consumer gets its error in place of this item.
 */
SLEY_API int sley_stream_map(struct sley_stream *, int (*fn)(void *arg, const void *from, void *to), const void *arg,
			     size_t n, size_t item);

/*
 * Only items for which int fn(void *arg, const void *item) is positive come through; those for which it is 0 do not;
 * a negative value is an error in place of the item. Where it runs, as map's.
 */
SLEY_API int sley_stream_filter(struct sley_stream *, int (*fn)(void *arg, const void *item), const void *arg,
				size_t n);

/* The stream ends after `most` items. What is before it is not asked for more. */
SLEY_API int sley_stream_take(struct sley_stream *, uint64_t most);

/*
 * As map, but up to `most` calls of fn are under way at once, each in a task of its own; their results come in the
 * order of the items. From the first call for an item on, items are taken ahead of the consumer, in a task of the
 * stream's: never are more than `most` begun, or done and not yet consumed. An item for which no task can be had is
 * lost, and its place is taken by -EAGAIN or -ENOMEM.
 *
 * When the stream is freed early, the calls that are under way are cancelled, and waited for. Results that nobody
 * consumed are given to discard(), which may be null, to free what they own.
 *
 * A macro, as it records its place in the source. -EINVAL also: `most` is 0, or above 65,535.
 */
#define sley_stream_buffered(stream, most, fn, arg, n, item, discard) \
	sley_stream_buffered_at(SLEY_SITE(#fn), (stream), (most), (fn), (arg), (n), (item), (discard))

SLEY_API int sley_stream_buffered_at(struct sley_site *site, struct sley_stream *, unsigned most,
				     int (*fn)(void *arg, const void *from, void *to), const void *arg, size_t n,
				     size_t item, void (*discard)(void *item));

/* ---- consuming ---- */

/*
 * Waits for the next item and stores it at `item`. 0; SLEY_END; -ETIMEDOUT; -EBUSY: another task is in a call;
 * -EINVAL: null; -EFAULT; -ENOTCONN; else an error of the source or of a function on the way. Task, or any thread,
 * which then blocks, where the source is for any thread.
 */
SLEY_API int sley_stream_next(struct sley_stream *, void *item, sley_time deadline);

/*
 * Calls int fn(void *arg, void *item) for each item, in the calling task: `arg` and what it points to may be its own.
 * 0: the stream has ended; what fn returned, if that was not 0: it is not called again; or the error for which there
 * was no item (-ENOMEM also). `deadline` is for all items together.
 */
SLEY_API int sley_stream_for_each(struct sley_stream *, int (*fn)(void *arg, void *item), void *arg,
				  sley_time deadline);

/*
 * Frees it, also before its end, and ends its source: by the time it returns 0 that has cleaned up. `deadline` (0: it
 * does not wait) is for that; what has not ended by then does later. Null is 0. 0; -ETIMEDOUT, -ECANCELED: freed, but
 * something has not ended yet; -EBUSY: a task is in a call: not freed; -EFAULT. Task, or any thread, which then blocks;
 * also when the run is over.
 */
SLEY_API int sley_stream_free(struct sley_stream *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
