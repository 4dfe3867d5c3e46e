/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Mutexes and rwlocks of sley that tasks own: in the debug library alone. A task that ends with one leaves it locked for
 * ever, as nobody else can unlock it. So the debug library notes who locked what, and where, and a task that ends with
 * something on the note is told on stderr, once per spawn site.
 */
#ifndef RUN_OWNED_H
#define RUN_OWNED_H

#include "task/task.h"

#ifdef SLEY_DEBUG

/* The task has locked `lock`, which is a `kind`, in the call at `pc`. */
void owned_take(const struct task *task, const void *lock, const char *kind, const void *pc);

/* It is about to unlock it: before it does, as the next owner notes it then. */
void owned_drop(const struct task *task, const void *lock);

/* It ends. */
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
