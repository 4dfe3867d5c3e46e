/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The argument of a function that runs later: n bytes by value, stored with the call, or a pointer. */
#ifndef SYNC_ARGUMENT_H
#define SYNC_ARGUMENT_H

#include <errno.h>
#include <string.h>

#include <sley.h>

#include "run/report.h"

/* Returns the number of bytes to store. */
static inline size_t argument_size(size_t n)
{
	return n == SLEY_BY_POINTER ? 0 : n;
}

/* Returns 0; -EINVAL: no function, or no bytes; -EFAULT: a pointer into a copying stack. */
static inline int argument_check(const void *fn, const void *arg, size_t n, const char *call)
{
	if (!fn || (!arg && n > 0 && n != SLEY_BY_POINTER))
		return -EINVAL;
	if (n == SLEY_BY_POINTER && stack_is_copying(arg))
		return report_shared(arg, call, "argument", "pass it by value, or put it on the heap");
	return 0;
}

/* Stores the argument in `block`. Returns the pointer for the function. */
static inline void *argument_keep(void *block, const void *arg, size_t n, const char *call)
{
	if (n == SLEY_BY_POINTER)
		return (void *)(uintptr_t)arg;
	if (n == 0)
		return block;
	check_block(arg, n, call, "argument");
	return memcpy(block, arg, n);
}

#endif
