/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Channels. */
#ifndef SLEY_CHAN_H
#define SLEY_CHAN_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A channel of items of one size. Opaque; on the heap. */
struct sley_chan;

/*
 * Makes a channel. Each item has `item` bytes, up to 64 KiB; 0 is legal, for a signal. `capacity` items are buffered.
 * With capacity 0 each send meets a receive. Returns 0; -EINVAL: null, or a larger item; -EOVERFLOW: item * capacity;
 * -ENOMEM. Any thread, also outside of sley_run().
 */
SLEY_API int sley_chan_new(struct sley_chan **, size_t item, size_t capacity);

/*
 * Frees a channel, also right after it was closed. Null is a no-op and returns 0. A call on the channel that has yet to
 * begin is not detected. Returns 0; -EBUSY: not freed, as a caller waits on it, or has yet to return from a select or
 * from a wait that ended early, and will access the channel again; -EFAULT. Any thread, also outside of sley_run().
 */
SLEY_API int sley_chan_free(struct sley_chan *);

/*
 * Sends a copy of the item. Senders are served in FIFO order. A null channel never becomes ready. Returns 0; -EPIPE:
 * the channel is closed, before the call or during its wait; -ETIMEDOUT; -ENOMEM: no memory to hold a large item during
 * the wait; -EFAULT: also a null item, unless items have no bytes. Task, or any thread, which then blocks; such a
 * thread gets -ENOTCONN when the run is over.
 */
SLEY_API int sley_chan_send(struct sley_chan *, const void *item, sley_time deadline);

/*
 * Receives an item into `item`. Returns 0; -EPIPE: the channel is closed and drained; -ETIMEDOUT; -ENOMEM; -EFAULT.
 * Task or any thread, as sley_chan_send(). To receive all items until the channel is closed:
 *     while (sley_chan_recv(chan, &item, SLEY_NEVER) == 0)
 */
SLEY_API int sley_chan_recv(struct sley_chan *, void *item, sley_time deadline);

/*
 * Receives up to n items into the array `items`. Waits for the first, as sley_chan_recv(), and then takes those that are
 * there. It costs less than n calls: the channel is locked once for many items. Returns the number of items, at least 1
 * unless n is 0; -EPIPE: the channel is closed and drained; -ETIMEDOUT; -EINVAL: n is above SSIZE_MAX; -ENOMEM; -EFAULT.
 * Task or any thread, as sley_chan_send().
 */
SLEY_API ssize_t sley_chan_recv_many(struct sley_chan *, void *items, size_t n, sley_time deadline);

/*
 * As send and recv, but without waiting. Return 0; -EAGAIN: the call would have to wait. Errors as of sley_chan_send()
 * and sley_chan_recv(). Any thread.
 */
SLEY_API int sley_chan_try_send(struct sley_chan *, const void *item);
SLEY_API int sley_chan_try_recv(struct sley_chan *, void *item);

/*
 * Closes the channel: no more sends succeed; buffered items can still be received. Wakes all waiters. Returns 0;
 * -EPIPE: closed already; -EINVAL: null; -EFAULT. Any thread.
 */
SLEY_API int sley_chan_close(struct sley_chan *);

/*
 * Count the buffered items, and the room for them. Return the number of buffered items, and the capacity; 0 for a null
 * channel. The length is for statistics: other threads may have changed it before the call returns. Any thread, also
 * outside of sley_run().
 */
SLEY_API size_t sley_chan_length(struct sley_chan *);
SLEY_API size_t sley_chan_capacity(struct sley_chan *);

/* ---- select ---- */

enum sley_op { SLEY_RECV, SLEY_SEND };

/* One case of a select. The item belongs to the caller and may lie on its stack. */
struct sley_case {
	struct sley_chan *chan; /* null: never ready */
	int op;                 /* enum sley_op */
	int error;              /* set in the chosen case. 0; -EPIPE: the channel is closed */
	__extension__ union {
		void *into;       /* SLEY_RECV */
		const void *from; /* SLEY_SEND: copied at the beginning of the call */
	};
};

/*
 * Does one of n operations: the first that can be done. If several can be done, each is equally likely. A channel may
 * be in several cases; a select never meets itself. With n == 0, or with null channels alone, it waits for the
 * deadline. Task, or any thread, which then blocks. Returns the index of the chosen case, whose `error` is its result;
 * -ETIMEDOUT; -EINVAL: n is negative or above 65,535, null `cases`, or an unknown op; -ENOMEM; -EFAULT: a channel on a
 * copying stack, or a null item; -ENOTCONN: a plain thread's call, and the run is over.
 */
SLEY_API int sley_select(struct sley_case *cases, int n, sley_time deadline);

/*
 * As sley_select(), but without waiting (Go's default case). Returns the index of the chosen case. -EAGAIN: no case can
 * be done. Errors as of sley_select(). Any thread.
 */
SLEY_API int sley_try_select(struct sley_case *cases, int n);

#ifdef __cplusplus
}
#endif

#endif
