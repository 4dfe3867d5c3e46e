/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef IO_SIGNAL_H
#define IO_SIGNAL_H

#include <signal.h>

#include <sley.h>

/* A run begins, with these signals blocked in all of its threads. */
void signals_open(const sigset_t *mask);

/* Those signals. */
const sigset_t *signals_blocked(void);

/* Whether all of the set can be blocked and taken as values: 0 or -EINVAL. */
int signals_check(const sigset_t *set);

#endif
