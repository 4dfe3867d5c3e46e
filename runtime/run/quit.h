/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Threads of the runtime that the service's code ends: by pthread_exit(), thrd_exit(), or a cancellation that it has
 * enabled. The task's stack would be held for ever, and the run could not end. So the process ends instead, after a
 * message.
 *
 * The destructor of a thread-specific value detects this; it runs for every way to end a thread. Rejected: a
 * personality routine in the task's first frame, which is not reached through code without unwind tables.
 */
#ifndef RUN_QUIT_H
#define RUN_QUIT_H

/* quit_open() is called before a run, quit_close() after it. */
void quit_open(void);
void quit_close(void);

/* The calling thread must not end between quit_forbid() and quit_allow(). Without memory its end is not detected. */
void quit_forbid(void);
void quit_allow(void);

#endif
