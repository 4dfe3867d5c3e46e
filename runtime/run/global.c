/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/global.h"

#include <stddef.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/check.h"
#include "base/lock.h"
#include "task/task.h"

#define SLACK ((size_t)64 << 10)
#define CHUNK ((PAGE - sizeof(struct chunk *)) / sizeof(uint32_t)) /* tasks in a chunk */

struct chunk {
	struct chunk *next;
	uint32_t tasks[];
};

/*
 * All chunks from first to last are full, except for the ends: `begin` tasks were taken from the first chunk, and `end`
 * are in the last one. So n tasks need n / CHUNK + 2 chunks.
 */
static struct {
	struct list_lock lock; /* protects the fields up to `made` */
	int64_t counted;       /* time of the last global_count_late() */
	unsigned begin, end;
	struct chunk *first, *last;
	struct chunk *free;
	uint32_t made; /* chunks of the arena that were ever used */
	/* protected by the table's growth lock. A thread that has got a task sees the growth for it */
	struct arena arena CACHE_ALIGNED;
} queue;

unsigned global_length;

static size_t bytes_for(uint32_t tasks)
{
	return (tasks / CHUNK + 2) * PAGE;
}

int global_open(uint32_t max)
{
	return arena_reserve(&queue.arena, bytes_for(max));
}

void global_close(void)
{
	arena_free(&queue.arena);
	queue.first = queue.last = queue.free = NULL;
	queue.begin = queue.end = queue.made = 0;
	store(&global_length, 0, relaxed);
}

int global_reserve(uint32_t tasks)
{
	return arena_grow(&queue.arena, bytes_for(tasks));
}

size_t global_shrink(uint32_t tasks)
{
	size_t size = bytes_for(tasks);
	if (queue.arena.populated <= ROUND_UP(size, SLACK))
		return 0;
	lock_take(&queue.lock);
	bool empty = global_length == 0;
	if (empty) { /* start again at the front of the arena */
		queue.first = queue.last = queue.free = NULL;
		queue.begin = queue.end = queue.made = 0;
	}
	lock_drop(&queue.lock);
	return empty ? arena_shrink(&queue.arena, ROUND_UP(size, SLACK)) : 0;
}

static void add_chunk(void)
{
	struct chunk *chunk = queue.free;
	if (chunk)
		queue.free = chunk->next;
	else
		chunk = (struct chunk *)(void *)(queue.arena.base + queue.made++ * PAGE);
	chunk->next = NULL;
	if (queue.last)
		queue.last->next = chunk;
	else
		queue.first = chunk;
	queue.last = chunk;
	queue.end = 0;
}

void global_put(struct task *const *tasks, unsigned n)
{
	const struct task *table = task_at(0);
	lock_take(&queue.lock);
	for (unsigned i = 0; i < n; i++) {
		if (!queue.last || queue.end == CHUNK)
			add_chunk();
		queue.last->tasks[queue.end++] =
			(uint32_t)(tasks[i] - table); /* not task_index(), which would touch the task's entry */
	}
	store(&global_length, global_length + n, relaxed);
	lock_drop(&queue.lock);
}

/* Frees the first chunk, which is used up. The last chunk is kept: a short queue stays in one page. */
static void drop_chunk(void)
{
	struct chunk *chunk = queue.first;
	queue.begin = 0;
	if (chunk == queue.last) {
		queue.end = 0;
		return;
	}
	queue.first = chunk->next;
	chunk->next = queue.free;
	queue.free = chunk;
}

unsigned global_take(struct task **tasks, unsigned workers, unsigned most)
{
	if (load(&global_length, relaxed) == 0)
		return 0;
	lock_take(&queue.lock);
	unsigned n = global_length ? MIN(global_length / workers + 1, most) : 0;
	n = MIN(n, global_length);
	for (unsigned i = 0; i < n; i++) {
		tasks[i] = task_at(queue.first->tasks[queue.begin++]);
		if (queue.begin == (queue.first == queue.last ? queue.end : CHUNK))
			drop_chunk();
	}
	store(&global_length, global_length - n, relaxed);
	lock_drop(&queue.lock);
	return n;
}

#define LOOKED_AT 512u

unsigned global_count_late(int64_t since, int64_t now, uint64_t *sum)
{
	uint64_t after = 0; /* sum of the times after `since` */
	unsigned n = 0, looked = 0;
	lock_take(&queue.lock);
	const struct chunk *chunk = queue.first;
	for (unsigned i = queue.begin; looked < MIN(global_length, LOOKED_AT); looked++) {
		const struct task *task = task_at(chunk->tasks[i]);
		int64_t ready = load(&task_record(task)->since_ns, relaxed);
		if (!task->taken && ready > queue.counted) {
			after += (uint64_t)MAX(ready - since, 0);
			n++;
		}
		if (++i == CHUNK) {
			chunk = chunk->next;
			i = 0;
		}
	}
	queue.counted = now;
	unsigned all = looked > 0 ? (unsigned)((uint64_t)global_length * n / looked) : 0;
	lock_drop(&queue.lock);
	*sum = n > 0 ? all * (uint64_t)since + after / n * all : 0;
	return all;
}
