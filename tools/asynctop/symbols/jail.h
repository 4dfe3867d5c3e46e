/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The reader's privileges, and how it gives them up. */
#ifndef ASYNCTOP_SYMBOLS_JAIL_H
#define ASYNCTOP_SYMBOLS_JAIL_H

#include <stdbool.h>

/*
 * Gives up all privileges for good: another user if it is root, no capabilities, no new ones, bounded memory, and no
 * system call that opens or changes a file or reaches another process. If it returns false, something of this failed:
 * do not go on.
 */
bool jail_enter(void);

#endif
