/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Copying stack bytes behind the sanitizers' backs, and what else only the files of this layer share. */
#ifndef STACK_COPY_H
#define STACK_COPY_H

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"

#ifdef SLEY_ASAN
#include <sanitizer/asan_interface.h>
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

/* A stack that is left for good may hold the red zones of frames that never returned. */
static inline void stack_unpoison(char *low, char *top)
{
#ifdef SLEY_ASAN
	__asan_unpoison_memory_region(low, (size_t)(top - low));
#else
	(void)low, (void)top;
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
