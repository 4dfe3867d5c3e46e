/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sleeping and waking of workers. */
#ifndef RUN_IDLE_H
#define RUN_IDLE_H

#include "run/worker.h"

void idle_open(unsigned workers);         /* this number of workers is awake */
void idle_notify(void);                   /* called when there is new work that any worker can do */
void idle_notify_worker(struct worker *); /* called when there is work that only this worker can do */
bool idle_wait(struct worker *); /* sleeps until there is work for it, or a reason to look; true: it was the poller */
bool idle_spin_begin(struct worker *); /* whether the worker should search actively */
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

/* Of a surplus worker with empty queues: sleeps until it is needed. False: it is no surplus any more, and has not slept. */
bool idle_step_back(struct worker *);

void idle_add(struct worker *);  /* a spare is about to start: it is awake */
void idle_drop(struct worker *); /* it could not be started */
bool idle_end(struct worker *);  /* a spare that sleeps, and is not the poller, is to end: it counts no more */
void idle_wake(void);            /* wakes one, if fewer than `target` run */
void idle_wake_unlocked(void);   /* wakes one that sleeps, without a lock and by one system call */
void idle_recall(struct worker *, bool locks); /* wakes this one, if it sleeps; `locks`: it may take a lock for that */
bool idle_has_poller(void);
const void *idle_poller_place(void); /* of a word that is null while no worker is in the reactor, for an eBPF program */

static inline unsigned idle_count(void)
{
	/* seq_cst: pairs with idle_wait(), which looks at handed-over tasks; free where loads are ordered */
	return load(&scheduler.sleeping, seq_cst);
}

/* Workers that are not in the idle list; those that are noted as blocked are among them. */
static inline unsigned idle_awake(void)
{
	return load(&scheduler.started, relaxed) - load(&scheduler.sleeping, seq_cst);
}

/* Whether a worker sleeps that may be woken for new work: fewer than `target` run (see blocked.h). */
static inline bool idle_may_wake(void)
{
	unsigned sleeping = idle_count();
	return sleeping > 0 &&
	       load(&scheduler.started, relaxed) < scheduler.target + sleeping + load(&scheduler.blocked, seq_cst);
}

/* Whether each worker sleeps or is noted. */
static inline bool idle_none_runs(void)
{
	return idle_awake() <= load(&scheduler.blocked, seq_cst);
}

/* Whether more than `target` run. relaxed: a guess, which idle_step_back() confirms with the lock held. */
static inline bool idle_is_surplus(void)
{
	return load(&scheduler.started, relaxed) >
	       scheduler.target + load(&scheduler.sleeping, relaxed) + load(&scheduler.blocked, relaxed);
}

#endif
