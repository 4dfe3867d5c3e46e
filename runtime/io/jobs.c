/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/race.h"
#include "io/sigmask.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/quit.h"
#include "run/thread.h"
#include "run/worker.h"

#define STACK ((size_t)1 << 20) /* of a thread: getaddrinfo's modules need some 100 KiB; pages are touched on demand */

struct jobs_thread {
	struct thread_host host;
	pthread_t id; /* set by the thread itself */
	struct jobs *jobs;
	struct list_link link; /* in the idle list; protected by the pool's lock */
	bool idle;             /* it is in that list; protected by the pool's lock */
	unsigned woken;        /* atomic, futex; set under the pool's lock */
};

struct jobs jobs_of[POOLS];
int64_t jobs_idle_time = 10 * NS_PER_SEC;
unsigned jobs_test_fail;

/* ---- jobs ---- */

/* Called with the lock held. Returns the next job to run; null: none. */
static struct job *first(const struct jobs *jobs)
{
	return list_first(list_is_empty(&jobs->nested) ? &jobs->queued : &jobs->nested, link);
}

/* Called with the lock held. Returns whether there are more jobs than threads on their way to them. */
static bool needs_threads(const struct jobs *jobs)
{
	return jobs->length + jobs->nested_length > jobs->coming;
}

/*
 * Called with the lock held. Removes a job from the queue, and hands its place on. Returns the task to make ready, or
 * null.
 */
static struct task *unqueue(struct jobs *jobs, struct job *job)
{
	if (job->nested) {
		list_remove(&jobs->nested, job, link);
		jobs->nested_length--;
		return NULL;
	}
	list_remove(&jobs->queued, job, link);
	jobs->length--;
	struct task *waiter = wait_pop(&jobs->waiters, CLAIM_EVENT);
	if (waiter)
		jobs->handed++;
	return waiter;
}

static void ready_if(struct task *task)
{
	if (task)
		task_ready_last(task);
}

/* Called after the effect of a job's end: from here on a deadlock check need not wait for this job. */
static void retire(struct jobs *jobs)
{
	fetch_sub(&jobs->active, 1, release);
}

/* ---- idle threads; with the lock held ---- */

static void jobs_thread_rest(struct jobs_thread *thread)
{
	struct jobs *jobs = thread->jobs;
	thread->idle = true;
	list_prepend(&jobs->idle, thread, link);
	jobs->resting++;
	store(&thread->woken, 0, relaxed);
}

static void rise(struct jobs_thread *thread)
{
	struct jobs *jobs = thread->jobs;
	list_remove(&jobs->idle, thread, link);
	thread->idle = false;
	jobs->resting--;
}

/*
 * Returns the futex of the thread to wake, or null. From here on that thread may wake by itself and end. So the caller
 * does only futex_wake() without the lock, on an address that may belong to another object by then. That does no harm.
 */
static unsigned *jobs_rouse(struct jobs *jobs)
{
	struct jobs_thread *thread = list_first(&jobs->idle, link);
	if (!thread)
		return NULL;
	rise(thread);
	jobs->coming++;
	store(&thread->woken, 1, release); /* pairs with sleep_idle() */
	return &thread->woken;
}

/* Sleeps until it is woken. Returns false if the idle time is over. */
static bool sleep_idle(struct jobs_thread *thread)
{
	struct jobs *jobs = thread->jobs;
	int64_t left, until = clock_now() + load(&jobs_idle_time, relaxed);
	jobs_thread_rest(thread);
	lock_drop(&jobs->lock);
	while (!load(&thread->woken, acquire) && (left = until - clock_now()) > 0) {
		struct timespec time = clock_timespec(left);
		futex_wait(&thread->woken, 0, &time);
	}
	RACE_POINT(jobs_thread_has_idled);
	lock_take(&jobs->lock);
	if (!thread->idle)
		return true;
	rise(thread);
	return false;
}

/* ---- threads ---- */

static void jobs_start_thread(struct jobs *jobs);

/*
 * Called with the lock held. Returns whether the caller has to start a thread, by jobs_start_thread() without the lock.
 */
static bool must_start(struct jobs *jobs)
{
	unsigned at_work = jobs->threads - jobs->away;
	if (!needs_threads(jobs) || !list_is_empty(&jobs->idle) || jobs->starting || jobs->stopping)
		return false;
	if (jobs->threads >= jobs->limit && at_work > 0 && !(!list_is_empty(&jobs->nested) && at_work < jobs->limit))
		return false;
	jobs->starting = true;
	store(&jobs->short_of, 0, relaxed);
	jobs->coming++;
	store(&jobs->threads, jobs->threads + 1, relaxed);
	return true;
}

/* Callbacks of the thread host: on_away() before the thread waits for a task, on_back() after that wait. */
static void on_away(struct thread_host *host, bool forever)
{
	struct jobs *jobs = CONTAINER_OF(host, struct jobs_thread, host)->jobs;
	lock_take(&jobs->lock);
	jobs->away++;
	bool more = must_start(jobs);
	lock_drop(&jobs->lock);
	if (more)
		jobs_start_thread(jobs);
	if (forever) {
		fetch_sub(&jobs->active, 1, relaxed);
		fetch_sub(&scheduler.threads, 1, relaxed); /* threads_stuck() counts it now */
	}
}

static void on_back(struct thread_host *host, bool forever)
{
	struct jobs *jobs = CONTAINER_OF(host, struct jobs_thread, host)->jobs;
	if (forever) {
		fetch_add(&jobs->active, 1, relaxed);
		fetch_add(&scheduler.threads, 1,
			  release); /* after `active`: deadlock_look() reads them in the opposite order */
	}
	lock_take(&jobs->lock);
	jobs->away--;
	lock_drop(&jobs->lock);
}

/* Ends the thread. The lock is held, and dropped. It also joins the thread that ended before it. */
static void jobs_thread_leave(struct jobs_thread *thread)
{
	struct jobs *jobs = thread->jobs;
	struct jobs_thread *before = jobs->ended;
	jobs->ended = thread;
	store(&jobs->threads, jobs->threads - 1, release); /* pairs with jobs_stop() */
	bool last = jobs->stopping && jobs->threads == 0;
	/* it was counted as coming, but leaves as one too many: another thread has to come */
	unsigned *woken = needs_threads(jobs) ? jobs_rouse(jobs) : NULL;
	lock_drop(&jobs->lock);
	if (woken)
		futex_wake(woken, 1);
	fetch_sub(&scheduler.threads, 1, relaxed);
	if (last)
		futex_wake(&jobs->threads, 1);
	if (before) {
		pthread_join(before->id, NULL);
		free(before);
	}
}

/*
 * Takes the next job and makes it RUNNING; the lock is held, and dropped. Null: the thread has to leave; the lock is
 * held.
 */
static struct job *next_job(struct jobs_thread *thread)
{
	struct jobs *jobs = thread->jobs;
	struct job *job;
	if (jobs->threads - jobs->away > jobs->limit)
		return NULL; /* threads that were away are back */
	while (!(job = first(jobs))) {
		if (jobs->stopping)
			return NULL;
		bool woken = sleep_idle(thread);
		jobs->coming -= woken;
		if (!woken && !first(jobs))
			return NULL;
	}
	struct task *waiter = unqueue(jobs, job);
	job->stage = JOB_RUNNING;
	list_append(&jobs->taken, job, link);
	bool more = must_start(jobs);
	lock_drop(&jobs->lock);
	ready_if(waiter);
	if (more)
		jobs_start_thread(jobs);
	return job;
}

/*
 * Ends a job whose function has returned. The lock is free at the call, and held on return. `coming` includes this
 * thread in between: if the job's task adds another job at once, it wakes or starts no other thread.
 */
static void finish(struct jobs *jobs, struct job *job)
{
	lock_take(&jobs->lock);
	job->stage = JOB_ENDED;
	struct task *task = job->task;
	if (!task)
		list_remove(&jobs->taken, job, link);
	bool back_soon = task != NULL;
	jobs->coming += back_soon;
	/*
	 * From the claim on, the job belongs to the task. If the claim fails, the task is on its way to the lock and
	 * owns the job too.
	 */
	bool claimed = task && wait_claim(task, CLAIM_EVENT);
	lock_drop(&jobs->lock);
	if (!task)
		job_drop(job, true);
	else if (claimed)
		task_ready_last(task);
	retire(jobs);
	lock_take(&jobs->lock);
	jobs->coming -= back_soon;
}

static void *thread_main(void *arg)
{
	struct jobs_thread *thread = arg;
	struct jobs *jobs = thread->jobs;
	struct job *job;
	thread->id = pthread_self();
	pthread_setname_np(thread->id, jobs->name);
	thread->host = (struct thread_host){ on_away, on_back };
	thread_host = &thread->host;
	quit_forbid();
	fetch_add(&scheduler.threads, 1, relaxed); /* for watch/deadlock.c: one more thread of the runtime */
	lock_take(&jobs->lock);
	jobs->starting = false;
	jobs->coming--;
	while ((job = next_job(thread))) {
		job_run(job);
		finish(jobs, job);
	}
	quit_allow();
	jobs_thread_leave(thread);
	return NULL;
}

static int create(struct jobs_thread *thread)
{
	pthread_t id;
	pthread_attr_t attributes;
	sigset_t blocked, old;
	if (load(&jobs_test_fail, relaxed))
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

/* Ends all queued jobs with the error, as no thread is left to run them. The lock is held, and dropped. */
static void fail_all(struct jobs *jobs, int error)
{
	struct task_list list = { 0 };
	struct task *task;
	struct job *job;
	unsigned n = 0;
	while ((job = first(jobs))) {
		if ((task = unqueue(jobs, job)))
			task_list_add(&list, task);
		job->error = error;
		job->stage = JOB_ENDED;
		list_append(&jobs->taken, job, link);
		n++;
		if (wait_claim(job->task, CLAIM_EVENT))
			task_list_add(&list, job->task);
	}
	lock_drop(&jobs->lock);
	task_ready_list(&list);
	fetch_sub(&jobs->active, n, release);
}

/*
 * Undoes the start of a thread that failed. The other threads take over its jobs. A thread that has begun to idle in
 * between is woken.
 */
static void start_failed(struct jobs *jobs, int error)
{
	lock_take(&jobs->lock);
	jobs->starting = false;
	jobs->coming--;
	store(&jobs->threads, jobs->threads - 1, relaxed);
	if (jobs->threads == jobs->away) {
		fail_all(jobs, error);
		return;
	}
	unsigned *woken = needs_threads(jobs) ? jobs_rouse(jobs) : NULL;
	store(&jobs->short_of, !woken && needs_threads(jobs), relaxed);
	lock_drop(&jobs->lock);
	if (woken)
		futex_wake(woken, 1);
}

/* Starts the thread that must_start() asked for. Keeps the task's errno. */
static void jobs_start_thread(struct jobs *jobs)
{
	int saved = errno;
	struct jobs_thread *thread = calloc(1, sizeof(*thread));
	int error = ENOMEM;
	if (thread) {
		thread->jobs = jobs;
		error = create(thread);
	}
	errno = saved;
	if (error == 0)
		return;
	free(thread);
	start_failed(jobs, -error);
}

void jobs_retry(struct jobs *jobs)
{
	if (!load(&jobs->short_of, relaxed)) /* a later change is seen at the next look */
		return;
	lock_take(&jobs->lock);
	bool more = must_start(jobs);
	lock_drop(&jobs->lock);
	if (more)
		jobs_start_thread(jobs);
}

/* ---- the task's side ---- */

bool jobs_add(struct jobs *jobs, struct job *job, struct task *task, bool handed, const struct pool_wait *wait)
{
	job->nested = task->flags & TASK_NESTED;
	lock_take(&jobs->lock);
	jobs->handed -= handed;
	if (!job->nested && jobs->length + jobs->handed >= jobs->places) {
		lock_drop(&jobs->lock);
		return false;
	}
	wait_begin(task, wait->kind, wait->object, wait->pc); /* before it is queued: a queued wait can be claimed */
	job->task = task;
	if (job->nested) {
		list_append(&jobs->nested, job, link);
		jobs->nested_length++;
	} else {
		list_append(&jobs->queued, job, link);
		jobs->length++;
	}
	fetch_add(&jobs->active, 1, relaxed);
	unsigned *woken = needs_threads(jobs) ? jobs_rouse(jobs) : NULL;
	bool more = must_start(jobs);
	lock_drop(&jobs->lock);
	if (woken)
		futex_wake(woken, 1);
	else if (more)
		jobs_start_thread(jobs);
	return true;
}

bool jobs_take_back(struct jobs *jobs, struct job *job)
{
	struct task *waiter = NULL;
	lock_take(&jobs->lock);
	bool ours = job->stage != JOB_RUNNING;
	if (job->stage == JOB_QUEUED) {
		waiter = unqueue(jobs, job);
		retire(jobs);
	} else if (job->stage == JOB_ENDED) {
		list_remove(&jobs->taken, job, link);
	} else {
		job->task = NULL;
	}
	lock_drop(&jobs->lock);
	ready_if(waiter);
	return ours;
}

int jobs_wait_for_place(struct jobs *jobs, struct task *task, const void *pc, sley_time deadline)
{
	lock_take(&jobs->lock);
	if (jobs->length + jobs->handed < jobs->places) {
		jobs->handed++;
		lock_drop(&jobs->lock);
		return 0;
	}
	return park_in(&jobs->waiters, task, &jobs->lock, SLEY_WAIT_QUEUE, (uint64_t)(uintptr_t)jobs, deadline, pc);
}

void jobs_return_place(struct jobs *jobs)
{
	lock_take(&jobs->lock);
	struct task *waiter = wait_pop(&jobs->waiters, CLAIM_EVENT);
	if (!waiter)
		jobs->handed--;
	lock_drop(&jobs->lock);
	ready_if(waiter);
}

/* ---- start and stop ---- */

void jobs_open(struct jobs *jobs, const char *name, unsigned limit, unsigned places)
{
	*jobs = (struct jobs){ .pool = (unsigned)(jobs - jobs_of), .name = name, .limit = limit, .places = places };
}

static void drop_all(job_list *list)
{
	struct job *job;
	while ((job = list_first(list, link))) {
		list_remove(list, job, link);
		job_drop(job, false);
	}
}

void jobs_stop(struct jobs *jobs)
{
	unsigned *woken, threads;
	job_list never = { 0 };
	struct job *job;
	lock_take(&jobs->lock);
	jobs->stopping = true;
	list_append_all(&never, &jobs->nested);
	list_append_all(&never, &jobs->queued);
	list_each(job, &jobs->taken, link) {
		if (job->stage == JOB_RUNNING)
			job->task = NULL; /* its task was abandoned */
	}
	lock_drop(&jobs->lock);
	do {
		lock_take(&jobs->lock);
		woken = jobs_rouse(jobs);
		lock_drop(&jobs->lock);
		if (woken)
			futex_wake(woken, 1);
	} while (woken);
	while ((threads = load(&jobs->threads, acquire)) > 0) /* pairs with jobs_thread_leave() */
		futex_wait(&jobs->threads, threads, NULL);
	if (jobs->ended) {
		pthread_join(jobs->ended->id, NULL);
		free(jobs->ended);
	}
	drop_all(&never);
	drop_all(&jobs->taken); /* jobs that ended, but whose tasks were abandoned before they took them */
}
