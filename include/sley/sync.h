/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Synchronisation: mutex, wait group.
 *
 * They wait the task, never the thread. Plain threads may use them too, while there is a run; such a thread blocks, and
 * what tasks do wakes it. When the run ends its wait ends with -ENOTCONN.
 *
 * The objects are embedded wherever they are needed. Zero bytes are a valid initial state, so statics need no
 * initialiser. They must not lie on a copying stack: -EFAULT. They own nothing, so there is no call to end one: its memory
 * may go as soon as nobody holds it, waits on it or will call it again. A call that has made this true for another task is
 * done with the memory by then: the last user of a mutex may free it right after it has unlocked it, even if the unlock
 * that let it in is still under way.
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

/*
 * A mutex is owned by the task, or thread, that locked it.
 *
 * Who waits is woken in the order in which they came, but not given it: a task that comes meanwhile may take it first
 * (it barges), and the waiter goes back to the front. That is what makes it fast: a task that locks and unlocks in a
 * loop need not be switched from at each turn. It ends after 1 ms: a waiter at the front that has waited for so long is
 * handed the mutex by the next unlock, and newcomers cannot get in between. So a waiter that has n others before it gets
 * the mutex after at most 1 ms and n + 2 times that somebody holds it, if the scheduler runs it when it is ready.
 */
struct sley_mutex { /* fields are private */
	uint64_t word;
	unsigned lock, woken;
	struct sley_waiters waiters;
};

/* clang-format off */
#define SLEY_MUTEX_INIT { 0 }
/* clang-format on */

/* Locks it. 0; -ETIMEDOUT; -EDEADLK also: the caller holds it already; -EFAULT. Task, or any thread, which then blocks. */
SLEY_API int sley_mutex_lock(struct sley_mutex *, sley_time deadline);

/* Locks it if it is free, even if others wait for it. 0; -EBUSY; -EDEADLK: the caller holds it; -EFAULT. Any thread. */
SLEY_API int sley_mutex_trylock(struct sley_mutex *);

/*
 * Unlocks it, from the task or thread that locked it. Never waits, also not for the one that it wakes. 0; -EPERM:
 * another holds it, or nobody; -EFAULT. Any thread.
 */
SLEY_API int sley_mutex_unlock(struct sley_mutex *);

/* A wait group: counts work that is under way, and lets tasks wait until there is none. */
struct sley_group { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

/* clang-format off */
#define SLEY_GROUP_INIT { 0 }
/* clang-format on */

/*
 * Adds n (may be negative) to the count; at zero the waiters wake. Any thread. 0; -EINVAL: below zero or overflow,
 * unchanged; -EFAULT.
 */
SLEY_API int sley_group_add(struct sley_group *, int64_t n);

/* sley_group_add(group, -1). */
SLEY_API int sley_group_done(struct sley_group *);

/* Waits until the count is zero. 0; -ETIMEDOUT; -EFAULT. */
SLEY_API int sley_group_wait(struct sley_group *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
