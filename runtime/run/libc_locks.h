/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * OS locks that a task holds while it waits: in the debug library alone.
 *
 * A task that waits with a pthread mutex held may wake on another thread, which does not own the mutex, and meanwhile
 * every thread that wants it stops: also the one that would have to wake the task. So the debug library
 * (libsley-debug) has the lock and unlock functions of POSIX and C11, and those by which C++ initialises a static variable
 * of a function once, as its own, which call those of libc and note what
 * the running task took; a task that waits, yields or ends with something on the note is told on stderr, once per spawn
 * site. Not under ThreadSanitizer, which needs the same functions for itself.
 */
#ifndef RUN_LIBC_LOCKS_H
#define RUN_LIBC_LOCKS_H

#include "task/task.h"

#if defined(SLEY_DEBUG) && !defined(SLEY_TSAN)
#define SLEY_NOTES_LOCKS 1
#endif

/* The task is about to leave its stack, for the last time if it `ends`. */
#ifdef SLEY_NOTES_LOCKS
void libc_locks_check(struct task *task, bool ends);
#else
static inline void libc_locks_check(struct task *task, bool ends)
{
	(void)task, (void)ends;
}
#endif

#endif
