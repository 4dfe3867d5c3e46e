/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/quit.h"
#include "run/worker.h"
#include "stack/overflow.h"

static void worker_init(struct worker *worker, unsigned number)
{
	worker->number = number;
	worker->random = number * 2654435761u + 1;
	worker->counters = region_counters(number + 1);
	worker->line = &region.workers[number];
	*worker->line = (struct sley_region_worker){ .index = (uint16_t)number };
	timers_init(&worker->timers);
}

static void *worker_main(void *arg)
{
	void *alternate;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* as in sley_run_at() */
	overflow_thread_enter(&alternate);
	quit_forbid();
	worker_run(arg);
	quit_allow();
	overflow_thread_leave(alternate);
	return NULL;
}

int workers_open(unsigned count)
{
	size_t size = sizeof(struct worker) * count;
	scheduler.workers = aligned_alloc(CACHE_LINE, ROUND_UP(size, CACHE_LINE));
	if (!scheduler.workers)
		return -ENOMEM;
	memset((void *)scheduler.workers, 0, size);
	scheduler.made = scheduler.target = scheduler.active = count;
	store(&scheduler.started, 1, relaxed); /* the caller of sley_run() */
	for (unsigned i = 0; i < count; i++)
		worker_init(worker_get(i), i);
	for (unsigned i = 0; i < count; i++) {
		int error = stack_worker_init(&worker_get(i)->stack, i);
		if (error)
			return error;
	}
	return 0;
}

void workers_close(void)
{
	for (unsigned i = 0; scheduler.workers && i < scheduler.made; i++)
		stack_worker_fini(&worker_get(i)->stack);
	free(scheduler.workers);
	scheduler.workers = NULL;
	scheduler.made = scheduler.target = scheduler.active = 0;
}

int workers_start(void)
{
	for (unsigned i = 1; i < scheduler.target; i++) {
		struct worker *worker = worker_get(i);
		char name[16];
		int error = pthread_create(&worker->thread, NULL, worker_main, worker);
		if (error)
			return -error;
		store(&scheduler.started, i + 1, relaxed);
		snprintf(name, sizeof(name), "sley-%u", i);
		pthread_setname_np(worker->thread, name);
	}
	return 0;
}

void workers_join(void)
{
	for (unsigned i = 1; i < scheduler.started; i++)
		pthread_join(worker_get(i)->thread, NULL);
}
