/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Which signals are blocked in the threads of a run. */
#ifndef IO_SIGMASK_H
#define IO_SIGMASK_H

#include <signal.h>

#include <sley.h>

/* A run begins, with these signals blocked in all of its threads. */
void signals_open(const sigset_t *mask);

/* Those signals. */
const sigset_t *signals_blocked(void);

/*
 * For the threads of pools: all but those that a fault of the thread raises. Blocked, these would end the process without
 * its handler.
 */
void signals_of_pools(sigset_t *set);

/* Whether all of the set can be blocked and taken as values: 0 or -EINVAL. */
int signals_check(const sigset_t *set);

#endif
