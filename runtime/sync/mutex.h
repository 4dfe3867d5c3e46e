/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The mutex, for the condition, which unlocks it while its waiter is already linked, and locks it again in any case. */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "task/task.h"

/* Whether `me`, a task's or thread's id, holds it. Right for `me` itself. */
bool mutex_is_mine(struct sley_mutex *mutex, uint64_t me);

/* Unlocks it for `me`. 0 or -EPERM. Never waits. */
int mutex_unlock(struct sley_mutex *mutex, uint64_t me);

/*
 * Locks it, whatever has become of deadlines, and cancelled or not. 0; -ENOTCONN: a plain thread's, and the run is
 * over.
 */
int mutex_lock_again(struct task *task, struct sley_mutex *mutex, const void *pc);

#endif
