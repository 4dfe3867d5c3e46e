/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Event: a flag, and the list of its waiters. */
#include <errno.h>

#include "run/park.h"
#include "run/report.h"

/* `call` is the public name, for messages. */
static int event_change(struct sley_event *event, unsigned set, const char *call)
{
	struct task_list woken = { 0 };
	int error = check_object(event, call, "event");
	if (error || (error = thread_visit()) != 0)
		return error;
	lock_take(lock_of(&event->lock));
	store(&event->set, set, relaxed); /* a select glances at it without the lock */
	if (set)
		wait_pop_all(&event->waiters, CLAIM_EVENT, &woken);
	lock_drop(lock_of(&event->lock));
	ready_woken(&woken);
	thread_depart();
	return 0;
}

int sley_event_set(struct sley_event *event)
{
	return event_change(event, 1, "sley_event_set");
}

int sley_event_reset(struct sley_event *event)
{
	return event_change(event, 0, "sley_event_reset");
}

static int wait_until_set(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_event *event = object;
	(void)unused;
	lock_take(lock_of(&event->lock));
	if (event->set) {
		lock_drop(lock_of(&event->lock));
		return 0;
	}
	return park_in(&event->waiters, task, lock_of(&event->lock), SLEY_WAIT_EVENT, (uint64_t)(uintptr_t)event,
		       deadline, pc);
}

int sley_event_wait(struct sley_event *event, sley_time deadline)
{
	int error = check_object(event, "sley_event_wait", "event");
	return error ? error : park_call(wait_until_set, event, 0, deadline, __builtin_return_address(0));
}
