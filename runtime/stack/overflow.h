/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Naming the task whose stack overflowed. SIGSEGV is handled on an alternate stack for that alone; whatever the
 * fault, it then goes to the handler that the service had, or kills the process as ever. Nothing is repaired.
 */
#ifndef STACK_OVERFLOW_H
#define STACK_OVERFLOW_H

#include <stdbool.h>

/* `name` writes a line on stderr about the fault at `address` if that is a guard of a task's stack. Signal-safe. */
void overflow_open(bool (*name)(const void *address));
void overflow_close(void);

/* Gives the calling worker thread an alternate stack, unless it has one. `*place` is to be passed to the other. */
void overflow_thread_enter(void **place);
void overflow_thread_leave(void *place);

#endif
