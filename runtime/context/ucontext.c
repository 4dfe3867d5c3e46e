/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Contexts over glibc's ucontext: the portable backend, and a reference for the assembly in the tests. Two system calls
 * for the signal mask make it slow. The signal mask and the floating-point control words belong to the context here.
 *
 * The ucontext_t of a stack that is not running lies on that stack, so that it is copied with it. It points into itself
 * (fpregs); the pointer is valid again when the bytes are back at their addresses.
 */
#include "context/context.h"

#if (!defined(__x86_64__) && !defined(__aarch64__)) || defined(SLEY_CONTEXT_UCONTEXT)

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

/*
 * Below `here` lies only the compiler's part of the frame of context_switch(); swapcontext() has no frame of its own.
 * That part is far smaller than FRAME_SLACK. The compiler does not tell its size, so tests/unit/context/context.c
 * clobbers all bytes below sp between switches, in each of the builds.
 */
enum { FRAME_SLACK = 512 }; /* an enum, not a macro: tools/gdb finds it in the debug information */

static void *low_end(ucontext_t *here)
{
	return (void *)((uintptr_t)here - FRAME_SLACK);
}

static ucontext_t *ucontext_of(struct context *context)
{
	return (ucontext_t *)((uintptr_t)context->sp + FRAME_SLACK);
}

NOINLINE void context_switch(struct context *from, struct context *to)
{
	ucontext_t here;
	from->sp = low_end(&here);
	swapcontext(&here, ucontext_of(to));
}

/*
 * Ends the chain of frame pointers: getcontext() saved the caller's frame pointer, and a walk must not go on into its
 * frames.
 */
static void end_frame_chain(ucontext_t *first)
{
#if defined(__x86_64__)
	first->uc_mcontext.gregs[REG_RBP] = 0;
#elif defined(__aarch64__)
	first->uc_mcontext.regs[29] = 0;
#else
	(void)first;
#endif
}

/*
 * Marks the end of every call chain. gdb does not recognise glibc's own mark: it looks up the instruction before a
 * return address, and there is none before the first instruction of a function.
 */
NOINLINE NORETURN static void context_entry(void (*entry)(void))
{
#if defined(__x86_64__)
	__asm__ volatile(".cfi_undefined rip");
#elif defined(__aarch64__)
	__asm__ volatile(".cfi_undefined x30");
#endif
	entry();
	abort();
}

void context_make(struct context *context, void *low, void *top, void (*entry)(void))
{
	/* the ucontext_t at the top, the stack proper below it: setcontext() may run on [low, sp) */
	uintptr_t place = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
	ucontext_t *first = (ucontext_t *)place;
	getcontext(first);
	first->uc_stack.ss_sp = low;
	first->uc_stack.ss_size = place - FRAME_SLACK - (uintptr_t)low;
	first->uc_link = NULL;
	end_frame_chain(first);
	makecontext(first, (void (*)(void))context_entry, 1, entry);
	context->sp = low_end(first);
}

#endif
