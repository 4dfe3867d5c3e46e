/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Contexts: a stack that is not running is one pointer, its lowest live address. What must be kept to go on
 * (callee-saved registers and the return address) lies on the stack itself, so copying [sp, top) moves a whole context.
 *
 * The floating-point control words are left alone: see control.h. The signal mask is the thread's.
 *
 * Backends: x86_64.S, aarch64.S, and ucontext.c over glibc's (make CONTEXT=ucontext, and every other machine).
 */
#ifndef CONTEXT_CONTEXT_H
#define CONTEXT_CONTEXT_H

#include <stddef.h>

#include "base/compiler.h"

struct context {
	void *sp;
};

/*
 * Saves the running context into *from and runs *to. Returns when somebody switches back to *from, perhaps on another
 * thread. `from` must not lie on the stack that is left if that can be copied out meanwhile.
 */
void context_switch(struct context *from, struct context *to);

/*
 * Prepares a context that calls entry() on the stack that ends at `top` (16-byte aligned); `low` is the stack's lowest
 * address. entry must not return. The stack bytes are written: it must be mapped, and nobody else's.
 */
void context_make(struct context *context, void *low, void *top, void (*entry)(void));

#endif
