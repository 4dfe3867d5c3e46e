/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/futex.h"
#include "io/sigmask.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/quit.h"
#include "run/thread.h"
#include "run/worker.h"

#define STACK ((size_t)1 << 20) /* of a thread: getaddrinfo's modules want some 100 KiB; pages are touched on demand */

struct pool_thread {
	struct thread_host host;
	pthread_t id; /* set by the thread itself */
	struct pool *pool;
	struct list_link link; /* protected by the pool's lock: of the idle list */
	bool idle;             /* the same: it is in that list */
	unsigned woken;        /* atomic, futex; set under the pool's lock */
};

struct pool pools[POOLS];
int64_t pool_idle_time = 10 * NS_PER_SEC;
unsigned pool_test_fail;

/* ---- jobs ---- */

/* With the lock held: the next to be run; null: none. */
static struct job *first(const struct pool *pool)
{
	return list_first(list_is_empty(&pool->nested) ? &pool->queued : &pool->nested, link);
}

/* With the lock held: whether there are more jobs than threads on their way to them. */
static bool needs_threads(const struct pool *pool)
{
	return pool->length + pool->nested_length > pool->coming;
}

/* With the lock held: a job leaves the queue, and its place is handed on: whom to make ready, or null. */
static struct task *unqueue(struct pool *pool, struct job *job)
{
	if (job->nested) {
		list_remove(&pool->nested, job, link);
		pool->nested_length--;
		return NULL;
	}
	list_remove(&pool->queued, job, link);
	pool->length--;
	struct task *waiter = wait_pop(&pool->waiters, CLAIM_EVENT);
	if (waiter)
		pool->handed++;
	return waiter;
}

static void ready_if(struct task *task)
{
	if (task)
		task_ready_last(task);
}

/* The end of a job has had its effect: from here on the idle runtime need not wait for it. */
static void retire(struct pool *pool)
{
	fetch_sub(&pool->active, 1, release);
}

/* ---- idle threads; with the lock held ---- */

static void rest(struct pool_thread *thread)
{
	struct pool *pool = thread->pool;
	thread->idle = true;
	list_prepend(&pool->idle, thread, link);
	pool->resting++;
	store(&thread->woken, 0, relaxed);
}

static void rise(struct pool_thread *thread)
{
	struct pool *pool = thread->pool;
	list_remove(&pool->idle, thread, link);
	thread->idle = false;
	pool->resting--;
}

/*
 * The thread to wake, or null. From here on it may wake by itself and end, so what remains to be done without the lock
 * is futex_wake() of an address that may be anything by then, which does no harm.
 */
static unsigned *rouse(struct pool *pool)
{
	struct pool_thread *thread = list_first(&pool->idle, link);
	if (!thread)
		return NULL;
	rise(thread);
	pool->coming++;
	store(&thread->woken, 1, release); /* pairs with sleep_idle() */
	return &thread->woken;
}

/* Sleeps until it is woken; false: it has idled for long enough. */
static bool sleep_idle(struct pool_thread *thread)
{
	struct pool *pool = thread->pool;
	int64_t left, until = clock_now() + load(&pool_idle_time, relaxed);
	rest(thread);
	lock_drop(&pool->lock);
	while (!load(&thread->woken, acquire) && (left = until - clock_now()) > 0) {
		struct timespec time = clock_timespec(left);
		futex_wait(&thread->woken, 0, &time);
	}
	lock_take(&pool->lock);
	if (!thread->idle)
		return true;
	rise(thread);
	return false;
}

/* ---- threads ---- */

static void start(struct pool *pool);

/* With the lock held: whether a thread is to be started, by start() without it. */
static bool must_start(struct pool *pool)
{
	unsigned at_work = pool->threads - pool->away;
	if (!needs_threads(pool) || !list_is_empty(&pool->idle) || pool->starting || pool->stopping)
		return false;
	if (pool->threads >= pool->limit && at_work > 0 && !(!list_is_empty(&pool->nested) && at_work < pool->limit))
		return false;
	pool->starting = true;
	store(&pool->short_of, 0, relaxed);
	pool->coming++;
	store(&pool->threads, pool->threads + 1, relaxed);
	return true;
}

/* The thread waits for a task; that wait is over. */
static void on_away(struct thread_host *host, bool forever)
{
	struct pool *pool = CONTAINER_OF(host, struct pool_thread, host)->pool;
	lock_take(&pool->lock);
	pool->away++;
	bool more = must_start(pool);
	lock_drop(&pool->lock);
	if (more)
		start(pool);
	if (forever) {
		fetch_sub(&pool->active, 1, relaxed);
		fetch_sub(&scheduler.threads, 1, relaxed); /* it is in threads_stuck() */
	}
}

static void on_back(struct thread_host *host, bool forever)
{
	struct pool *pool = CONTAINER_OF(host, struct pool_thread, host)->pool;
	if (forever) {
		fetch_add(&pool->active, 1, relaxed);
		fetch_add(&scheduler.threads, 1,
			  release); /* after `active`: deadlock_look() reads them the other way round */
	}
	lock_take(&pool->lock);
	pool->away--;
	lock_drop(&pool->lock);
}

/* The thread has ended but for joining the one that did so before it. The lock is held, and dropped. */
static void leave(struct pool_thread *thread)
{
	struct pool *pool = thread->pool;
	struct pool_thread *before = pool->ended;
	pool->ended = thread;
	store(&pool->threads, pool->threads - 1, release); /* pairs with pool_stop() */
	bool last = pool->stopping && pool->threads == 0;
	unsigned *woken = needs_threads(pool) ? rouse(pool) : NULL; /* it was one too many, and counted as coming */
	lock_drop(&pool->lock);
	if (woken)
		futex_wake(woken, 1);
	fetch_sub(&scheduler.threads, 1, relaxed);
	if (last)
		futex_wake(&pool->threads, 1);
	if (before) {
		pthread_join(before->id, NULL);
		free(before);
	}
}

/* The next job, which is RUNNING; the lock is held, and dropped. Null: the thread is to leave, the lock is held. */
static struct job *next_job(struct pool_thread *thread)
{
	struct pool *pool = thread->pool;
	struct job *job;
	if (pool->threads - pool->away > pool->limit)
		return NULL; /* those that were away are back */
	while (!(job = first(pool))) {
		if (pool->stopping)
			return NULL;
		bool woken = sleep_idle(thread);
		pool->coming -= woken;
		if (!woken && !first(pool))
			return NULL;
	}
	struct task *waiter = unqueue(pool, job);
	job->stage = JOB_RUNNING;
	list_append(&pool->taken, job, link);
	bool more = must_start(pool);
	lock_drop(&pool->lock);
	ready_if(waiter);
	if (more)
		start(pool);
	return job;
}

/*
 * The job's function has returned; the lock is free, and held afterwards. What its task adds at once finds this thread
 * on its way back to the queue, and wakes or starts no other.
 */
static void finish(struct pool *pool, struct job *job)
{
	lock_take(&pool->lock);
	job->stage = JOB_ENDED;
	struct task *task = job->task;
	if (!task)
		list_remove(&pool->taken, job, link);
	bool back_soon = task != NULL;
	pool->coming += back_soon;
	/* from the claim on the job is the task's; also if it lost, when the task is on its way to the lock */
	bool claimed = task && wait_claim(task, CLAIM_EVENT);
	lock_drop(&pool->lock);
	if (!task)
		job_drop(job, true);
	else if (claimed)
		task_ready_last(task);
	retire(pool);
	lock_take(&pool->lock);
	pool->coming -= back_soon;
}

static void *thread_main(void *arg)
{
	struct pool_thread *thread = arg;
	struct pool *pool = thread->pool;
	struct job *job;
	thread->id = pthread_self();
	pthread_setname_np(thread->id, pool->name);
	thread->host = (struct thread_host){ on_away, on_back };
	thread_host = &thread->host;
	quit_forbid();
	fetch_add(&scheduler.threads, 1, relaxed); /* for watch/deadlock.c: a thread of the runtime's own */
	lock_take(&pool->lock);
	pool->starting = false;
	pool->coming--;
	while ((job = next_job(thread))) {
		job_run(job);
		finish(pool, job);
	}
	quit_allow();
	leave(thread);
	return NULL;
}

static int create(struct pool_thread *thread)
{
	pthread_t id;
	pthread_attr_t attributes;
	sigset_t blocked, old;
	if (load(&pool_test_fail, relaxed))
		return EAGAIN;
	signals_of_pools(&blocked);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	int error = pthread_create(&id, &attributes, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

/* Without a thread nothing that is queued can ever run: it all ends with the error. The lock is held, and dropped. */
static void fail_all(struct pool *pool, int error)
{
	struct task_list list = { 0 };
	struct task *task;
	struct job *job;
	unsigned n = 0;
	while ((job = first(pool))) {
		if ((task = unqueue(pool, job)))
			task_list_add(&list, task);
		job->error = error;
		job->stage = JOB_ENDED;
		list_append(&pool->taken, job, link);
		n++;
		if (wait_claim(job->task, CLAIM_EVENT))
			task_list_add(&list, job->task);
	}
	lock_drop(&pool->lock);
	task_ready_list(&list);
	fetch_sub(&pool->active, n, release);
}

/* One thread less is coming. Those at work will do what it was for; one that has begun to idle meanwhile, at once. */
static void start_failed(struct pool *pool, int error)
{
	lock_take(&pool->lock);
	pool->starting = false;
	pool->coming--;
	store(&pool->threads, pool->threads - 1, relaxed);
	if (pool->threads == pool->away) {
		fail_all(pool, error);
		return;
	}
	unsigned *woken = needs_threads(pool) ? rouse(pool) : NULL;
	store(&pool->short_of, !woken && needs_threads(pool), relaxed);
	lock_drop(&pool->lock);
	if (woken)
		futex_wake(woken, 1);
}

/* Starts the thread that must_start() wants. errno is the task's, and stays. */
static void start(struct pool *pool)
{
	int saved = errno;
	struct pool_thread *thread = calloc(1, sizeof(*thread));
	int error = ENOMEM;
	if (thread) {
		thread->pool = pool;
		error = create(thread);
	}
	errno = saved;
	if (error == 0)
		return;
	free(thread);
	start_failed(pool, -error);
}

void pool_retry(struct pool *pool)
{
	if (!load(&pool->short_of, relaxed)) /* seen at the next look */
		return;
	lock_take(&pool->lock);
	bool more = must_start(pool);
	lock_drop(&pool->lock);
	if (more)
		start(pool);
}

/* ---- the task's side ---- */

bool pool_add(struct pool *pool, struct job *job, struct task *task, bool handed, const struct pool_wait *wait)
{
	job->nested = task->flags & TASK_NESTED;
	lock_take(&pool->lock);
	pool->handed -= handed;
	if (!job->nested && pool->length + pool->handed >= pool->places) {
		lock_drop(&pool->lock);
		return false;
	}
	wait_begin(task, wait->kind, wait->object, wait->pc); /* before it is queued: from then on it can be claimed */
	job->task = task;
	if (job->nested) {
		list_append(&pool->nested, job, link);
		pool->nested_length++;
	} else {
		list_append(&pool->queued, job, link);
		pool->length++;
	}
	fetch_add(&pool->active, 1, relaxed);
	unsigned *woken = needs_threads(pool) ? rouse(pool) : NULL;
	bool more = must_start(pool);
	lock_drop(&pool->lock);
	if (woken)
		futex_wake(woken, 1);
	else if (more)
		start(pool);
	return true;
}

bool pool_take_back(struct pool *pool, struct job *job)
{
	struct task *waiter = NULL;
	lock_take(&pool->lock);
	bool ours = job->stage != JOB_RUNNING;
	if (job->stage == JOB_QUEUED) {
		waiter = unqueue(pool, job);
		retire(pool);
	} else if (job->stage == JOB_ENDED) {
		list_remove(&pool->taken, job, link);
	} else {
		job->task = NULL;
	}
	lock_drop(&pool->lock);
	ready_if(waiter);
	return ours;
}

int pool_wait_for_place(struct pool *pool, struct task *task, const struct pool_wait *wait, sley_time deadline)
{
	lock_take(&pool->lock);
	if (pool->length + pool->handed < pool->places) {
		pool->handed++;
		lock_drop(&pool->lock);
		return 0;
	}
	return park_in(&pool->waiters, task, &pool->lock, wait->kind, wait->object, deadline, wait->pc);
}

void pool_return_place(struct pool *pool)
{
	lock_take(&pool->lock);
	struct task *waiter = wait_pop(&pool->waiters, CLAIM_EVENT);
	if (!waiter)
		pool->handed--;
	lock_drop(&pool->lock);
	ready_if(waiter);
}

/* ---- start and stop ---- */

void pool_open(struct pool *pool, const char *name, unsigned limit, unsigned places)
{
	*pool = (struct pool){ .name = name, .limit = limit, .places = places };
}

static void drop_all(job_list *list)
{
	struct job *job;
	while ((job = list_first(list, link))) {
		list_remove(list, job, link);
		job_drop(job, false);
	}
}

void pool_stop(struct pool *pool)
{
	unsigned *woken, threads;
	job_list never = { 0 };
	struct job *job;
	lock_take(&pool->lock);
	pool->stopping = true;
	list_append_all(&never, &pool->nested);
	list_append_all(&never, &pool->queued);
	list_each(job, &pool->taken, link) {
		if (job->stage == JOB_RUNNING)
			job->task = NULL; /* it was abandoned */
	}
	lock_drop(&pool->lock);
	do {
		lock_take(&pool->lock);
		woken = rouse(pool);
		lock_drop(&pool->lock);
		if (woken)
			futex_wake(woken, 1);
	} while (woken);
	while ((threads = load(&pool->threads, acquire)) > 0) /* pairs with leave() */
		futex_wait(&pool->threads, threads, NULL);
	if (pool->ended) {
		pthread_join(pool->ended->id, NULL);
		free(pool->ended);
	}
	drop_all(&never);
	drop_all(&pool->taken); /* ended, and their tasks were abandoned before they took them */
}
