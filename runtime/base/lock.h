/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's lock: spins briefly, then sleeps in futex(2), so a holder that the kernel preempted is waited for
 * without burning its CPU. Critical sections are short: no system call and no unpopulated memory under one.
 *
 * Lock order (a thread that holds one may take only those to the right of it):
 *   object (mutex, channel, group, scope, monitor, future, generator, task join, reactor entry; several channels: by address; a scope or monitor before a task) < threads < timers < queue (global, inbox) < table, images, slots
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct lock {
	unsigned word; /* atomic: 0 free, 1 held, 2 held and somebody may sleep */
};

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
