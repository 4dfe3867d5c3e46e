/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Channels: a ring of items, a FIFO of senders and one of receivers, under one short lock. What chan.c and select.c
 * share.
 *
 * Invariants, with the lock free:
 *   - receivers wait => the ring is empty and no senders wait
 *   - senders wait   => the ring is full (or there is none) and no receivers wait
 *   - closed         => nobody waits
 * "Wait" means a wait that nobody has ended: nodes of others may be linked for a moment more. A select that both sends
 * and receives on one channel breaks the first two, with nodes of its own alone: it does not meet itself.
 *
 * An item whose sender or receiver is parked is held off the stack: in the wait node if it is a word, else in a block
 * that the waiting task allocated before it waited. It belongs to the object while the node is linked, to the claimant
 * from the claim to task_ready(), then to the task again. (Go's chan.go writes into the other's stack; ours may be
 * away.)
 */
#ifndef SYNC_CHAN_H
#define SYNC_CHAN_H

#include <string.h>

#include "run/report.h"
#include "run/worker.h"

struct sley_chan {
	struct lock lock; /* protects the rest but for the constants */
	unsigned closed;
	size_t item, capacity; /* constant */
	size_t head, tail;     /* of the ring: the next to receive, the next free place */
	size_t count;          /* atomic; written under lock */
	struct sley_waiters senders, receivers;
	/*
	 * Waits that will look at the channel again, linked or not: those of selects, and of the others all but those
	 * that an event or the close has ended. The channel must not be freed before they have.
	 */
	size_t inside;
	char ring[];
};

static inline bool item_in_word(size_t item)
{
	return item <= sizeof(uint64_t);
}

static inline bool chan_in_word(const struct sley_chan *chan)
{
	return item_in_word(chan->item);
}

/* Where the item of a waiting node is. */
static inline void *chan_held(const struct sley_chan *chan, struct wait *wait)
{
	return chan_in_word(chan) ? &wait->word : wait->block;
}

static inline void item_copy(size_t item, void *to, const void *from)
{
	if (likely(item == sizeof(uint64_t)))
		memcpy(to, from, sizeof(uint64_t)); /* a load and a store */
	else if (item > 0)
		memcpy(to, from, item);
}

static inline void chan_copy(const struct sley_chan *chan, void *to, const void *from)
{
	item_copy(chan->item, to, from);
}

/* Whether there is no item where one must be: bad input. */
static inline bool chan_lacks(const struct sley_chan *chan, const void *item)
{
	return chan && !item && chan->item > 0;
}

/* Strict mode: whether what is to be sent holds addresses that nobody else may use. */
static inline void chan_search(const struct sley_chan *chan, const void *item, const char *call)
{
	if (unlikely(stack_strict) && chan && item)
		report_block(item, chan->item, call, "item");
}

/*
 * What can be done at once, with the lock held: 0 or -EPIPE, and *woken (may be null) is to be made ready after
 * unlocking; -EAGAIN.
 */
int chan_send_now(struct sley_chan *chan, const void *item, struct task **woken);
int chan_recv_now(struct sley_chan *chan, void *item, struct task **woken);

/* Whether these would do anything but -EAGAIN. With the lock held; true may turn out to be wrong. */
bool chan_can_send(const struct sley_chan *chan);
bool chan_can_recv(const struct sley_chan *chan);

#endif
