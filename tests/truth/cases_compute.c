/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Cases: tasks that compute for long: by their thread's own clock, so that on a busy machine, too, others get the CPU often
 * enough in that time to look at them.
 */
#include "service.h"

#define TIMES   2
#define LONG_NS 700000000
#define REST_NS 200000000 /* so that the end of each is seen before the next */

#define NS(time) ((time).tv_sec * 1000000000LL + (time).tv_nsec)

static volatile uint64_t result;

PLANTED(hog, "computing", .waits = true, .hog = true)
{
	for (int i = 0; i < TIMES; i++) {
		struct timespec t;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		int64_t end = NS(t) + LONG_NS;
		BLOCK(for (; NS(t) < end; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)) result++);
		sley_sleep(sley_in(REST_NS));
	}
}
