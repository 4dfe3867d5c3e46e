/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

/* How many CPUs this process may keep busy: the affinity mask, and the cgroup's CPU quota rounded up. At least 1. */
unsigned cpus_available(void);

#endif
