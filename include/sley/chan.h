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
 * Makes a channel. `item` bytes each, up to 64 KiB (0 is legal: a signal); `capacity` items are buffered, 0: each send
 * meets a receive. 0; -EINVAL; -EOVERFLOW: item * capacity; -ENOMEM. Any thread, outside of sley_run() too.
 */
SLEY_API int sley_chan_new(struct sley_chan **, size_t item, size_t capacity);

/* Frees it. 0; -EBUSY: a task waits on it; -EFAULT. Null is 0. */
SLEY_API int sley_chan_free(struct sley_chan *);

/*
 * Sends a copy of the item, in FIFO order among senders. A null channel never becomes ready. 0; -EPIPE: it is closed
 * (also while waiting); -ETIMEDOUT; -ENOMEM: to hold a large item while waiting; -EFAULT. Task.
 */
SLEY_API int sley_chan_send(struct sley_chan *, const void *item, sley_time deadline);

/* Receives an item into `item`. 0; -EPIPE: it is closed and drained; -ETIMEDOUT; -ENOMEM; -EFAULT. Task. */
SLEY_API int sley_chan_recv(struct sley_chan *, void *item, sley_time deadline);

/* The same without waiting, from any thread: -EAGAIN where they would wait. */
SLEY_API int sley_chan_try_send(struct sley_chan *, const void *item);
SLEY_API int sley_chan_try_recv(struct sley_chan *, void *item);

/*
 * No more sends; what is buffered can still be received. Wakes all waiters. Any thread. 0; -EPIPE: closed already;
 * -EFAULT.
 */
SLEY_API int sley_chan_close(struct sley_chan *);

#ifdef __cplusplus
}
#endif

#endif
