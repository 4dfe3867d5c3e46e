/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Monitors: a list of watches on living tasks, and a FIFO of watches whose tasks have ended, the messages.
 *
 * The monitor's lock comes before a task's lock. A watch in `watching` has not completed its watch_ended(), which needs
 * the monitor's lock. So its task's entry has not been freed, and may be accessed without a check of its id. The caller
 * that frees the monitor cannot stop a watch_ended() that waits for the lock. So each watch holds the monitor until
 * then, and the last one frees its memory.
 *
 * If a task or thread waits, a message is handed to it in its wait node. So no later caller can take the message, and
 * when no task is watched any more, the remaining waiters can be woken.
 */
#include <errno.h>

#include "base/list.h"
#include "base/race.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"
#include "run/worker.h"

#define BATCH 64u /* number of watches that are taken back while the lock is held once */

struct watching {
	struct watch watch;
	struct sley_monitor *monitor;
	struct task *task; /* while the watch is in `watching` */
	/* protected by the monitor's lock */
	struct list_link link; /* in `watching` or `messages` */
	struct sley_end end;   /* valid in `messages` */
};

typedef LIST(struct watching) watching_list;

struct sley_monitor {
	struct object_lock lock; /* protects the fields below */
	bool closed;             /* the monitor was freed by its user */
	size_t holders;          /* watches that have not ended, and the user */
	size_t inside;           /* waits that will access the monitor again: all except those ended by an event */
	watching_list watching, messages;
	struct sley_waiters waiters;
};

/* ---- lists ---- */

static void add_watching(struct sley_monitor *monitor, struct watching *w)
{
	list_prepend(&monitor->watching, w, link);
	monitor->holders++;
}

static struct watching *take_message(struct sley_monitor *monitor)
{
	struct watching *w = list_first(&monitor->messages, link);
	if (w)
		list_remove(&monitor->messages, w, link);
	return w;
}

static void watching_free(struct watching *w)
{
	block_free(w, sizeof(*w));
}

static void monitor_free(struct sley_monitor *monitor)
{
	block_free(monitor, sizeof(*monitor));
}

/* ---- a task has ended ---- */

/* If no task is watched, ends all waits, as no message can come. With the lock held. */
static void take_left_over(struct sley_monitor *monitor, struct task_list *list)
{
	if (!list_is_empty(&monitor->watching))
		return;
	wait_pop_all(&monitor->waiters, CLAIM_EVENT, list);
	for (struct task *task = list->first; task; task = task_list_next(task))
		monitor->inside--;
}

/*
 * Hands the watch to the first waiter, or appends it to the messages. Returns the waiter or null. With the lock held.
 */
static struct task *monitor_deliver(struct sley_monitor *monitor, struct watching *w)
{
	struct task *receiver = wait_pop(&monitor->waiters, CLAIM_EVENT);
	if (receiver) {
		monitor->inside--;
		receiver->wait.block = w;
	} else {
		list_append(&monitor->messages, w, link);
	}
	return receiver;
}

static void watch_ended(struct watch *watch, struct task *task)
{
	struct watching *w = CONTAINER_OF(watch, struct watching, watch);
	struct sley_monitor *monitor = w->monitor;
	struct task *receiver = NULL;
	struct task_list rest = { 0 };
	lock_take(&monitor->lock);
	bool closed = monitor->closed, last = --monitor->holders == 0;
	if (!closed) {
		list_remove(&monitor->watching, w, link);
		task_outcome(task, &w->end);
		receiver = monitor_deliver(monitor, w);
		take_left_over(monitor, &rest);
	}
	lock_drop(&monitor->lock);
	if (receiver)
		task_ready(receiver);
	task_ready_list(&rest);
	if (closed)
		watching_free(w);
	if (last)
		monitor_free(monitor);
}

/* ---- adding and removing ---- */

/* With both locks held. Returns 0, -ESRCH or -ENOMEM. The caller makes *receiver ready. */
static int add_locked(struct sley_monitor *monitor, struct watching *w, sley_task id, struct task **receiver)
{
	struct task *task = w->task;
	if ((sley_task)task->id != id || task->fate & TASK_UNUSED)
		return -ESRCH;
	if (task->fate & TASK_ENDED) {
		if (task->fate & TASK_DETACHED)
			return -ESRCH; /* the task is being freed */
		task_outcome(task, &w->end);
		*receiver = monitor_deliver(monitor, w);
		return 0;
	}
	if (!task_extra_get(task))
		return -ENOMEM;
	task_watch(task, &w->watch);
	add_watching(monitor, w);
	return 0;
}

static int monitor_add(struct sley_monitor *monitor, sley_task id)
{
	struct task *task = task_find(id), *receiver = NULL;
	if (!task)
		return -ESRCH;
	struct watching *w = block_alloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct watching){ .watch.ended = watch_ended, .monitor = monitor, .task = task };
	lock_take(&monitor->lock);
	lock_take(&task->lock);
	int error = add_locked(monitor, w, id, &receiver);
	lock_drop(&task->lock);
	lock_drop(&monitor->lock);
	if (error)
		watching_free(w);
	if (receiver)
		task_ready(receiver);
	return error;
}

/* Takes back a watch of the monitor on the task. Returns it, or null if there is none. With both locks held. */
static struct watching *watching_take_back(struct sley_monitor *monitor, struct task *task, sley_task id)
{
	if ((sley_task)task->id != id || task->fate & TASK_UNUSED || !task->extra)
		return NULL;
	RACE_POINT(monitor_takes_back_locked);
	struct watch *watch;
	list_each(watch, &task->extra->watches, link) {
		struct watching *w = CONTAINER_OF(watch, struct watching, watch);
		if (watch->ended == watch_ended && w->monitor == monitor) {
			task_unwatch(task, watch);
			list_remove(&monitor->watching, w, link);
			monitor->holders--;
			return w;
		}
	}
	return NULL;
}

static int monitor_remove(struct sley_monitor *monitor, sley_task id)
{
	struct task *task = task_find(id);
	struct task_list rest = { 0 };
	if (!task)
		return -ENOENT;
	lock_take(&monitor->lock);
	lock_take(&task->lock);
	struct watching *w = watching_take_back(monitor, task, id);
	lock_drop(&task->lock);
	if (w)
		take_left_over(monitor, &rest);
	lock_drop(&monitor->lock);
	if (!w)
		return -ENOENT;
	watching_free(w);
	task_ready_list(&rest);
	return 0;
}

/* ---- freeing a monitor ---- */

/*
 * Takes back some watches of a closed monitor. A watch that cannot be taken back frees itself in watch_ended(). Returns
 * whether there are more.
 */
static bool close_some(struct sley_monitor *monitor)
{
	watching_list taken_back = { 0 };
	struct watching *w;
	lock_take(&monitor->lock);
	for (unsigned i = 0; i < BATCH && (w = list_first(&monitor->watching, link)); i++) {
		list_remove(&monitor->watching, w, link);
		lock_take(&w->task->lock);
		bool taken = task_unwatch(w->task, &w->watch);
		lock_drop(&w->task->lock);
		if (!taken)
			continue;
		monitor->holders--;
		list_append(&taken_back, w, link);
	}
	bool more = !list_is_empty(&monitor->watching);
	lock_drop(&monitor->lock);
	while ((w = list_first(&taken_back, link))) {
		list_remove(&taken_back, w, link);
		watching_free(w);
	}
	return more;
}

static int monitor_end(struct sley_monitor *monitor)
{
	struct watching *w;
	lock_take(&monitor->lock);
	bool busy = monitor->inside > 0;
	monitor->closed = !busy;
	lock_drop(&monitor->lock);
	if (busy)
		return -EBUSY;
	while (close_some(monitor))
		;
	while ((w = take_message(monitor))) /* no watch is added any more */
		watching_free(w);
	lock_take(&monitor->lock);
	bool last = --monitor->holders == 0;
	lock_drop(&monitor->lock);
	if (last)
		monitor_free(monitor);
	return 0;
}

/* ---- waiting ---- */

/* Waits for a message. The lock is held, and dropped. On 0, *w is the message. */
static int wait_locked(struct task *task, struct sley_monitor *monitor, struct watching **w, sley_time deadline,
		       const void *pc)
{
	wait_begin(task, SLEY_WAIT_MONITOR, (uint64_t)(uintptr_t)monitor, pc);
	task->wait.block = NULL;
	monitor->inside++;
	enum claim who = park(task, &monitor->lock, &monitor->waiters, deadline);
	if (who == CLAIM_EVENT) {
		*w = task->wait.block;
		return *w ? 0 : -ENOENT;
	}
	monitor->inside--;
	lock_drop(&monitor->lock);
	return wait_error(who);
}

static int receive(struct task *task, void *object, int64_t end, sley_time deadline, const void *pc)
{
	struct sley_monitor *monitor = object;
	int error = 0;
	lock_take(&monitor->lock);
	struct watching *w = take_message(monitor);
	if (w || list_is_empty(&monitor->watching))
		lock_drop(&monitor->lock);
	else
		error = wait_locked(task, monitor, &w, deadline, pc);
	if (error)
		return error;
	if (!w)
		return -ENOENT;
	*(struct sley_end *)(intptr_t)end = w->end;
	watching_free(w);
	return 0;
}

/* ---- the calls ---- */

int sley_monitor_new(struct sley_monitor **result)
{
	int error = result ? thread_visit() : -EINVAL;
	if (error)
		return error;
	struct sley_monitor *monitor = block_alloc(sizeof(*monitor));
	if (monitor) {
		*monitor = (struct sley_monitor){ .holders = 1 };
		*result = monitor;
	}
	thread_depart();
	return monitor ? 0 : -ENOMEM;
}

/* Makes a call that does not wait, with or without a task's id. */
static int monitor_call(struct sley_monitor *monitor, const char *name, int (*fn)(struct sley_monitor *, sley_task),
			sley_task id)
{
	int error = monitor ? check_shared(monitor, name, "monitor") : -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	error = fn(monitor, id);
	thread_depart();
	return error;
}

static int end_call(struct sley_monitor *monitor, sley_task unused)
{
	(void)unused;
	return monitor_end(monitor);
}

int sley_monitor_free(struct sley_monitor *monitor)
{
	return monitor ? monitor_call(monitor, "sley_monitor_free", end_call, 0) : 0;
}

int sley_monitor_add(struct sley_monitor *monitor, sley_task task)
{
	return monitor_call(monitor, "sley_monitor_add", monitor_add, task);
}

int sley_monitor_remove(struct sley_monitor *monitor, sley_task task)
{
	return monitor_call(monitor, "sley_monitor_remove", monitor_remove, task);
}

int sley_monitor_wait(struct sley_monitor *monitor, struct sley_end *end, sley_time deadline)
{
	if (!monitor || !end)
		return -EINVAL;
	int error = check_shared(monitor, "sley_monitor_wait", "monitor");
	if (error)
		return error;
	return park_call(receive, monitor, (int64_t)(intptr_t)end, deadline, __builtin_return_address(0));
}
