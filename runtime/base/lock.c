/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The slow paths of the lock. The three-state futex lock is that of U. Drepper, "Futexes Are Tricky", mutex 2. */
#include "base/lock.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/futex.h"

#define SPINS 200 /* about a microsecond: longer than any section under such a lock while its holder runs */

void lock_slow(unsigned *word)
{
	for (int i = 0; i < SPINS; i++) {
		if (load(word, relaxed) == 0 && lock_word_get(word))
			return;
		cpu_relax();
	}
	/*
	 * From here on this thread sets the word to 2, also when it gets the lock, because other threads may still
	 * sleep. A sleep has a time limit: the lock of an entry of the task table may become zero with its page
	 * (task/task.c). Without the limit, a thread that waits for this lock by a stale id would sleep for ever.
	 */
	static const struct timespec longest = { .tv_nsec = 50 * 1000 * 1000 };
	while (exchange(word, 2, acquire) != 0)
		futex_wait(word, 2, &longest);
}

void lock_wake(unsigned *word)
{
	futex_wake(word, 1);
}

/* ---- the order ---- */

#ifdef SLEY_DEBUG

/*
 * The number of locks of each rank that the calling thread holds. A list of the locks would have no bound: a select
 * holds up to 65535 channels, and the watchdog the locks of all tasks in a slab.
 */
static __thread struct {
	unsigned count[RANKS];
	/* while channels are held: the highest address of the channels taken since none was held */
	const unsigned *channel;
} locks_held;

#define LOCK_RANK_WORDS(rank, type, words) words,
static const char *const rank_words[] = { LOCK_RANKS(LOCK_RANK_WORDS) };

NORETURN static void order_broken(const char *what, enum lock_rank held)
{
	complain("lock order: %s while %s is held", what, rank_words[held]);
	abort();
}

/* Never inlined, like the functions below: after a wait the task may be on another thread. */
NOINLINE void lock_order_hold(const unsigned *word, enum lock_rank rank)
{
	COMPILER_BARRIER();
	if (rank == RANK_CHANNEL && (locks_held.count[rank] == 0 || word > locks_held.channel))
		locks_held.channel = word;
	locks_held.count[rank]++;
}

NOINLINE void lock_order_take(const unsigned *word, enum lock_rank rank)
{
	COMPILER_BARRIER();
	bool may_be_second = rank == RANK_CHANNEL && word > locks_held.channel;
	for (unsigned i = rank + may_be_second; i < RANKS; i++) {
		if (locks_held.count[i] > 0) {
			char what[64];
			snprintf(what, sizeof(what), "%s is taken", rank_words[rank]);
			order_broken(what, (enum lock_rank)i);
		}
	}
	lock_order_hold(word, rank);
}

NOINLINE void lock_order_drop(enum lock_rank rank)
{
	COMPILER_BARRIER();
	CHECK(locks_held.count[rank] > 0);
	locks_held.count[rank]--;
}

NOINLINE void lock_order_none(const char *what)
{
	COMPILER_BARRIER();
	for (unsigned i = 0; i < RANKS; i++) {
		if (locks_held.count[i] > 0)
			order_broken(what, (enum lock_rank)i);
	}
}

#endif
