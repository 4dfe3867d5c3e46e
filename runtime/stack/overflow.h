/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Catching who touches what no code may: the guard below a stack, and in strict mode a stack whose task is parked.
 * SIGSEGV is handled on an alternate stack to say whose it was, and for that alone; whatever the fault, the kernel then
 * does what it had done without sley: it calls the service's handler, or ends the process. Nothing is repaired.
 */
#ifndef STACK_OVERFLOW_H
#define STACK_OVERFLOW_H

#include <stdbool.h>

enum fault_kind { FAULT_UNKNOWN, FAULT_READ, FAULT_WRITE };

struct fault {
	const void *address;
	const void *pc; /* of the instruction; null: unknown */
	const void *sp; /* null: unknown */
	enum fault_kind kind;
};

/* `name` writes a line on stderr about the fault if it knows something of its address. Signal-safe. */
void overflow_open(bool (*name)(const struct fault *fault));
void overflow_close(void);

/* By the watchdog: after a fault that the service has survived, the next one is named again. */
void overflow_rearm(void);

/* Gives the calling worker thread an alternate stack, unless it has one. `*place` is to be passed to the other. */
void overflow_thread_enter(void **place);
void overflow_thread_leave(void *place);

#endif
