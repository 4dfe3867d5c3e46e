/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The mutex, for the condition: it unlocks the mutex after its waiter is linked, and locks it again in every case. */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "task/task.h"

/* Returns whether `me`, the id of a task or thread, holds the mutex. Exact only if `me` is the caller. */
bool mutex_is_mine(struct sley_mutex *mutex, uint64_t me);

/* Unlocks the mutex for `me`. Returns 0 or -EPERM. Never waits. */
int mutex_unlock(struct sley_mutex *mutex, uint64_t me);

/*
 * Locks the mutex, regardless of deadlines and cancellation. Returns 0; -ENOTCONN: the caller is a plain thread, and
 * the run is over.
 */
int mutex_lock_again(struct task *task, struct sley_mutex *mutex, const void *pc);

#endif
