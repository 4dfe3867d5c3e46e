/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Contexts. The context of a stack that is not running is one pointer, the stack's lowest live address. The state to
 * resume (callee-saved registers and the return address) lies on the stack itself, so copying [sp, top) moves a whole
 * context.
 *
 * context_switch() does not touch the floating-point control words: see control.h. The signal mask belongs to the
 * thread.
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
 * Saves the running context into *from and runs *to. Returns when a thread, perhaps another one, switches back to
 * *from. If the stack of the running context can be copied out meanwhile, `from` must not lie on it.
 */
void context_switch(struct context *from, struct context *to);

/*
 * Prepares a context that calls entry() on the stack that ends at `top` (16-byte aligned); `low` is the stack's lowest
 * address. entry() must not return. The stack must be mapped and unused, because this writes to it.
 */
void context_make(struct context *context, void *low, void *top, void (*entry)(void));

#endif
