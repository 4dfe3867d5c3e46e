/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Wait group: a count, and the list of tasks that wait until it is zero. */
#include <errno.h>

#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"

int sley_group_add(struct sley_group *group, int64_t n)
{
	struct task_list list = { 0 };
	int64_t sum;
	int error = check_object(group, "sley_group_add", "group");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&group->lock));
	if (__builtin_add_overflow(group->count, n, &sum) || sum < 0) {
		error = -EINVAL;
	} else {
		group->count = sum;
		if (sum == 0)
			wait_pop_all(&group->waiters, CLAIM_EVENT, &list);
	}
	lock_drop(lock_of(&group->lock));
	task_ready_list(&list);
	thread_depart();
	return error;
}

int sley_group_done(struct sley_group *group)
{
	return sley_group_add(group, -1);
}

static int wait_for_zero(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_group *group = object;
	(void)unused;
	lock_take(lock_of(&group->lock));
	if (group->count == 0) {
		lock_drop(lock_of(&group->lock));
		return 0;
	}
	return park_in(&group->waiters, task, lock_of(&group->lock), SLEY_WAIT_GROUP, (uint64_t)(uintptr_t)group,
		       deadline, pc);
}

int sley_group_wait(struct sley_group *group, sley_time deadline)
{
	int error = check_object(group, "sley_group_wait", "group");
	return error ? error : park_call(wait_for_zero, group, 0, deadline, __builtin_return_address(0));
}
