/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A child makes the calls that may never return: it reads memory and files of other processes. asynctop asks it by
 * messages, waits for a bounded time, then kills it and leaves it alone.
 *
 * A file system that never delivers a page blocks the child even against a kill. So the caller, while it waits for the
 * answer, looks whether the child sleeps: a child sleeps only in its reads. A child in the same sleep for
 * CHILD_SLEEP_NS is blocked by its target. A child that computes, or gets no CPU, is not blocked, and has until the
 * deadline. (Rejected: a deadline alone. It is too short for a loaded machine, or too long for the processes that are
 * next.)
 */
#ifndef ASYNCTOP_CHILD_H
#define ASYNCTOP_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_SLEEP_NS 300000000 /* a slow disk takes less for one page */

struct child {
	pid_t pid; /* 0: none */
	int socket;
	uint64_t sleeps;   /* its count of sleeps when this sleep was first seen */
	int64_t asleep_ns; /* when that was; 0: it was not asleep */
};

/* The body runs in a process with default signals and no descriptor but `socket` and /dev/null. It must not return. */
typedef void child_body(int socket, const void *argument);

/* 0 or -errno. The child ends with its parent. */
int child_start(struct child *, const char *name, child_body *, const void *argument);

/* Kills and forgets the child without waiting; the caller has it reaped. Fine if there is none. */
void child_end(struct child *);

/*
 * child_expect() is called when the child is given something to do. child_blocked() is called again and again until it
 * has done it, and says whether it is blocked.
 */
void child_expect(struct child *);
bool child_blocked(struct child *);

/* As message_send() and message_receive(), of a child that is to read and to answer: -EDEADLK if it is blocked. */
int child_send(struct child *, const void *message, int descriptor, int64_t deadline);
int child_receive(struct child *, void *message, size_t room, int *descriptor, int64_t deadline);

#endif
