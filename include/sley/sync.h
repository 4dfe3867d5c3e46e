/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Synchronisation.
 *
 * They wait the task, never the thread. Zero bytes are a valid initial state, so statics need no initialiser. The
 * object must not lie on a copying stack: -EFAULT. The waiting calls are for tasks, else -EDEADLK.
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

struct sley_mutex { /* fields are private */
	unsigned lock;
	unsigned held;
	sley_task owner;
	struct sley_waiters waiters;
};

/* clang-format off */
#define SLEY_MUTEX_INIT { 0 }
/* clang-format on */

/* Locks it. 0; -ETIMEDOUT; -EDEADLK also: the caller holds it already; -EFAULT. */
SLEY_API int sley_mutex_lock(struct sley_mutex *, sley_time deadline);

/* Locks it if it is free. 0; -EBUSY; -EDEADLK; -EFAULT. */
SLEY_API int sley_mutex_trylock(struct sley_mutex *);

/* Unlocks it, from the task that locked it. 0; -EPERM: another holds it, or nobody; -EFAULT. */
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
