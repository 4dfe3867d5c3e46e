/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Whether somebody wants something of asynctop: a signal asks it to end, or a key waits. What may take long, however many
 * processes there are and whatever they do, asks between its parts and leaves the rest undone.
 */
#ifndef ASYNCTOP_INTERRUPT_H
#define ASYNCTOP_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* From now on: by these signals, which are blocked, and by input on a descriptor; -1: none. */
void interrupt_by(const sigset_t *signals, int input);

bool interrupted(void);

#endif
