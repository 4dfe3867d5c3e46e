/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A child that does what may never come back: reading memory and files of others. It is asked by messages, is waited
 * for at most a while, and is then killed and left alone.
 *
 * Not even a kill ends a wait for a page that a file system has been asked for and does not give. So whoever waits for
 * the answer looks whether the child sleeps: it has nothing to wait for but what it reads. One that is in the same
 * sleep for CHILD_SLEEP_NS is blocked by what it reads. One that computes, or that gets no CPU, is not: it has until
 * the deadline. (A deadline alone is either too short for a loaded machine or too long for those who wait in line.)
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
	uint64_t sleeps;   /* how often it had gone to sleep when it was seen asleep first */
	int64_t asleep_ns; /* when that was; 0: it was not */
};

/* What it does, in a process with default signals and no descriptor but `socket` and /dev/null. It must not return. */
typedef void child_body(int socket, const void *argument);

/* 0 or -errno. The child ends with its parent. */
int child_start(struct child *, const char *name, child_body *, const void *argument);

/* Kills it and forgets it, without waiting: who reaps it is the caller's matter. Fine if there is none. */
void child_end(struct child *);

/* To be called when it is given something to do, and then again and again until it has done it: is it blocked? */
void child_expect(struct child *);
bool child_blocked(struct child *);

/* As message_send() and message_receive(), of a child that is to read and to answer: -EDEADLK if it is blocked. */
int child_send(struct child *, const void *message, int descriptor, int64_t deadline);
int child_receive(struct child *, void *message, size_t room, int *descriptor, int64_t deadline);

#endif
