/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/land.h"

NOINLINE void land_ended(struct worker *worker, struct task *task)
{
	struct slot *slot = task->tenant.slot;
	slot_leave(&task->tenant);
	struct task *granted = leave_slot(slot, task, AFTER_END);
	if (unlikely(granted != NULL))
		queue_granted(worker, granted, false);
	slot_ended(worker, slot, task);
}
