/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The looker's part of look_throttled(): how the kernel throttles the cgroup of a process, which has used up its quota of CPU. */
#ifndef ASYNCTOP_THROTTLE_H
#define ASYNCTOP_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_CGROUP 128

/* Of the cgroup and those that it is in, since they exist. */
struct throttled {
	uint64_t periods;             /* in which they were throttled; 0: never */
	uint64_t ns;                  /* for so long */
	char cgroup[THROTTLE_CGROUP]; /* the one that was throttled for longest: the end of its path */
};

/* `dir` is a descriptor of /proc/PID. False: it is not known. */
bool throttle_read(int dir, struct throttled *out);

#endif
