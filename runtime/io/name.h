/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef IO_NAME_H
#define IO_NAME_H

#include <sley/name.h>
#include <stdbool.h>

/* sley_resolve() of the calling task, for the call at `pc`. The arguments are checked, *result is null. */
int name_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		 sley_time deadline, const void *pc);

/* Whether they are short enough: 0 or -ENAMETOOLONG. Either may be null. */
int name_check(const char *host, const char *service);

/* The run is over: frees all answers, whoever had them. */
void names_close(void);

/* How many answers are kept. */
#define NAMES_MOST 256

/* For tests: added to the time, and how many answers there are. Atomic. */
extern int64_t names_test_later;
extern unsigned names_count;

#endif
