/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The one park/ready protocol and the one wait node.
 *
 * A wait is numbered. task->claim = number << CLAIM_BITS | flags | claimant. The claimant is CLAIM_NONE until the wait
 * is ended. An event, a deadline, a cancellation or a close ends the wait by a compare-and-swap that stores its own
 * claimant and expects the number it knows. Exactly one of them wins. A late claimant cannot end the *next* wait,
 * because that has another number. Only the winner makes the task ready. While a task does not wait, the claimant is
 * not CLAIM_NONE.
 *
 * A wait goes:
 *     lock the object; nothing there
 *     wait_begin()          state WAITING, claim = {number + 1, none}: from here on it can be claimed
 *     link the node         under the object's lock
 *     unlock
 *     wait_park(deadline)   arms the timer, leaves; returns the claimant
 *     not an event?         lock the object, unlink the node unless a loser of the claim popped it, unlock
 * A waker, under the object's lock, pops a node and claims its wait; if the claim fails, it takes the next node. It
 * makes the task ready after unlocking. So a node is linked only during its wait, and a linked node belongs to the
 * current wait.
 *
 * A task may be claimed, and dequeued by another worker, before it has left its stack. Its slot is held until it has
 * (stack/slot.h, invariant 4). So there is no state between running and parked, and no thread spins for it.
 *
 * Cancellation is a flag in the same word, so that it cannot get lost between the check of the flag and the wait:
 *     canceller                            task
 *     claim |= CANCEL                      wait_begin(): claim += one wait
 *     claim the wait, if there is one      wait_park(): CANCEL? claim the wait itself
 * Both are read-modify-writes of one word: the second one sees the first. MASKED disables both claims. Only the task
 * itself changes MASKED, and only while it does not wait. Rejected: a separate flag, which costs a full fence in every
 * wait or a membarrier(2) in every cancellation.
 *
 * Nodes are in the task's entry, not on its stack: the stack may hold another tenant's bytes while the task is parked.
 * A wait for one of several objects (select) has a node for each of them, outside of the entry and off the stack:
 * struct wait_apart.
 *
 * A plain thread waits by the same protocol, as a task without a stack: see run/thread.h.
 *
 * This file has the part for wakers: claims and lists of nodes. The part for the waiting side is in run/park.h.
 */
#ifndef TASK_WAIT_H
#define TASK_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>
#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct task;
struct task_list;

enum claim {
	CLAIM_NONE,
	CLAIM_EVENT,
	CLAIM_DEADLINE,
	CLAIM_CANCELLED,
	CLAIM_CLOSED, /* the object was closed */
	CLAIM_OVER,   /* the run is over; threads only */
};
#define CLAIM_BITS   8
#define CLAIM_WHO    ((uint64_t)0x0f)
#define CLAIM_CALLED ((uint64_t)0x20) /* of a generator's body: its consumer's call is under way (sync/generator.h) */
#define CLAIM_MASKED ((uint64_t)0x40)
#define CLAIM_CANCEL ((uint64_t)0x80)

struct wait {
	/*
	 * Protected by the object's lock. While the node is unlinked, `next` points to the node itself. The lowest bit of
	 * `prev` marks a node of a wait_apart; its `prev` points to the node itself if the node's event won the claim.
	 */
	struct wait *next, *prev;
	union { /* a value in transit, owned by the object while the node is linked */
		void *block;
		uint64_t word;
	};
};

/*
 * Whoever wins the claim by popping the node also stores its address in the owner's own node, as `block`. So the owner can
 * see which one it was without the lock.
 */
struct wait_apart {
	struct wait wait;
	struct task *owner;
};

/*
 * Claims the current wait with the claimant `who`. True: the caller must task_ready() the task. Called with the
 * object's lock held, on a node that was linked until now.
 */
bool wait_claim(struct task *task, enum claim who);

/* The number of the current wait, for wait_claim_number(). */
uint64_t wait_number(struct task *task);

/*
 * Marks the task as cancelled, and ends its wait if there is one and it is not masked. True: the wait was ended, and
 * the caller must task_ready() the task. The task must not end meanwhile: the caller holds its lock and has checked its
 * id.
 */
bool wait_cancel(struct task *task);

/* Whether a wait would end at once because the task was cancelled: for waits that cannot be undone. */
bool wait_is_cancelled(struct task *task);

/*
 * A FIFO of nodes in an object, protected by the object's lock; `head` is atomic, too: a glance without the lock tells
 * whether the FIFO seems empty. Zero bytes are an empty FIFO; `tail` is valid unless it is empty. Not a LIST (base/list.h):
 * `prev` has a mark in its lowest bit, and the type of the FIFO is public.
 */
void wait_link(struct sley_waiters *waiters, struct wait *wait);
void wait_link_first(struct sley_waiters *waiters, struct wait *wait);
void wait_unlink(struct sley_waiters *waiters, struct wait *wait);

/* Pops nodes until one's wait can be claimed with `who`. Returns that node, or null if none is left. */
struct wait *wait_pop_node(struct sley_waiters *waiters, enum claim who);

/* Like wait_pop_node(), but returns the node's task. */
struct task *wait_pop(struct sley_waiters *waiters, enum claim who);

/* Pops all nodes, and adds the tasks whose waits were claimed to the list, in order. */
void wait_pop_all(struct sley_waiters *waiters, enum claim who, struct task_list *list);

/* Whether the node is in a FIFO. With the object's lock held. */
static inline bool wait_is_linked(const struct wait *wait)
{
	return wait->next != wait;
}

/* `mark`: 1 for a node of a wait_apart, else 0. */
static ALWAYS_INLINE void wait_link_marked(struct sley_waiters *waiters, struct wait *wait, uintptr_t mark)
{
	struct wait *last = waiters->tail;
	wait->next = NULL;
	if (likely(!waiters->head)) {
		wait->prev = (struct wait *)mark;
		store(&waiters->head, wait, relaxed);
	} else {
		wait->prev = (struct wait *)((uintptr_t)last | mark);
		last->next = wait;
	}
	waiters->tail = wait;
}

/* wait_link(), inline. */
static ALWAYS_INLINE void wait_link_here(struct sley_waiters *waiters, struct wait *wait)
{
	wait_link_marked(waiters, wait, 0);
}

static ALWAYS_INLINE void wait_link_apart(struct sley_waiters *waiters, struct wait_apart *apart)
{
	wait_link_marked(waiters, &apart->wait, 1);
}

/* Whether the node, linked or not, is part of a wait_apart. */
static inline bool wait_is_apart(const struct wait *wait)
{
	return ((uintptr_t)wait->prev & 1) != 0;
}

/* Of a node of a wait_apart, after its wait: whether the event that popped it won the claim. */
static inline bool wait_won(const struct wait *wait)
{
	return ((uintptr_t)wait->prev & ~(uintptr_t)1) == (uintptr_t)wait;
}

#endif
