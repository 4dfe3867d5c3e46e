/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pools of threads that run functions for tasks: one pool for blocking calls, one for computations, one for names. Each
 * pool has its own threads and queue, so that none keeps another out: a name server without an answer occupies its
 * thread for half a minute, and a file system without an answer for longer.
 *
 * A job is a function and a copy of its block. It is in the pool's lists from jobs_add() until it is taken back:
 *
 *   QUEUED    In `queued` or `nested`, oldest first. A thread takes it, or its task removes it: then it never runs.
 *   RUNNING   In `taken`. The thread owns it. The task may give it up (`task` = null): then the thread passes the block
 *             to `dropped` and frees the job.
 *   ENDED     In `taken`. The task owns it, removes it and frees it.
 *
 * Stage, lists and `task` change only under the pool's lock. So if a job is cancelled, or its deadline comes, exactly
 * one of these holds: it never ran; its result is taken; or it ran and was dropped:
 *
 *    task                                       thread
 *    (its wait ends by deadline or canceller)   lock; QUEUED -> RUNNING; unlock
 *    lock; QUEUED?  remove it: it never runs    fn(block)
 *          RUNNING? task = null: dropped        lock; RUNNING -> ENDED; task? claim its wait; unlock
 *          ENDED?   take the result             claimed? task_ready() : no task? dropped(block), free
 *    unlock
 *
 * fn runs without any lock. A job that lost the claim is ENDED all the same: its task is on its way to the lock and
 * takes the result, and the call succeeds.
 *
 * Threads. `coming` counts the threads that will look at the queue without being woken. jobs_add(): if coming < queued,
 * it wakes the most recently idle thread, so that the others stay idle long enough to end. If no thread is idle and
 * there are fewer than `limit`, it starts one. Only one thread is being started at a time: a started thread that still
 * finds coming < queued starts the next. So a few threads do a thousand short calls, while each blocking call gets a
 * thread within some tens of microseconds. A thread that ends joins the thread that ended before it; jobs_stop() joins
 * the last one.
 *
 * Threads that wait for tasks. A function may wait for a task, by sley_submit() or at a channel, and that task may
 * offload in turn. If all threads wait in this way, no thread is left for the jobs of these tasks. So a thread that
 * waits for a task is *away* (run/thread.h notifies the pool):
 *   - If all threads are away, one more is started for the queued jobs, whatever `limit` is. So some job always runs.
 *   - Calls of a task that sley_submit() made for a thread of a pool are *nested*. They run before all others, need no
 *     place in the queue, and may use up to `limit` threads in addition to the threads that are away.
 * So there is about one thread for each waiting call. The threads are given back afterwards: a thread ends if it finds
 * more than `limit` threads that are not away. Rejected: to run queued jobs on the waiting thread itself, as its own
 * call could end only after them; and to refuse nested calls, as sley_submit() is for them. A thread that is away
 * without a deadline can do nothing by itself. So it does not count as `active`, and a deadlock is detected
 * (watch/deadlock.c).
 *
 * If no thread can be started, there are two cases. If all existing threads are away, the queued jobs end with that
 * error. Else the existing threads will run them, and the watchdog tries to start a thread again (jobs_retry()).
 *
 * The queue has `places`. A task that finds no place waits, FIFO, and keeps its block. A freed place is handed to the
 * first waiter, and counted in `handed` until it is used.
 *
 * Lock: the pool's lock is an object lock (base/lock.h). Threads are started and woken without it.
 */
#ifndef IO_JOBS_H
#define IO_JOBS_H

#include "io/job.h"

struct jobs_thread;

struct jobs {
	/* the beginning is struct sley_object_queue: tools read it */
	unsigned pool; /* enum sley_queue, which is enum pool_kind */
	unsigned limit, places;
	unsigned length;         /* of `queued`; written under lock */
	unsigned threads;        /* atomic, futex of jobs_stop(); written under lock */
	const char *name;        /* name of its threads */
	struct object_lock lock; /* protects the fields below */
	job_list queued, nested, taken;
	unsigned nested_length;
	unsigned handed;
	struct sley_waiters waiters;   /* for a place */
	LIST(struct jobs_thread) idle; /* LIFO */
	struct jobs_thread *ended;     /* the last thread that ended, not joined yet */
	unsigned resting;              /* number of idle threads */
	unsigned away;
	unsigned short_of; /* atomic, written under lock: a needed thread could not be started */
	unsigned coming;   /* threads that will look at the queue without being woken; see above */
	bool starting;
	bool stopping;
	unsigned active; /* atomic: jobs whose end may still make a task ready */
};

_Static_assert((int)SLEY_QUEUE_COMPUTE == (int)POOL_COMPUTE && (int)SLEY_QUEUE_NAMES == (int)POOL_NAMES &&
		       offsetof(struct jobs, limit) == offsetof(struct sley_object_queue, limit) &&
		       offsetof(struct jobs, places) == offsetof(struct sley_object_queue, places) &&
		       offsetof(struct jobs, length) == offsetof(struct sley_object_queue, length) &&
		       offsetof(struct jobs, threads) == offsetof(struct sley_object_queue, threads),
	       "tools read them");

extern struct jobs jobs_of[POOLS];

/* Opens a pool with at most `limit` threads and `places` places in the queue. Threads are started on demand. */
void jobs_open(struct jobs *jobs, const char *name, unsigned limit, unsigned places);

/*
 * Called when no worker runs. Queued jobs never run. Waits for the running jobs, and ends the threads. Blocks that
 * their tasks have not taken are passed to `dropped`.
 */
void jobs_stop(struct jobs *jobs);

/*
 * Queues the job of the calling task, and begins the task's wait for it. Returns false if the queue is full. `handed`:
 * the caller was handed a place.
 */
bool jobs_add(struct jobs *jobs, struct job *job, struct task *task, bool handed, const struct pool_wait *wait);

/*
 * Called after the wait of jobs_add(). Returns true: the caller owns the job again, with its stage; false: the job is
 * running, and was given up.
 */
bool jobs_take_back(struct jobs *jobs, struct job *job);

/* Waits for a place, called at `pc`. Returns 0: a place was handed to the caller; or the error of the wait. */
int jobs_wait_for_place(struct jobs *jobs, struct task *task, const void *pc, sley_time deadline);

/* Starts a thread if one is needed and could not be started before. Called by the watchdog. */
void jobs_retry(struct jobs *jobs);

/* Returns a place that was handed to the caller and is not needed. */
void jobs_return_place(struct jobs *jobs);

/* Idle time in ns after which a thread ends. Atomic; tests change it. */
extern int64_t jobs_idle_time;

/* For tests: while nonzero, no thread can be started. Atomic. */
extern unsigned jobs_test_fail;

#endif
