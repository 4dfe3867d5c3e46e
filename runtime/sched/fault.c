/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sched/fault.h"

#include <errno.h>

#include "base/check.h"
#include "sched/worker.h"

/* One bit per spawn site that has been told. Atomic. */
static uint64_t told[SLEY_REGION_SITES / 64];

int fault_report(const void *p, const char *call, const char *what, const char *remedy)
{
	struct task *task = task_self();
	uint32_t site = task ? task->site : 0;
	uint64_t bit = (uint64_t)1 << site % 64;
	count_here(SLEY_COUNTER_faults, 1);
	if (fetch_or(&told[site / 64], bit, relaxed) & bit)
		return -EFAULT;
	const struct sley_region_site *place = &region.sites[site];
	struct sley_region_task *record = task ? task_record(task) : NULL;
	complain("%s: the %s %p lies on a copying stack, where it is no longer when its task is parked "
		 "(task %lld%s%.*s, spawned at %s:%u as %s): %s",
		 call, what, p, task ? (long long)task->id : 0LL, record && record->name[0] ? " " : "", 16,
		 record ? record->name : "", place->file, place->line, place->entry, remedy);
	return -EFAULT;
}
