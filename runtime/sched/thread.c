/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sched/thread.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/futex.h"
#include "sched/worker.h"

static struct {
	struct lock lock; /* protects list */
	struct thread *list;
	unsigned count; /* atomic, futex; written under lock */
	unsigned over;  /* atomic */
	unsigned stuck; /* atomic */
} threads;

void threads_open(void)
{
	store(&threads.over, 0, relaxed);
}

unsigned threads_stuck(void)
{
	return load(&threads.stuck, relaxed);
}

/* The index bits of a task's id are never 0. */
uint64_t thread_id(void)
{
	static uint64_t last; /* atomic; relaxed: the number alone matters */
	static __thread uint64_t id __attribute__((tls_model("initial-exec")));
	if (id == 0)
		id = (fetch_add(&last, 1, relaxed) + 1) << SLEY_TASK_INDEX_BITS;
	return id;
}

int thread_enter(struct thread *thread)
{
	if (worker_self())
		return -EDEADLK;
	int error = scheduler_error(); /* in a forked child the lock may be one that nobody drops */
	if (error)
		return error;
	*thread = (struct thread){ .task = { .id = thread_id(), .flags = TASK_THREAD, .claim = CLAIM_EVENT } };
	lock_take(&threads.lock);
	error = scheduler_error();
	if (error == 0) {
		thread->prev = NULL;
		thread->next = threads.list;
		if (thread->next)
			thread->next->prev = thread;
		threads.list = thread;
		store(&threads.count, threads.count + 1, relaxed);
	}
	lock_drop(&threads.lock);
	return error;
}

void thread_leave(struct thread *thread)
{
	lock_take(&threads.lock);
	if (thread->prev)
		thread->prev->next = thread->next;
	else
		threads.list = thread->next;
	if (thread->next)
		thread->next->prev = thread->prev;
	store(&threads.count, threads.count - 1, release); /* pairs with threads_close(): all that it did is done */
	bool last = threads.count == 0;
	lock_drop(&threads.lock);
	if (last)
		futex_wake(&threads.count, INT_MAX);
}

int thread_visit(struct thread *thread)
{
	return worker_self() ? 0 : thread_enter(thread);
}

void thread_depart(struct thread *thread)
{
	if (!worker_self())
		thread_leave(thread);
}

/* Values of `woken`. STUCK: it waits without a deadline, and is counted in threads.stuck. */
enum { ASLEEP, WOKEN, STUCK };

/* Counted before the claimant can know of it, and taken back by whoever finds the other: the claimant, or here. */
static void count_stuck(struct thread *thread)
{
	unsigned expected = ASLEEP;
	fetch_add(&threads.stuck, 1, relaxed);
	if (!cas(&thread->woken, &expected, STUCK, relaxed, relaxed))
		fetch_sub(&threads.stuck, 1, relaxed);
}

enum claim thread_park(struct task *task, sley_time deadline)
{
	struct thread *thread = CONTAINER_OF(task, struct thread, task);
	unsigned woken;
	fence(); /* see thread.h */
	if (load(&threads.over, relaxed) && wait_claim(task, CLAIM_OVER))
		return CLAIM_OVER;
	if (deadline == SLEY_NEVER)
		count_stuck(thread);
	while ((woken = load(&thread->woken, acquire)) != WOKEN) { /* pairs with thread_wake() */
		if (deadline == SLEY_NEVER) {
			futex_wait(&thread->woken, woken, NULL);
			continue;
		}
		int64_t left = deadline - clock_now();
		if (left <= 0 && wait_claim(task, CLAIM_DEADLINE))
			return CLAIM_DEADLINE;
		struct timespec time = clock_timespec(left > 0 ? left : NS_PER_MS);
		futex_wait(&thread->woken, woken, &time);
	}
	store(&thread->woken, ASLEEP, relaxed); /* whoever wakes it next has to claim its next wait first */
	return (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
}

/* Once `woken` is set the thread may be gone, and its stack with it: a wake-up of that address then wakes nobody. */
void thread_wake(struct task *task)
{
	unsigned *woken = &CONTAINER_OF(task, struct thread, task)->woken;
	if (exchange(woken, WOKEN, acq_rel) == STUCK)
		fetch_sub(&threads.stuck, 1, relaxed);
	futex_wake(woken, 1);
}

void threads_end(void)
{
	struct task *list = NULL;
	store(&threads.over, 1, relaxed);
	fence(); /* see thread.h */
	lock_take(&threads.lock);
	for (struct thread *thread = threads.list; thread; thread = thread->next) {
		if (wait_claim(&thread->task, CLAIM_OVER)) {
			thread->task.tenant.next = tenant_of(list);
			list = &thread->task;
		}
	}
	lock_drop(&threads.lock);
	task_ready_list(list);
}

void threads_close(void)
{
	unsigned inside;
	threads_end(); /* who came since, and found the run still there */
	while ((inside = load(&threads.count, acquire)) > 0)
		futex_wait(&threads.count, inside, NULL);
}
