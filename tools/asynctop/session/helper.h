/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* `asynctop assist`: tells the runtime of an unprivileged process which of its workers are blocked. */
#ifndef ASYNCTOP_HELPER_H
#define ASYNCTOP_HELPER_H

#include <signal.h>
#include <sys/types.h>

/*
 * Helps process `pid` until it ends, executes another program, or *stop is not 0, which a signal sets. Prints why it ends,
 * if not for a signal. Returns the exit code.
 */
int helper_run(pid_t pid, const volatile sig_atomic_t *stop);

#endif
