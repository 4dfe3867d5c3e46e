/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Children that were killed but may be slow to die, and their targets: the processes whose memory or files blocked
 * them. A target is not read again while its child is there, nor for a while after that, because each try costs the
 * other processes CHILD_SLEEP_NS. So a target has at most one such child. A user has at most ABANDONED_PER_USER, so
 * that one user cannot use up the bound for all, ABANDONED_MAX. At that bound no process is read.
 *
 * The table is global, since children belong to the process.
 */
#ifndef ASYNCTOP_ABANDONED_H
#define ASYNCTOP_ABANDONED_H

#include <stdbool.h>
#include <sys/types.h>

#define ABANDONED_MAX      16
#define ABANDONED_PER_USER 4

/* Adds a killed child of ours, and reaps it when it is dead. `target`: the process that blocked it; 0: none did. */
void abandoned_child(pid_t child, pid_t target);

/* Adds a killed child of a child. Its parent reaps it. `pidfd` is taken over, and may be -1. */
void abandoned_grandchild(int pidfd, pid_t target);

/* Why this process is not to be read now, as a sentence without its end; NULL: it may be. */
const char *abandoned_why(pid_t target);

/* Forgets the target: its number will mean another process. */
void abandoned_forget(pid_t target);

/* The number of children that were blocked and are still there. Reaps the dead ones. */
unsigned abandoned_count(void);

#endif
