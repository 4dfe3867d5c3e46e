/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The notes are in lists by the task's id, not by thread: a task may resume on any thread. */
#include "run/owned.h"

#ifdef SLEY_DEBUG

#include <errno.h>
#include <stdlib.h>

#include "run/place.h"
#include "run/report.h"

#define LISTS 256u

struct owned {
	struct owned *next;
	uint64_t owner;
	const void *lock;
	const void *pc;
	const char *kind;
};

static struct {
	struct list_lock lock; /* protects list */
	struct owned *list;
} lists[LISTS];

/* Removes the owner's latest note of this lock, or (null) of any lock; returns it, or null. */
static struct owned *owned_take_out(uint64_t owner, const void *lock)
{
	unsigned at = (unsigned)(owner * 0x9e3779b97f4a7c15u >> 56) % LISTS;
	lock_take(&lists[at].lock);
	struct owned **link = &lists[at].list;
	while (*link && ((*link)->owner != owner || (lock && (*link)->lock != lock)))
		link = &(*link)->next;
	struct owned *found = *link;
	if (found)
		*link = found->next;
	lock_drop(&lists[at].lock);
	return found;
}

void owned_take(const struct task *task, const void *lock, const char *kind, const void *pc)
{
	unsigned at = (unsigned)(task->id * 0x9e3779b97f4a7c15u >> 56) % LISTS;
	int saved = errno;
	struct owned *owned = malloc(sizeof(*owned));
	errno = saved;
	if (!owned)
		return; /* the lock stays unnoted */
	*owned = (struct owned){ .owner = task->id, .lock = lock, .pc = pc, .kind = kind };
	lock_take(&lists[at].lock);
	owned->next = lists[at].list;
	lists[at].list = owned;
	lock_drop(&lists[at].lock);
}

void owned_drop(const struct task *task, const void *lock)
{
	free(owned_take_out(task->id, lock));
}

void owned_check(const struct task *task)
{
	static told_sites told;
	char who[TASK_TEXT], place[PLACE], command[PLACE_COMMAND];
	struct owned *owned;
	while ((owned = owned_take_out(task->id, NULL))) {
		if (report_first_time(told, task->site))
			complain(
				"%s, ends with the %s %p locked, which it locked at %s. No other task can unlock it, so "
				"each task that wants it waits for ever. Unlock it before the task ends%s",
				task_text(who, task->id, task->site), owned->kind, owned->lock,
				place_of(place, owned->pc), place_command(command, owned->pc, NULL));
		free(owned);
	}
}

#endif
