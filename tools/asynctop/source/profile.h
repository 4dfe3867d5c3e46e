/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Samples of a thread that computes: its registers and its stack, which the kernel copies into a ring of perf's while the
 * thread runs. The thread is not stopped, and the copy waits for no page. Needs CAP_PERFMON, or that
 * kernel.perf_event_paranoid lets the thread's user do it.
 */
#ifndef ASYNCTOP_PROFILE_H
#define ASYNCTOP_PROFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "source/syscalls.h"

struct profile;

/* Opens the event of thread `tid`: its descriptor, or -1. It may wait for an exec of the thread: for the looker. */
int profile_event(pid_t tid);

/* Takes the descriptor over. NULL: no memory for the ring is to be had. */
struct profile *profile_open(int fd);
void profile_close(struct profile *p); /* NULL is allowed */

/*
 * Puts the newest sample that was taken in [from, until] into the registers and the stack of *r. Times are the kernel's
 * CLOCK_MONOTONIC. False: there is none. All samples so far are used up.
 */
bool profile_take(struct profile *p, uint64_t from, uint64_t until, struct block_record *r);

#endif
