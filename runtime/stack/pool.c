/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The pool of slots: one reserved range of [guard | stack] pairs, demand-paged. Exclusive slots are kept in a LIFO, so
 * that a stack whose pages and cache lines are warm is the next to be used; workers trade batches with it. Those at its
 * other end that nobody has needed for some seconds lose their pages (slots_trim_free()).
 *
 * AddressSanitizer keeps a shadow of every frame, which is not copied with the bytes: where it is in the process no slot
 * is shared, and private ones follow when those of the range are used up. Its leak checker looks for pointers on parked
 * stacks, so it is told of each when it is used first. It reads all that is mapped as readable there, so the guards
 * among them are mappings of their own then.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/missing.h"
#include "base/sanitizer.h"
#include "stack/copy.h"
#include "stack/pool.h"
#include "stack/strict.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that costs no mapping */
#endif

/*
 * 64 shared stacks: their hot ends fit the first-level cache of one worker and the second-level caches of many, and two
 * workers seldom want the same one. Below 128 slots all are shared: too few to give away for good.
 */
#define SHARED_SLOTS    64
#define SHARE_ALL_BELOW 128

#define COLOURS      8
#define COLOUR_STEP  320 /* 5 lines; the last one leaves most of the first page */
#define PRIVATE_KEPT 64               /* private stacks kept for reuse */
#define KEPT         (SLOT_CACHE - 1) /* exclusive slots, by a worker for its next tasks */
#define REFILL       (SLOT_CACHE / 2)

#ifdef SLEY_VALGRIND
#define TOP_FREE 512 /* nearer than that to the end of a stack, Valgrind does not look for callers */
#else
#define TOP_FREE 0
#endif

#define MAPPED_GUARDS 1024
#define DUMP_STEP     64u /* stacks that are put into core dumps at once */

uintptr_t stacks_begin, stacks_size;
size_t stack_size;

struct pool pool;

void slot_colour(struct slot *slot, char *end, size_t number)
{
	slot->top = end - TOP_FREE - number % COLOURS * COLOUR_STEP;
}

/*
 * Makes the lowest STACK_GUARD bytes below `low` inaccessible, the number-th guard of its kind. 0 or -ENOMEM.
 *
 * The first ones are mappings of their own although the kernel may have a cheaper way: gdb's generate-core-file stops
 * in a mapping where a page cannot be read, and would lose all the stacks behind such a guard.
 */
static int guard(char *low, unsigned number)
{
	static unsigned missing; /* atomic: before Linux 6.13, or filtered */
	int saved = errno, failed = -1;
	char *start = low - STACK_GUARD;
	if (number >= MAPPED_GUARDS && !sanitizer_finds_leaks() && !load(&missing, relaxed)) {
		failed = madvise(start, STACK_GUARD, MADV_GUARD_INSTALL);
		if (failed && (errno == EINVAL || is_missing(errno)))
			store(&missing, 1, relaxed);
	}
	if (failed)
		failed = mprotect(start, STACK_GUARD, PROT_NONE);
	errno = saved;
	return failed ? -ENOMEM : 0;
}

/* Once in the process: when one mapping could not be made, hundreds more cannot. */
static void tell_unguarded(void)
{
	static unsigned told; /* atomic */
	if (!exchange(&told, 1, relaxed))
		complain("stacks without a guard below them, whose overflow is not found: vm.max_map_count is used up; "
			 "raise it, or lower stack_slots");
}

void slot_dump(unsigned number)
{
	unsigned from = load(&pool.dumped, relaxed), to = MIN(ROUND_UP(number + 1, DUMP_STEP), pool.count);
	if (to <= from)
		return;
	/* two workers may do it at once: it is idempotent */
	memory_dump(slot_place(from), (to - from) * (stack_size + STACK_GUARD), true);
	while (from < to && !cas_weak(&pool.dumped, &from, to, relaxed, relaxed))
		;
}

/* All before slot `end` is looked at by the leak checker, and what is behind it is not. With the lock held, or alone. */
static void set_roots(unsigned end)
{
	size_t stride = stack_size + STACK_GUARD;
	sanitizer_drop_root((void *)stacks_begin, pool.roots * stride);
	sanitizer_add_root((void *)stacks_begin, end * stride);
	pool.roots = end;
}

/* The slot is used for the first time. */
static void add_root(unsigned number)
{
	lock_take(&pool.lock);
	if (number >= pool.roots)
		set_roots(number + 1);
	lock_drop(&pool.lock);
}

/* Memcheck learns of a stack when it is used first. With the lock held. */
void slot_register(struct slot *slot)
{
	(void)slot;
#ifdef SLEY_VALGRIND
	if (slot->known == 0)
		slot->known = stack_register(slot->low, stack_size);
#endif
}

static void deregister(struct slot *slot)
{
	(void)slot;
#ifdef SLEY_VALGRIND
	stack_deregister(slot->known);
#endif
}

static char *map_stacks(size_t size)
{
	int saved = errno;
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != MAP_FAILED)
		madvise(base, size, MADV_NOHUGEPAGE); /* one touched line must not cost 2 MiB */
	errno = saved;
	return base == MAP_FAILED ? NULL : base;
}

int slots_open(unsigned count, size_t size)
{
	size_t stride = size + STACK_GUARD;
	char *base = map_stacks(stride * count);
	if (!base)
		return -ENOMEM;
	pool.slots = aligned_alloc(CACHE_LINE, sizeof(struct slot) * count);
	pool.warm = malloc(sizeof(*pool.warm) * count);
	if (!pool.slots || !pool.warm) {
		munmap(base, stride * count);
		free(pool.slots);
		free(pool.warm);
		return -ENOMEM;
	}
	pool.count = count;
	pool.shared = sanitizer_knows_stacks() ? 0 : count < SHARE_ALL_BELOW ? count : SHARED_SLOTS;
	pool.for_large = pool.shared > 0 ? (count - pool.shared) / 4 : 0;
	for (unsigned i = count; i-- > 0;) {
		struct slot *slot = &pool.slots[i];
		*slot = (struct slot){ .low = base + i * stride + STACK_GUARD };
		slot->kind = i < pool.shared ? SLOT_SHARED : SLOT_EXCLUSIVE;
		slot_colour(slot, slot->low + size, i);
		if (slot->kind == SLOT_EXCLUSIVE) {
			slot->next = pool.free;
			pool.free = slot;
			pool.free_count++;
		}
	}
	memory_dump(base, stride * count, false);
	pool.dumped = 0;
	pool.made = count;
	stack_size = size;
	stacks_set(base, stride * count);
	return 0;
}

/* ---- private slots ---- */

/* At the end of the list of all. With the lock held. */
static void private_link(struct private_slot *private)
{
	private->next = NULL;
	private->prev = pool.newest;
	if (pool.newest)
		pool.newest->next = private;
	else
		pool.oldest = private;
	pool.newest = private;
}

static void private_unlink(struct private_slot *private)
{
	if (private->prev)
		private->prev->next = private->next;
	else
		pool.oldest = private->next;
	if (private->next)
		private->next->prev = private->prev;
	else
		pool.newest = private->prev;
}

/* It is in no list. */
static void private_unmap(struct slot *slot)
{
	deregister(slot);
	sanitizer_drop_root(slot->low, stack_size);
	munmap(slot->low - STACK_GUARD, STACK_GUARD + stack_size);
	free(slot);
}

static struct slot *private_make(void)
{
	static unsigned made; /* atomic: spreads the colours, and counts the guards */
	struct private_slot *private = aligned_alloc(CACHE_LINE, sizeof(*private));
	char *base = private ? map_stacks(STACK_GUARD + stack_size) : NULL;
	unsigned number = fetch_add(&made, 1, relaxed);
	if (!base || guard(base + STACK_GUARD, number) != 0) {
		if (base)
			munmap(base, STACK_GUARD + stack_size);
		free(private);
		return NULL;
	}
	struct slot *slot = &private->slot;
	*slot = (struct slot){ .low = base + STACK_GUARD, .kind = SLOT_PRIVATE, .guarded = 1 };
	slot_colour(slot, slot->low + stack_size, number);
	sanitizer_add_root(slot->low, stack_size);
	lock_take(&pool.lock);
	slot_register(slot);
	private_link(private);
	lock_drop(&pool.lock);
	return slot;
}

struct slot *slot_private_new(void)
{
	lock_take(&pool.lock);
	struct slot *slot = pool.private;
	if (slot) {
		pool.private = slot->next;
		pool.private_count--;
	}
	lock_drop(&pool.lock);
	return slot ? slot : private_make();
}

static void private_put(struct slot *slot)
{
	lock_take(&pool.lock);
	/* it is released, but may be held again to give back its pages: then it must not be unmapped yet, and is kept */
	bool keep = pool.private_count < PRIVATE_KEPT || !slot_try(slot);
	if (keep) {
		slot->next = pool.private;
		pool.private = slot;
		pool.private_count++;
	} else {
		private_unlink((struct private_slot *)slot);
	}
	lock_drop(&pool.lock);
	if (!keep)
		private_unmap(slot);
}

unsigned slots_hold_private(struct slot **held, unsigned most)
{
	unsigned n = 0;
	lock_take(&pool.lock);
	struct private_slot *last = pool.newest, *private = NULL;
	while (n < most && private != last) {
		private = pool.oldest;
		private_unlink(private);
		private_link(private);
		if (slot_try(&private->slot))
			held[n++] = &private->slot;
	}
	lock_drop(&pool.lock);
	return n;
}

/* ---- the range ---- */

void slots_close(void)
{
	while (pool.oldest) { /* kept ones: those of tasks were abandoned */
		struct private_slot *private = pool.oldest;
		private_unlink(private);
		private_unmap(&private->slot);
	}
	pool.private = NULL;
	for (unsigned i = 0; i < pool.made; i++)
		deregister(&pool.slots[i]);
	if (!stack_strict)
		set_roots(0);
	munmap((void *)stacks_begin, stacks_size);
	if (stack_strict)
		strict_close();
	else
		free(pool.slots), free(pool.warm);
	pool.warm = NULL;
	pool.warm_first = pool.warm_count = pool.surplus = 0;
	pool.decay = (struct decay){ 0 }; /* the next run's stacks may be strict ones, which have no ring */
	pool.slots = pool.free = NULL;
	pool.free_count = pool.private_count = pool.count = pool.made = 0;
	store(&stacks_size, 0, relaxed);
}

struct slot *slot_of(const void *p)
{
	if (!stack_is_copying(p))
		return NULL;
	size_t number = ((uintptr_t)p - stacks_begin) / (stack_size + STACK_GUARD);
	return number < load(&pool.made, acquire) ? &pool.slots[number] : NULL; /* pairs with strict_pick() */
}

unsigned slots_made(void)
{
	return load(&pool.made, acquire); /* pairs with strict_pick() */
}

bool slot_in_range(const struct slot *slot)
{
	return (uintptr_t)slot - (uintptr_t)pool.slots < sizeof(struct slot) * pool.count;
}

struct slot *slot_at(unsigned number)
{
	return &pool.slots[number];
}

int stack_worker_init(struct stack_worker *worker, unsigned number)
{
	*worker = (struct stack_worker){ .number = number, .cursor = number * 7 };
	worker->reserve = map_stacks(2 * stack_size);
	pool.worker[number] = worker;
	return worker->reserve ? 0 : -ENOMEM;
}

void stack_worker_fini(struct stack_worker *worker)
{
	if (worker->reserve)
		munmap(worker->reserve, 2 * stack_size);
	worker->reserve = NULL;
	pool.worker[worker->number] = NULL;
}

/* Which worker's reserve `image` is, or null. Reserves are used only when memory is short. */
static struct stack_worker *reserve_owner(const void *image)
{
	if (likely(load(&pool.reserves_used, relaxed) == 0)) /* we hold the image: had it been one, we would see it */
		return NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(pool.worker) && pool.worker[i]; i++) {
		if (pool.worker[i]->reserve == image)
			return pool.worker[i];
	}
	return NULL;
}

bool stack_reserve_has(const void *image)
{
	return reserve_owner(image) != NULL;
}

void *stack_reserve_take(struct stack_worker *worker)
{
	unsigned expected = 0;
	if (!cas(&worker->reserve_used, &expected, 1, acquire, relaxed)) /* pairs with stack_reserve_free() */
		return NULL;
	fetch_add(&pool.reserves_used, 1, relaxed);
	return worker->reserve;
}

bool stack_reserve_free(void *image)
{
	struct stack_worker *owner = reserve_owner(image);
	if (likely(!owner))
		return false;
	store(&owner->reserve_used, 0, release); /* pairs with the taking cas: the bytes were read */
	fetch_sub(&pool.reserves_used, 1, relaxed);
	return true;
}

/* An exclusive slot, one with pages if there is one. There is one; with the lock held. */
static struct slot *take_free(void)
{
	struct slot *slot = pool.free;
	pool.free_count--;
	if (pool.warm_count > 0) {
		slot = &pool.slots[pool.warm[(pool.warm_first + --pool.warm_count) % pool.count]];
		pool.surplus = MIN(pool.surplus, pool.warm_count);
		decay_note(&pool.decay, pool.warm_count);
	} else {
		pool.free = slot->next;
	}
	return slot;
}

/* Gets a batch of exclusive slots into the worker's cache; the last quarter of them only for large images. */
static void refill(struct stack_worker *worker, bool large)
{
	lock_take(&pool.lock);
	unsigned keep = large ? 0 : pool.for_large;
	while (worker->free_count < REFILL && pool.free_count > keep)
		worker->free[worker->free_count++] = take_free();
	lock_drop(&pool.lock);
}

/* Gives back all but `keep` of the worker's exclusive slots. */
static void give_free(struct stack_worker *worker, unsigned keep)
{
	lock_take(&pool.lock);
	while (worker->free_count > keep) {
		struct slot *slot = worker->free[--worker->free_count];
		pool.warm[(pool.warm_first + pool.warm_count++) % pool.count] = (uint32_t)(slot - pool.slots);
		pool.free_count++;
	}
	lock_drop(&pool.lock);
}

void stack_worker_empty(struct stack_worker *worker)
{
	block_cache_empty(&worker->blocks);
	give_free(worker, 0);
}

static struct slot *pick_shared(struct stack_worker *worker)
{
	if (pool.shared == 0)
		return slot_private_new();
	struct slot *slot = NULL;
	for (unsigned i = 0; i < pool.shared; i++) {
		slot = &pool.slots[worker->cursor++ % pool.shared];
		if (load(&slot->word, relaxed) == 0) /* a hint: it may be held by the time we want it */
			break;
	}
	return slot;
}

struct slot *slot_pick(struct stack_worker *worker, bool large)
{
	struct slot *slot;
	if (unlikely(stack_strict))
		return strict_pick();
	if (worker->free_count == 0)
		refill(worker, large);
	if (worker->free_count > 0)
		slot = worker->free[--worker->free_count];
	else
		slot = pick_shared(worker);
	if (slot && unlikely(!load(&slot->guarded, relaxed))) { /* two workers may both do it: it is idempotent */
		unsigned number = (unsigned)(slot - pool.slots);
		slot_dump(number);
#ifdef SLEY_VALGRIND
		lock_take(&pool.lock);
		slot_register(slot);
		lock_drop(&pool.lock);
#endif
		if (guard(slot->low, number) != 0)
			tell_unguarded();
		add_root(number);
		store(&slot->guarded, 1, relaxed);
	}
	return slot;
}

void slot_put(struct stack_worker *worker, struct slot *slot)
{
	if (slot->kind == SLOT_PRIVATE) {
		private_put(slot);
	} else if (slot->kind == SLOT_STRICT) {
		strict_put(slot);
	} else if (slot->kind == SLOT_EXCLUSIVE) {
		worker->free[worker->free_count++] = slot;
		if (worker->free_count > KEPT)
			give_free(worker, REFILL);
	}
}

void slot_abandon(struct tenant *tenant)
{
	if (tenant->image && !stack_reserve_free(tenant->image))
		block_free(tenant->image, slot_live(tenant->slot, tenant));
	tenant->image = NULL;
	if (tenant->slot)
		slot_forget_frames(tenant->slot);
	if (tenant->slot && tenant->slot->kind == SLOT_PRIVATE) {
		private_unlink((struct private_slot *)tenant->slot);
		private_unmap(tenant->slot);
	}
	tenant->slot = NULL;
}
