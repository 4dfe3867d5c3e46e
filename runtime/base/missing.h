/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls that are not available: the kernel does not know the call (ENOSYS), or a filter forbids it. The filters
 * of containers answer EPERM to calls newer than themselves. Other filters answer any configured errno value, for
 * example EACCES.
 *
 * A caller that has a fallback uses it from then on and remembers the answer: a failing call each time would cost more
 * than the call was meant to save.
 */
#ifndef BASE_MISSING_H
#define BASE_MISSING_H

#include <errno.h>
#include <stdbool.h>

/* For calls that never fail with EPERM or EACCES for other reasons. `error` is positive. */
static inline bool is_missing(int error)
{
	return error == ENOSYS || error == EPERM || error == EACCES;
}

#endif
