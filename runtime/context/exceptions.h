/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Which C++ exceptions are being handled, and how many are on their way to a handler: libstdc++ and libc++abi keep that
 * in thread-locals, and it belongs to the task. The layout is the C++ ABI's (Itanium, 2.2.2), which lets runtimes like
 * this one exchange it.
 */
#ifndef CONTEXT_EXCEPTIONS_H
#define CONTEXT_EXCEPTIONS_H

#include <stdbool.h>

#include "base/compiler.h"

struct exceptions {   /* __cxa_eh_globals */
	void *caught; /* the stack of those that are being handled; on the heap */
	unsigned uncaught;
};

/* Looks for the C++ library. Before a run, whose threads then find what they have. */
void exceptions_open(void);

/* The calling thread's, while it lives. Without a C++ library one that stays empty. */
struct exceptions *exceptions_here(void);

static inline bool exceptions_none(const struct exceptions *exceptions)
{
	return likely(!exceptions->caught && exceptions->uncaught == 0);
}

#endif
