/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sleeping and waking of workers. */
#ifndef RUN_IDLE_H
#define RUN_IDLE_H

#include "run/worker.h"

void idle_open(void);
void idle_notify(void);                   /* called when there is new work that any worker can do */
void idle_notify_worker(struct worker *); /* called when there is work that only this worker can do */
bool idle_wait(struct worker *);          /* sleeps until there is work, or a reason to look; true: it was the poller */
bool idle_spin_begin(struct worker *);    /* whether the worker should search actively */
void idle_spin_end(struct worker *, bool found);
void idle_wake_all(void);
uint64_t idle_changes(void); /* number of times that a worker fell asleep, woke or was woken */
/*
 * Called on a worker's own stack after it has slept, or may have: its last stamp is old. Called before the worker takes
 * out the work that woke it.
 */
void worker_slept(void);
void idle_leave(struct worker *);               /* ends its sleep; it may hold work from here on */
bool idle_without_poller(void);                 /* some workers sleep, and none of them in the reactor */
void idle_replace_poller(struct worker *);      /* called when it was the poller and has found a task to run */
extern int64_t idle_stay_quick, idle_stay_rare; /* ns, see idle.c; atomic; tests change them */

static inline unsigned idle_count(void)
{
	/* seq_cst: pairs with idle_wait(), which looks at handed-over tasks; free where loads are ordered */
	return load(&scheduler.sleeping, seq_cst);
}

#endif
