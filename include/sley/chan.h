/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Channels. To wait for several: sley/select.h. */
#ifndef SLEY_CHAN_H
#define SLEY_CHAN_H

#include <sley/base.h>
#include <sley/select.h>

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
 * begin is not detected. Returns 0; -EBUSY: not freed, as it has users (sley_chan_ref()), or as a caller waits on it, or has yet
 * to return from a select or from a wait that ended early, and will access the channel again; -EFAULT. Any thread, also outside of sley_run().
 */
SLEY_API int sley_chan_free(struct sley_chan *);

/*
 * A channel that frees itself with its last user. sley_chan_ref() adds a user who sends (op SLEY_SEND) or who receives
 * (SLEY_RECV), sley_chan_unref() ends one. The channel is closed when its last sender goes: the receivers get what is
 * buffered, and then -EPIPE. It is closed too when its last receiver goes: senders get -EPIPE, also those that wait, and
 * buffered items are dropped; if these own something, let the last receiver close the channel and receive them before it
 * goes. With the last user of either kind the channel is freed.
 *
 *     sley_chan_new(&chan, sizeof(int), 8);
 *     sley_chan_ref(chan, SLEY_SEND); // one for each user, before they begin: a side that nobody has joined yet
 *     sley_chan_ref(chan, SLEY_RECV); // does not count as one whose last user has gone
 *     sley_go(produce, chan);         // ends with sley_chan_unref(chan, SLEY_SEND)
 *     sley_go(consume, chan);         // ends with sley_chan_unref(chan, SLEY_RECV)
 *
 * A task or thread makes its calls on the channel while it is a user, so it does not end one in another's name. A channel
 * without users is that of sley_chan_new(), and is freed with sley_chan_free(). A closed channel stays closed for new users.
 * Return 0; -EINVAL: null, another op, or unref without such a user; -EOVERFLOW: more than UINT32_MAX users; -EFAULT;
 * -EBUSY: unref: a call that belongs to no user waits on the channel, which is closed, not freed, and named on stderr. Any
 * thread, also outside of sley_run().
 */
SLEY_API int sley_chan_ref(struct sley_chan *, int op);
SLEY_API int sley_chan_unref(struct sley_chan *, int op);

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

#ifdef __cplusplus
}
#endif

#endif
