/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Starved tasks are kept by stack, each list a FIFO. What happens at a stack lets one task run: the image that was freed
 * has room for one resident, a stack that was left empty takes one without an image. So an event tries two tasks: the
 * first of its own stack, and the first of another one, in turn, which the image may serve. Trying all of them made a
 * service with many starved tasks quadratic.
 *
 * None is forgotten. One that could run at once, and was not tried, is reached by its stack's next event: that of the
 * task which was tried instead, when that has run: it could allocate an image, frees its own, or ends. And where there
 * is no event, as memory came from outside, the watchdog tries the first of each stack at every look; who fails goes to
 * the end.
 */
#include "run/starved.h"

#include "base/check.h"
#include "run/queue.h"
#include "run/state.h"

#define LISTS 128u /* as many as there are shared stacks, at most: see stack/slots.c */

unsigned starved_count;

static struct {
	struct lock lock; /* protects the rest, and the writing of the count; a queue's in the order of locks */
	struct task_list lists[LISTS];
	unsigned turn; /* the list that is the next to be looked at */
} starved;

static unsigned list_of(const struct slot *slot)
{
	return (unsigned)((uintptr_t)slot / sizeof(struct slot) % LISTS);
}

void starved_add(struct worker *worker, struct task *task)
{
	unsigned list = list_of(task->tenant.slot);
	COUNT(worker, image_failures, 1);
	if (task->state != SLEY_TASK_SLOT)
		task_to_slot(task);
	lock_take(&starved.lock);
	task_list_add(&starved.lists[list], task);
	store(&starved_count, starved_count + 1, relaxed);
	lock_drop(&starved.lock);
}

/* Moves the first of a list to `tasks`: true; or there is none. With the lock held. */
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
