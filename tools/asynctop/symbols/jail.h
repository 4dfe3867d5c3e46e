/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the processes behind the resolver give up. */
#ifndef ASYNCTOP_SYMBOLS_JAIL_H
#define ASYNCTOP_SYMBOLS_JAIL_H

#include <stdbool.h>

/*
 * For a freshly forked process: default signals (but none of the terminal's), no descriptor but `keep`, /dev/null as
 * the standard ones, and an end with its parent. Returns the number that `keep` has now, or -1.
 */
int jail_detach(int keep, const char *name);

/*
 * Gives up all privileges for good: another user if it is root, no capabilities, no new ones, bounded memory, and no
 * system call that opens or changes a file or reaches another process. If it returns false, something of this failed:
 * do not go on.
 */
bool jail_enter(void);

#endif
