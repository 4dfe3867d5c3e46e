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

struct task;
struct worker;

/* Functions by which the layers below call up; runtime.c sets them before any worker runs. */
struct sched_hooks {
	/*
	 * Waits up to `timeout` ns (0: not at all, SLEY_NEVER: for ever) for descriptors and readies tasks; returns
	 * their number.
	 */
	unsigned (*poll)(int64_t timeout);
	void (*interrupt)(void);    /* ends a poll that waits; any thread */
	void (*rearm)(int64_t now); /* checks descriptors with waiters of long ago; called by the watchdog */
	void (*tick)(void);         /* called by the watchdog, at every look */
	bool (*expecting)(void);    /* whether an event outside of the scheduler may still make a task ready */
	void (*deadlock)(void);     /* called by the watchdog when all tasks are deadlocked */
	void (*task_main)(void);    /* the entry of every task, on its own stack */
	/* on the worker's stack, after the task has left its own for good */
	void (*task_end)(struct worker *worker, struct task *task);
};
extern HIDDEN struct sched_hooks sched_hooks;

struct scheduler {
	/* this one and the next three: constant during a run */
	struct worker *workers;
	unsigned made;     /* records in `workers` */
	unsigned target;   /* number of workers that should run at the same time */
	unsigned active;   /* searches for work or workers visit records [0, active) */
	unsigned started;  /* atomic: number of threads that are workers */
	unsigned sleeping; /* atomic: number of workers in the idle list; written under its lock */
	unsigned running;  /* atomic: a run is in progress */
	unsigned forked;   /* atomic: this is a forked child of a process with a run */
	unsigned stopping; /* atomic: set once; workers leave when they see it */
	unsigned threads;  /* atomic: number of the runtime's threads besides the workers */
	unsigned run;      /* constant during a run: the run's number in this process */
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
