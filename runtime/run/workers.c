/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Records and threads of workers. The first `target` run from the beginning to the end of a run. The others are spares
 * (see blocked.h): the watchdog makes their threads, off the path of a block, one at a time, and ends those that have
 * slept for `spare_idle`.
 *
 * A record is made once in a run and used again by the next thread: its number may be in records of tasks, its reserve
 * may hold an image, and others may look at it at any time.
 */
#include "run/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "run/blocked.h"
#include "run/idle.h"
#include "run/queue.h"
#include "run/quit.h"
#include "run/replacement.h"
#include "run/worker.h"
#include "stack/overflow.h"

#define REFUSED_PAUSE NS_PER_SEC

int64_t spare_idle = 60 * NS_PER_SEC;
unsigned spare_test_fail;

static struct {
	sigset_t mask;          /* of the workers; constant during a run */
	pthread_mutex_t making; /* held while a spare is made or joined: no lock of ours, as that takes system calls */
	bool over;              /* protected by it: no spare is made or joined any more */
	/* owned by the watchdog */
	int64_t again; /* when a spare may be made after one was refused */
} workers = { .making = PTHREAD_MUTEX_INITIALIZER };

static int worker_init(unsigned number)
{
	struct worker *worker = worker_get(number);
	worker->number = number;
	worker->random = number * 2654435761u + 1;
	worker->counters = region_counters(number + 1);
	worker->line = &region.workers[number];
	*worker->line = (struct sley_region_worker){ .index = (uint16_t)number };
	worker->block = &region.blocks[number];
	*worker->block = (struct sley_region_block){ 0 };
	worker->timers = &scheduler.timers[number % scheduler.target];
	return stack_worker_init(&worker->stack, number);
}

static void *worker_main(void *arg)
{
	void *alternate;
	pthread_sigmask(SIG_SETMASK, &workers.mask, NULL);    /* the watchdog has all signals blocked */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* as in sley_run_at() */
	overflow_thread_enter(&alternate);
	quit_forbid();
	if (((struct worker *)arg)->number >= scheduler.target)
		replacement_new(arg);
	worker_run(arg);
	blocked_back(arg); /* from a note that came late, when it slept already: nobody else takes that back */
	quit_allow();
	overflow_thread_leave(alternate);
	return NULL;
}

int workers_open(unsigned count, unsigned spares)
{
	scheduler.most = count + spares;
	scheduler.target = count;
	scheduler.timers = aligned_alloc(CACHE_LINE, sizeof(struct timers) * count);
	/* zero bytes that cost nothing until they are used */
	void *records = mmap(NULL, sizeof(struct worker) * scheduler.most, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	scheduler.workers = records == MAP_FAILED ? NULL : records;
	if (!scheduler.timers || !scheduler.workers)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		timers_init(&scheduler.timers[i]);
	for (unsigned i = 0; i < count; i++) {
		int error = worker_init(i);
		if (error)
			return error;
	}
	idle_open(count);
	blocked_open();
	workers.again = 0;
	workers.over = false;
	return 0;
}

void workers_close(void)
{
	for (unsigned i = 0; scheduler.workers && i < scheduler.most && worker_get(i)->line; i++) {
		heap_cache_empty(&worker_get(i)->heap);
		stack_worker_fini(&worker_get(i)->stack);
	}
	if (scheduler.workers)
		munmap(scheduler.workers, sizeof(struct worker) * scheduler.most);
	free(scheduler.timers);
	scheduler.workers = NULL;
	scheduler.timers = NULL;
	scheduler.made = scheduler.target = scheduler.most = 0;
}

/* The thread of a worker whose record is made. 0 or a negative errno value. */
static int start(struct worker *worker)
{
	char name[16];
	if (worker->number >= scheduler.target && load(&spare_test_fail, relaxed))
		return -EAGAIN;
	int error = pthread_create(&worker->thread, NULL, worker_main, worker);
	if (error)
		return -error;
	worker->joinable = true;
	snprintf(name, sizeof(name), "sley-%u", worker->number);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int workers_start(void)
{
	pthread_sigmask(SIG_SETMASK, NULL, &workers.mask);
	for (unsigned i = 1; i < scheduler.target; i++) {
		int error = start(worker_get(i));
		if (error)
			return error;
	}
	return 0;
}

void workers_stop(void)
{
	store(&scheduler.stopping, 1, release);                       /* pairs with search_task() */
	for (unsigned i = 0; i < load(&scheduler.made, acquire); i++) /* pairs with idle_add() */
		store(&worker_get(i)->poll_due, 1, release);          /* after `stopping`: pairs with worker_poll() */
	idle_wake_all();
}

void workers_join(void)
{
	pthread_mutex_lock(&workers.making);
	workers.over = true;
	pthread_mutex_unlock(&workers.making);
	idle_wake_all();
	for (unsigned i = 1; i < scheduler.made; i++) {
		if (worker_get(i)->joinable)
			pthread_join(worker_get(i)->thread, NULL);
	}
}

/* ---- spares; by the watchdog ---- */

/* A record without a thread, made now if there is none; null: there are as many as there may be, or no memory. */
static struct worker *spare_record(void)
{
	unsigned made = scheduler.made;
	for (unsigned i = scheduler.target; i < made; i++) {
		if (!worker_get(i)->joinable)
			return worker_get(i);
	}
	return made < scheduler.most && worker_init(made) == 0 ? worker_get(made) : NULL;
}

static bool spare_start(void)
{
	struct worker *worker = spare_record();
	if (!worker)
		return false;
	store(&worker->leaves, false, relaxed);
	worker->spare_since = clock_now();
	idle_add(worker); /* it counts as running from here on */
	store(&region.header->worker_count, MAX(region.header->worker_count, scheduler.made), release);
	if (start(worker) == 0)
		return true;
	idle_drop(worker);
	idle_notify(); /* work that came meanwhile has woken no worker, as this one was thought to run */
	return false;
}

/* Joins the threads that have ended, and ends one that has slept for long and is not the last in hand. */
static void spares_end(int64_t now)
{
	unsigned spares = load(&scheduler.started, relaxed) - scheduler.target;
	for (unsigned i = scheduler.target; i < scheduler.made; i++) {
		struct worker *worker = worker_get(i);
		uint64_t tick = load(&worker->tick, relaxed);
		if (!worker->joinable)
			continue;
		if (load(&worker->leaves, relaxed)) {
			if (load(&worker->line->mode, relaxed) != SLEY_WORKER_GONE)
				continue; /* it is on its way; or it never comes, and the run's end waits for it */
			pthread_join(worker->thread, NULL);
			worker->joinable = false;
		} else if (worker->spare_tick != tick || worker_awake(i) == worker) {
			worker->spare_tick = tick;
			worker->spare_since = now;
		} else if (now - worker->spare_since >= load(&spare_idle, relaxed) &&
			   spares > load(&scheduler.blocked, relaxed) + 1 && load(&worker->kept, relaxed) == 0) {
			spares -= idle_end(worker);
		}
	}
}

bool workers_look(int64_t now)
{
	bool made = false;
	pthread_mutex_lock(&workers.making);
	if (!workers.over)
		spares_end(now);
	if (!workers.over && blocked_wants_spare() && now >= workers.again) {
		made = spare_start();
		if (!made) {
			workers.again = now + REFUSED_PAUSE;
			count_here(SLEY_COUNTER_spares_refused, 1);
		}
	}
	blocked_refused(now < workers.again);
	pthread_mutex_unlock(&workers.making);
	return made;
}
