/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The table and the transitions. Free entries are reused LIFO, by worker, so that they are warm. */
#include "sched/task.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/race.h"
#include "sched/global.h"
#include "sched/worker.h"

#define BATCH         32    /* entries that travel between a worker's cache and the table */
#define RECORDS_AHEAD 4096u /* public records are populated in steps of 256 KiB */
#define RECORDS_FIRST 64u   /* the first page */

static struct {
	struct lock lock; /* protects the rest */
	struct arena arena;
	struct task *free;
	uint32_t high;      /* atomic: entries [0, high) were used; written under lock */
	uint32_t populated; /* public records touched */
	uint32_t max;
	uint64_t generation; /* of fresh entries: above all that earlier runs used */
} table;

struct task *task_at(uint32_t index)
{
	return (struct task *)(void *)table.arena.base + index;
}

int tasks_open(uint32_t max)
{
	table.max = max;
	int error = arena_reserve(&table.arena, (size_t)max * sizeof(struct task));
	if (error == 0 && (error = global_open(max)) != 0)
		arena_free(&table.arena);
	return error;
}

void tasks_close(void)
{
	uint64_t newest = table.generation;
	for (uint32_t i = 0; i < table.high; i++) {
		newest = MAX(newest, task_at(i)->id >> SLEY_TASK_INDEX_BITS);
		store(&region.tasks[i].id, 0, relaxed);
		region_live_clear(i);
		fiber_fini(&task_at(i)->fiber);
	}
	arena_free(&table.arena);
	global_close();
	table.free = NULL;
	table.high = 0;
	table.generation = (newest + 1) & (INT64_MAX >> SLEY_TASK_INDEX_BITS);
}

/* Makes the record pages of [0, high) present, in steps. */
static int populate_records(uint32_t high)
{
	while (table.populated < high) {
		uint32_t step = table.populated < RECORDS_AHEAD ? RECORDS_FIRST : RECORDS_AHEAD;
		uint32_t end = MIN(table.populated + step, ROUND_UP(region.max_tasks, RECORDS_FIRST));
		uintptr_t begin = (uintptr_t)&region.tasks[table.populated];
		size_t size = (end - table.populated) * sizeof(struct sley_region_task);
		if (memory_populate((void *)begin, ROUND_UP(size, PAGE)) != 0)
			return -ENOMEM;
		memory_dump((void *)begin, ROUND_UP(size, PAGE), true);
		table.populated = end;
	}
	return 0;
}

/* A fresh entry, with the lock held. */
static struct task *fresh(int *error)
{
	uint32_t index = table.high;
	*error = index == table.max ? -EAGAIN : -ENOMEM;
	if (index == table.max || arena_grow(&table.arena, (index + 1) * sizeof(struct task)) != 0 ||
	    populate_records(index + 1) != 0 || global_reserve(index + 1) != 0)
		return NULL;
	struct task *task = task_at(index);
	task->fate = TASK_UNUSED;
	task->claim = CLAIM_EVENT; /* it does not wait */
	task->id = table.generation << SLEY_TASK_INDEX_BITS | (index + 1);
	store(&table.high, index + 1, release); /* pairs with task_find() */
	store(&region.header->task_high, MAX(index + 1, region.header->task_high), relaxed);
	return task;
}

/* Takes up to `most` entries; the list's length. */
static unsigned refill(struct task **head, unsigned most, int *error)
{
	unsigned n = 0;
	lock_take(&table.lock);
	while (n < most) {
		struct task *task = table.free;
		if (task)
			table.free = (struct task *)task->tenant.next;
		else if (!(task = fresh(error)))
			break;
		task->tenant.next = tenant_of(*head);
		*head = task;
		n++;
	}
	lock_drop(&table.lock);
	return n;
}

struct task *task_alloc(struct task_cache *cache, int *error)
{
	struct task *task = NULL;
	if (!cache) {
		if (refill(&task, 1, error) == 0)
			return NULL;
	} else {
		if (!cache->head && (cache->count = refill(&cache->head, BATCH, error)) == 0)
			return NULL;
		task = cache->head;
		cache->head = (struct task *)task->tenant.next;
		cache->count--;
	}
	task->tenant.next = NULL;
	task->flags = task->fate = 0;
	task->joiner = 0;
	store(&task->claim, load(&task->claim, relaxed) & ~(CLAIM_CANCEL | CLAIM_MASKED), relaxed);
	return task;
}

static void give_back(struct task *head, unsigned n)
{
	lock_take(&table.lock);
	while (n-- > 0) {
		struct task *task = head;
		head = (struct task *)task->tenant.next;
		task->tenant.next = tenant_of(table.free);
		table.free = task;
	}
	lock_drop(&table.lock);
}

struct task_extra *task_extra_get(struct image_cache *cache, struct task *task)
{
	struct task_extra *extra = task->extra;
	if (extra || !(extra = image_alloc(cache, sizeof(*extra))))
		return extra;
	*extra = (struct task_extra){ .deadline = SLEY_NEVER };
	store(&task->extra, extra, release); /* pairs with task_extra() */
	return extra;
}

void task_watch(struct task *task, struct watch *watch)
{
	struct task_extra *extra = task->extra;
	DCHECK(!(task->fate & (TASK_ENDED | TASK_UNUSED)));
	watch->prev = NULL;
	watch->next = extra->watches;
	if (watch->next)
		watch->next->prev = watch;
	extra->watches = watch;
}

bool task_unwatch(struct task *task, struct watch *watch)
{
	if (watch->prev == watch)
		return false;
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		task->extra->watches = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	watch->prev = watch; /* out of the list */
	return true;
}

void task_outcome(struct task *task, struct sley_end *end)
{
	struct task_extra *extra = task->extra;
	bool is_child = extra && extra->child;
	bool cancelled = extra ? extra->cancelled : (load(&task->claim, relaxed) & CLAIM_CANCEL) != 0;
	*end = (struct sley_end){ .task = (sley_task)task->id, .reason = SLEY_END_RETURNED };
	if (is_child)
		end->result = extra->result;
	if (cancelled && (!is_child || end->result < 0))
		end->reason = SLEY_END_CANCELLED;
	else if (end->result < 0)
		end->reason = SLEY_END_FAILED;
}

void task_free(struct task_cache *cache, struct task *task)
{
	struct sley_region_task *record = task_record(task);
	RACE_POINT(task_is_freed);
	task->state = SLEY_TASK_FREE;
	store(&record->id, 0, relaxed);
	region_live_clear(task_index(task));
	lock_take(&task->lock); /* who has a stale id looks under it, at the extra too */
	struct task_extra *extra = task->extra;
	store(&task->extra, NULL, relaxed);
	task->fate = TASK_UNUSED;
	task->id = (task->id + ((uint64_t)1 << SLEY_TASK_INDEX_BITS)) & INT64_MAX; /* ids are positive */
	lock_drop(&task->lock);
	if (unlikely(extra != NULL))
		image_free(images_here(), extra, sizeof(*extra));
	if (!cache) {
		task->tenant.next = NULL;
		give_back(task, 1);
		return;
	}
	task->tenant.next = tenant_of(cache->head);
	cache->head = task;
	if (++cache->count > 2 * BATCH) {
		struct task *head = cache->head, *last = head;
		for (unsigned i = 1; i < BATCH; i++)
			last = (struct task *)last->tenant.next;
		cache->head = (struct task *)last->tenant.next;
		cache->count -= BATCH;
		give_back(head, BATCH);
	}
}

struct task *task_find(int64_t id)
{
	uint32_t index = (uint32_t)((uint64_t)id & SLEY_TASK_INDEX_MASK) - 1;
	if (id <= 0 || index >= load(&table.high, acquire)) /* pairs with fresh(): the entry is there */
		return NULL;
	return task_at(index);
}

void tasks_each(void (*fn)(struct task *, void *), void *arg)
{
	uint32_t high = load(&table.high, acquire);
	for (uint32_t i = 0; i < high; i++)
		fn(task_at(i), arg);
}

/* ---- the public record ---- */

static void copy_name(struct sley_region_task *record, const char *name)
{
	/* two words, so that a reader never sees more than one torn */
	uint64_t words[2] = { 0 };
	if (name)
		memcpy(words, name, strnlen(name, sizeof(words)));
	store((uint64_t *)(void *)record->name, words[0], relaxed);
	store((uint64_t *)(void *)record->name + 1, words[1], relaxed);
}

void task_set_name(struct task *task, const char *name)
{
	copy_name(task_record(task), name);
}

void task_publish(struct task *task, struct task *parent, const char *name)
{
	struct sley_region_task *record = task_record(task);
	/* one by one, as the monitor may be reading what the record said before */
	store(&record->state, SLEY_TASK_FREE, relaxed);
	store(&record->wait_kind, SLEY_WAIT_NONE, relaxed);
	store(&record->worker, 0, relaxed);
	store(&record->site, task->site, relaxed);
	store(&record->wait_object, 0, relaxed);
	store(&record->wait_pc, 0, relaxed);
	store(&record->since_ns, 0, relaxed);
	store(&record->parent_deepest, parent ? task_index(parent) + 1 : 0, relaxed);
	store(&record->live16, 0, relaxed);
	store(&record->image16, 0, relaxed);
	copy_name(record, name);
	store(&record->id, task->id, release);
	region_live_set(task_index(task));
}
