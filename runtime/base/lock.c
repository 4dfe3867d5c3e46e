/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The slow paths of the lock: who sleeps where is in a table outside of the locks, hashed by address, as in WebKit's
 * ParkingLot. The locks of the table itself are the three-state futex locks of U. Drepper, "Futexes Are Tricky", mutex
 * 2.
 */
#include "base/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/futex.h"
#include "base/list.h"
#include "base/race.h"

#define SPINS   200 /* about a microsecond: longer than any section under such a lock while its holder runs */
#define BUCKETS 64u

/*
 * A thread that sleeps, on its stack; protected by the bucket's lock. It stays in the bucket until it has got the lock.
 * ASLEEP: it has to be woken by a drop. WOKEN: it has been, and has not looked since; drops wake no other one
 * meanwhile. The first one of a lock alone is ever woken, so no other can be WOKEN.
 */
enum { ASLEEP, WOKEN };
struct sleeper {
	struct list_link link;
	const unsigned *word; /* constant */
	unsigned state;       /* atomic, futex */
};

static struct bucket {
	unsigned lock;                 /* atomic: 0 free, 1 held, 2 held and a thread may sleep */
	unsigned count;                /* atomic, protected by lock */
	LIST(struct sleeper) sleepers; /* protected by lock; in the order in which they came */
} CACHE_ALIGNED buckets[BUCKETS];

/* By some higher bits too: locks of objects are apart by their size, those of tasks by two lines. */
static struct bucket *bucket_of(const unsigned *word)
{
	uintptr_t line = (uintptr_t)word / CACHE_LINE;
	return &buckets[(line ^ line / BUCKETS) % BUCKETS];
}

static void bucket_take(struct bucket *bucket)
{
	unsigned expected = 0;
	if (likely(cas(&bucket->lock, &expected, 1, acquire, relaxed)))
		return;
	while (exchange(&bucket->lock, 2, acquire) != 0)
		futex_wait(&bucket->lock, 2, NULL);
}

static void bucket_drop(struct bucket *bucket)
{
	if (unlikely(exchange(&bucket->lock, 0, release) == 2))
		futex_wake(&bucket->lock, 1);
}

static void sleeper_join(struct bucket *bucket, struct sleeper *self)
{
	bucket_take(bucket);
	list_append(&bucket->sleepers, self, link);
	store(&bucket->count, bucket->count + 1, relaxed);
	bucket_drop(bucket);
}

static void sleeper_leave(struct bucket *bucket, struct sleeper *self)
{
	bucket_take(bucket);
	list_remove(&bucket->sleepers, self, link);
	store(&bucket->count, bucket->count - 1, relaxed);
	bucket_drop(bucket);
}

/* Called by a sleeper that was woken and has not got the lock. It looks at the lock once more before it sleeps. */
static void sleeper_again(struct bucket *bucket, struct sleeper *self)
{
	bucket_take(bucket);
	store(&self->state, ASLEEP, relaxed);
	bucket_drop(bucket);
	RACE_POINT(lock_sleeper_looks_again);
}

/*
 * A sleep has a time limit: the lock of an entry of the task table may become zero with its page (task/task.c). Without
 * the limit, a thread that waits for this lock by a stale id would sleep for ever.
 */
static const struct timespec longest = { .tv_nsec = 50 * 1000 * 1000 };
const struct timespec *lock_sleep_most = &longest;

void lock_slow(unsigned *word)
{
	for (int i = 0; i < SPINS; i++) {
		if (load(word, relaxed) == 0 && lock_word_get(word))
			return;
		cpu_relax();
	}
	RACE_POINT(lock_sleeper_begins);
	struct sleeper self = { .word = word, .state = ASLEEP };
	struct bucket *bucket = bucket_of(word);
	rare_begin();
	sleeper_join(bucket, &self);
	rare_fence();
	RACE_POINT(lock_sleeper_looks);
	while (!lock_word_get(word)) {
		RACE_POINT(lock_sleeper_sleeps);
		if (load(&self.state, relaxed) == WOKEN)
			sleeper_again(bucket, &self);
		else
			futex_wait(&self.state, ASLEEP, lock_sleep_most);
	}
	sleeper_leave(bucket, &self);
	rare_end();
}

/* Only the address is used: the lock's memory may be gone. So may the sleeper's then, which is woken for nothing. */
void lock_wake(const unsigned *word)
{
	struct bucket *bucket = bucket_of(word);
	struct sleeper *sleeper;
	if (load(&bucket->count, relaxed) == 0)
		return;
	bucket_take(bucket);
	list_each(sleeper, &bucket->sleepers, link) {
		if (sleeper->word == word)
			break;
	}
	if (sleeper && load(&sleeper->state, relaxed) == ASLEEP)
		store(&sleeper->state, WOKEN, relaxed);
	else
		sleeper = NULL;
	bucket_drop(bucket);
	if (sleeper)
		futex_wake(&sleeper->state, 1);
}

void lock_forked(void)
{
	memset(buckets, 0, sizeof(buckets));
	rare_forked();
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
