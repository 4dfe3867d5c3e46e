/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Streams: items over time, from a channel, a generator, a listener, a ticker, or a function of the user. map, filter,
 * take and buffered change the items on their way.
 *
 *     sley_stream_from_chan(&stream, urls);
 *     sley_stream_buffered(stream, 10, fetch, NULL, 0, sizeof(struct page), NULL); // ten at once, in order
 *     sley_stream_filter(stream, is_new, NULL, 0);
 *     error = sley_stream_for_each(stream, store, db, SLEY_NEVER);
 *     sley_stream_free(stream, SLEY_NEVER);
 *
 * A stream is pulled: it works only in a call for the next item. So the producer of the source waits while the consumer
 * is slow. Only buffered() runs ahead, by a given number of items. map() and its kin apply to the items that come after
 * the call.
 *
 * A call for the next item returns 0 with an item, SLEY_END after the last one, for good, or a negative error. An error
 * is not the end: the call may be repeated, and continues after the failed item. If a deadline or a cancellation ends
 * the wait, no item is lost.
 *
 * A stream has one owner and one consumer at a time (-EBUSY). It takes its source over when it is made: the end of the
 * stream is the end of the source. Functions of the user get their argument as those of sley_gen_new(): n bytes by
 * value, or a pointer that must not lead into a copying stack. Items are copied. The items that a function gets lie off
 * the stack.
 *
 * Common errors of the calls that make or change a stream: -EINVAL: a null pointer, or a size above 64 KiB; -ENOMEM;
 * -EOVERFLOW; -EFAULT; -EBUSY: a task is in a call. A call that fails changes nothing. These calls are for any thread.
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
 * Makes a stream from a function. next() stores an item of `item` bytes at `item` and returns 0, or it returns
 * SLEY_END, after which it is not called again, or an error. It may wait until `deadline`. Its state is passed like an
 * argument. drop() (may be null) is called once, when the stream is freed. It releases the resources of the state,
 * waits for that until `deadline`, and returns 0 or the error that ended its wait. Returns 0.
 */
SLEY_API int sley_stream_new(struct sley_stream **, int (*next)(void *state, void *item, sley_time deadline),
			     int (*drop)(void *state, sley_time deadline), const void *state, size_t n, size_t item);

/*
 * Makes a stream of the items received from the channel. It ends when the channel is closed and drained.
 * sley_stream_free() closes the channel, so that its senders do not wait for ever; the channel's memory remains the
 * caller's. Returns 0.
 */
SLEY_API int sley_stream_from_chan(struct sley_stream **, struct sley_chan *);

/* Makes a stream of the generator's items. The generator is freed with the stream. Returns 0. */
SLEY_API int sley_stream_from_gen(struct sley_stream **, struct sley_gen *);

/*
 * Makes a stream of times (sley_time), one every `interval` ns, the first after one interval: the time at which the
 * tick was due. It never ends. A late consumer gets the latest tick at once. The ticks before it are dropped (as with
 * Go's tickers), and the later ones keep their rhythm. Returns 0; -EINVAL also: interval below 1.
 */
SLEY_API int sley_stream_ticker(struct sley_stream **, sley_time interval);

/*
 * Makes a stream of the connections accepted by a listening socket. An item is a descriptor (int); the consumer closes
 * it. The stream ends when the listener is closed; sley_stream_free() closes the listener. Only tasks may consume it.
 * Returns 0; -EINVAL also: the socket does not listen; -EBADF; -ENOTSOCK.
 */
SLEY_API int sley_stream_from_listener(struct sley_stream **, int listener);

/* ---- on the way ---- */

/*
 * Replaces each item by the result of int fn(void *arg, const void *from, void *to), of `item` bytes. fn runs in the
 * consuming task, may wait, and returns 0. If it fails, the consumer gets its error in place of this item. Returns 0.
 */
SLEY_API int sley_stream_map(struct sley_stream *, int (*fn)(void *arg, const void *from, void *to), const void *arg,
			     size_t n, size_t item);

/*
 * Passes only items for which int fn(void *arg, const void *item) is positive. 0 drops the item; a negative value is an
 * error in place of the item. fn runs as that of map. Returns 0.
 */
SLEY_API int sley_stream_filter(struct sley_stream *, int (*fn)(void *arg, const void *item), const void *arg,
				size_t n);

/* Ends the stream after `most` items. No further item is taken from the stages before it. Returns 0. */
SLEY_API int sley_stream_take(struct sley_stream *, uint64_t most);

/*
 * As map, but up to `most` calls of fn are under way at the same time, each in a task of its own. Their results come in
 * the order of the items. From the first call for an item on, a task of the stream takes items ahead of the consumer.
 * At most `most` items are begun, or done and not yet consumed. If no task can be had for an item, the item is lost,
 * and -EAGAIN or -ENOMEM takes its place.
 *
 * If the stream is freed early, the calls under way are cancelled and waited for. Results that were not consumed are
 * passed to discard(), which may be null, to free their resources.
 *
 * A macro, to record its place in the source. Returns 0; -EINVAL also: `most` is 0, or above 65,535.
 */
#define sley_stream_buffered(stream, most, fn, arg, n, item, discard) \
	sley_stream_buffered_at(SLEY_SITE(#fn), (stream), (most), (fn), (arg), (n), (item), (discard))

SLEY_API int sley_stream_buffered_at(struct sley_site *site, struct sley_stream *, unsigned most,
				     int (*fn)(void *arg, const void *from, void *to), const void *arg, size_t n,
				     size_t item, void (*discard)(void *item));

/* ---- consuming ---- */

/*
 * Waits for the next item and stores it at `item`. Returns 0; SLEY_END; -ETIMEDOUT; -EBUSY: another task is in a call;
 * -EINVAL: null; -EFAULT; -ENOTCONN; else an error of the source or of a function on the way. Task, or any thread,
 * which then blocks, if the source is for any thread.
 */
SLEY_API int sley_stream_next(struct sley_stream *, void *item, sley_time deadline);

/*
 * Calls int fn(void *arg, void *item) for each item, in the calling task. `arg` and its target may belong to the task.
 * Returns 0: the stream has ended; fn's return value if it is not 0, which ends the loop; or the error that came in
 * place of an item (also -ENOMEM). `deadline` is for all items together.
 */
SLEY_API int sley_stream_for_each(struct sley_stream *, int (*fn)(void *arg, void *item), void *arg,
				  sley_time deadline);

/*
 * Frees the stream, also before its end, and ends its source. On return of 0 the source has cleaned up. The call waits
 * for that until `deadline` (0: no wait); a source that has not ended by then ends later. Null is a no-op and returns
 * 0. Returns 0; -ETIMEDOUT, -ECANCELED: freed, but not everything has ended yet; -EBUSY: not freed, as a task is in a
 * call; -EFAULT. Task, or any thread, which then blocks; also after the end of the run.
 */
SLEY_API int sley_stream_free(struct sley_stream *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
