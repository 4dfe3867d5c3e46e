/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sleeping and waking of workers. */
#ifndef RUN_IDLE_H
#define RUN_IDLE_H

#include "run/worker.h"

void idle_open(void);
void idle_notify(void);                   /* there is new work that any worker can do */
void idle_notify_worker(struct worker *); /* there is work that only this one can do */
bool idle_wait(struct worker *);          /* sleeps until there is work, or a reason to look; true: as the poller */
bool idle_spin_begin(struct worker *);    /* whether to search actively */
void idle_spin_end(struct worker *, bool found);
void idle_wake_all(void);
uint64_t idle_changes(void); /* times that a worker fell asleep, woke or was woken */
/*
 * On a worker's own stack: it has slept, or may have; its last stamp is old. Before it takes out anything that woke it.
 */
void worker_slept(void);
void idle_leave(struct worker *);               /* its sleep is over, and its hands may be full from here on */
bool idle_without_poller(void);                 /* some sleep, and none of them in the reactor */
void idle_replace_poller(struct worker *);      /* it was the poller, and has found a task to run */
extern int64_t idle_stay_quick, idle_stay_rare; /* ns, see idle.c; atomic; tests change them */

static inline unsigned idle_count(void)
{
	/* seq_cst: pairs with idle_wait(), which looks for what was handed over; for free where loads are ordered */
	return load(&scheduler.sleeping, seq_cst);
}

#endif
