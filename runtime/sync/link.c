/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Links: two watches, one on each task. A link exists as long as the *other* task's watch can be taken back, under that
 * task's lock:
 *
 *    A ends: half_ended(A's)                B: sley_task_unlink(A)
 *    lock B; take B's half back?            lock B; take B's half back?
 *    yes: a failure? cancel B; unlock       yes: unlock; lock A; take A's half back, or A has ended
 *    no: unlock; the link is over           no: they are not linked
 *
 * So B is cancelled before its sley_task_unlink() returns 0, or not at all. If both tasks end at the same time, neither
 * finds the other's half. Each half holds the link's memory until it has been called or taken back.
 */
#include <errno.h>

#include "run/queue.h"
#include "run/worker.h"

struct task_link;

struct half {
	struct watch watch; /* of the end of one task */
	sley_task other;    /* constant; so is link */
	struct task_link *link;
};

struct task_link {
	struct half halves[2];
	unsigned holders; /* atomic */
};

static struct half *half_of(struct watch *watch)
{
	return CONTAINER_OF(watch, struct half, watch);
}

static struct half *other_half(struct half *half)
{
	return &half->link->halves[half == half->link->halves];
}

/* Releases n halves. */
static void release_halves(struct task_link *link, unsigned n)
{
	if (fetch_sub(&link->holders, n, acq_rel) == n) /* pairs with itself: all use of the link is over */
		block_free(link, sizeof(*link));
}

/*
 * Takes the half of task `id` back. Returns false if the link is over. With `cancel`, also cancels the task: *cancelled
 * is the task if this ended a wait.
 */
static bool half_take_back(sley_task id, struct half *half, bool cancel, struct task **cancelled)
{
	struct task *task = task_find(id);
	lock_take(&task->lock);
	bool taken = (sley_task)task->id == id && !(task->fate & TASK_UNUSED) && task_unwatch(task, &half->watch);
	if (taken && cancel && wait_cancel(task))
		*cancelled = task;
	lock_drop(&task->lock);
	return taken;
}

static void half_ended(struct watch *watch, struct task *task)
{
	struct half *half = half_of(watch);
	struct task_link *link = half->link;
	struct task *cancelled = NULL;
	struct sley_end end;
	task_outcome(task, &end);
	bool taken = half_take_back(half->other, other_half(half), end.reason != SLEY_END_RETURNED, &cancelled);
	release_halves(link, taken ? 2 : 1);
	if (cancelled)
		task_ready_last(cancelled);
}

/* Returns the calling task's half of a link with `other`, or null. With the task's lock held. */
static struct half *find_half(struct task *task, sley_task other)
{
	struct watch *watch;
	if (!task->extra)
		return NULL;
	list_each(watch, &task->extra->watches, link) {
		if (watch->ended == half_ended && half_of(watch)->other == other)
			return half_of(watch);
	}
	return NULL;
}

/* Returns 0; -EALREADY: they are linked; -ENOMEM. */
static int watch_self(struct task *task, struct half *half)
{
	int error = 0;
	lock_take(&task->lock);
	if (find_half(task, half->other))
		error = -EALREADY;
	else if (!task_extra_get(task))
		error = -ENOMEM;
	else
		task_watch(task, &half->watch);
	lock_drop(&task->lock);
	return error;
}

static void unwatch_self(struct task *task, struct half *half)
{
	lock_take(&task->lock);
	task_unwatch(task, &half->watch);
	lock_drop(&task->lock);
}

/* Returns 0, -ESRCH or -ENOMEM. */
static int watch_other(struct task *other, sley_task id, struct half *half)
{
	int error = 0;
	lock_take(&other->lock);
	if ((sley_task)other->id != id || other->fate & (TASK_ENDED | TASK_UNUSED))
		error = -ESRCH;
	else if (!task_extra_get(other))
		error = -ENOMEM;
	else
		task_watch(other, &half->watch);
	lock_drop(&other->lock);
	return error;
}

/* Links our own half first: the calling task cannot end during this call. Returns 0, or an error: nothing is linked. */
static int join_halves(struct task *task, struct task *other, struct task_link *link)
{
	struct half *own = &link->halves[0], *far = &link->halves[1];
	int error = watch_self(task, own);
	if (error)
		return error;
	error = watch_other(other, own->other, far);
	if (error)
		unwatch_self(task, own);
	return error;
}

int sley_task_link(sley_task id)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (id == (sley_task)task->id)
		return -EINVAL;
	struct task *other = task_find(id);
	if (!other)
		return -ESRCH;
	struct task_link *link = block_alloc(sizeof(*link));
	if (!link)
		return -ENOMEM;
	*link = (struct task_link){ .holders = 2 };
	link->halves[0] = (struct half){ .watch.ended = half_ended, .other = id, .link = link };
	link->halves[1] = (struct half){ .watch.ended = half_ended, .other = (sley_task)task->id, .link = link };
	int error = join_halves(task, other, link);
	if (error)
		release_halves(link, 2);
	return error == -EALREADY ? 0 : error;
}

int sley_task_unlink(sley_task id)
{
	struct task *task = task_self(), *cancelled = NULL;
	if (!task)
		return outside_error();
	bool found = false;
	struct half *half;
	do { /* repeated, as each task may have linked the other */
		lock_take(&task->lock);
		half = find_half(task, id);
		if (half)
			task_unwatch(task, &half->watch);
		lock_drop(&task->lock);
		if (half) {
			found = true;
			bool taken = half_take_back(id, other_half(half), false, &cancelled);
			release_halves(half->link, taken ? 2 : 1);
		}
	} while (half);
	return found ? 0 : -ENOENT;
}
