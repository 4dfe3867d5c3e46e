/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Plain threads in calls, including threads that wait: for an item that a task sends, or a value that it resolves.
 *
 * A call from any thread reads memory of the run: the tasks that wait on an object, the entries of descriptors. So such
 * a call is a visit, and the run's memory stays until all visits are over. A worker needs no visit, because it is
 * joined before the memory is freed.
 *     a visit:  inside++; if a run exists: the call; inside--; if closing: wake
 *                         else: inside--
 *     the end:  running = 0; closing = 1; wait until `inside` is 0
 * All of these are sequentially consistent. So either the visit finds no run, or the end finds the visit. And either
 * the leaving visit sees `closing`, or the end sees that the visit has left. The count is sharded: each thread has a
 * shard, and each shard has a cache line of its own. Otherwise the calls of many threads on many objects would contend
 * for one word. Rejected: a word for each thread, stored without a locked instruction, with membarrier(2) at the end.
 * Threads would have to be listed, and taken off the list when they exit.
 *
 * A waiting thread is represented by a task without a stack. It has the claim and the wait node, so that objects need
 * not distinguish threads from tasks; task_ready() wakes the thread from its futex. The thread is in a list while it
 * sleeps. When the run ends, the waits of all listed threads are claimed (CLAIM_OVER). `over` changes under the list's
 * lock, so a thread that comes later sees it and claims its own wait.
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
 * For a call from any thread that reads memory of the run. 0: the run and its memory last until thread_depart().
 * -ENOTCONN or -ECHILD: there is no run. The call must not wait in between. It may make other visits.
 */
static inline int thread_visit(void);
static inline void thread_depart(void);

/*
 * Begins a visit that may wait: `thread`, on the calling thread's stack, represents the thread in waits. The errors of
 * thread_visit(); -EDEADLK: the calling thread is a worker, on its own stack.
 */
int thread_enter(struct thread *thread);
void thread_leave(void);

/*
 * The id by which objects know a thread, as they know a task by its id. It is as wide as a task's id, never 0, and no
 * task ever has it. Any thread.
 */
uint64_t thread_id(void);

/* Whether the result of thread_visit() or thread_enter() says that there is no run. */
static inline bool run_is_over(int error)
{
	return error == -ENOTCONN || error == -ECHILD;
}

/*
 * Callbacks for a thread whose work others need. away() is called before the thread waits for a task, back() after the
 * wait. Without locks. `forever`: the wait has no deadline, so only a task or another thread can end it.
 */
struct thread_host {
	void (*away)(struct thread_host *host, bool forever);
	void (*back)(struct thread_host *host, bool forever);
};

/* The calling thread's callbacks; null: none. */
extern HIDDEN __thread struct thread_host *thread_host;

/* wait_park() for threads. */
enum claim thread_park(struct task *task, sley_time deadline);

/* task_ready() for threads. */
void thread_wake(struct task *task);

/* The number of threads that wait without a deadline and have not been claimed. */
unsigned threads_stuck(void);

/*
 * threads_open() is called when a run begins. threads_end() is called when it ends: it claims the waits of all waiting
 * threads.
 */
void threads_open(void);
void threads_end(void);

/* Called when the run is over and `running` is 0: waits until all visits are over. */
void threads_close(void);

/* The part of a visit for plain threads. */
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
