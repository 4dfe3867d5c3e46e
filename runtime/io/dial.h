/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef IO_DIAL_H
#define IO_DIAL_H

#include <stdint.h>

/* The delay between two attempts to connect, in ns. Atomic; tests change it. */
extern int64_t dial_attempt_delay;

#endif
