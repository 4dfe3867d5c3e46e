/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The signals that are blocked in the threads of a run. */
#ifndef IO_SIGMASK_H
#define IO_SIGMASK_H

#include <signal.h>

#include <sley.h>

/* Called at the beginning of a run, whose threads all block these signals. */
void signals_open(const sigset_t *mask);

/* Returns those signals. */
const sigset_t *signals_blocked(void);

/*
 * The mask of the pools' threads: all signals except those raised by a fault of the thread. If these were blocked, a
 * fault would end the process without its handler.
 */
void signals_of_pools(sigset_t *set);

/* Checks that all signals of the set can be blocked and received as values. Returns 0 or -EINVAL. */
int signals_check(const sigset_t *set);

#endif
