/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Functions that run as tasks for plain threads. The thread and the task hold the submission, with its copy of the
 * block. The last holder frees it. All submissions are in a list: at the end of the run it gives those of abandoned
 * tasks.
 *
 *    thread                                     task
 *    spawn; lock; ENDED? : wait; unlock         lock; GIVEN_UP? leave : RUNNING; unlock
 *    lock; ENDED?   take the result             fn(block)
 *          RUNNING? cancel the task; give up    lock; ENDED; wake the thread; leave; unlock
 *          QUEUED?  give up: fn never runs
 *          leave; unlock
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "io/offload.h"
#include "life/spawn.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/thread.h"
#include "run/worker.h"

enum submission_stage { QUEUED, RUNNING, ENDED, GIVEN_UP };

struct submission {
	struct list_link link;       /* protected by the list's lock */
	struct object_lock lock;     /* protects the fields below that are not constant */
	struct sley_waiters waiters; /* the waiting thread */
	enum submission_stage stage;
	unsigned holders;
	void (*fn)(void *);
	char block[] __attribute__((aligned(16)));
};

static struct {
	struct list_lock lock; /* protects list */
	LIST(struct submission) list;
} all;

static struct submission *submission_new(void (*fn)(void *), const void *block, size_t n)
{
	int saved = errno;
	struct submission *s = malloc(sizeof(*s) + n);
	errno = saved;
	if (!s)
		return NULL;
	*s = (struct submission){ .fn = fn, .holders = 2 };
	if (n > 0)
		memcpy(s->block, block, n);
	lock_take(&all.lock);
	list_prepend(&all.list, s, link);
	lock_drop(&all.lock);
	return s;
}

static void submission_free(struct submission *s)
{
	lock_take(&all.lock);
	list_remove(&all.list, s, link);
	lock_drop(&all.lock);
	free(s);
}

/* Ends one hold. The lock is held, and dropped. */
static void submission_leave(struct submission *s)
{
	bool last = --s->holders == 0;
	lock_drop(&s->lock);
	if (last)
		submission_free(s);
}

/* The function of the task. */
static void submission_run(void *arg)
{
	struct submission *s = arg;
	struct task *thread = NULL;
	lock_take(&s->lock);
	if (s->stage == QUEUED) {
		s->stage = RUNNING;
		lock_drop(&s->lock);
		s->fn(s->block);
		lock_take(&s->lock);
		s->stage = ENDED;
		thread = wait_pop(&s->waiters, CLAIM_EVENT);
	}
	submission_leave(s);
	if (thread)
		task_ready(thread);
}

/* Called with the lock held, and drops it during the wait. Returns 0: fn has ended; or the error of the wait. */
static int submission_wait(struct submission *s, struct task *thread, sley_time deadline)
{
	if (s->stage == ENDED)
		return 0;
	wait_begin(thread, SLEY_WAIT_NONE, 0, NULL);
	wait_link(&s->waiters, &thread->wait);
	lock_drop(&s->lock);
	enum claim who = wait_park(thread, deadline);
	lock_take(&s->lock);
	wait_unlink(&s->waiters, &thread->wait);
	return s->stage == ENDED ? 0 : wait_error(who);
}

static int submit(struct thread *thread, struct sley_site *site, struct submission *s, void *block, size_t n,
		  sley_time deadline)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	struct task *fresh;
	int error = spawn_new(&fresh, site, &detached, submission_run, s, SLEY_BY_POINTER);
	if (error) {
		submission_free(s);
		return error;
	}
	sley_task task = (sley_task)fresh->id; /* read before spawn_start(): a ready task may end */
	fresh->flags |= thread_host ? TASK_NESTED : 0;
	spawn_start(fresh);
	lock_take(&s->lock);
	error = submission_wait(s, &thread->task, deadline);
	bool running = s->stage == RUNNING;
	if (error == 0 && n > 0)
		memcpy(block, s->block, n);
	if (s->stage == QUEUED)
		s->stage = GIVEN_UP;
	submission_leave(s);
	if (running)
		sley_cancel(task); /* no effect if it has ended in the meantime */
	return error;
}

int sley_submit_at(struct sley_site *site, void (*fn)(void *), void *block, size_t n, sley_time deadline)
{
	struct thread thread;
	if (task_self())
		return -EDEADLK;
	if (!fn || (!block && n > 0))
		return -EINVAL;
	if (n > SLEY_OFFLOAD_MAX)
		return -E2BIG;
	int error = thread_enter(&thread);
	if (error)
		return error;
	struct submission *s = NULL;
	if (deadline != SLEY_NEVER && deadline <= clock_now())
		error = -ETIMEDOUT;
	else if (!(s = submission_new(fn, block, n)))
		error = -ENOMEM;
	if (s)
		error = submit(&thread, site, s, block, n, deadline);
	thread_leave();
	return error;
}

void submit_close(void)
{
	while (!list_is_empty(&all.list))
		submission_free(list_first(&all.list, link));
}
