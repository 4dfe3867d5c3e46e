/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Fences on the rare side of a pair of threads, by membarrier(2). The pair is that of Dekker:
 *
 *      common side: store A; load B          rare side: store B; load A
 *
 * At least one of them has to see what the other one stored. Two full fences give that. Here the common side has none,
 * only the compiler keeps the order, and the rare side makes all other threads of the process pass a full fence at some
 * point while rare_fence() runs. For the common side that point lies before its load of B, which then sees the store of
 * B; or behind that load, and so behind the store of A, which the rare side then sees. What does not run then passes a
 * full fence in the kernel before it runs again.
 *
 * One word for all such pairs, `rare`, counts what is stored on rare sides. So the common side looks at one word that
 * is mostly 0, in a cache line that nobody writes, and only then for its own B:
 *
 *      common side: store A; if (rare_any()) look for B           rare side: rare_begin(); store B; rare_fence(); load A
 *                                                                            ...; take B back; rare_end()
 *
 * The word is never 0 where membarrier(2) is not there: the kernel is old, a filter refuses it, or nobody has asked
 * yet. Then rare_any() passes a full fence itself. The constructor asks, before there are threads, unless the library
 * is loaded late or used by an earlier constructor.
 *
 * A filter may also come later, when threads rely on membarrier(2). The first rare side that it refuses says so in the
 * word. A thread that passes between the two can miss B: so what waits on a rare side looks again after a while.
 *
 * ThreadSanitizer does not model this, and need not: what a lock or a slot protects is ordered by the store that drops
 * it (release) and the instruction that takes it (acquire), not by this pair.
 */
#ifndef BASE_RARE_H
#define BASE_RARE_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define RARE_FENCED 1u /* rare_fence() is not one: the common side passes its own */
#define RARE_ONE    2u

extern HIDDEN unsigned rare; /* atomic: RARE_FENCED, and RARE_ONE for each rare_begin() that has no rare_end() yet */

/* rare_any() once the word is not 0. */
bool rare_any_fenced(void);

/* On the common side, after its store: whether there may be anything on a rare side. */
static inline bool rare_any(void)
{
	COMPILER_BARRIER();
	return unlikely(load(&rare, relaxed) != 0) && rare_any_fenced();
}

static inline void rare_begin(void)
{
	fetch_add(&rare, RARE_ONE, relaxed); /* comes before the fence in rare_fence() */
}

/* Between the store and the load of the rare side. errno is preserved. */
void rare_fence(void);

static inline void rare_end(void)
{
	fetch_sub(&rare, RARE_ONE, relaxed); /* relaxed: a look for nothing does no harm */
}

/* In a forked child: its one thread is on no rare side. */
static inline void rare_forked(void)
{
	fetch_and(&rare, RARE_FENCED, relaxed);
}

#endif
