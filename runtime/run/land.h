/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is done for a task that has left its stack, by whoever runs on the worker then. */
#ifndef RUN_LAND_H
#define RUN_LAND_H

#include "run/queue.h"
#include "run/worker.h"

/*
 * Called on another stack when the task has left its own, the slot. Returns the task to which its slot was granted, or
 * null. A task that waits may run elsewhere from here on: this worker must not touch it.
 */
static ALWAYS_INLINE struct task *leave_slot(struct slot *slot, struct task *task, enum after after)
{
	if (after == AFTER_YIELD && likely(slot_is_single(slot))) {
		DCHECK(!slot_has_waiters(slot));
		task->flags |= TASK_GRANTED;
		return NULL;
	}
	slot_hide(slot);
	struct tenant *granted = slot_release(slot);
	return unlikely(granted) ? task_of(granted) : NULL;
}

/* Called by the task that came in, whose turn has just begun: does the rest for the task that switched to it directly. */
static ALWAYS_INLINE void land_partner(struct worker *worker)
{
	struct task *task = worker->left;
	enum after after = worker->after;
	worker->left = NULL;
	struct task *granted = leave_slot(task->tenant.slot, task, after);
	if (unlikely(granted != NULL))
		queue_granted(worker, granted, false);
	if (after == AFTER_YIELD)
		queue_yielded(worker, task, region_times() ? load(&task_record(worker->task)->since_ns, relaxed) : 0);
}

#endif
