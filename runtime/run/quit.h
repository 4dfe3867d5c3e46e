/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Threads of the runtime that the service's code ends: by pthread_exit(), thrd_exit(), or a cancellation that it has
 * enabled. The task's stack would be held for ever, and the run could not end. So the process does, and says why.
 *
 * It is seen by the destructor of a thread-specific value, which runs whatever ended the thread. Rejected: a personality
 * routine in the task's first frame, which is not reached through code without unwind tables.
 */
#ifndef RUN_QUIT_H
#define RUN_QUIT_H

/* Before and after a run. */
void quit_open(void);
void quit_close(void);

/* From here on, up to quit_allow(), the calling thread must not end. Without memory it just is not found out. */
void quit_forbid(void);
void quit_allow(void);

#endif
