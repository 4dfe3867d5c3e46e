/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Children that were killed and may take their time to die, and the processes whose memory or files they were blocked
 * by. Such a process is not read again while its child is there, nor for a while after that: each time costs the others
 * CHILD_SLEEP_NS. So there is one child left alone per process; there are a few per user, so that one user's
 * processes do not use up what there is for all; and there is a bound on them all, above which nobody is read.
 *
 * One table for the process that asynctop is: children are, too.
 */
#ifndef ASYNCTOP_ABANDONED_H
#define ASYNCTOP_ABANDONED_H

#include <stdbool.h>
#include <sys/types.h>

#define ABANDONED_MAX      16
#define ABANDONED_PER_USER 4

/* A child of ours that was killed: it is reaped when it is dead. `target`: what it was blocked by; 0: by nothing. */
void abandoned_child(pid_t child, pid_t target);

/* The same of a child's child, which its parent reaps; `pidfd` is taken over, and may be -1. */
void abandoned_grandchild(int pidfd, pid_t target);

/* Why this process is not to be read now, as a sentence without its end; NULL: it may be. */
const char *abandoned_why(pid_t target);

/* Its number will mean another process. */
void abandoned_forget(pid_t target);

/* How many are there that were blocked. Reaps those that have died. */
unsigned abandoned_count(void);

#endif
