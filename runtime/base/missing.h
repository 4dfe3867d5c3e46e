/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls that are not to be had: the kernel does not know them (ENOSYS), or a filter keeps them from the process.
 * The filters of containers answer EPERM to whatever is newer than they are, others what they are told to, EACCES say.
 *
 * Whoever has another way takes it then, and remembers so: a call in vain each time costs more than what it was to save.
 */
#ifndef BASE_MISSING_H
#define BASE_MISSING_H

#include <errno.h>
#include <stdbool.h>

/* For a call that never answers EPERM or EACCES of its own. `error` is positive. */
static inline bool is_missing(int error)
{
	return error == ENOSYS || error == EPERM || error == EACCES;
}

#endif
