/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Synchronisation: mutex, condition, readers-writer lock, semaphore, once, wait group, barrier, event.
 *
 * They wait the task, never the thread. Plain threads may use them too, while there is a run; such a thread blocks, and
 * what tasks do wakes it. When the run ends its wait ends with -ENOTCONN.
 *
 * The objects are embedded wherever they are needed. Zero bytes are a valid initial state, so statics need no
 * initialiser. They must not lie on a copying stack: -EFAULT. A null object is -EINVAL. They own nothing, so there
 * is no call to end one: its memory may go as soon as nobody holds it, waits on it or will call it again. A call
 * that has made this true for another task is done with the memory by then: the last user of a mutex may free it
 * right after it has unlocked it, even if the unlock that let it in is still under way.
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

/* Private: zero bytes, without a warning of fields that are left out. */
/* clang-format off */
#ifdef __cplusplus
#define SLEY_ZERO_ {}
#else
#define SLEY_ZERO_ { 0 }
#endif
/* clang-format on */

/* ---- mutex ---- */

/*
 * A mutex is owned by the task, or thread, that locked it. One that ends without unlocking it leaves it locked; linked
 * with libsley-debug, a program says which task did, and where it locked it. The same holds for a readers-writer lock.
 *
 * Who waits is woken in the order in which they came, but not given it: a task that comes meanwhile may take it first
 * (it barges), and the waiter goes back to the front. That is what makes it fast: a task that locks and unlocks in a
 * loop need not be switched from at each turn. It ends after 1 ms: a waiter at the front that has waited for so long is
 * handed the mutex by the next unlock, and newcomers cannot get in between. So a waiter that has n others before it
 * gets the mutex after at most 1 ms and n + 2 times that somebody holds it, if the scheduler runs it when it is ready.
 */
struct sley_mutex { /* fields are private */
	uint64_t word;
	unsigned lock, woken;
	struct sley_waiters waiters;
};

#define SLEY_MUTEX_INIT SLEY_ZERO_

/*
 * Locks it. 0; -ETIMEDOUT; -EDEADLK also: the caller holds it already; -EFAULT. Task, or any thread, which then blocks.
 */
SLEY_API int sley_mutex_lock(struct sley_mutex *, sley_time deadline);

/* Locks it if it is free, even if others wait for it. 0; -EBUSY; -EDEADLK: the caller holds it; -EFAULT. Any thread. */
SLEY_API int sley_mutex_trylock(struct sley_mutex *);

/*
 * Unlocks it, from the task or thread that locked it. Never waits, also not for the one that it wakes. 0; -EPERM:
 * another holds it, or nobody; -EFAULT. Any thread.
 */
SLEY_API int sley_mutex_unlock(struct sley_mutex *);

/* ---- condition: waiting for a change of what a mutex protects ---- */

struct sley_cond { /* fields are private */
	unsigned lock;
	struct sley_waiters waiters;
};

#define SLEY_COND_INIT SLEY_ZERO_

/*
 * Unlocks the mutex, which the caller holds, waits for a signal, and locks it again. Nothing comes in between: a signal
 * by whoever locks the mutex next is not missed. It returns with the mutex held *in every case*, also when the deadline
 * passed or the task was cancelled: it waits for the mutex regardless of both. No wake-up is spurious, but others may
 * have had the mutex between the signal and the return, so what is waited for is looked at again:
 *     while (!ready)
 *             if ((error = sley_cond_wait(&cond, &mutex, deadline)) != 0)
 *                     break;
 * 0: it was signalled, even if the deadline has passed or the task was cancelled by then; -ETIMEDOUT; -ECANCELED;
 * -EPERM: the caller does not hold the mutex; -EFAULT. Task, or any thread, which then blocks; there only -ENOTCONN,
 * the run is over, may come without the mutex.
 */
SLEY_API int sley_cond_wait(struct sley_cond *, struct sley_mutex *, sley_time deadline);

/*
 * Wakes the one that has waited longest, or all. Who gave up at the same moment does not use up a signal. Without
 * waiters it is nothing. The mutex may be held or not. 0; -EFAULT. Any thread.
 */
SLEY_API int sley_cond_signal(struct sley_cond *);
SLEY_API int sley_cond_broadcast(struct sley_cond *);

/* ---- readers-writer lock ---- */

/*
 * Held by one writer, or by any number of readers. Readers and writers take turns: a reader that comes while a writer
 * waits, waits behind it; a writer that unlocks lets in all readers that wait then, and only after these the next
 * writer. So neither starves: a reader waits for the readers before it and one writer, a writer for the writers before
 * it and one turn of readers for each. Readers do not wait for readers as long as no writer waits. Writers get it in
 * the order in which they came.
 *
 * It knows its writer, but not which tasks its readers are. So a task must not lock it for reading twice: if a writer
 * comes in between, both wait for ever; nor for writing while it reads. That cannot be found out.
 */
struct sley_rwlock { /* fields are private */
	unsigned lock;
	int64_t readers;
	sley_task writer;
	struct sley_waiters readers_waiting, writers_waiting;
};

#define SLEY_RWLOCK_INIT SLEY_ZERO_

/*
 * Lock it for reading, for writing. 0; -ETIMEDOUT; -EDEADLK also: the caller has locked it for writing; -EFAULT. Task,
 * or any thread, which then blocks.
 */
SLEY_API int sley_rwlock_rdlock(struct sley_rwlock *, sley_time deadline);
SLEY_API int sley_rwlock_wrlock(struct sley_rwlock *, sley_time deadline);

/* The same without waiting: -EBUSY where they would wait. Any thread. */
SLEY_API int sley_rwlock_tryrdlock(struct sley_rwlock *);
SLEY_API int sley_rwlock_trywrlock(struct sley_rwlock *);

/*
 * Unlocks what the caller has locked: for writing if it is the writer, else for reading. 0; -EPERM: another is the
 * writer, or nobody holds it; -EFAULT. Any thread.
 */
SLEY_API int sley_rwlock_unlock(struct sley_rwlock *);

/* ---- semaphore ---- */

struct sley_sem { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

/* With n permits, n >= 0. Zero bytes are one with none. */
/* clang-format off */
#define SLEY_SEM_INIT(n) { 0, (n), { NULL, NULL } }
/* clang-format on */

/*
 * Takes n permits, all at once, in the order in which callers came: who wants few does not pass who wants many and came
 * before, so nobody starves. n == 0 succeeds at once. One that gives up has taken none. 0; -ETIMEDOUT; -EINVAL: n < 0;
 * -EFAULT. Task, or any thread, which then blocks.
 */
SLEY_API int sley_sem_acquire(struct sley_sem *, int64_t n, sley_time deadline);

/* The same without waiting: -EAGAIN where it would wait. Any thread. */
SLEY_API int sley_sem_try_acquire(struct sley_sem *, int64_t n);

/*
 * Gives n permits, which need not have been taken before, and wakes those who can have theirs now. 0; -EINVAL: n < 0;
 * -EOVERFLOW: more than INT64_MAX of them, unchanged; -EFAULT. Any thread.
 */
SLEY_API int sley_sem_release(struct sley_sem *, int64_t n);

/* ---- once ---- */

struct sley_once { /* fields are private */
	uint64_t state;
	unsigned lock;
	struct sley_waiters waiters;
};

#define SLEY_ONCE_INIT SLEY_ZERO_

/*
 * Runs fn(arg) in the calling task unless it has been done, and returns when it has been: callers that come while one
 * runs it wait for that. Done is when fn has returned 0. If it returns anything else, sley_once() returns that to its
 * caller, and the next one in line, or the next that comes, runs its own fn.
 *
 * fn may wait. If its caller is cancelled, its waits end as any others, and what fn returns decides; one that is to be
 * done in any case masks it (sley_cancel_mask()). The deadline is for the wait alone, fn is not bounded by it.
 * 0: done; what fn returned; -ETIMEDOUT, -ECANCELED: another still runs it; -EDEADLK also: called from fn; -EINVAL: fn
 * is null; -EFAULT. Task, or any thread, which then blocks or runs it.
 */
#ifdef __cplusplus
/*
 * There a function would hide the type of its name, which then needed `struct`: so it has another, for the same symbol.
 * Parentheses with a comma in them are a call's. Others are the type's: `sley_once()`. With more than 63 commas, which
 * only a lambda's body can have, it does not compile: give the lambda a name first.
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

/* Counts work that is under way, and lets tasks wait until there is none. */
struct sley_group { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

#define SLEY_GROUP_INIT SLEY_ZERO_

/*
 * Adds n (may be negative) to the count; at zero the waiters wake. Any thread. 0; -EINVAL: below zero or overflow,
 * unchanged; -EFAULT.
 */
SLEY_API int sley_group_add(struct sley_group *, int64_t n);

/* sley_group_add(group, -1). */
SLEY_API int sley_group_done(struct sley_group *);

/*
 * Waits until the count is zero; that it was, even if work was added since. 0; -ETIMEDOUT; -EFAULT. Task, or any
 * thread, which then blocks.
 */
SLEY_API int sley_group_wait(struct sley_group *, sley_time deadline);

/* ---- barrier ---- */

struct sley_barrier { /* fields are private */
	unsigned lock, parties, arrived;
	uint64_t round;
	struct sley_waiters waiters;
};

/* For n parties, n >= 1. */
/* clang-format off */
#define SLEY_BARRIER_INIT(n) { 0, (n), 0, 0, { NULL, NULL } }
/* clang-format on */

#define SLEY_BARRIER_SERIAL 1 /* what one of the parties gets in each round */

/*
 * Waits until all parties have called it, then begins anew, for the next round.
 *
 * A party that gives up takes its arrival back: it is as if it had not come, the others wait on, and it may come again.
 * If the round was complete before it could, it has passed like the others, and gets 0 (a cancellation then ends its
 * next wait). To have the others fail too is what a scope is for, or cancelling them.
 * 0; SLEY_BARRIER_SERIAL: the last one, the others are awake; -ETIMEDOUT; -ECANCELED; -EINVAL: it has no parties (zero
 * bytes); -EFAULT. Task, or any thread, which then blocks.
 */
SLEY_API int sley_barrier_wait(struct sley_barrier *, sley_time deadline);

/* ---- event ---- */

/*
 * A flag that tasks wait for: "the configuration is read", "the server drains". Zero bytes are one that is not set. It
 * stays set until it is reset, so who comes later does not wait.
 */
struct sley_event { /* fields are private */
	unsigned lock, set;
	struct sley_waiters waiters;
};

#define SLEY_EVENT_INIT SLEY_ZERO_

/*
 * Sets it: all that wait for it go on. What the caller did before, they see. Setting it once more changes nothing. Any
 * thread. 0; -EFAULT; -EINVAL: null.
 */
SLEY_API int sley_event_set(struct sley_event *);

/* From here on who comes waits again; who was woken before goes on. Any thread. 0; -EFAULT; -EINVAL: null. */
SLEY_API int sley_event_reset(struct sley_event *);

/*
 * Waits until it is set; that it was, even if it was reset since. A deadline of 0 asks whether it is set, without waiting.
 * 0; -ETIMEDOUT; -ECANCELED; -EFAULT; -EINVAL: null. Task, or any thread, which then blocks.
 */
SLEY_API int sley_event_wait(struct sley_event *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
