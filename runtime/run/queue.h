/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Where ready tasks are, and how a worker finds the next one. */
#ifndef RUN_QUEUE_H
#define RUN_QUEUE_H

#include "run/worker.h"

/*
 * Makes a claimed or new task ready. Any thread; no lock of an object may be held by a caller who could be waited
 * for.
 */
void task_ready(struct task *task);

/* The same for a list of them, behind what is ready already. The tasks may run before it returns. */
void task_ready_list(struct task_list *list);

/* As task_ready(), but behind what is ready already: for tasks spawned or woken in bulk. */
void task_ready_last(struct task *task);

/* By the worker, whose empty_due is set: gives its caches back. */
void worker_empty(struct worker *worker);

/* ---- for worker.c ---- */

/* The next task for the worker, which sleeps until there is one. Null: the run is over. */
struct task *queue_find(struct worker *worker);

/* Makes a task that the worker has in its hands ready, behind what is ready already. */
void queue_last(struct worker *worker, struct task *task);

/*
 * A task was granted the slot that the worker's last one left: the task, to be run now; or null: it may not run here,
 * or the worker has run enough of them in a row, and it waits in a queue, holding its slot.
 */
struct task *queue_granted(struct worker *worker, struct task *task);

/* The same by a thread that is no worker: it waits in a queue, holding its slot. */
void queue_granted_outside(struct task *task);

/* Tells tools how many tasks are ready on the worker. By it, or by a thief. */
static inline void queue_publish(struct worker *worker)
{
	unsigned n = deque_length(&worker->deque) + (load(&worker->next, relaxed) != NULL);
	store(&worker->line->queue, n, relaxed);
}

#endif
