/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The quota is read at the two places where a container sees it: the root of its cgroup namespace (v2 cpu.max, v1
 * cfs_quota_us), and the process's own v2 group.
 */
#include "base/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static unsigned affinity(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

/* Reads up to two numbers from a file and returns their count ("max" is not a number). */
static int read_numbers(const char *path, long long *a, long long *b)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	int n = fscanf(f, "%lld %lld", a, b);
	fclose(f);
	return n < 0 ? 0 : n;
}

static unsigned quota_of(long long quota, long long period)
{
	return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

/* The CPU limit of a v2 group, rounded up; 0: no limit. */
static unsigned group_quota(const char *group)
{
	char path[512];
	long long quota, period;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", group);
	return read_numbers(path, &quota, &period) == 2 ? quota_of(quota, period) : 0;
}

static unsigned own_group_quota(void)
{
	char line[400];
	unsigned result = 0;
	FILE *f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "0::", 3) == 0)
			result = group_quota(line + 3);
	}
	fclose(f);
	return result;
}

static unsigned v1_quota(void)
{
	long long quota = 0, period = 0, unused;
	read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, &unused);
	read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &unused);
	return quota_of(quota, period);
}

unsigned cpus_available(void)
{
	unsigned n = affinity();
	unsigned quotas[] = { group_quota(""), own_group_quota(), v1_quota() };
	for (unsigned i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		if (quotas[i] > 0 && quotas[i] < n)
			n = quotas[i];
	}
	return n;
}
