/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: tasks that compute for long. */
#include "service.h"

#define TIMES   2
#define LONG_NS 700000000
#define REST_NS 200000000 /* so that the end of each is seen before the next */

static volatile uint64_t result;

PLANTED(hog, "computing", .waits = true, .hog = true)
{
	for (int i = 0; i < TIMES; i++) {
		int64_t end = sley_now() + LONG_NS;
		BLOCK(while (sley_now() < end) result++);
		sley_sleep(sley_in(REST_NS));
	}
}
