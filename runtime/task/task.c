/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The table. Free entries are reused LIFO, by worker, so that they are warm. The other free entries are in slabs, which
 * lose their pages when none of their entries has been needed for some seconds. An entry that then comes back must not
 * match an old id or an old wait. So its slab keeps a generation that none of its entries has had, and the highest
 * number of their waits.
 */
#include "task/task.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/race.h"
#include "task/forgotten.h"
#include "task/records.h"

#define BATCH 32   /* entries that move between a worker's cache and the table at once */
#define KEPT  1024 /* most in the cache: 192 KiB with their records, for tasks spawned and joined in bulk */
#define SPARE 1024 /* a cache has at most this part of all entries, or two batches: other threads want some, too */

struct slabs task_slabs;

static struct {
	uint32_t max;
	uint32_t kept;                  /* constant during a run: most entries in a cache */
	int (*reserve)(uint32_t tasks); /* constant during a run, like max */
	uint64_t generation;            /* generation of fresh entries: higher than in all earlier runs */
	uint32_t high;                  /* atomic: entries [0, high) were used; written under the lock of the slabs */
} task_table;

struct task *task_at(uint32_t index)
{
	return (struct task *)(void *)task_slabs.base + index;
}

/* ---- slab.newest[]: see struct slab ---- */

enum newest {
	NEWEST_GENERATION, /* no entry of the slab has had this generation or a later one */
	NEWEST_WAIT,       /* the highest wait number of the slab's entries */
};

#define GENERATIONS (INT64_MAX >> SLEY_TASK_INDEX_BITS)

static uint64_t generation_of(const struct task *task)
{
	return task->id >> SLEY_TASK_INDEX_BITS;
}

/* Generations wrap. */
static bool is_later(uint64_t generation, uint64_t than)
{
	return ((generation - than) & GENERATIONS) <= GENERATIONS / 2;
}

static size_t entry_size(unsigned class)
{
	(void)class;
	return sizeof(struct task);
}

/*
 * Prepares an entry that is used for the first time since its slab was stock: its bytes are old, or zero. Another
 * thread may have a stale id of the entry and check it under the entry's lock. So the lock is taken here, as
 * RANK_FREE_TASK: such a thread takes no other lock, because the id does not match.
 */
static void entry_cut(struct slab *slab, void *block)
{
	struct task *task = block;
	struct free_task_lock *lock = (struct free_task_lock *)&task->lock;
	uint32_t index = (uint32_t)(task - task_at(0));
	if (slab->newest[NEWEST_GENERATION] == 0)
		slab->newest[NEWEST_GENERATION] = task_table.generation;
	/* the task does not wait */
	store(&task->claim, slab->newest[NEWEST_WAIT] << CLAIM_BITS | CLAIM_EVENT, relaxed);
	if (slab->again)
		lock_take(lock);
	task->fate = TASK_UNUSED;
	task->id = slab->newest[NEWEST_GENERATION] << SLEY_TASK_INDEX_BITS | (index + 1);
	if (slab->again)
		lock_drop(lock);
	if (index >= task_table.high) {
		store(&task_table.high, index + 1, release); /* pairs with task_find() */
		store(&region.header->task_high, MAX(index + 1, region.header->task_high), relaxed);
	}
}

static void entry_back(struct slab *slab, void *block)
{
	const struct task *task = block;
	if (is_later(generation_of(task), slab->newest[NEWEST_GENERATION]))
		slab->newest[NEWEST_GENERATION] = generation_of(task);
	slab->newest[NEWEST_WAIT] = MAX(slab->newest[NEWEST_WAIT], load(&task->claim, relaxed) >> CLAIM_BITS);
}

/* Called before entries are used: prepares their records and room in the queues. */
static int entries_grow(size_t end)
{
	uint32_t entries = (uint32_t)MIN(end / sizeof(struct task), task_table.max);
	int error = records_grow(entries);
	return error ? error : task_table.reserve(entries);
}

/* The same for entries whose pages were given back. */
static int entries_again(size_t begin, size_t end)
{
	size_t usable = slabs_usable(&task_slabs) * (SLAB / sizeof(struct task));
	int error = records_again((uint32_t)(begin / sizeof(struct task)), (uint32_t)(end / sizeof(struct task)));
	return error ? error : task_table.reserve((uint32_t)MIN(usable, task_table.max));
}

/*
 * Called before the slab becomes zero. If a thread with a stale id holds the lock of an entry now, the slab stays.
 * Otherwise all locks of the entries are taken, and zeroing the pages drops them. A thread that comes meanwhile waits
 * for the lock, and continues at the latest when its sleep ends (lock_slow()).
 */
static bool entries_leave(struct slab *slab, void *memory)
{
	struct task *first = memory;
	uint32_t n = slab->ready / sizeof(struct task), i = 0;
	while (i < n && lock_try(&first[i].lock))
		i++;
	if (i < n) {
		while (i-- > 0)
			lock_drop(&first[i].lock);
		return false;
	}
	for (i = 0; i < n; i++) {
		lock_leave_to_zeroes(&first[i].lock);
		fiber_fini(&first[i].fiber);
	}
	return true;
}

static void entries_publish(const void *base)
{
	region.header->entries = (struct sley_region_entries)
	{
		.address = (uint64_t)(uintptr_t)base, .stride = sizeof(struct task),
#if defined(__x86_64__) && !defined(SLEY_CONTEXT_UCONTEXT)
		.context = SLEY_CONTEXT_X86_64,
#endif
		.id = offsetof(struct task, id), .wait = offsetof(struct task, claim),
		.sp = offsetof(struct task, tenant.context.sp), .image = offsetof(struct task, tenant.image),
	};
}

int tasks_open(uint32_t max, int (*reserve)(uint32_t tasks))
{
	static const struct slab_kind kind = { .size = entry_size,
					       .cut = entry_cut,
					       .back = entry_back,
					       .grow = entries_grow,
					       .again = entries_again,
					       .leave = entries_leave };
	task_table.max = max;
	task_table.kept = MAX(MIN(KEPT, max / SPARE), 2 * BATCH);
	task_table.reserve = reserve;
	forgotten_open(max);
	int error = slabs_open(&task_slabs, &kind, (size_t)max * sizeof(struct task));
	if (error == 0)
		entries_publish(task_slabs.base);
	return error;
}

void tasks_close(void)
{
	uint64_t newest = task_table.generation;
	for (uint32_t i = 0; i < task_table.high; i++) {
		if (is_later(generation_of(task_at(i)), newest))
			newest = generation_of(task_at(i));
		if (region_is_live(i)) { /* otherwise the record's page may be a hole */
			store(&region.tasks[i].id, 0, relaxed);
			region_live_clear(i / 64, (uint64_t)1 << i % 64);
		}
		fiber_fini(&task_at(i)->fiber);
	}
	for (unsigned i = 0; i < task_slabs.made; i++) {
		if (is_later(task_slabs.all[i].newest[NEWEST_GENERATION], newest))
			newest = task_slabs.all[i].newest[NEWEST_GENERATION];
	}
	entries_publish(NULL);
	slabs_close(&task_slabs);
	records_close();
	task_table.high = 0;
	task_table.generation = (newest + 1) & GENERATIONS;
}

/* ---- taking and giving ---- */

static uint32_t block_index(const struct slab_block *block)
{
	return (uint32_t)((const struct task *)(const void *)block - task_at(0));
}

static void live_change(uint32_t word, uint64_t bits, bool live)
{
	if (live)
		region_live_set(word, bits);
	else
		region_live_clear(word, bits);
}

/*
 * Marks the records of the first n entries, at least one, as live or not. 512 tasks have their bits in one cache line, which
 * all workers write. Neighbours in the list mostly are neighbours in memory, too, so a word is written once for many.
 */
static void entries_live(const struct slab_block *block, unsigned n, bool live)
{
	uint32_t word = block_index(block) / 64;
	uint64_t bits = 0;
	for (; n > 0; n--, block = block->next) {
		uint32_t index = block_index(block);
		if (index / 64 != word) {
			live_change(word, bits, live);
			word = index / 64;
			bits = 0;
		}
		bits |= (uint64_t)1 << index % 64;
	}
	live_change(word, bits, live);
}

/* Takes up to `most` entries; returns their number. Their records are live from here on, with no id. */
static unsigned entries_refill(struct slab_block **head, unsigned most, int *error)
{
	unsigned n = slabs_take_or(&task_slabs, 0, head, most, error);
	if (likely(n > 0))
		entries_live(*head, n, true);
	return n;
}

/* Gives back the first n entries of the list. */
static void entries_give(struct slab_block **head, unsigned n)
{
	if (n > 0)
		entries_live(*head, n, false);
	slabs_give(&task_slabs, head, n);
}

static struct task *none(int error)
{
	if (error == -EAGAIN)
		forgotten_report();
	return NULL;
}

struct task *task_alloc(struct task_cache *cache, int *error)
{
	struct slab_block *block = NULL;
	if (!cache) {
		if (entries_refill(&block, 1, error) == 0)
			return none(*error);
	} else {
		if (!cache->head && (cache->count = entries_refill(&cache->head, BATCH, error)) == 0)
			return none(*error);
		block = cache->head;
		cache->head = block->next;
		cache->count--;
	}
	struct task *task = (struct task *)(void *)block;
	task->tenant.next = NULL;
	task->flags = task->fate = 0;
	task->joiner = 0;
	store(&task->claim, load(&task->claim, relaxed) & ~(CLAIM_CANCEL | CLAIM_MASKED), relaxed);
	return task;
}

void task_cache_empty(struct task_cache *cache)
{
	entries_give(&cache->head, cache->count);
	cache->count = 0;
}

struct task_extra *task_extra_get(struct task *task)
{
	struct task_extra *extra = task->extra;
	if (extra || !(extra = block_alloc(sizeof(*extra))))
		return extra;
	*extra = (struct task_extra){ .deadline = SLEY_NEVER };
	store(&task->extra, extra, release); /* pairs with task_extra() */
	return extra;
}

struct task_extra *task_extra_own(struct task *task)
{
	struct task_extra *extra = task_extra(task);
	if (extra)
		return extra;
	lock_take(&task->lock);
	extra = task_extra_get(task);
	lock_drop(&task->lock);
	return extra;
}

void task_watch(struct task *task, struct watch *watch)
{
	struct task_extra *extra = task->extra;
	DCHECK(!(task->fate & (TASK_ENDED | TASK_UNUSED)));
	list_prepend(&extra->watches, watch, link);
}

bool task_unwatch(struct task *task, struct watch *watch)
{
	if (watch->link.prev == &watch->link)
		return false;
	list_remove(&task->extra->watches, watch, link);
	watch->link.prev = &watch->link; /* marks it as not in the list */
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
	RACE_POINT(task_is_freed);
	lock_take(&task->lock);
	task_free_locked(cache, task);
}

/* The lock is there for threads with a stale id, which read the entry under it, extra included. */
void task_free_locked(struct task_cache *cache, struct task *task)
{
	struct task_extra *extra = task->extra;
	task->state = SLEY_TASK_FREE;
	store(&task_record(task)->id, 0, release); /* a thread that sees it sees the task's effects */
	store(&task->extra, NULL, relaxed);
	task->fate = TASK_UNUSED;
	task->id = (task->id + ((uint64_t)1 << SLEY_TASK_INDEX_BITS)) & INT64_MAX; /* ids are positive */
	lock_drop(&task->lock);
	if (unlikely(extra != NULL))
		block_free(extra, sizeof(*extra));
	struct slab_block *block = (struct slab_block *)(void *)task;
	if (!cache) {
		entries_give(&block, 1);
		return;
	}
	block->next = cache->head;
	cache->head = block;
	if (++cache->count > task_table.kept) {
		entries_give(&cache->head, BATCH);
		cache->count -= BATCH;
	}
}

struct task *task_find(int64_t id)
{
	uint32_t index = (uint32_t)((uint64_t)id & SLEY_TASK_INDEX_MASK) - 1;
	if (id <= 0 || index >= load(&task_table.high, acquire)) /* pairs with entry_cut(): the entry is complete */
		return NULL;
	return task_at(index);
}

void tasks_each(void (*fn)(struct task *, void *), void *arg)
{
	uint32_t high = load(&task_table.high, acquire);
	for (uint32_t i = 0; i < high; i++) {
		if (task_at(i)->id != 0) /* id 0: the entry's page was given back */
			fn(task_at(i), arg);
	}
}

/* ---- the public record ---- */

static inline void copy_name(struct sley_region_task *record, const char *name)
{
	/* two words, so that a reader sees at most one change within the name */
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
	/* store by store, because the watchdog may read the old record at the same time */
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
}
