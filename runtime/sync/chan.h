/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Channels: a ring of items, a FIFO of senders and a FIFO of receivers, under one short lock. The declarations shared
 * by chan.c and select.c.
 *
 * Invariants, with the lock free:
 *   - receivers wait => the ring is empty and no senders wait
 *   - senders wait => the ring is full (or there is none) and no receivers wait
 *   - closed => no task waits
 * "Wait" means a wait that has not been claimed: claimed nodes may stay linked for a moment. There is one exception to
 * the first two: a select that both sends and receives on one channel links nodes of its own in both lists, as it does
 * not meet itself.
 *
 * The item of a parked sender or receiver is held off the stack: in the wait node if it fits a word, else in a block
 * that the task allocated before the wait. The held item belongs to the channel while the node is linked, to the
 * claimant from the claim to task_ready(), then to the task again. (Go's chan.go writes into the other goroutine's
 * stack; our task may be copied out.)
 */
#ifndef SYNC_CHAN_H
#define SYNC_CHAN_H

#include <string.h>

#include "run/report.h"
#include "run/worker.h"

struct sley_chan {
	struct channel_lock lock; /* protects the fields below that are not constant */
	unsigned closed;          /* atomic; written under lock */
	size_t item, capacity;    /* constant */
	size_t count;             /* atomic; written under lock */
	uint64_t user[2];         /* for tools: see chan_note(); atomic; written under lock */
	size_t head, tail;        /* of the ring: next item to receive, next free place */
	struct sley_waiters senders, receivers;
	/*
	 * Number of nodes in no list whose tasks will access the channel again, as they were popped when their waits had been
	 * ended otherwise; and of calls of select_any() with it. While it is not 0, or a node is linked, the channel must
	 * not be freed.
	 */
	size_t inside;
	uint64_t users; /* atomic: of sley_chan_ref(): senders << 32 | receivers */
	char ring[];
};

_Static_assert(offsetof(struct sley_chan, capacity) == offsetof(struct sley_object_chan, capacity) &&
		       offsetof(struct sley_chan, count) == offsetof(struct sley_object_chan, count) &&
		       offsetof(struct sley_chan, user) == offsetof(struct sley_object_chan, receiver),
	       "tools read them");

/*
 * Notes for tools who uses the channel: the task that has waited last to receive, or taken the item of a sender that
 * waited; likewise to send. Other operations take no note, as their cost would show. With the lock held.
 */
static inline void chan_note(struct sley_chan *chan, uint64_t task, bool sending)
{
	store(&chan->user[sending], task, relaxed);
}

static inline bool item_in_word(size_t item)
{
	return item <= sizeof(uint64_t);
}

static inline bool chan_in_word(const struct sley_chan *chan)
{
	return item_in_word(chan->item);
}

/* Returns the place of the item of a waiting node. */
static inline void *chan_held(const struct sley_chan *chan, struct wait *wait)
{
	return chan_in_word(chan) ? &wait->word : wait->block;
}

/* Copies up to 8 bytes, at least 1, without a call: the two halves overlap. */
static inline void word_copy(size_t item, char *to, const char *from)
{
	uint32_t low, high;
	uint16_t first, last;
	if (likely(item == sizeof(uint64_t))) {
		memcpy(to, from, sizeof(uint64_t)); /* a load and a store */
	} else if (item >= sizeof(low)) {
		memcpy(&low, from, sizeof(low));
		memcpy(&high, from + item - sizeof(high), sizeof(high));
		memcpy(to, &low, sizeof(low));
		memcpy(to + item - sizeof(high), &high, sizeof(high));
	} else if (item >= sizeof(first)) {
		memcpy(&first, from, sizeof(first));
		memcpy(&last, from + item - sizeof(last), sizeof(last));
		memcpy(to, &first, sizeof(first));
		memcpy(to + item - sizeof(last), &last, sizeof(last));
	} else {
		*to = *from;
	}
}

static inline void item_copy(size_t item, void *to, const void *from)
{
	if (likely(item == sizeof(uint64_t)))
		memcpy(to, from, sizeof(uint64_t));
	else if (item > 0)
		memcpy(to, from, item);
}

static inline void chan_copy(const struct sley_chan *chan, void *to, const void *from)
{
	item_copy(chan->item, to, from);
}

/* Returns whether the item is null but must not be. */
static inline bool chan_lacks(const struct sley_chan *chan, const void *item)
{
	return chan && !item && chan->item > 0;
}

/* Strict mode: searches the item for addresses on the sender's own stack. */
static inline void chan_search(const struct sley_chan *chan, const void *item, const char *call)
{
	if (unlikely(stack_strict) && chan && item)
		report_block(item, chan->item, call, "item");
}

/* Frees the channel, whatever users it has. Returns 0, or -EBUSY as sley_chan_free(). */
int chan_free(struct sley_chan *chan);

/*
 * Do the operation if it need not wait, with the lock held. `id`: of the task; 0: it is for a thread. Return 0 or -EPIPE: make *woken (may be null) ready after
 * unlocking; -EAGAIN: the operation has to wait.
 */
int chan_send_now(struct sley_chan *chan, uint64_t id, const void *item, struct task **woken);
int chan_recv_now(struct sley_chan *chan, uint64_t id, void *item, struct task **woken);

/*
 * Return whether the operation might not have to wait. With the lock held: true may turn out wrong, false never. Without
 * it: a hint.
 */
static inline bool chan_can_send(const struct sley_chan *chan)
{
	return load(&chan->receivers.head, relaxed) || load(&chan->count, relaxed) < chan->capacity ||
	       load(&chan->closed, relaxed);
}

static inline bool chan_can_recv(const struct sley_chan *chan)
{
	return ((uintptr_t)load(&chan->senders.head, relaxed) | load(&chan->count, relaxed) |
		load(&chan->closed, relaxed)) != 0; /* one branch */
}

#endif
