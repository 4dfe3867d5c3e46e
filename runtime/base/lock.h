/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's lock. It spins briefly, then sleeps in futex(2), so that waiting for a holder that the kernel preempted
 * burns no CPU.
 *
 * Taking is one compare-and-swap, dropping a plain store. Whether a thread sleeps is not in the word, as the store
 * would overwrite it, nor beside it, as the memory may be gone after the store. It is in a table (lock.c), and that
 * there is any sleeper at all in `rare` (base/rare.h):
 *
 *      drop:  word = 0; if (rare) wake the lock's first sleeper        sleeper:  rare + 1; into the table; rare_fence();
 *                                                                               while (the word cannot be got) sleep
 *
 * For each drop: it sees the sleeper, or the sleeper sees the word that it stored, or a later one. So if the sleeper
 * finds the lock held after its fence, the drop of that holder will see it, and those of all later holders, too. Of one
 * lock's sleepers one at a time is woken, as by a lock whose word says that threads sleep: the woken one competes with
 * newcomers. Until it has looked, drops wake no other one. If it finds the lock held, it says in the table that it
 * sleeps again, and then looks once more: a drop that came before, and so left it to the woken one, stored its 0 before
 * it came to the table. Its own drop wakes the next one.
 *
 * Rejected: the exchange of a word that says whether threads sleep: a locked instruction more in each section, of which
 * an operation has several. A count beside the table alone: each drop would be a futex_wake(2) until the woken one has
 * run.
 *
 * Critical sections are short: no system call and no unpopulated memory under a lock. There are two
 * exceptions: the lock of an entry of the reactor (reactor/reactor.h), and growth locks, see below.
 *
 * Lock order. Each lock has a rank. A thread takes a lock only if its rank is higher than the ranks of all locks that
 * the thread holds, so threads never wait for each other in a circle. Two locks of one rank are never held at once,
 * except for channels, which have an order of their own. No lock is held when a task leaves its stack, when a worker
 * switches to a task, or when a plain thread waits as tasks do: the event that ends the wait may need that lock.
 *
 * The rank of a lock is its type: a struct task_lock has RANK_TASK. So zero bytes are a valid lock, and no two calls
 * can disagree on the rank of a lock. Rejected: a field for the rank. In the objects of sley/sync.h the lock is an
 * `unsigned`, even if a program that was compiled once is linked with the debug library, and the user's zero bytes are
 * the objects' initial state. Besides, a task's lock may lose the field with its page (task/task.c). Rejected, too: the
 * rank as an argument of lock_take(), which 150 calls would have to repeat.
 *
 * Debug builds (make DEBUG=1, and libsley-debug) check the order before the thread waits (lock.c). Other builds have
 * neither code nor bytes for it. lock_try() is not checked, because a thread that does not wait is in no circle. A lock
 * that lock_try() got counts for the locks that are taken after it.
 *
 * These have no rank: slots (stack/slot.h), claims (task/wait.h), and other words for which no thread waits; lists of
 * waiters, which their object's lock protects.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>
#include <time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/race.h"
#include "base/rare.h"

/*
 * The ranks, in the order in which locks are taken. Each line lists the locks of the rank; then the locks that may be
 * taken while one of them is held.
 *
 *   OBJECT     mutex, condition, rwlock, semaphore, once, group, barrier, event, generator, future, scope, monitor,
 *              entry of the reactor, pool of threads, submission, cache of names; a monitor: TASK; an entry: LIST
 *   CHANNEL    channel; other channels, at higher addresses (sync/select.c)
 *   TASK       task in use: its end, joiner, watches and extra; GROWTH and MEMORY of blocks, for the extra
 *   GROWTH     table that grows and shrinks: slabs, the reactor's entries. Its holder may populate memory, because all
 *              threads that wait for this lock need that memory; slabs: MEMORY; the task table also LIST, for the
 *              global queue's memory
 *   LIST       global queue, inbox, starved tasks, idle workers, timers, waiting threads, submissions, spawn sites,
 *              acceptors in line, and the debug library's notes of owned locks; none
 *   MEMORY     lists of slabs, slots without a tenant; the task table: FREE_TASK
 *   FREE_TASK  the lock of a task whose entry is free, or fresh: the lock of rank TASK again. A thread with a stale id
 *              may hold it with RANK_TASK: the thread finds that the id is not the entry's, and takes no other lock;
 *              none
 */
#define LOCK_RANKS(X) \
	X(OBJECT, object_lock, "the lock of an object") \
	X(CHANNEL, channel_lock, "the lock of a channel") \
	X(TASK, task_lock, "the lock of a task") \
	X(GROWTH, growth_lock, "the growth lock of a table") \
	X(LIST, list_lock, "the lock of a list") \
	X(MEMORY, memory_lock, "the lock of free memory") \
	X(FREE_TASK, free_task_lock, "the lock of a free task")

#define LOCK_RANK_ENUM(rank, type, words) RANK_##rank,
enum lock_rank { LOCK_RANKS(LOCK_RANK_ENUM) RANKS };

/* `word` is atomic: 0 free, 1 held. */
#define LOCK_RANK_TYPE(rank, type, words) \
	struct type { \
		unsigned word; \
	};
LOCK_RANKS(LOCK_RANK_TYPE)

#define LOCK_RANK_CASE(rank, type, words) , struct type : RANK_##rank
#define LOCK_RANK(lock)                   _Generic(*(lock)LOCK_RANKS(LOCK_RANK_CASE))

/* The lock of a user's object, which sley/sync.h declares as a plain word. */
static inline struct object_lock *lock_of(unsigned *word)
{
	return (struct object_lock *)word;
}

void lock_slow(unsigned *word);
void lock_wake(const unsigned *word);

/* How long a thread sleeps before it looks again. Constant; null in tests, where a lost wake-up shall hang. */
extern const struct timespec *lock_sleep_most;

/* In a forked child: no thread sleeps any more. */
void lock_forked(void);

/* The record of the locks that the calling thread holds. A lock is given by its word and rank. */
#ifdef SLEY_DEBUG
void lock_order_take(const unsigned *word, enum lock_rank rank); /* checks the order, and records the lock as held */
void lock_order_hold(const unsigned *word, enum lock_rank rank); /* records the lock as held */
void lock_order_drop(enum lock_rank rank);
void lock_order_none(const char *what);
#else
#define lock_order_take(word, rank) ((void)(rank))
#define lock_order_hold(word, rank) ((void)(rank))
#define lock_order_drop(rank)       ((void)(rank))
#define lock_order_none(what)       ((void)0)
#endif

static inline bool lock_word_get(unsigned *word)
{
	unsigned expected = 0;
	return cas(word, &expected, 1, acquire, relaxed); /* pairs with lock_word_drop() */
}

static inline bool lock_word_try(unsigned *word, enum lock_rank rank)
{
	bool taken = lock_word_get(word);
	if (taken)
		lock_order_hold(word, rank);
	return taken;
}

static inline void lock_word_take(unsigned *word, enum lock_rank rank)
{
	lock_order_take(word, rank);
	if (unlikely(!lock_word_get(word)))
		lock_slow(word);
}

/* Like lock_word_take(), but false if that would have to wait. Unlike lock_word_try() it is checked. */
static inline bool lock_word_take_at_once(unsigned *word, enum lock_rank rank)
{
	lock_order_take(word, rank);
	if (likely(lock_word_get(word)))
		return true;
	lock_order_drop(rank);
	return false;
}

static inline void lock_word_drop(unsigned *word, enum lock_rank rank)
{
	lock_order_drop(rank);
	store(word, 0, release); /* pairs with lock_word_get() */
	RACE_POINT(lock_is_dropped);
	if (rare_any())
		lock_wake(word);
}

#define lock_try(lock)  lock_word_try(&(lock)->word, LOCK_RANK(lock))
#define lock_take(lock) lock_word_take(&(lock)->word, LOCK_RANK(lock))
#define lock_drop(lock) lock_word_drop(&(lock)->word, LOCK_RANK(lock))

/* For a fast path that has a slow one, so that it calls nothing itself. */
#define lock_take_at_once(lock) lock_word_take_at_once(&(lock)->word, LOCK_RANK(lock))

/* Called before the memory of a held lock becomes zero, which drops the lock. */
#define lock_leave_to_zeroes(lock) lock_order_drop(LOCK_RANK(lock))

/* Checks that the calling thread holds no lock. `what` is the reason: "a task leaves its stack". */
#define lock_check_none(what) lock_order_none(what)

#endif
