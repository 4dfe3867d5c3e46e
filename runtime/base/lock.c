/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The slow paths of the lock. The three-state futex lock is that of U. Drepper, "Futexes Are Tricky", mutex 2. */
#include "base/lock.h"

#include "base/futex.h"

#define SPINS 200 /* about a microsecond: longer than any section under such a lock while its holder runs */

void lock_slow(struct lock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		if (load(&lock->word, relaxed) == 0 && lock_try(lock))
			return;
		cpu_relax();
	}
	/*
	 * From here on this thread sets the word to 2, also when it gets the lock, because other threads may still
	 * sleep. A sleep has a time limit: the lock of a task table's entry may become zero with its page
	 * (task/task.c), and without the limit a thread that waits for this lock by a stale id would sleep for ever.
	 */
	static const struct timespec longest = { .tv_nsec = 50 * 1000 * 1000 };
	while (exchange(&lock->word, 2, acquire) != 0)
		futex_wait(&lock->word, 2, &longest);
}

void lock_wake(struct lock *lock)
{
	futex_wake(&lock->word, 1);
}
