/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The one park/ready protocol and the one wait node.
 *
 * A wait is numbered. task->claim = number << CLAIM_BITS | flags | claimant, and a wait that nobody has ended has
 * claimant CLAIM_NONE. Whoever wants to end it (event, deadline, cancellation, close) swaps its own name in by
 * compare-and-swap against the number it knows: exactly one wins, and a late one cannot end the *next* wait, whose
 * number is another. The winner, and nobody else, makes the task ready. A task that does not wait has a claimant.
 *
 * A wait goes:
 *     lock the object; nothing there
 *     wait_begin()          state WAITING, claim = {number + 1, none}: from here on it can be claimed
 *     link the node         under the object's lock
 *     unlock
 *     wait_park(deadline)   arms the timer, leaves; returns who won
 *     not an event?         lock the object, unlink the node unless a loser of the claim popped it, unlock
 * A waker, under the object's lock, pops a node and claims; if it loses, it takes the next one. Made ready is after
 * unlocking. So a node is linked only during its wait, and a node that is linked belongs to the current one.
 *
 * The task may be claimed and queued by another worker before it has left its stack; its slot is held until it has
 * (stack/slot.h, invariant 4), so there is no state between running and parked, and nothing spins for it.
 *
 * Cancellation is a flag in the same word, so that it cannot slip between a look and a wait:
 *     canceller                            task
 *     claim |= CANCEL                      wait_begin(): claim += one wait
 *     claim the wait, if there is one      wait_park(): CANCEL? claim the wait itself
 * Both are read-modify-writes of one word: whichever is second sees the other. MASKED, which only the task itself
 * changes, and only while it does not wait, keeps both from doing so. Rejected: a flag of its own, which costs a full
 * fence in every wait or a membarrier(2) in every cancellation.
 *
 * Nodes are in the task, not on its stack: that may hold another tenant's bytes while it is parked. A wait for one of
 * several objects (select) has a node for each, apart from the task and off the stack: struct wait_apart.
 *
 * A plain thread waits by the same protocol, as a task without a stack: see run/thread.h.
 *
 * Here are the claims and the lists of nodes, which is what wakers need; what the waiting side needs is in run/park.h.
 */
#ifndef TASK_WAIT_H
#define TASK_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>
#include <sley/introspect.h>

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
#define CLAIM_MASKED ((uint64_t)0x40)
#define CLAIM_CANCEL ((uint64_t)0x80)

struct wait {
	/*
	 * Protected by the object's lock. While unlinked, `next` points to the node itself, and so does `prev` if the node's
	 * event won the claim. The lowest bit of `prev` says that the node is a wait_apart.
	 */
	struct wait *next, *prev;
	union { /* a value on its way, owned by the object while the node is linked */
		void *block;
		uint64_t word;
	};
};

struct wait_apart {
	struct wait wait;
	struct task *owner;
};

/*
 * Ends the wait, for `who`: true, and the caller must task_ready() it. With the object's lock held and the node
 * linked until now.
 */
bool wait_claim(struct task *task, enum claim who);

/* The number of the current wait, for wait_claim_number(): for claimants whose knowledge may be old. */
uint64_t wait_number(struct task *task);
bool wait_claim_number(struct task *task, uint64_t number, enum claim who);

/*
 * Marks the task as cancelled, and ends its wait, if there is one that is not masked: true, and the caller must
 * task_ready() it. The task must not end meanwhile: under its lock, with its id checked.
 */
bool wait_cancel(struct task *task);

/* Whether the wait would end at once, as the task was cancelled: for waits that cannot be taken back. */
bool wait_is_cancelled(struct task *task);

/* A FIFO of nodes inside an object, protected by its lock. Zero bytes are an empty one. */
void wait_link(struct sley_waiters *waiters, struct wait *wait);
void wait_link_first(struct sley_waiters *waiters, struct wait *wait);
void wait_link_apart(struct sley_waiters *waiters, struct wait_apart *apart);
void wait_unlink(struct sley_waiters *waiters, struct wait *wait);

/* Pops nodes until the wait of one could be claimed for `who`: that one, or null when none is left. */
struct wait *wait_pop_node(struct sley_waiters *waiters, enum claim who);

/* The same: its task. */
struct task *wait_pop(struct sley_waiters *waiters, enum claim who);

/* Pops all nodes: adds the tasks whose waits could be claimed to the list, in order. */
void wait_pop_all(struct sley_waiters *waiters, enum claim who, struct task_list *list);

/* The task of a node that is linked, or was popped. */
struct task *wait_owner(const struct wait *wait);

/* Whether the node, linked or not, is one apart. */
static inline bool wait_is_apart(const struct wait *wait)
{
	return ((uintptr_t)wait->prev & 1) != 0;
}

/* Of a node apart, after its wait: whether it is the one that was popped for the claim that won. */
static inline bool wait_won(const struct wait *wait)
{
	return ((uintptr_t)wait->prev & ~(uintptr_t)1) == (uintptr_t)wait;
}

#endif
