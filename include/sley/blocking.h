/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Calls that block the thread, and what the other tasks do meanwhile. */
#ifndef SLEY_BLOCKING_H
#define SLEY_BLOCKING_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The calling task is about to block its thread in the kernel, or to compute for long: from here on another thread
 * takes the thread's place, at once if one sleeps. Until sley_block_leave() more threads than option `workers` says may
 * run tasks, up to `max_threads` more. The runtime finds out by itself that a thread is blocked, after some milliseconds:
 * these calls save that time.
 *
 * In between the task may make any call of the system or of a library. It keeps its thread and its stack; tasks that share
 * the stack wait, and so do tasks that are pinned to the thread. A sley call in between that waits ends it.
 * Calls nest. Neither fails, waits or makes a system call but to wake a thread; some 45 ns for the pair if no task waits. By tasks;
 * elsewhere without effect. Not from signal handlers.
 */
SLEY_API void sley_block_enter(void);
SLEY_API void sley_block_leave(void);

/* Evaluates the expression in between, and is its value: ssize_t n = SLEY_BLOCKING(pread(fd, buffer, size, 0)). */
#define SLEY_BLOCKING(expression) \
	__extension__({ \
		sley_block_enter(); \
		__typeof__(expression) sley_value = (expression); \
		sley_block_leave(); \
		sley_value; \
	})

#ifdef __cplusplus
}
#endif

#endif
