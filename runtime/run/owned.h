/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Mutexes and rwlocks of sley that tasks own: only in the debug library. A task that ends with such a lock leaves it
 * locked for ever, because no other task can unlock it. So the debug library notes the owner and the place of each lock
 * operation. A task that ends with a lock on its note is reported on stderr, once per spawn site.
 */
#ifndef RUN_OWNED_H
#define RUN_OWNED_H

#include "task/task.h"

#ifdef SLEY_DEBUG

/* Called when the task has locked `lock`, which is a `kind`, in the call at `pc`. */
void owned_take(const struct task *task, const void *lock, const char *kind, const void *pc);

/* Called before the task unlocks `lock`: afterwards the next owner may note it. */
void owned_drop(const struct task *task, const void *lock);

/* Called when the task ends. */
void owned_check(const struct task *task);

#else

static inline void owned_take(const struct task *task, const void *lock, const char *kind, const void *pc)
{
	(void)task, (void)lock, (void)kind, (void)pc;
}

static inline void owned_drop(const struct task *task, const void *lock)
{
	(void)task, (void)lock;
}

static inline void owned_check(const struct task *task)
{
	(void)task;
}

#endif

#endif
