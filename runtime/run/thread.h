/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Plain threads in calls, and those of them that wait: for what tasks send, or resolve.
 *
 * A call from any thread looks at what is the run's: tasks that wait on an object, the entries of descriptors. So it is
 * a visit, and the run's memory stays until all visits are over. A worker needs nothing for that: it is joined before.
 *     a visit:  inside++; is the run there? yes: the call; inside--; closing? wake
 *                                           no: inside--
 *     the end:  running = 0; closing = 1; wait until `inside` is 0
 * All of these are sequentially consistent, so either the visit finds no run, or the end finds the visit; and either the
 * visit that leaves finds `closing`, or the end finds that it has left. The count is sharded, each thread has a shard
 * and each shard a cache line, or the calls of many threads on many objects would all meet at one word. Rejected: a
 * word of each thread's own, stored without a locked instruction, with membarrier(2) at the end: threads would have to
 * be listed, and taken off the list when they exit.
 *
 * A thread that waits is a task without a stack: it has the claim and the wait node, so that objects need not know the
 * difference, and task_ready() wakes it from its futex. It is listed while it sleeps. When the run ends, those in the
 * list are told (CLAIM_OVER); `over` changes under the list's lock, so who comes later tells itself.
 */
#ifndef RUN_THREAD_H
#define RUN_THREAD_H

#include <errno.h>

#include "base/list.h"
#include "run/worker.h"

struct thread {
	struct task task;      /* first */
	unsigned woken;        /* atomic, futex */
	struct list_link link; /* protected by the list's lock */
};

/*
 * For a call from any thread that looks at what is the run's: 0, and the run and its memory last until thread_depart();
 * -ENOTCONN or -ECHILD: there is no run. The call must not wait in between. It may make others.
 */
static inline int thread_visit(void);
static inline void thread_depart(void);

/*
 * A visit that may wait: makes `thread`, which lies on the calling thread's stack, the one that waits. Its errors;
 * -EDEADLK: it is a worker, on its own stack.
 */
int thread_enter(struct thread *thread);
void thread_leave(void);

/* What a thread is known by where a task is by its id: as large, never 0, and no task ever has it. Any thread. */
uint64_t thread_id(void);

/* What these answered: the run is over. */
static inline bool run_is_over(int error)
{
	return error == -ENOTCONN || error == -ECHILD;
}

/*
 * For a thread that others count on: it is told when the thread is about to wait for a task, and when that wait is over.
 * Without locks. `forever`: there is no deadline, so what ends the wait can only be a task, or another thread.
 */
struct thread_host {
	void (*away)(struct thread_host *host, bool forever);
	void (*back)(struct thread_host *host, bool forever);
};

/* The calling thread's; null: nobody counts on it. */
extern HIDDEN __thread struct thread_host *thread_host;

/* What wait_park() is for threads. */
enum claim thread_park(struct task *task, sley_time deadline);

/* What task_ready() is for threads. */
void thread_wake(struct task *task);

/* How many wait without a deadline, and have not been claimed. */
unsigned threads_stuck(void);

/* The run begins; it ends: those that wait are told. */
void threads_open(void);
void threads_end(void);

/* The run is over, `running` is 0: waits until all visits are. */
void threads_close(void);

/* The plain threads' part of a visit. */
int thread_visit_plain(void);
void thread_depart_plain(void);

static inline int thread_visit(void)
{
	return likely(this_worker) ? 0 : thread_visit_plain();
}

static inline void thread_depart(void)
{
	if (unlikely(!this_worker))
		thread_depart_plain();
}

#endif
