/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The looker's part of control.h: it writes to the control page. Both answer 0 or -errno. */
#ifndef ASYNCTOP_LEASE_H
#define ASYNCTOP_LEASE_H

#include <stdint.h>

/* Asks for the level until then. */
int lease_store(int page, uint32_t level, int64_t lease_ns);

/* Gives the lease back if it still is this one. */
int lease_release(int page, int64_t lease_ns);

#endif
