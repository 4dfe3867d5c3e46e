/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/thread.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/race.h"
#include "run/worker.h"

#define SHARDS 64u

static struct {
	struct list_lock lock; /* protects list and over */
	LIST(struct thread) list;
	bool over;
	unsigned stuck;   /* atomic */
	unsigned closing; /* atomic: the end of the run waits for visits */
} threads;

/* The visits in progress. */
static struct shard {
	unsigned inside; /* atomic, futex */
} CACHE_ALIGNED shards[SHARDS];

__thread struct thread_host *thread_host;

unsigned threads_stuck(void)
{
	return load(&threads.stuck, acquire); /* pairs with count_stuck() */
}

/* Ids of threads have no index bits. The index bits of a task's id are never 0. */
uint64_t thread_id(void)
{
	static uint64_t last; /* atomic; relaxed: only the number matters */
	static __thread uint64_t id;
	if (id == 0)
		id = (fetch_add(&last, 1, relaxed) + 1) << SLEY_TASK_INDEX_BITS;
	return id;
}

/* ---- visits; their order is in thread.h ---- */

static struct shard *own_shard(void)
{
	return &shards[(thread_id() >> SLEY_TASK_INDEX_BITS) % SHARDS];
}

int thread_visit_plain(void)
{
	fetch_add(&own_shard()->inside, 1, seq_cst);
	if (likely(load(&scheduler.running, seq_cst))) {
		RACE_POINT(thread_visits);
		return 0;
	}
	thread_depart_plain();
	return load(&scheduler.forked, relaxed) ? -ECHILD : -ENOTCONN;
}

void thread_depart_plain(void)
{
	unsigned *inside = &own_shard()->inside;
	if (fetch_sub(inside, 1, seq_cst) == 1 && unlikely(load(&threads.closing, seq_cst)))
		futex_wake(inside, INT_MAX);
}

int thread_enter(struct thread *thread)
{
	if (worker_self())
		return -EDEADLK;
	int error = thread_visit_plain();
	if (error == 0)
		*thread = (struct thread){ .task = { .id = thread_id(), .flags = TASK_THREAD, .claim = CLAIM_EVENT } };
	return error;
}

void thread_leave(void)
{
	thread_depart_plain();
}

/* ---- waiting ---- */

/* Adds the thread to the list. False: the run is over. */
static bool thread_enlist(struct thread *thread)
{
	lock_take(&threads.lock);
	bool over = threads.over;
	if (!over)
		list_prepend(&threads.list, thread, link);
	lock_drop(&threads.lock);
	return !over;
}

static void delist(struct thread *thread)
{
	lock_take(&threads.lock);
	list_remove(&threads.list, thread, link);
	lock_drop(&threads.lock);
}

/* Values of `woken`. STUCK: the thread waits without a deadline, and is counted in threads.stuck. */
enum { ASLEEP, WOKEN, STUCK };

/*
 * Counts the thread as stuck. A claimant may know of the thread before that, and undo the STUCK state before the count
 * is raised. Then for a moment too few threads are counted, but never a thread that is awake (watch/deadlock.c).
 * Release: a reader that sees the thread counted sees the tasks that it made ready before.
 */
static void count_stuck(struct thread *thread)
{
	unsigned expected = ASLEEP;
	if (cas(&thread->woken, &expected, STUCK, relaxed, relaxed)) {
		RACE_POINT(thread_counts);
		fetch_add(&threads.stuck, 1, release);
	}
}

/* Sleeps until the wait has been claimed. At the deadline the thread claims the wait itself. */
static enum claim thread_sleep(struct thread *thread, sley_time deadline)
{
	unsigned woken;
	while ((woken = load(&thread->woken, acquire)) != WOKEN) { /* pairs with thread_wake() */
		if (deadline == SLEY_NEVER) {
			futex_wait(&thread->woken, woken, NULL);
			continue;
		}
		int64_t now = clock_now();
		bool over = deadline <= now; /* no difference is formed, because it may overflow */
		if (over && wait_claim(&thread->task, CLAIM_DEADLINE))
			return CLAIM_DEADLINE;
		struct timespec time = clock_timespec(over ? NS_PER_MS : deadline - now);
		futex_wait(&thread->woken, woken, &time);
	}
	store(&thread->woken, ASLEEP, relaxed); /* the next waker has to claim the next wait first */
	return (enum claim)(load(&thread->task.claim, relaxed) & CLAIM_WHO);
}

enum claim thread_park(struct task *task, sley_time deadline)
{
	struct thread *thread = CONTAINER_OF(task, struct thread, task);
	lock_check_none("a thread waits as a task does");
	bool listed = thread_enlist(thread);
	if (!listed && wait_claim(task, CLAIM_OVER))
		return CLAIM_OVER;
	struct thread_host *host = thread_host;
	if (host)
		host->away(host, deadline == SLEY_NEVER);
	if (deadline == SLEY_NEVER)
		count_stuck(thread);
	enum claim who = thread_sleep(thread, deadline);
	if (host)
		host->back(host, deadline == SLEY_NEVER);
	if (listed)
		delist(thread);
	return who;
}

/*
 * Once `woken` is set, the thread may be gone, and its stack with it. The futex wake-up of that address then wakes no
 * thread.
 */
void thread_wake(struct task *task)
{
	unsigned *woken = &CONTAINER_OF(task, struct thread, task)->woken;
	if (exchange(woken, WOKEN, acq_rel) == STUCK)
		fetch_sub(&threads.stuck, 1, relaxed);
	futex_wake(woken, 1);
}

/* ---- the run ---- */

void threads_open(void)
{
	threads.over = false;
	store(&threads.closing, 0, relaxed);
}

void threads_end(void)
{
	struct task_list told = { 0 };
	struct thread *thread;
	struct task *task;
	lock_take(&threads.lock);
	threads.over = true;
	list_each(thread, &threads.list, link) {
		if (wait_claim(&thread->task, CLAIM_OVER))
			task_list_add(&told, &thread->task);
	}
	lock_drop(&threads.lock);
	while ((task = task_list_take(&told)))
		thread_wake(task);
}

void threads_close(void)
{
	unsigned inside;
	RACE_POINT(threads_close);
	store(&threads.closing, 1, seq_cst);
	for (unsigned i = 0; i < SHARDS; i++) {
		while ((inside = load(&shards[i].inside, seq_cst)) > 0)
			futex_wait(&shards[i].inside, inside, NULL);
	}
}
