/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Looking into a process with an ended first thread.
 *
 * When main() ends by pthread_exit() and other threads go on, /proc/PID stays, but it belongs to the first thread: it
 * has no descriptors, memory, executable, root or namespaces any more. The directory of each living thread has them.
 * /proc/TID is taken, since it has more than /proc/PID/task/TID: also map_files, net and task. If the thread ends
 * meanwhile, another one is taken.
 *
 * The link exe tells whether a thread has ended. Reading it can wait, as reading descriptors can (find.h): only
 * children do it.
 */
#ifndef ASYNCTOP_LIVING_H
#define ASYNCTOP_LIVING_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the thread of this directory has ended. Also false if that cannot be found out. */
bool living_ended(int dir);

/*
 * If the first thread of `dir`, a /proc/PID, has ended: opens the directory of a living thread, and sets its number.
 * Else -1: `dir` is to be used. Also -1 if no thread lives.
 */
int living_open(int dir, pid_t *tid);

/* Calls `body` with `dir` or a living thread's directory: again with another, if that thread ended during the call. */
int living_do(int dir, int (*body)(int dir, void *argument), void *argument);

#endif
