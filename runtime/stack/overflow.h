/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Naming faults at addresses that no code may touch: the guard below a stack, and in strict mode the stack of a parked
 * task. SIGSEGV is handled on an alternate stack, only to report the owner of the address. Then the kernel acts as
 * without sley: it calls the service's handler, or ends the process. Nothing is repaired.
 */
#ifndef STACK_OVERFLOW_H
#define STACK_OVERFLOW_H

#include <stdbool.h>

enum fault_kind { FAULT_UNKNOWN, FAULT_READ, FAULT_WRITE };

struct fault {
	const void *address;
	const void *pc; /* of the faulting instruction; null: unknown */
	const void *sp; /* null: unknown */
	enum fault_kind kind;
};

/* `name` writes a line on stderr about the fault if it knows the address. It must be async-signal-safe. */
void overflow_open(bool (*name)(const struct fault *fault));
void overflow_close(void);

/* Called by the watchdog: after a fault that the service has survived, makes sure that the next fault is named, too. */
void overflow_rearm(void);

/*
 * overflow_thread_enter() gives the calling worker thread an alternate stack, unless it has one. The value of `*place`
 * is passed to overflow_thread_leave().
 */
void overflow_thread_enter(void **place);
void overflow_thread_leave(void *place);

#endif
