/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The slow paths of the lock. The three-state futex lock is that of U. Drepper, "Futexes Are Tricky", mutex 2. */
#include "base/lock.h"

#include "base/futex.h"

#define SPINS 200 /* about a microsecond: longer than any section under this lock when its holder runs */

void lock_slow(struct lock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		if (load(&lock->word, relaxed) == 0 && lock_try(lock))
			return;
		cpu_relax();
	}
	/*
	 * From here on the word is 2 while we hold it, as we cannot know whether others sleep too. A sleep ends by
	 * itself: the lock of an entry of the task table may become zero with its page (task/task.c), and who waits for
	 * it with an id from long ago would sleep for ever.
	 */
	static const struct timespec longest = { .tv_nsec = 50 * 1000 * 1000 };
	while (exchange(&lock->word, 2, acquire) != 0)
		futex_wait(&lock->word, 2, &longest);
}

void lock_wake(struct lock *lock)
{
	futex_wake(&lock->word, 1);
}
