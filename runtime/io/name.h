/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef IO_NAME_H
#define IO_NAME_H

#include <sley/name.h>
#include <stdbool.h>

/* sley_resolve() for the calling task and the call at `pc`. The arguments are checked already, and *result is null. */
int name_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		 sley_time deadline, const void *pc);

/* Checks the lengths. Returns 0 or -ENAMETOOLONG. Both arguments may be null. */
int name_check(const char *host, const char *service);

/* Called after the run: frees all answers, regardless of their holders. */
void names_close(void);

/* Largest number of cached answers. */
#define NAMES_MOST 256

/* For tests: a time added to the clock, and the number of answers. Atomic. */
extern int64_t names_test_later;
extern unsigned names_count;

#endif
