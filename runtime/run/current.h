/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Who is running here: the run that is under way, the worker that the calling thread is, the task that it runs. All of
 * this may be asked by any thread.
 */
#ifndef RUN_CURRENT_H
#define RUN_CURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct task;
struct worker;

/* How the layers below call up; runtime.c fills it in before any worker runs. */
struct sched_hooks {
	/* Waits up to `timeout` ns (0: not at all, SLEY_NEVER: for ever) for descriptors and readies tasks; how many. */
	unsigned (*poll)(int64_t timeout);
	void (*interrupt)(void);    /* ends a poll that waits; any thread */
	void (*rearm)(int64_t now); /* looks after descriptors waited for since long; by the watchdog */
	void (*tick)(void);         /* by the watchdog, at every look */
	bool (*expecting)(void);    /* whether something outside of the scheduler may still make a task ready */
	void (*deadlock)(void);     /* nothing can ever happen again; by the watchdog */
	void (*task_main)(void);    /* the entry of every task, on its own stack */
	void (*task_end)(struct worker *worker, struct task *task); /* on the worker's, when that was left for good */
};
extern HIDDEN struct sched_hooks sched_hooks;

struct scheduler {
	/* constant during a run, as the three that follow */
	struct worker *workers;
	unsigned made;     /* records there are */
	unsigned target;   /* how many workers are to run at the same time */
	unsigned active;   /* records [0, active) are looked at by all who look for work or workers */
	unsigned started;  /* atomic: threads that are workers */
	unsigned sleeping; /* atomic: workers in the idle list; written under its lock */
	unsigned running;  /* atomic: a run is under way */
	unsigned forked;   /* atomic: this is a forked child of a process with a run */
	unsigned stopping; /* atomic: set once; workers leave when they see it */
	unsigned threads;  /* atomic: of the runtime's own, beside the workers */
	unsigned run;      /* constant during a run: its number in this process */
};
extern HIDDEN struct scheduler scheduler;

/*
 * The worker that the calling thread is; null: none. A task may be on another thread after any wait, so it is read by a
 * function that is never inlined. The variable itself is for calls on a fast path that end without a wait, or in a tail
 * call to a function (NOINLINE) that may wait.
 */
extern HIDDEN __thread struct worker *this_worker;
struct worker *worker_self(void);

/* The running task; null on a worker's own stack and on plain threads. */
struct task *task_self(void);

/* What a waiting call answers outside of a task: -EDEADLK, or -ECHILD in a forked child. */
int outside_error(void);

/* In a forked child: the calling thread is no worker there. */
void worker_forked(void);

/* Random numbers for choices that are to be fair. Any thread. */
uint32_t random_here(void);

/* What is wrong when there is no run: -ENOTCONN, or -ECHILD in a forked child. 0 during a run. */
int scheduler_error(void);

/* The time, for stamps of states: read anew only where time may have passed, see there. Any thread. */
int64_t worker_stamp(void);

/* Counts for the calling thread, which may be no worker. */
void count_here(enum sley_counter counter, uint64_t n);

#endif
