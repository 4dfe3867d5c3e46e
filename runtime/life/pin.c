/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that stay on their thread for a while. Such a task is like one that was spawned pinned, but its worker may be a
 * spare. So a worker counts these tasks, and its thread does not end before they have moved on: the tasks change the
 * count only while the worker runs them, and a thread is ended only while it sleeps.
 */
#include "life/pin.h"

#include "run/park.h"

static void pin(struct worker *worker, struct task *task, bool pinned)
{
	const uint8_t both = TASK_PINNED | TASK_KEPT;
	task->flags = (uint8_t)(pinned ? task->flags | both : task->flags & ~both);
	store(&worker->kept, pinned ? worker->kept + 1 : worker->kept - 1, relaxed);
}

void pin_end(struct worker *worker, struct task *task)
{
	pin(worker, task, false);
}

int sley_pin(int pinned)
{
	struct worker *worker = worker_self();
	struct task *task = worker ? worker->task : NULL;
	if (!task)
		return outside_error();
	bool was = task->flags & TASK_PINNED, kept = task->flags & TASK_KEPT;
	if (pinned ? !was : kept)
		pin(worker, task, pinned);
	return was;
}
