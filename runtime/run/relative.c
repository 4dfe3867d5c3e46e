/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/relative.h"

#ifdef SLEY_DEBUG

#include "base/clock.h"
#include "run/place.h"
#include "run/report.h"

int64_t relative_most = 3600 * NS_PER_SEC;

void relative_check(const struct task *task, sley_time deadline, const void *pc)
{
	static told_sites told;
	char who[TASK_TEXT], place[PLACE], command[PLACE_COMMAND];
	if (deadline <= 0 || deadline >= relative_most || clock_now() < relative_most ||
	    !report_first_time(told, task->site))
		return;
	complain(
		"%s, waits at %s until %lld ms after the machine was booted, a time that is long over, so it does not wait. A "
		"deadline is a point in time, not a duration: write sley_in(SLEY_MS(%lld))%s",
		task_text(who, task->id, task->site), place_of(place, pc), (long long)(deadline / NS_PER_MS),
		(long long)(deadline / NS_PER_MS), place_command(command, pc, NULL));
}

#endif
