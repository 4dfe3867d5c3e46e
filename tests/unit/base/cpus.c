/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* How many CPUs may be used. The quota of a cgroup cannot be set here without changing the machine; the mask can. */
#include "base/cpus.h"

#include "tests/test.h"

#include <sched.h>

/* At least one, at most as many as the affinity mask has; with a mask of one it is one. */
TEST(affinity)
{
	cpu_set_t all, one;
	int first = 0;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_in_range(cpus_available(), 1, (unsigned)CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(cpus_available(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}
