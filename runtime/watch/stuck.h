/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Who keeps a slot that others wait for: a task that blocks its thread in the kernel, or computes, keeps its stack, and
 * its co-tenants cannot run. If what it waits for only one of these can give, for ever.
 */
#ifndef WATCH_STUCK_H
#define WATCH_STUCK_H

#include "run/worker.h"

/* The task that runs on the slot at this moment, and where; null: none. Any thread, but for the slots of the range only. */
struct worker *hold_worker(const struct slot *slot);

/* The slot of a task, if it lies in the range; else null. Any thread. */
struct slot *hold_slot(struct task *task);

/*
 * By the watchdog, for each worker at each look: `same`, it has been in the same task since the last one. Says on stderr,
 * once for each spawn site, that a task has kept its slot for long while others wait for it, and counts it.
 */
void stuck_look(struct worker *worker, bool same, int64_t now);

/* What is long; for tests. Nanoseconds; atomic. */
extern int64_t hold_long;

#endif
