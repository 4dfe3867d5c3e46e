/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is done for a task that has left its stack, by whoever runs on the worker then. */
#ifndef RUN_LAND_H
#define RUN_LAND_H

#include "run/queue.h"
#include "run/starved.h"
#include "run/worker.h"

/*
 * Called on another stack when the task has left its own, the slot. Returns the task to which its slot was granted, or
 * null. A task that waits may run elsewhere from here on: this worker must not touch it.
 */
static ALWAYS_INLINE struct task *leave_slot(struct slot *slot, struct task *task, enum after after)
{
	if (after == AFTER_KEPT) {
		DCHECK(!slot_has_waiters(slot));
		task->flags |= TASK_GRANTED;
		return NULL;
	}
	slot_hide(slot);
	struct tenant *granted = slot_release(slot);
	return unlikely(granted) ? task_of(granted) : NULL;
}

/* The end of a task is published when it has nothing to do with its stack any more: its entry may be in use again then. */
static ALWAYS_INLINE void slot_ended(struct worker *worker, struct slot *slot, struct task *task)
{
	slot_put(&worker->stack, slot);
	sched_hooks.task_end(worker, task);
	starved_retry(slot);
}

/* land_partner() for a task that has ended. */
void land_ended(struct worker *worker, struct task *task);

/*
 * Called by the task that came in, whose turn has just begun: does the rest for the task that switched to it directly.
 * `record`: its own.
 */
static ALWAYS_INLINE void land_partner(struct worker *worker, const struct sley_region_task *record)
{
	struct task *task = worker->left;
	enum after after = worker->after;
	worker->left = NULL;
	if (after == AFTER_END) {
		land_ended(worker, task);
		return;
	}
	struct task *granted = leave_slot(task->tenant.slot, task, after);
	if (unlikely(granted != NULL))
		queue_granted(worker, granted, false);
	if (after == AFTER_YIELD || after == AFTER_KEPT)
		queue_yielded(worker, task, load(&record->since_ns, relaxed));
}

#endif
