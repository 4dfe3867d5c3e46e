/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Threads as tasks. A server with pthreads is compiled with `-include tasks.h`, is linked with main.c, and is not changed. */
#pragma once
#define SLEY_POSIX_NAMES
#include <pthread.h>
#include <sley.h>
#include <sley/posix.h>
#define pthread_t                                 sley_task
#define pthread_create(task, attributes, fn, arg) task_create(SLEY_SITE(#fn), (task), (attributes) != NULL, (fn), (arg))
#define pthread_join(task, unused)                task_error(sley_join((task), SLEY_NEVER))
#define pthread_mutex_t                           struct sley_mutex
#define pthread_mutex_init(mutex, unused)         (*(mutex) = (struct sley_mutex)SLEY_MUTEX_INIT)
#define pthread_mutex_lock(mutex)                 task_error(sley_mutex_lock((mutex), SLEY_NEVER))
#define pthread_mutex_unlock(mutex)               task_error(sley_mutex_unlock(mutex))
#define pthread_mutex_destroy(mutex)              ((void)(mutex))
#define pthread_cond_t                            struct sley_cond
#define pthread_cond_init(cond, unused)           (*(cond) = (struct sley_cond)SLEY_COND_INIT)
#define pthread_cond_wait(cond, mutex)            task_error(sley_cond_wait((cond), (mutex), SLEY_NEVER))
#define pthread_cond_timedwait(cond, mutex, time) task_error(sley_cond_wait((cond), (mutex), sley_posix_until(time)))
#define pthread_cond_signal(cond)                 task_error(sley_cond_signal(cond))
#define pthread_cond_destroy(cond)                ((void)(cond))
#define fsync(fd)                                 SLEY_BLOCKING(fsync(fd))
#define main(...)                                 ported_main(__VA_ARGS__)
int task_error(int result);
void task_run(void *start);
static inline int task_create(struct sley_site *site, sley_task *task, int detached, void *(*fn)(void *), void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .detached = detached & 1 };
	*task = sley_spawn_at(site, &options, task_run, (void *[]){ (void *)fn, arg }, 2 * sizeof(void *));
	return *task > 0 ? 0 : (int)-*task;
}
