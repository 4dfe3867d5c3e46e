/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Copying stack bytes unseen by the sanitizers, and other declarations that only the files of this layer share. */
#ifndef STACK_COPY_H
#define STACK_COPY_H

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"

#ifdef SLEY_VALGRIND
#include <valgrind/memcheck.h>
#endif

/*
 * Copies red zones and other tasks' bytes unchanged, so it is not instrumented. ThreadSanitizer intercepts libc's
 * memcpy().
 */
static inline void stack_copy(void *to, const void *from, size_t n)
{
#if defined(SLEY_TSAN) && defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
	memcpy(to, from, n);
#endif
}

/*
 * Informing memcheck about stacks; no-ops without VALGRIND=1. An image is copied by memcpy(), so memcheck keeps the
 * state of the bytes of a stack. But memcheck follows the stack pointer: it takes the bytes below the sp that ran last
 * for inaccessible, and all bytes above it for live.
 */

/* Registers the whole range of a stack. Returns a number for stack_deregister(), not 0. */
static inline unsigned stack_register(char *low, size_t size)
{
	(void)low, (void)size;
#ifdef SLEY_VALGRIND
	return 1 + VALGRIND_STACK_REGISTER(low, low + size - 1);
#else
	return 0;
#endif
}

static inline void stack_deregister(unsigned number)
{
	(void)number;
#ifdef SLEY_VALGRIND
	if (number != 0)
		VALGRIND_STACK_DEREGISTER(number - 1);
#endif
}

/* Called before live bytes are copied to [low, low + n): some of the range may be below the sp that ran last. */
static inline void stack_expect(char *low, size_t n)
{
	(void)low, (void)n;
#ifdef SLEY_VALGRIND
	(void)VALGRIND_MAKE_MEM_UNDEFINED(low, n);
#endif
}

/* Marks [low, end) as dead: it holds frames of the previous resident. */
static inline void stack_bury(char *low, char *end)
{
	(void)low, (void)end;
#ifdef SLEY_VALGRIND
	if (low < end)
		(void)VALGRIND_MAKE_MEM_NOACCESS(low, (size_t)(end - low));
#endif
}

/* Whether the image is in the reserve of a worker. */
bool stack_reserve_has(const void *image);

/* Takes the worker's reserve for one image; null: it is in use. */
struct stack_worker;
void *stack_reserve_take(struct stack_worker *worker);

/* If the image is in the reserve of a worker, marks that reserve as free. Returns whether it was. */
bool stack_reserve_free(void *image);

#endif
