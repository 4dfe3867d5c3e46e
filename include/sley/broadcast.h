/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Broadcasts: each subscriber gets each item that is sent after it has subscribed. A broadcast keeps the last `capacity`
 * items. What happens to a subscriber that is further behind is an option of the broadcast:
 *     lossy      It loses the oldest items, and its next call tells how many. Senders never wait.
 *     SLEY_BROADCAST_WAIT   Nobody loses an item: senders wait for the slowest subscriber (back-pressure).
 * For the latest value alone, use sley/watch.h; for each item to go to one receiver, sley/chan.h.
 *
 *     sley_broadcast_new(&news, sizeof(struct item), 64, 0);
 *     sley_subscribe(&subscriber, news);
 *     sley_go(read_news, subscriber);
 *     ...
 *     while ((lost = sley_subscriber_recv(subscriber, &item, SLEY_NEVER)) >= 0)
 *         show(&item, lost);             // -EPIPE: the senders have gone, and everything is read
 *     sley_subscriber_free(subscriber);
 *
 * Ownership. Senders have handles of the broadcast: that of sley_broadcast_new(), and one more for each
 * sley_broadcast_ref(). A subscriber has one user at a time. When the last sender's handle is freed, the subscribers get what
 * they have not read yet, and then -EPIPE. The memory goes with the last handle and subscriber. A handle must not be freed
 * during a call that was given it.
 *
 * Common errors: -EINVAL: null; -EFAULT.
 */
#ifndef SLEY_BROADCAST_H
#define SLEY_BROADCAST_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque; on the heap. */
struct sley_broadcast;
struct sley_subscriber;

#define SLEY_BROADCAST_WAIT 1u /* senders wait for the slowest subscriber */

/*
 * Makes a broadcast of items of `item` bytes, up to 64 KiB; 0 is legal. It keeps `capacity` of them, at least 1. Returns 0;
 * -EINVAL also: a larger item, no capacity, or unknown flags; -EOVERFLOW: item * capacity; -ENOMEM. Any thread, also
 * outside of sley_run().
 */
SLEY_API int sley_broadcast_new(struct sley_broadcast **, size_t item, size_t capacity, unsigned flags);

/* Makes one more handle for another sender. Returns `broadcast`. Any thread, also outside of sley_run(). */
SLEY_API struct sley_broadcast *sley_broadcast_ref(struct sley_broadcast *broadcast);

/*
 * Frees a sender's handle. With the last one the broadcast ends: see Ownership. Null is a no-op and returns 0. Returns 0.
 * Any thread, also outside of sley_run().
 */
SLEY_API int sley_broadcast_free(struct sley_broadcast *);

/*
 * Sends a copy of the item to all who are subscribed now. It waits only with SLEY_BROADCAST_WAIT, while a subscriber is
 * `capacity` items behind; senders are served in the order in which they came. A deadline of 0 asks without waiting.
 * Without subscribers the item is dropped. Returns 0; -ETIMEDOUT; -EFAULT: also a null item, unless items have no bytes.
 * Task, or any thread, which then blocks.
 */
SLEY_API int sley_broadcast_send(struct sley_broadcast *, const void *item, sley_time deadline);

/* Subscribes to the items that are sent from now on. Returns 0; -ENOMEM. Any thread. */
SLEY_API int sley_subscribe(struct sley_subscriber **, struct sley_broadcast *);

/*
 * Ends a subscription. Senders that wait for it go on. Null is a no-op and returns 0. Returns 0. Any thread, also outside
 * of sley_run().
 */
SLEY_API int sley_subscriber_free(struct sley_subscriber *);

/*
 * Receives the subscriber's next item into `item`. Returns 0, or the number of items before this one that the subscriber
 * has lost (up to INT_MAX); -EPIPE: all senders have gone, and all items are read; -ETIMEDOUT; -EFAULT: also a null item,
 * unless items have no bytes. Task, or any thread, which then blocks.
 */
SLEY_API int sley_subscriber_recv(struct sley_subscriber *, void *item, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
