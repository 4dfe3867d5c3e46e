/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Whether somebody wants something of asynctop: a signal asks it to end, or a key waits. What may take long, however many
 * processes there are and whatever they do, asks between its parts and leaves the rest undone.
 *
 * Nothing is asked in a write, which takes as long as the reader pleases: a pipe that is not read, a terminal that was
 * stopped. So a signal that comes while it lasts, or came before, gives it HURRY_SECONDS, and then ends the process.
 */
#ifndef ASYNCTOP_INTERRUPT_H
#define ASYNCTOP_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* From now on: by these signals, which are blocked, and by input on a descriptor; -1: none. */
void interrupt_by(const sigset_t *signals, int input);

bool interrupted(void);

#define HURRY_SECONDS 1

/* Around what writes to the terminal or the output. Of the signals that are blocked otherwise, a handler calls this. */
void writing_begins(void);
void writing_ends(void);
void writing_hurries(int signal_number);

/* What is done before the process ends in a write; it must be async-signal-safe. NULL: nothing. */
void writing_abandoned_by(void (*abandon)(void));

#endif
