/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pools of threads that run functions for tasks: one for what blocks, one for what computes, one for names. Each has
 * threads and a queue of its own, so that none keeps another out: a name's server that does not answer holds its thread
 * for half a minute, and a file system that does not, for longer.
 *
 * A job is a function and a copy of its block. It is in the pool's lists from jobs_add() until it is taken back:
 *
 *   QUEUED    in `queued` or `nested`, oldest first. A thread takes it, or its task removes it: it never runs.
 *   RUNNING   in `taken`. The thread has it. The task may give it up (`task` = null): then it is the thread's, which
 *             hands the block to `dropped` and frees it.
 *   ENDED     in `taken`. It is the task's, which removes and frees it.
 *
 * Stage, lists and `task` change under the pool's lock alone, so for a job that is cancelled, or whose deadline comes,
 * exactly one of these holds: it never ran, its result is taken, or it ran and was dropped:
 *
 *   task                                       thread
 *   (its wait ends by deadline or canceller)   lock; QUEUED -> RUNNING; unlock
 *   lock; QUEUED?  remove it: it never runs    fn(block)
 *         RUNNING? task = null: dropped        lock; RUNNING -> ENDED; task? claim its wait; unlock
 *         ENDED?   take the result             claimed? task_ready() : no task? dropped(block), free
 *   unlock
 *
 * fn runs without any lock. A job that lost the claim is ENDED all the same: its task, which is on its way to the lock,
 * takes the result, and the call succeeds.
 *
 * Threads. `coming` counts the threads that will look at the queue without being woken. jobs_add(): if coming < queued, it
 * wakes the most recently idle thread, so that the others grow old and end. If no thread is idle and there are fewer than
 * `limit`, it starts one. Only one is being started at a time: a started thread that still finds coming < queued starts the
 * next. So a thousand short calls are done by a few threads, while calls that block get a thread each within some tens of
 * microseconds. A thread that ends joins the thread that ended before it; jobs_stop() joins the last one.
 *
 * Threads that wait for tasks. A function may wait for a task, by sley_submit() or at a channel, and that task may
 * offload in turn: if all threads do so, none is left for what they wait for. So a thread that waits for a task is
 * *away* (run/thread.h tells), and
 *   - if all threads are away, one more is started for what is queued, whatever `limit` says: something goes on always;
 *   - calls of a task that sley_submit() made for a thread of a pool are *nested*: they are taken before all others, need
 *     no place in the queue, and have `limit` threads beside those that are away.
 * So there is about a thread for each call that waits; they are given back when it is over: a thread that finds more than
 * `limit` beside those that are away ends. Rejected: running what is queued on the waiting thread itself, whose own call
 * could end only after it; and refusing nested calls, which are what sley_submit() is for.
 * Of a thread that is away without a deadline nothing can come by itself: it does not count as `active`, so the end of
 * all things is found (watch/deadlock.c).
 *
 * Where no thread can be started, what is queued ends with that error if all that there are are away; else these will do
 * it, and the watchdog tries again (jobs_retry()).
 *
 * The queue has `places`. A task that finds none waits, FIFO, with its block still its own; whoever frees a place hands
 * it on, counted in `handed` until it is used.
 *
 * Lock: the pool's is an object lock (base/lock.h). Threads are started and woken without it.
 */
#ifndef IO_JOBS_H
#define IO_JOBS_H

#include "io/job.h"

struct jobs_thread;

struct jobs {
	const char *name; /* of its threads */
	struct lock lock; /* protects the rest */
	unsigned limit, places;
	job_list queued, nested, taken;
	unsigned length, nested_length;
	unsigned handed;
	struct sley_waiters waiters;   /* for a place */
	LIST(struct jobs_thread) idle; /* LIFO */
	struct jobs_thread *ended;     /* the last that ended: not joined yet */
	unsigned threads;              /* atomic, futex of jobs_stop(); written under lock */
	unsigned resting;              /* idle ones */
	unsigned away;
	unsigned short_of; /* atomic, written under lock: a thread that is wanted could not be started */
	unsigned coming;   /* will look at the queue without being woken: woken, started, or done with a job */
	bool starting;
	bool stopping;
	unsigned active; /* atomic: jobs whose end may still ready a task */
};

extern struct jobs jobs_of[POOLS];

/* `limit` threads at most, `places` in the queue. No thread is started before it is needed. */
void jobs_open(struct jobs *jobs, const char *name, unsigned limit, unsigned places);

/*
 * When no worker runs: what is queued never runs, what runs is waited for, and the threads end. All blocks that their
 * tasks have not taken go to `dropped`.
 */
void jobs_stop(struct jobs *jobs);

/*
 * Queues the job of the calling task, whose wait begins with it: true; false: the queue is full. `handed`: the caller
 * was handed a place.
 */
bool jobs_add(struct jobs *jobs, struct job *job, struct task *task, bool handed, const struct pool_wait *wait);

/*
 * The wait of jobs_add() is over. True: the job is the caller's again, with its stage; false: it is running, and was
 * given up.
 */
bool jobs_take_back(struct jobs *jobs, struct job *job);

/* Waits for a place: 0: it was handed one; or what ended the wait. */
int jobs_wait_for_place(struct jobs *jobs, struct task *task, const struct pool_wait *wait, sley_time deadline);

/* Starts a thread if one is wanted that could not be started. By the watchdog. */
void jobs_retry(struct jobs *jobs);

/* It does not need the place that it was handed. */
void jobs_return_place(struct jobs *jobs);

/* How long a thread idles before it ends, ns. Atomic; tests change it. */
extern int64_t jobs_idle_time;

/* For tests: while nonzero, no thread can be started. Atomic. */
extern unsigned jobs_test_fail;

#endif
