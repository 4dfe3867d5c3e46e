/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Looking into a process whose first thread has ended.
 *
 * When main() ends by pthread_exit(), or lets other threads go on in another way, /proc/PID stays but is the first
 * thread's: it has no descriptors, memory, executable, root or namespaces any more. They are in the directory of each
 * living thread. /proc/TID is taken, which has more than /proc/PID/task/TID: map_files, net and task, too. Threads that
 * end meanwhile are followed by others.
 *
 * Whether a thread has ended is told by its link exe. Reading that can wait as reading descriptors can
 * (find.h): only children do it.
 */
#ifndef ASYNCTOP_LIVING_H
#define ASYNCTOP_LIVING_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the thread of this directory has ended. False, too, if that may not be known. */
bool living_ended(int dir);

/*
 * `dir` is /proc/PID: the directory of one of its living threads, to be closed, and its number, if the first has ended.
 * -1 otherwise: `dir` is to be used, or nothing lives.
 */
int living_open(int dir, pid_t *tid);

/* Calls `body` with `dir` or a living thread's directory: again with another, if that thread ended during the call. */
int living_do(int dir, int (*body)(int dir, void *argument), void *argument);

#endif
