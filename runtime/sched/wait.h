/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The one park/ready protocol and the one wait node.
 *
 * A wait is numbered. task->claim = number << CLAIM_BITS | claimant, and a wait that nobody has ended has claimant
 * CLAIM_NONE. Whoever wants to end it (event, deadline, close) swaps its own name in by compare-and-swap against the
 * number it knows: exactly one wins, and a late one cannot end the *next* wait, whose number is another. The winner,
 * and nobody else, makes the task ready.
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
 * Nodes are in the task, not on its stack: that may hold another tenant's bytes while it is parked.
 */
#ifndef SCHED_WAIT_H
#define SCHED_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>
#include <sley/introspect.h>

struct task;

enum claim {
	CLAIM_NONE,
	CLAIM_EVENT,
	CLAIM_DEADLINE,
	CLAIM_CLOSED, /* the object was closed */
};
#define CLAIM_BITS 8

struct wait {
	struct wait *next, *prev; /* protected by the object's lock; next == the node itself: not linked */
	union {                   /* a value on its way, owned by the object while the node is linked */
		void *block;
		uint64_t word;
	};
};

/* Begins a wait of the calling task. */
void wait_begin(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc);

/*
 * Ends the wait, for `who`: true, and the caller must task_ready() it. With the object's lock held and the node
 * linked until now.
 */
bool wait_claim(struct task *task, enum claim who);

/* The number of the current wait, for wait_claim_number(): for claimants whose knowledge may be old. */
uint64_t wait_number(struct task *task);
bool wait_claim_number(struct task *task, uint64_t number, enum claim who);

/* Parks the calling task until its wait is claimed, by `deadline` at the latest: who won. */
enum claim wait_park(struct task *task, sley_time deadline);

/* A FIFO of nodes inside an object, protected by its lock. Zero bytes are an empty one. */
void wait_link(struct sley_waiters *waiters, struct wait *wait);
void wait_unlink(struct sley_waiters *waiters, struct wait *wait);

/* Pops nodes until one could be claimed for `who`: its task, or null when none is left. */
struct task *wait_pop(struct sley_waiters *waiters, enum claim who);

#endif
