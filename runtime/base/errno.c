/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* errno for code that runs on tasks: see sley.h, which redefines the macro. */
#include <sley.h>

#include "base/compiler.h"

/*
 * Never inlined, and a barrier inside: a compiler that merges two calls across a wait would keep the old thread's
 * errno.
 */
NOINLINE int *sley_errno_location(void)
{
	COMPILER_BARRIER();
	return __errno_location();
}
