/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A worker's deque: a bounded ring, FIFO for its owner. Thieves take half of it from the same end.
 *
 *        head                    tail
 *         v                        v
 *   . . . t t t t t t t t t t t t . . .      positions only grow; position i is place i % DEQUE_SIZE
 *
 *              push   pop   steal        may run together with
 *   push        -      -     yes         (the owner does one thing at a time)
 *   pop         -      -     yes
 *   steal      yes    yes    yes
 *
 * Only the owner writes tail (release: publishes the place; pairs with steal's acquire). Pop and steal advance head by
 * compare-and-swap (release: the reads of the places are over; pairs with push's acquire of head before it reuses the
 * places). A thief reads places before its swap. If the places were reused meanwhile, head has moved and the swap
 * fails.
 *
 * After the run queue of Go's runtime (proc.go: runqput, runqget, runqgrab).
 */
#ifndef RUN_DEQUE_H
#define RUN_DEQUE_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/race.h"

#define DEQUE_SIZE \
	1024u /* 8 KiB: 1,000 yielding tasks stay out of the global queue, which costs a lock and cold links */

struct task;

struct deque {
	struct task *ring[DEQUE_SIZE] CACHE_ALIGNED; /* atomic places; first: no offset is added to a position */
	unsigned head CACHE_ALIGNED;                 /* atomic */
	unsigned tail CACHE_ALIGNED;                 /* atomic; written by the owner */
};

/* Any thread. Exact for the owner if no thread steals. */
static inline unsigned deque_length(struct deque *deque)
{
	/* read before tail: otherwise head could pass the tail that was read */
	unsigned head = load(&deque->head, acquire);
	return load(&deque->tail, relaxed) - head;
}

/* Owner. False: there are `most` or more. */
static inline bool deque_push_below(struct deque *deque, struct task *task, unsigned most)
{
	unsigned tail = load(&deque->tail, relaxed);
	if (unlikely(tail - load(&deque->head, acquire) >= most))
		return false;
	store(&deque->ring[tail % DEQUE_SIZE], task, relaxed);
	store(&deque->tail, tail + 1, release);
	return true;
}

/* Owner. False: full. */
static inline bool deque_push(struct deque *deque, struct task *task)
{
	return deque_push_below(deque, task, DEQUE_SIZE);
}

/* Owner. Null: empty. *length: how many there were. */
static ALWAYS_INLINE struct task *deque_pop_of(struct deque *deque, unsigned *length)
{
	unsigned head = load(&deque->head, relaxed), tail = load(&deque->tail, relaxed);
	while (likely(head != tail)) {
		struct task *task = load(&deque->ring[head % DEQUE_SIZE], relaxed);
		RACE_POINT(deque_pops);
		*length = tail - head;
		if (likely(cas_weak(&deque->head, &head, head + 1, acq_rel, relaxed)))
			return task;
	}
	*length = 0;
	return NULL;
}

static inline struct task *deque_pop(struct deque *deque)
{
	unsigned length;
	return deque_pop_of(deque, &length);
}

/* Owner. The task `ahead` places behind the next one, or an earlier value of that place: only a hint. */
static inline struct task *deque_peek(struct deque *deque, unsigned ahead)
{
	return load(&deque->ring[(load(&deque->head, relaxed) + ahead) % DEQUE_SIZE], relaxed);
}

/* Takes half (rounded up) into `loot`, oldest first; returns the number. Any thread. loot has DEQUE_SIZE / 2 places. */
static inline unsigned deque_steal(struct deque *deque, struct task **loot)
{
	unsigned head = load(&deque->head, acquire);
	RACE_POINT(deque_head_is_read);
	for (;;) {
		unsigned n = load(&deque->tail, acquire) - head;
		n -= n / 2;
		if (n == 0)
			return 0;
		/* head and tail do not belong together: head advanced between the two loads */
		if (n > DEQUE_SIZE / 2) {
			head = load(&deque->head, acquire);
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			loot[i] = load(&deque->ring[(head + i) % DEQUE_SIZE], relaxed);
		RACE_POINT(deque_places_are_read);
		if (cas(&deque->head, &head, head + n, acq_rel, acquire))
			return n;
	}
}

#endif
