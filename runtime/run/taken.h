/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that a worker takes out of another one's queue, and the times at which they are begun: so tools know how long a
 * block of that other worker has delayed them (struct sley_region_worker).
 *
 * A task that is taken carries the number of the worker and the low bits of its tick then. A task that is begun counts
 * for that worker if the tick is still the same: only a worker that is in one task for long has others begin what it
 * left. A tick that has gone on by a multiple of 32 meanwhile is taken for the same one: one task is counted too much
 * then, if that worker is blocked at that moment.
 *
 * A task that is taken out of a second queue counts as begun for the first one: it is late because of the second from
 * then on.
 *
 * Rejected: the worker that made a task ready, in the task. A queue also has tasks that were made ready elsewhere, out
 * of the global queue or stolen before, and what a worker makes ready is not in its queue for ever.
 */
#ifndef RUN_TAKEN_H
#define RUN_TAKEN_H

#include "run/worker.h"

/* Called by a thief, to whom the tasks belong, with the tick that `victim` had before. */
void taken_note(struct worker *victim, uint64_t tick, struct task *const *tasks, unsigned n);

/* A task whose `taken` is not 0 is begun, or taken out of another queue. */
void taken_begin(struct task *task);

#endif
