/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Copying stack bytes behind the sanitizers' backs, and what else only the files of this layer share. */
#ifndef STACK_COPY_H
#define STACK_COPY_H

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"

#ifdef SLEY_VALGRIND
#include <valgrind/memcheck.h>
#endif

/* Not instrumented: it moves red zones and other tasks' bytes as they are. Under TSan libc's memcpy is intercepted. */
static inline void stack_copy(void *to, const void *from, size_t n)
{
#if defined(SLEY_TSAN) && defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
	memcpy(to, from, n);
#endif
}

/*
 * What memcheck has to be told of stacks; nothing without VALGRIND=1. It knows of the bytes of an image what it knew of
 * them on the stack, as they are moved by memcpy(). But it follows the stack pointer, and so holds what lies below the
 * one that ran last for inaccessible, and all above it for live.
 */

/* A stack's whole range: a number to forget it by, not 0. */
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

/* Live bytes are about to be copied to [low, low + n), some of which may be below the pointer that ran last. */
static inline void stack_expect(char *low, size_t n)
{
	(void)low, (void)n;
#ifdef SLEY_VALGRIND
	(void)VALGRIND_MAKE_MEM_UNDEFINED(low, n);
#endif
}

/* Nobody's bytes: the frames of who was there before. */
static inline void stack_bury(char *low, char *end)
{
	(void)low, (void)end;
#ifdef SLEY_VALGRIND
	if (low < end)
		(void)VALGRIND_MAKE_MEM_NOACCESS(low, (size_t)(end - low));
#endif
}

/* Whether the image is in a worker's reserve. */
bool stack_reserve_has(const void *image);

/* The worker's reserve, for one image; null: it is in use. */
struct stack_worker;
void *stack_reserve_take(struct stack_worker *worker);

/* If the image is in a worker's reserve, that is empty again: true. */
bool stack_reserve_free(void *image);

#endif
