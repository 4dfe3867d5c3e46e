/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Starved tasks are kept in lists by stack, each a FIFO. An event at a stack lets one task run: a freed image has room
 * for one resident, and an empty stack takes one task without an image. So an event tries two tasks: the first one of
 * its own stack, and the first one of another stack, in turn, which the freed image may serve. Trying all tasks made a
 * service with many starved tasks quadratic.
 *
 * No task is forgotten. Suppose a task could run at once and was not tried. The next event of its stack reaches it:
 * that event comes from the task that was tried instead, which allocates an image, frees its own, or ends. If memory
 * became free outside of the runtime, there is no event. So at every look the watchdog tries the first task of each
 * stack; a task that fails goes to the end of its list.
 */
#include "run/starved.h"

#include "base/check.h"
#include "run/queue.h"
#include "run/state.h"

#define LISTS SLOTS_SHARED_MOST

unsigned starved_count;

static struct {
	struct list_lock lock; /* protects the rest, and writes of starved_count */
	struct task_list lists[LISTS];
	unsigned turn; /* the list that is tried next */
} starved;

static unsigned list_of(const struct slot *slot)
{
	return (unsigned)((uintptr_t)slot / sizeof(struct slot) % LISTS);
}

void starved_add(struct worker *worker, struct task *task)
{
	unsigned list = list_of(task->tenant.slot);
	COUNT(worker, image_failures, 1);
	if (load(&task_record(task)->state, relaxed) != SLEY_TASK_SLOT)
		task_to_slot(task, NULL);
	lock_take(&starved.lock);
	task_list_add(&starved.lists[list], task);
	store(&starved_count, starved_count + 1, relaxed);
	lock_drop(&starved.lock);
}

/* Moves the first task of a list to `tasks`; false: the list is empty. With the lock held. */
static bool starved_take(unsigned list, struct task_list *tasks)
{
	struct task *task = task_list_take(&starved.lists[list]);
	if (!task)
		return false;
	task_list_add(tasks, task);
	store(&starved_count, starved_count - 1, relaxed);
	return true;
}

void starved_retry_at(const struct slot *slot)
{
	struct task_list tasks = { 0 };
	bool taken = false;
	lock_take(&starved.lock);
	starved_take(list_of(slot), &tasks);
	for (unsigned i = 0; !taken && i < LISTS; i++)
		taken = starved_take(starved.turn++ % LISTS, &tasks);
	lock_drop(&starved.lock);
	task_ready_list(&tasks);
}

void starved_look(void)
{
	struct task_list tasks = { 0 };
	if (load(&starved_count, relaxed) == 0)
		return;
	lock_take(&starved.lock);
	for (unsigned i = 0; i < LISTS; i++)
		starved_take(i, &tasks);
	lock_drop(&starved.lock);
	task_ready_list(&tasks);
}

void starved_close(void)
{
	for (unsigned i = 0; i < LISTS; i++)
		starved.lists[i].first = NULL;
	store(&starved_count, 0, relaxed);
}
