/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * OS locks that a task holds while it waits: only in the debug library.
 *
 * A task that waits with a pthread mutex held may resume on another thread, which does not own the mutex. Meanwhile
 * every thread that wants the mutex stops, perhaps including the thread that would have to wake the task. So the debug
 * library (libsley-debug) defines the lock and unlock functions of POSIX and C11, and the functions by which C++
 * initialises a static variable of a function once. These definitions call those of libc and note the locks that the
 * running task has taken. A task that waits, yields or ends with a lock on the note is reported on stderr, once per
 * spawn site. Not under ThreadSanitizer, which needs the same functions for itself.
 */
#ifndef RUN_LIBC_LOCKS_H
#define RUN_LIBC_LOCKS_H

#include "task/task.h"

#if defined(SLEY_DEBUG) && !defined(SLEY_TSAN)
#define SLEY_NOTES_LOCKS 1
#endif

/* Called when the task is about to leave its stack, for the last time if it `ends`. */
#ifdef SLEY_NOTES_LOCKS
void libc_locks_check(struct task *task, bool ends);
#else
static inline void libc_locks_check(struct task *task, bool ends)
{
	(void)task, (void)ends;
}
#endif

#endif
