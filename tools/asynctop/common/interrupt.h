/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Interruption: a signal asks asynctop to end, or a key waits. Work that may take long calls interrupted() between its
 * parts, and leaves the rest undone when it is true.
 *
 * A write cannot ask: it takes as long as its reader does (an unread pipe, a stopped terminal). A signal that comes
 * during a write, or came before, leaves it HURRY_SECONDS; then the process ends.
 */
#ifndef ASYNCTOP_INTERRUPT_H
#define ASYNCTOP_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* Sets the sources of interruption: signals, which the caller has blocked, and input on a descriptor; -1: none. */
void interrupt_by(const sigset_t *signals, int input);

bool interrupted(void);

#define HURRY_SECONDS 1

/* Calls around each write to the terminal or the output. The handler of a blocked signal calls writing_hurries(). */
void writing_begins(void);
void writing_ends(void);
void writing_hurries(int signal_number);

/* `abandon` is called before the process ends in a write; it must be async-signal-safe. NULL: nothing. */
void writing_abandoned_by(void (*abandon)(void));

#endif
