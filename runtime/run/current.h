/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The current run, the worker of the calling thread, and the task that it runs. Any thread may call these functions. */
#ifndef RUN_CURRENT_H
#define RUN_CURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define WORKERS_MOST SLEY_REGION_WORKERS /* spares included */

struct task;
struct timers;
struct worker;

/* What sched_hooks.look() found, and when it should be called next: see watchdog.c. */
enum look_result {
	LOOK_REST,  /* nothing, and no look is wanted soon */
	LOOK_SOON,  /* nothing */
	LOOK_FOUND, /* a block, and work waits */
};

#define POLL_EVENTS 256 /* a poll delivers so many events at most: a quarter of a deque */

/* Functions by which the layers below call up; runtime.c sets them before any worker runs. */
struct sched_hooks {
	/*
	 * Waits up to `timeout` ns (0: not at all, SLEY_NEVER: for ever) for descriptors and readies tasks; returns
	 * their number.
	 */
	unsigned (*poll)(int64_t timeout);
	/*
	 * The number of descriptors that a poll would find ready for tasks that wait for them, without taking them; by the
	 * watchdog
	 */
	unsigned (*ready)(void);
	void (*interrupt)(void);               /* ends a poll that waits; any thread */
	void (*rearm)(int64_t now);            /* checks descriptors with waiters of long ago; called by the watchdog */
	void (*tick)(void);                    /* called by the watchdog, at every look that is not short */
	enum look_result (*look)(int64_t now); /* called by the watchdog, at short looks too */
	void (*look_around)(const struct worker *worker, int64_t now); /* by a busy worker, now and then */
	/*
	 * Called by the worker at the dispatch of a task of a site that was seen to block, before the task goes on: see
	 * assist/sentinel.c.
	 */
	void (*arm)(struct worker *worker);
	bool (*expecting)(void); /* whether an event outside of the scheduler may still make a task ready */
	void (*deadlock)(void);  /* called by the watchdog when all tasks are deadlocked */
	void (*task_main)(void); /* the entry of every task, on its own stack */
	/* on the worker's stack, after the task has left its own for good */
	void (*task_end)(struct worker *worker, struct task *task);
};
extern HIDDEN struct sched_hooks sched_hooks;

struct scheduler {
	/* constant during a run */
	struct worker *workers; /* `most` records */
	struct timers *timers;  /* `target` wheels */
	unsigned target;        /* number of workers that should run at the same time; these have the first records */
	unsigned most;          /* limit of the number of workers, spares included */
	bool migrates;          /* each wait continues on another worker: SLEY_RUN_MIGRATE */
	/* atomic, written under the lock of the idle list */
	unsigned made;     /* records [0, made) are or were in use */
	unsigned started;  /* number of threads that are workers */
	unsigned sleeping; /* number of workers in the idle list */
	/* atomic */
	unsigned blocked;  /* number of workers that are noted as blocked: see run/blocked.h */
	unsigned running;  /* a run is in progress */
	unsigned forked;   /* this is a forked child of a process with a run */
	unsigned stopping; /* set once; workers leave when they see it */
	unsigned threads;  /* number of the runtime's threads besides the workers */
	unsigned run;      /* constant during a run: the run's number in this process */
	/* atomic, written under the lock of the idle list: a bit for each worker that is not in it, by number */
	uint64_t awake[WORKERS_MOST / 64];
};
extern HIDDEN struct scheduler scheduler;

/*
 * The worker of the calling thread; null: the thread is no worker. A task may be on another thread after any wait, so
 * worker_self() reads the variable and is never inlined. Only calls on a fast path use the variable directly: they end
 * without a wait, or in a tail call to a NOINLINE function that may wait.
 */
extern HIDDEN __thread struct worker *this_worker;
struct worker *worker_self(void);

/* The running task; null on a worker's own stack and on plain threads. */
struct task *task_self(void);

/* The error of a waiting call outside of a task: -EDEADLK, or -ECHILD in a forked child. */
int outside_error(void);

/* Called in a forked child, where the calling thread is no worker. */
void worker_forked(void);

/* Random numbers for fair choices. Any thread. */
uint32_t random_here(void);

/* The error if there is no run: -ENOTCONN, or -ECHILD in a forked child. 0 during a run. */
int scheduler_error(void);

/* The time, for stamps of states. It reads the clock only if time may have passed: see current.c. Any thread. */
int64_t worker_stamp(void);

/* Adds to a counter of the calling thread, which need not be a worker. */
void count_here(enum sley_counter counter, uint64_t n);

#endif
