/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The state of C++ exceptions: those being handled, and the number of those on their way to a handler. libstdc++ and
 * libc++abi keep it in thread-locals, but it belongs to the task. The layout is the C++ ABI's (Itanium, 2.2.2), which
 * allows runtimes like this one to exchange the state.
 */
#ifndef CONTEXT_EXCEPTIONS_H
#define CONTEXT_EXCEPTIONS_H

#include <stdbool.h>

#include "base/compiler.h"

struct exceptions {   /* __cxa_eh_globals */
	void *caught; /* the stack of exceptions that are being handled; on the heap */
	unsigned uncaught;
};

/* Looks for the C++ library. Called before a run, so that all threads of the run use the result. */
void exceptions_open(void);

/* The calling thread's state, valid while the thread lives. Without a C++ library, a state that stays empty. */
struct exceptions *exceptions_here(void);

static inline bool exceptions_none(const struct exceptions *exceptions)
{
	return likely(((uintptr_t)exceptions->caught | exceptions->uncaught) == 0);
}

#endif
