/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Detects a slot that is held for long while others wait for it. A task that blocks its thread in the kernel, or
 * computes, keeps its slot, and its co-tenants cannot run. If only a co-tenant could end the block, it lasts for ever.
 * The same holds for its thread, and tasks that are pinned to that.
 * Detects also tasks that keep their workers at the end of a run.
 */
#ifndef WATCH_STUCK_H
#define WATCH_STUCK_H

#include "run/worker.h"

/*
 * Returns the worker that runs a task on the slot at this moment; null: none. Only for slots of the range. Any thread.
 */
struct worker *hold_worker(const struct slot *slot);

/* Returns the slot of a task if it lies in the range, else null. Any thread. */
struct slot *hold_slot(struct task *task);

/*
 * Called by the watchdog, for each worker at each look. `same`: the worker is in the same task as at the last look. If
 * a task has kept its slot or its thread for long while others wait for it, the call counts this, and reports it on
 * stderr once per spawn site.
 */
void stuck_look(struct worker *worker, bool same, int64_t now);

/*
 * After these looks: the number of workers whose tasks have been blocked in the kernel for long, if one of them keeps a
 * slot or a thread that others wait for; else 0, and 0 after stuck_deadlock() in this run. By the watchdog.
 */
unsigned stuck_blocked(int64_t now);

/*
 * No worker can run anything until one of these comes back: counts this, and names on stderr those that keep what
 * others want, and the tasks that wait for it. It may be a deadlock that no spare can end, or a block that ends by itself. By the watchdog.
 */
void stuck_deadlock(int64_t now);

/*
 * Called by the watchdog, for each worker at each look while the run is to end, which it cannot while a task keeps the
 * worker. After end_long this is reported on stderr, once per worker. stuck_open() is called when a run begins.
 */
void stuck_end_look(struct worker *worker, int64_t now);
void stuck_open(void);

/* Time in ns after which a held slot, and a worker at the end of the run, is reported; set by tests. Atomic. */
extern int64_t hold_long, end_long;

#endif
