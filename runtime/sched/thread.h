/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Plain threads that wait: for what tasks send, or resolve. Such a thread is a task without a stack: it has the claim
 * and the wait node, so that objects need not know the difference, and task_ready() wakes it from its futex.
 *
 * When the run ends, those that still wait are told (CLAIM_OVER), and the run's memory stays until they have left:
 *     threads_end(): over = 1; claim each
 *     thread_park():   (the wait can be claimed); over? claim it oneself : sleep
 */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include <errno.h>

#include "sched/task.h"

struct thread {
	struct task task;           /* first */
	unsigned woken;             /* atomic, futex */
	struct thread *next, *prev; /* protected by the list's lock */
};

/*
 * Makes `thread`, which lies on the calling thread's stack, the one that waits. 0; -ENOTCONN or -ECHILD: there is no
 * run; -EDEADLK: it is a worker, on its own stack.
 */
int thread_enter(struct thread *thread);
void thread_leave(struct thread *thread);

/* What a thread is known by where a task is by its id: as large, never 0, and no task ever has it. Any thread. */
uint64_t thread_id(void);

/*
 * For a call from any thread that looks at what is the run's: 0, and the run and its memory last until thread_depart().
 * A worker needs nothing for that; a plain thread enters.
 */
int thread_visit(struct thread *thread);
void thread_depart(struct thread *thread);

/* What these answered: the run is over. */
static inline bool run_is_over(int error)
{
	return error == -ENOTCONN || error == -ECHILD;
}

/* What wait_park() is for threads. */
enum claim thread_park(struct task *task, sley_time deadline);

/* What task_ready() is for threads. */
void thread_wake(struct task *task);

/* How many wait without a deadline, and have not been claimed. */
unsigned threads_stuck(void);

/* The run begins; it ends: those that wait are told. */
void threads_open(void);
void threads_end(void);

/* The run is over, and nobody enters any more: waits until all have left. */
void threads_close(void);

#endif
