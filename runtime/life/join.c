/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "life/join.h"

#include <errno.h>

#include "life/spawn.h"

/* Returns the task, with its lock held; null: *error. */
static struct task *lock_target(sley_task id, int *error)
{
	struct task *target = task_find(id);
	*error = (sley_task)task_self()->id == id ? -EDEADLK : target ? 0 : -ESRCH;
	if (*error)
		return NULL;
	lock_take(&target->lock);
	return target;
}

static uint32_t own_joiner(void)
{
	return task_index(task_self()) + 1;
}

bool join_ready(sley_task id)
{
	int error;
	struct task *target = lock_target(id, &error);
	if (!target)
		return true;
	bool ready = join_check(target, id) != 0 || target->fate & TASK_ENDED;
	lock_drop(&target->lock);
	return ready;
}

int join_try(sley_task id)
{
	int error;
	struct task *target = lock_target(id, &error);
	if (!target)
		return error;
	error = join_check(target, id);
	if (error == 0 && !(target->fate & TASK_ENDED))
		error = -EAGAIN;
	if (error == 0)
		task_free_locked(&worker_self()->tasks, target);
	else
		lock_drop(&target->lock);
	return error;
}

int join_link(sley_task id)
{
	int error;
	struct task *target = lock_target(id, &error);
	if (!target)
		return error;
	/* the task itself is the joiner if it lists the id twice */
	bool twice = (sley_task)target->id == id && target->joiner == own_joiner();
	error = twice ? 0 : join_check(target, id);
	if (error == 0 && target->fate & TASK_ENDED)
		error = -EAGAIN;
	if (error == 0)
		target->joiner = own_joiner();
	lock_drop(&target->lock);
	return error;
}

/*
 * The end of a task whose joiner it could claim detaches the task, which was not detached before (join_link()). If the claim
 * came too late, the task has ended like one that nobody joins: since then another task may have joined it, and the entry be
 * another task's, with another id.
 */
bool join_unlink(sley_task id)
{
	struct task *target = task_find(id);
	lock_take(&target->lock);
	bool same = (sley_task)target->id == id && !(target->fate & TASK_UNUSED);
	if (same && target->fate & TASK_ENDED && target->fate & TASK_DETACHED) {
		task_free_locked(&worker_self()->tasks, target);
		return true;
	}
	if (same && target->joiner == own_joiner())
		target->joiner = 0;
	lock_drop(&target->lock);
	return false;
}
