/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

/*
 * The number of CPUs this process may keep busy: the smaller of its affinity mask and its cgroup's CPU quota, rounded
 * up. At least 1.
 */
unsigned cpus_available(void);

#endif
