/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's lock: spins briefly, then sleeps in futex(2), so a holder that the kernel preempted is waited for
 * without burning its CPU. Critical sections are short: no system call and no unpopulated memory under one.
 *
 * Lock order. A thread that holds a lock may take only locks of a later line:
 *   1  objects: mutex, channel, group, scope, monitor, future, generator, reactor entry, pool of threads, cache of names
 *   2  a task's lock (join, watches); before it only a scope's or a monitor's is held
 *   3  the list of waiting plain threads
 *   4  a worker's timers
 *   5  queues: global, inbox, starved tasks; the list of idle workers
 *   6  memory: the slabs' growth lock, then their lists; the slots
 * Two locks of one line are held at once only where the line says so, and channels in a select, by address. One exception:
 * the growth lock may be followed by the lock of a task that is free (task.c, entry_cut()), whose holder takes no other.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct lock {
	unsigned word; /* atomic: 0 free, 1 held, 2 held and somebody may sleep */
};

/* The lock of an object of the user's, which sley/sync.h declares as a plain word. */
static inline struct lock *lock_of(unsigned *word)
{
	return (struct lock *)word;
}

void lock_slow(struct lock *lock);
void lock_wake(struct lock *lock);

static inline bool lock_try(struct lock *lock)
{
	unsigned expected = 0;
	return cas(&lock->word, &expected, 1, acquire, relaxed); /* pairs with lock_drop() */
}

static inline void lock_take(struct lock *lock)
{
	if (unlikely(!lock_try(lock)))
		lock_slow(lock);
}

static inline void lock_drop(struct lock *lock)
{
	if (unlikely(exchange(&lock->word, 0, release) == 2))
		lock_wake(lock);
}

#endif
