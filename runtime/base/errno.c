/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* errno for code that runs on tasks: see sley.h, which redefines the macro. */
#include <sley.h>

#include "base/compiler.h"

/*
 * Never inlined, and with a barrier inside: if the compiler merged two calls across a wait, the task would use the
 * errno of its old thread.
 */
NOINLINE int *sley_errno_location(void)
{
	COMPILER_BARRIER();
	return __errno_location();
}
