/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The user of a process. */
#ifndef ASYNCTOP_USER_H
#define ASYNCTOP_USER_H

#include <sys/types.h>

/* The number of its user, or -1. */
long user_of(pid_t pid);

#endif
