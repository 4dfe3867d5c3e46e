/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Synchronisation: mutex, condition, readers-writer lock, semaphore, once, wait group, barrier, event.
 *
 * The calls make the task wait, never its thread. Plain threads may use them too during a run. Such a thread blocks
 * until a task or thread wakes it; at the end of the run its wait ends with -ENOTCONN.
 *
 * The objects are embedded in memory of the user. Zero bytes are a valid initial state, so statics need no initialiser.
 * An object must not lie on a copying stack: -EFAULT. A null object is -EINVAL. Objects own nothing, so no call
 * destroys them: the memory may be freed when no task or thread holds the object, waits on it, or will call it again. A
 * call that makes this true for another task no longer uses the memory: the last user of a mutex may free it right
 * after its own unlock, even while the unlock that passed the mutex to that user is still returning.
 */
#ifndef SLEY_SYNC_H
#define SLEY_SYNC_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sley_waiters { /* private */
	void *head, *tail;
};

/* Private: zero bytes, without a warning about missing fields. */
/* clang-format off */
#ifdef __cplusplus
#define SLEY_ZERO_ {}
#else
#define SLEY_ZERO_ { 0 }
#endif
/* clang-format on */

/* ---- mutex ---- */

/*
 * A mutex is owned by the task or thread that locked it. If the owner ends without an unlock, the mutex stays locked; a
 * program linked with libsley-debug then reports the task and the place where it locked. The same holds for a
 * readers-writer lock.
 *
 * Waiters are woken in the order in which they came, but a woken waiter does not own the mutex yet: a newcomer may take
 * it first (it barges), and the waiter returns to the front. This is fast: a task that locks and unlocks in a loop need
 * not be switched out at each turn. Barging ends after 1 ms: if the waiter at the front has waited that long, the next
 * unlock hands it the mutex, and newcomers cannot take it. So a waiter with n others before it gets the mutex after at
 * most 1 ms and n + 2 times that the mutex is held, if the scheduler runs it when it is ready.
 */
struct sley_mutex { /* fields are private */
	uint64_t word;
	unsigned lock, woken;
	struct sley_waiters waiters;
};

#define SLEY_MUTEX_INIT SLEY_ZERO_

/*
 * Locks the mutex. Returns 0; -ETIMEDOUT; -EDEADLK also: the caller holds it already; -EFAULT. Task, or any thread,
 * which then blocks.
 */
SLEY_API int sley_mutex_lock(struct sley_mutex *, sley_time deadline);

/*
 * Locks the mutex if it is free, even if others wait for it. Returns 0; -EBUSY; -EDEADLK: the caller holds it; -EFAULT.
 * Any thread.
 */
SLEY_API int sley_mutex_trylock(struct sley_mutex *);

/*
 * Unlocks the mutex, from the task or thread that locked it. Never waits, also not for the waiter that it wakes.
 * Returns 0; -EPERM: the caller does not hold it; -EFAULT. Any thread.
 */
SLEY_API int sley_mutex_unlock(struct sley_mutex *);

/* ---- condition: a wait for a change of state that a mutex protects ---- */

struct sley_cond { /* fields are private */
	unsigned lock;
	struct sley_waiters waiters;
};

#define SLEY_COND_INIT SLEY_ZERO_

/*
 * Unlocks the mutex, which the caller holds, waits for a signal, and locks the mutex again. Unlock and wait are one
 * step: a signal sent by the next holder of the mutex is not missed. The call returns with the mutex held *in every
 * case*, also when the deadline passed or the task was cancelled: it waits for the mutex regardless of both. There are
 * no spurious wake-ups. But others may have held the mutex between the signal and the return, so check the condition
 * again:
 *     while (!ready)
 *             if ((error = sley_cond_wait(&cond, &mutex, deadline)) != 0)
 *                     break;
 * Returns 0: signalled, even if the deadline has passed or the task was cancelled by then; -ETIMEDOUT; -ECANCELED;
 * -EPERM: the caller does not hold the mutex; -EFAULT. Task, or any thread, which then blocks. Such a thread may get
 * -ENOTCONN (the run is over), and only then it may return without the mutex.
 */
SLEY_API int sley_cond_wait(struct sley_cond *, struct sley_mutex *, sley_time deadline);

/*
 * Wake the longest waiter, or all waiters. A waiter that gives up at the same moment does not consume a signal. Without
 * waiters they have no effect. The mutex may be held or not. Return 0; -EFAULT. Any thread.
 */
SLEY_API int sley_cond_signal(struct sley_cond *);
SLEY_API int sley_cond_broadcast(struct sley_cond *);

/* ---- readers-writer lock ---- */

/*
 * Held by one writer, or by any number of readers. Readers and writers take turns. A reader that comes while a writer
 * waits, waits behind it. When a writer unlocks, all readers that wait at that moment enter, and only after these the
 * next writer. So neither side starves: a reader waits for the readers before it and one writer; a writer waits for the
 * writers before it and one turn of readers for each. While no writer waits, readers do not wait for readers. Writers
 * enter in the order in which they came.
 *
 * The lock knows its writer, but not its readers. So a task that holds it for reading must not lock it again, for
 * reading or for writing. If a writer comes between two read locks, both wait for ever. This mistake is not detected.
 */
struct sley_rwlock { /* fields are private */
	unsigned lock;
	int64_t readers;
	sley_task writer;
	struct sley_waiters readers_waiting, writers_waiting;
};

#define SLEY_RWLOCK_INIT SLEY_ZERO_

/*
 * Lock for reading, or for writing. Return 0; -ETIMEDOUT; -EDEADLK also: the caller holds it for writing; -EFAULT.
 * Task, or any thread, which then blocks.
 */
SLEY_API int sley_rwlock_rdlock(struct sley_rwlock *, sley_time deadline);
SLEY_API int sley_rwlock_wrlock(struct sley_rwlock *, sley_time deadline);

/*
 * As rdlock and wrlock, but without waiting. Return 0; -EBUSY: the call would have to wait; -EDEADLK: the caller holds
 * it for writing; -EFAULT. Any thread.
 */
SLEY_API int sley_rwlock_tryrdlock(struct sley_rwlock *);
SLEY_API int sley_rwlock_trywrlock(struct sley_rwlock *);

/*
 * Unlocks the caller's lock: for writing if the caller is the writer, else for reading. Returns 0; -EPERM: another task
 * or thread is the writer, or the lock is not held; -EFAULT. Any thread.
 */
SLEY_API int sley_rwlock_unlock(struct sley_rwlock *);

/* ---- semaphore ---- */

struct sley_sem { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

/* Initialises a semaphore with n permits, n >= 0. Zero bytes are a semaphore with no permits. */
/* clang-format off */
#define SLEY_SEM_INIT(n) { 0, (n), { NULL, NULL } }
/* clang-format on */

/*
 * Takes n permits, all at once, in the order in which callers came. A caller that wants few permits does not pass an
 * earlier caller that wants many, so no caller starves. n == 0 succeeds at once. A caller that gives up has taken no
 * permits. Returns 0; -ETIMEDOUT; -EINVAL: n < 0; -EFAULT. Task, or any thread, which then blocks.
 */
SLEY_API int sley_sem_acquire(struct sley_sem *, int64_t n, sley_time deadline);

/*
 * As acquire, but without waiting. Returns 0; -EAGAIN: the call would have to wait; -EINVAL: n < 0; -EFAULT. Any
 * thread.
 */
SLEY_API int sley_sem_try_acquire(struct sley_sem *, int64_t n);

/*
 * Adds n permits, which need not have been taken before, and wakes the waiters that can have their permits now. Returns
 * 0; -EINVAL: n < 0; -EOVERFLOW: more than INT64_MAX permits, unchanged; -EFAULT. Any thread.
 */
SLEY_API int sley_sem_release(struct sley_sem *, int64_t n);

/*
 * Counts the free permits, for statistics and limits that may be exceeded: others may have taken them before the call
 * returns. Returns their number, 0 or more; -EINVAL: null; -EFAULT; -ENOTCONN. Any thread.
 */
SLEY_API int64_t sley_sem_value(struct sley_sem *);

/* ---- once ---- */

struct sley_once { /* fields are private */
	uint64_t state;
	unsigned lock;
	struct sley_waiters waiters;
};

#define SLEY_ONCE_INIT SLEY_ZERO_

/*
 * Runs fn(arg) in the calling task unless it is done already. Returns when it is done: callers that come during a run
 * of fn wait for its end. It is done when fn has returned 0. If fn returns another value, sley_once() returns that
 * value to its caller, and the next waiter, or the next caller, runs its own fn.
 *
 * fn may wait. If its caller is cancelled, its waits end as any others, and its return value decides; a function that
 * must complete masks the cancellation (sley_cancel_mask()). The deadline is for the wait alone and does not limit fn.
 * Returns 0: done; the return value of fn; -ETIMEDOUT, -ECANCELED: another caller still runs it; -EDEADLK also: called
 * from fn; -EINVAL: fn is null; -EFAULT. Task, or any thread, which then blocks or runs fn.
 */
#ifdef __cplusplus
/*
 * In C++ a function would hide the type of the same name, which then needed `struct`. So the function has another name
 * here, for the same symbol. If the parentheses after sley_once contain a comma, they are a call; else they belong to
 * the type: `sley_once()`. A call with more than 63 commas, which only the body of a lambda can have, does not compile:
 * give the lambda a name first.
 */
SLEY_API int sley_once_(struct sley_once *, int (*fn)(void *arg), void *arg, sley_time deadline) __asm__("sley_once");
#define SLEY_65TH_(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, \
		   p22, p23, p24, p25, p26, p27, p28, p29, p30, p31, p32, p33, p34, p35, p36, p37, p38, p39, p40, p41, \
		   p42, p43, p44, p45, p46, p47, p48, p49, p50, p51, p52, p53, p54, p55, p56, p57, p58, p59, p60, p61, \
		   p62, p63, p64, p65, ...) \
	p65
#define SLEY_7_TIMES_(x)     x, x, x, x, x, x, x
#define SLEY_21_TIMES_(x)    SLEY_7_TIMES_(x), SLEY_7_TIMES_(x), SLEY_7_TIMES_(x)
#define SLEY_ONCE_NAME_(...) SLEY_65TH_(__VA_ARGS__)
#define sley_once(...) \
	SLEY_ONCE_NAME_(__VA_ARGS__, SLEY_21_TIMES_(sley_once_), SLEY_21_TIMES_(sley_once_), \
			SLEY_21_TIMES_(sley_once_), sley_once, 0) \
	(__VA_ARGS__)
#else
SLEY_API int sley_once(struct sley_once *, int (*fn)(void *arg), void *arg, sley_time deadline);
#endif

/* ---- wait group ---- */

/* Counts work in progress, and lets tasks wait until the count is zero. */
struct sley_group { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

#define SLEY_GROUP_INIT SLEY_ZERO_

/*
 * Adds n (may be negative) to the count. At zero the waiters wake. Returns 0; -EINVAL: below zero or overflow,
 * unchanged; -EFAULT. Any thread.
 */
SLEY_API int sley_group_add(struct sley_group *, int64_t n);

/* Takes one off the count: sley_group_add(group, -1). Returns 0; -EINVAL: the count is zero; -EFAULT. Any thread. */
SLEY_API int sley_group_done(struct sley_group *);

/*
 * Waits until the count is zero. It may be larger again when the call returns. Returns 0; -ETIMEDOUT; -EFAULT. Task, or
 * any thread, which then blocks.
 */
SLEY_API int sley_group_wait(struct sley_group *, sley_time deadline);

/* ---- barrier ---- */

struct sley_barrier { /* fields are private */
	unsigned lock, parties, arrived;
	uint64_t round;
	struct sley_waiters waiters;
};

/* Initialises a barrier for n parties, n >= 1. */
/* clang-format off */
#define SLEY_BARRIER_INIT(n) { 0, (n), 0, 0, { NULL, NULL } }
/* clang-format on */

#define SLEY_BARRIER_SERIAL 1 /* the result of one party in each round */

/*
 * Waits until all parties have called it. Then the next round begins.
 *
 * A party that gives up withdraws its arrival: the other parties wait on, and it may come again. If the round was
 * complete before that, the party has passed like the others and gets 0 (a cancellation then ends its next wait). To
 * make the other parties fail too, use a scope, or cancel them. Returns 0; SLEY_BARRIER_SERIAL: the last party to
 * arrive, the others are awake; -ETIMEDOUT; -ECANCELED; -EINVAL: the barrier has no parties (zero bytes); -EFAULT.
 * Task, or any thread, which then blocks.
 */
SLEY_API int sley_barrier_wait(struct sley_barrier *, sley_time deadline);

/* ---- event ---- */

/*
 * A flag that tasks wait for: "the configuration is read", "the server drains". Zero bytes are an event that is not
 * set. An event stays set until it is reset, so later callers do not wait.
 */
struct sley_event { /* fields are private */
	unsigned lock, set;
	struct sley_waiters waiters;
};

#define SLEY_EVENT_INIT SLEY_ZERO_

/*
 * Sets the event: all its waiters continue. The caller's earlier writes are visible to them. If the event is set
 * already, nothing changes. Returns 0; -EFAULT; -EINVAL: null. Any thread.
 */
SLEY_API int sley_event_set(struct sley_event *);

/*
 * Resets the event: later callers wait; waiters that were woken before continue. Returns 0; -EFAULT; -EINVAL: null. Any
 * thread.
 */
SLEY_API int sley_event_reset(struct sley_event *);

/*
 * Waits until the event is set. It may be reset again when the call returns. A deadline of 0 tests the event without
 * waiting. Returns 0; -ETIMEDOUT; -ECANCELED; -EFAULT; -EINVAL: null. Task, or any thread, which then blocks.
 */
SLEY_API int sley_event_wait(struct sley_event *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
