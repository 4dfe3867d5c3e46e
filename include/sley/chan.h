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
 * Makes a channel. `item` bytes each, up to 64 KiB (0 is legal: a signal); `capacity` items are buffered, 0: each
 * send meets a receive. 0; -EINVAL: null, or a larger item; -EOVERFLOW: item * capacity; -ENOMEM. Any thread,
 * outside of sley_run() too.
 */
SLEY_API int sley_chan_new(struct sley_chan **, size_t item, size_t capacity);

/*
 * Frees it, also right after it was closed. 0; -EBUSY: somebody waits on it, or is on the way out of a select or of
 * a wait that was given up, and has to look at it again: not freed; -EFAULT. Null is 0. A call that is only about to
 * begin cannot be seen.
 */
SLEY_API int sley_chan_free(struct sley_chan *);

/*
 * Sends a copy of the item, in FIFO order among senders. A null channel never becomes ready. 0; -EPIPE: it is closed
 * (also while waiting); -ETIMEDOUT; -ENOMEM: to hold a large item while waiting; -EFAULT: also a null item, unless
 * items have no bytes. Task, or any thread, which then blocks; -ENOTCONN there: the run is over.
 */
SLEY_API int sley_chan_send(struct sley_chan *, const void *item, sley_time deadline);

/*
 * Receives an item into `item`. 0; -EPIPE: it is closed and drained; -ETIMEDOUT; -ENOMEM; -EFAULT. Task or any thread,
 * as above. All there is, until it is closed:
 *     while (sley_chan_recv(chan, &item, SLEY_NEVER) == 0)
 */
SLEY_API int sley_chan_recv(struct sley_chan *, void *item, sley_time deadline);

/* The same without waiting, from any thread: -EAGAIN where they would wait. */
SLEY_API int sley_chan_try_send(struct sley_chan *, const void *item);
SLEY_API int sley_chan_try_recv(struct sley_chan *, void *item);

/*
 * No more sends; what is buffered can still be received. Wakes all waiters. Any thread. 0; -EPIPE: closed already;
 * -EINVAL: null; -EFAULT.
 */
SLEY_API int sley_chan_close(struct sley_chan *);

/*
 * How many items are buffered, and how many can be. For figures: others may have changed it before the call returns. 0
 * for a null channel. Any thread, outside of sley_run() too.
 */
SLEY_API size_t sley_chan_length(struct sley_chan *);
SLEY_API size_t sley_chan_capacity(struct sley_chan *);

/* ---- select ---- */

enum sley_op { SLEY_RECV, SLEY_SEND };

/* One of the operations that a select chooses from. The item belongs to the caller, and may lie on its stack. */
struct sley_case {
	struct sley_chan *chan; /* null: never ready */
	int op;                 /* enum sley_op */
	int error;              /* set for the case that was done: 0; -EPIPE: the channel is closed */
	__extension__ union {
		void *into;       /* SLEY_RECV */
		const void *from; /* SLEY_SEND: copied when the call is made */
	};
};

/*
 * Does one of the n operations, the first that can be done; of several that can, each is as likely as the others. A
 * channel may be in several cases; a select never meets itself. With n == 0, or null channels alone, it waits for the
 * deadline. Task, or any thread, which then blocks.
 * The index of the case that was done, whose `error` says how; -ETIMEDOUT; -EINVAL: n is negative or above 65,535, no
 * cases, or an op; -ENOMEM; -EFAULT: a channel on a copying stack, or a null item; -ENOTCONN: a plain thread's, and the
 * run is over.
 */
SLEY_API int sley_select(struct sley_case *cases, int n, sley_time deadline);

/* The same without waiting (Go's default case): -EAGAIN if none can be done. Any thread. */
SLEY_API int sley_try_select(struct sley_case *cases, int n);

#ifdef __cplusplus
}
#endif

#endif
