/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Taking tasks out of the queues of other workers. Called by a worker, the thief. */
#ifndef RUN_STEAL_H
#define RUN_STEAL_H

#include "run/worker.h"

/*
 * Steals from one of the other workers, in an order that begins with a random one: half of its deque, or if that is
 * empty and `with_next` is set, its run-next. One task is returned, the others go into the thief's deque. Null: there
 * is none.
 */
struct task *steal(struct worker *worker, bool with_next);

/* The same from `victim` alone. */
struct task *steal_from(struct worker *worker, struct worker *victim, bool with_next);

/* The same from a worker that is noted as blocked. */
struct task *steal_noted(struct worker *worker);

/*
 * Another worker that probably does not come to its tasks: it is noted as blocked, or has been in one task for long.
 * Null: none is known.
 */
struct worker *steal_find_stuck(struct worker *worker);

#endif
