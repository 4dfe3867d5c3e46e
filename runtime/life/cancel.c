/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_cancel() and the mask. task/wait.h has the protocol. */
#include <errno.h>

#include "run/queue.h"
#include "run/thread.h"
#include "run/worker.h"

static int cancel_task(sley_task id)
{
	struct task *target = task_find(id);
	if (!target)
		return -ESRCH;
	int error = 0;
	bool claimed = false;
	lock_take(&target->lock);
	if ((sley_task)target->id != id || target->fate & TASK_UNUSED)
		error = -ESRCH;
	else if (!(target->fate & TASK_ENDED))
		claimed = wait_cancel(target);
	lock_drop(&target->lock);
	if (claimed)
		task_ready_last(target);
	return error;
}

int sley_cancel(sley_task id)
{
	int error = thread_visit();
	if (error)
		return error;
	error = cancel_task(id);
	thread_depart();
	return error;
}

int sley_cancelled(void)
{
	struct task *task = task_self();
	return task && load(&task->claim, relaxed) & CLAIM_CANCEL;
}

int sley_cancel_mask(int masked)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	uint64_t old = masked ? fetch_or(&task->claim, CLAIM_MASKED, relaxed)
			      : fetch_and(&task->claim, ~CLAIM_MASKED, relaxed);
	return (old & CLAIM_MASKED) != 0;
}
