/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A watch: the latest value and its version, and the list of those who wait for another one. The values are copied under
 * the lock, as a channel's items are.
 *
 * Who is woken by a change looks at the watch again. So the watch must not be freed until it has: `inside` counts these, as
 * in a channel. Who is woken by the close does not, and is not counted from then on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/park.h"
#include "run/report.h"

#define VALUE_MAX ((size_t)64 << 10)

struct sley_watch {
	struct object_lock lock; /* protects the fields below that are not constant */
	bool closed;
	size_t item;      /* constant */
	uint64_t version; /* of the value; the first is 1 */
	size_t inside;    /* waits that will access the watch again */
	struct sley_waiters waiters;
	char value[] __attribute__((aligned(16)));
};

static bool value_lacks(const struct sley_watch *watch, const void *value)
{
	return !value && watch->item > 0;
}

static void value_copy(const struct sley_watch *watch, void *to, const void *from)
{
	if (watch->item > 0)
		memcpy(to, from, watch->item);
}

int sley_watch_new(struct sley_watch **result, size_t item, const void *value)
{
	if (!result || item > VALUE_MAX || (!value && item > 0))
		return -EINVAL;
	int saved = errno;
	struct sley_watch *watch = calloc(1, sizeof(*watch) + item);
	errno = saved;
	if (!watch)
		return -ENOMEM;
	watch->item = item;
	watch->version = 1;
	value_copy(watch, watch->value, value);
	*result = watch;
	return 0;
}

int sley_watch_free(struct sley_watch *watch)
{
	int error = watch ? check_shared(watch, "sley_watch_free", "watch") : 0;
	if (!watch || error)
		return error;
	if (thread_visit() == 0) { /* outside of a run nobody waits: see sley_chan_free() */
		lock_take(&watch->lock);
		bool busy = watch->inside > 0;
		lock_drop(&watch->lock);
		thread_depart();
		if (busy)
			return -EBUSY;
	}
	free(watch);
	return 0;
}

/* ---- changes ---- */

static int change_value(struct sley_watch *watch, const void *value, struct task_list *woken)
{
	if (watch->closed)
		return -EPIPE;
	value_copy(watch, watch->value, value);
	watch->version++;
	wait_pop_all(&watch->waiters, CLAIM_EVENT, woken);
	return 0;
}

int sley_watch_set(struct sley_watch *watch, const void *value)
{
	struct task_list woken = { 0 };
	int error = check_object(watch, "sley_watch_set", "watch");
	if (error == 0 && value_lacks(watch, value))
		error = -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	check_block(value, watch->item, "sley_watch_set", "value");
	lock_take(&watch->lock);
	error = change_value(watch, value, &woken);
	lock_drop(&watch->lock);
	ready_woken(&woken);
	thread_depart();
	return error;
}

static int close_watch(struct sley_watch *watch, struct task_list *woken)
{
	struct task *task;
	if (watch->closed)
		return -EPIPE;
	watch->closed = true;
	while ((task = wait_pop(&watch->waiters, CLAIM_CLOSED))) {
		watch->inside--;
		task_list_add(woken, task);
	}
	return 0;
}

int sley_watch_close(struct sley_watch *watch)
{
	struct task_list woken = { 0 };
	int error = check_object(watch, "sley_watch_close", "watch");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(&watch->lock);
	error = close_watch(watch, &woken);
	lock_drop(&watch->lock);
	ready_woken(&woken);
	thread_depart();
	return error;
}

/* ---- to look, and to wait ---- */

int sley_watch_get(struct sley_watch *watch, void *value, uint64_t *seen)
{
	int error = check_object(watch, "sley_watch_get", "watch");
	if (error == 0 && value_lacks(watch, value))
		error = -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(&watch->lock);
	value_copy(watch, value, watch->value);
	if (seen)
		*seen = watch->version;
	lock_drop(&watch->lock);
	thread_depart();
	return 0;
}

/* Where the value and its version go: on the caller's stack, which it alone uses. */
struct place {
	struct sley_watch *watch;
	void *value;
	uint64_t *seen;
};

/* With the lock held. Returns 0; -EPIPE; -EAGAIN: there is no other value yet. */
static int take_value(const struct place *place)
{
	struct sley_watch *watch = place->watch;
	if (watch->version == *place->seen)
		return watch->closed ? -EPIPE : -EAGAIN;
	value_copy(watch, place->value, watch->value);
	*place->seen = watch->version;
	return 0;
}

/* Waits once. Returns -EAGAIN: there may be another value; or the error of the wait. The lock is held, and dropped. */
static int wait_for_value(struct task *task, struct sley_watch *watch, sley_time deadline, const void *pc)
{
	wait_begin(task, SLEY_WAIT_EVENT, (uint64_t)(uintptr_t)watch, pc);
	watch->inside++;
	wait_link(&watch->waiters, &task->wait);
	lock_drop(&watch->lock);
	enum claim who = wait_park(task, deadline);
	if (who == CLAIM_CLOSED) /* the watch may have been freed */
		return wait_error(who);
	lock_take(&watch->lock);
	wait_unlink(&watch->waiters, &task->wait);
	watch->inside--;
	return who == CLAIM_EVENT ? -EAGAIN : wait_error(who);
}

/* The lock is held between the turns. */
static int next_value(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	const struct place *place = object;
	struct sley_watch *watch = place->watch;
	int error;
	(void)unused;
	lock_take(&watch->lock);
	while ((error = take_value(place)) == -EAGAIN) {
		error = wait_for_value(task, watch, deadline, pc);
		if (error == -EPIPE)
			return error;
		if (error != -EAGAIN)
			break;
	}
	lock_drop(&watch->lock);
	return error;
}

int sley_watch_next(struct sley_watch *watch, void *value, uint64_t *seen, sley_time deadline)
{
	struct place place = { watch, value, seen };
	int error = check_object(watch, "sley_watch_next", "watch");
	if (error == 0 && (!seen || value_lacks(watch, value)))
		error = -EINVAL;
	return error ? error : park_call(next_value, &place, 0, deadline, __builtin_return_address(0));
}
