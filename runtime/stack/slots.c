/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Allocation of slots: one reserved range of [guard | stack] pairs, demand-paged. Exclusive slots are kept in a LIFO,
 * so that a stack whose pages and cache lines are warm is reused first. Workers trade batches with the LIFO. The slots
 * at its other end that were not needed for some seconds lose their pages (slots_trim_free()).
 *
 * The blocking slots are behind all others. They lie in the same range, so the stack of a task counts as copying, and
 * a call with an address on it is refused, whether its site was seen to block before or not. Their number is a share of
 * the others', so tasks of blocking sites take no more memory with them than that, however many there are: when each
 * has a tenant, further tasks share them in turn, and hold up no tasks of other sites. Rejected: private slots, as they
 * lie outside of the range.
 *
 * AddressSanitizer keeps a shadow of every frame, which is not copied with the bytes. If it is in the process, no slot
 * is shared, and private slots are made when those of the range are used up. Its leak checker looks for pointers on
 * parked stacks, so each stack is registered with it at its first use. The leak checker reads all memory of a
 * registered range that is mapped as readable, so the guards in the range are mappings of their own then.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/missing.h"
#include "base/sanitizer.h"
#include "stack/copy.h"
#include "stack/range.h"
#include "stack/strict.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that costs no mapping */
#endif

/*
 * Each worker has shared slots of its own, of which it picks for the tasks that it runs first: so two workers want the same
 * stack only if one has taken a task from the other. 64 for each: their hot ends fit the first-level cache. Many workers
 * have fewer, as all of them have SLOTS_SHARED_MOST, or an eighth of the slots. There are 64 in all at least: co-tenants of
 * a task that blocks wait for it, and spares run tasks, too. With less than 128 slots, all are shared: they are too few to
 * give each to one task for life. Rejected: 64 for all workers, of which each took any. With 8 workers up to a third of the
 * tries found a slot held.
 */
#define SHARED_SLOTS    64
#define SHARED_PART     8
#define SHARE_ALL_BELOW 128

/* blocking slots: a part of the number of the others, but some for services with few */
#define BLOCKING_PART  4
#define BLOCKING_LEAST 64

#define PRIVATE_KEPT 64               /* private stacks kept for reuse */
#define KEPT         (SLOT_CACHE - 1) /* exclusive slots that a worker keeps for its next tasks */
#define REFILL       (SLOT_CACHE / 2)

#define MAPPED_GUARDS 1024

/*
 * Makes the STACK_GUARD bytes below `low` inaccessible. `number` counts the guards of the same kind. 0 or -ENOMEM.
 *
 * The first MAPPED_GUARDS guards are mappings of their own, although the kernel may have a cheaper way. gdb's
 * generate-core-file stops in a mapping at a page that cannot be read, so it would lose all stacks behind such a guard.
 */
static int guard(char *low, unsigned number)
{
	static unsigned missing; /* atomic: MADV_GUARD_INSTALL fails, as before Linux 6.13 or under a filter */
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

/* Once per process: if one mapping cannot be made, hundreds more cannot either. */
static void tell_unguarded(void)
{
	static unsigned told; /* atomic */
	if (!exchange(&told, 1, relaxed))
		complain(
			"some stacks have no guard below them, so their overflow would damage other stacks unseen: the "
			"process has as many memory mappings as it may have. Raise the limit (sysctl vm.max_map_count), or "
			"lower the option stack_slots");
}

/* Makes the leak checker look at all slots before slot `end`, and at none behind it. With the lock held, or alone. */
static void set_roots(unsigned end)
{
	size_t stride = stack_size + STACK_GUARD;
	sanitizer_drop_root((void *)stacks_begin, slots.roots * stride);
	sanitizer_add_root((void *)stacks_begin, end * stride);
	slots.roots = end;
}

/* Called when the slot is used for the first time. */
static void add_root(unsigned number)
{
	lock_take(&slots.lock);
	if (number >= slots.roots)
		set_roots(number + 1);
	lock_drop(&slots.lock);
}

static void deregister(struct slot *slot)
{
	(void)slot;
#ifdef SLEY_VALGRIND
	stack_deregister(slot->known);
#endif
}

/* A single touched line must not cost 2 MiB. */
static void no_huge_pages(char *base, size_t size)
{
	int saved = errno;
	madvise(base, size, MADV_NOHUGEPAGE);
	errno = saved;
}

static char *map_stacks(size_t size)
{
	int saved = errno;
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	if (base == MAP_FAILED)
		return NULL;
	no_huge_pages(base, size);
	return base;
}

/* The leak checker would read all slots before one that is used. */
static unsigned blocking_wanted(unsigned count)
{
	return sanitizer_finds_leaks() ? 0 : MAX(count / BLOCKING_PART, BLOCKING_LEAST);
}

/* Sets how many of these slots are shared, and how many of them belong to each of the workers. */
static void share(unsigned others, unsigned workers)
{
	unsigned most = MIN(SLOTS_SHARED_MOST, others / SHARED_PART), least = SHARED_SLOTS + workers - 1;
	unsigned each = MAX(MIN(SHARED_SLOTS, most / workers), least / workers);
	slots.shared = others < SHARE_ALL_BELOW ? others : MIN(each * workers, others / 2);
	slots.share = MAX(slots.shared / workers, 1);
	slots.sharing = workers;
}

/* `workers`: that share slots; 0: no slot has a second tenant. */
static int open_all(unsigned others, size_t size, unsigned workers)
{
	size_t stride = size + STACK_GUARD;
	unsigned count = others + (workers == 0 ? 0 : blocking_wanted(others));
	char *base = stacks_map(stride * count, PROT_READ | PROT_WRITE);
	if (!base && count > others) {
		count = others;
		base = stacks_map(stride * count, PROT_READ | PROT_WRITE);
	}
	if (!base)
		return -ENOMEM;
	no_huge_pages(base, stride * count);
	slots.all = aligned_alloc(CACHE_LINE, sizeof(struct slot) * count);
	slots.warm = malloc(sizeof(*slots.warm) * count);
	if (!slots.all || !slots.warm) {
		stacks_unmap(base, stride * count);
		free(slots.all);
		free(slots.warm);
		return -ENOMEM;
	}
	slots.count = count;
	slots.blocking_from = others;
	slots.shared = 0;
	if (workers > 0)
		share(others, workers);
	slots.for_large = slots.shared > 0 ? (others - slots.shared) / 4 : 0;
	for (unsigned i = count; i-- > 0;) {
		struct slot *slot = &slots.all[i];
		*slot = (struct slot){ .low = base + i * stride + STACK_GUARD };
		slot->kind = i < slots.shared ? SLOT_SHARED : i < others ? SLOT_EXCLUSIVE : SLOT_BLOCKING;
		slot_colour(slot, slot->low + size, i);
		if (slot->kind == SLOT_EXCLUSIVE) {
			slot->next = slots.free;
			slots.free = slot;
			slots.free_count++;
		} else if (slot->kind == SLOT_BLOCKING) {
			slot->next = slots.blocking;
			slots.blocking = slot;
		}
	}
	memory_dump(base, stride * count, false);
	slots.dumped = 0;
	slots.blocking_dumped = others;
	slots.made = count;
	stack_size = size;
	stacks_set(base, stride * count);
	return 0;
}

int slots_open(unsigned count, size_t size, unsigned workers)
{
	return open_all(count, size, sanitizer_knows_stacks() ? 0 : workers);
}

int slots_open_alone(unsigned count, size_t size)
{
	return open_all(count, size, 0);
}

/* ---- private slots ---- */

/* The slot is in no list. */
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
	lock_take(&slots.lock);
	slot_register(slot);
	list_append(&slots.private_ones, private, link);
	lock_drop(&slots.lock);
	return slot;
}

struct slot *slot_private_new(void)
{
	lock_take(&slots.lock);
	struct slot *slot = slots.private;
	if (slot) {
		slots.private = slot->next;
		slots.private_count--;
	}
	lock_drop(&slots.lock);
	return slot ? slot : private_make();
}

static void private_put(struct slot *slot)
{
	lock_take(&slots.lock);
	/* the watchdog may hold the slot to give back its pages: then the slot cannot be unmapped yet, and is kept */
	bool keep = slots.private_count < PRIVATE_KEPT || !slot_try(slot);
	if (keep) {
		slot->next = slots.private;
		slots.private = slot;
		slots.private_count++;
	} else {
		list_remove(&slots.private_ones, (struct private_slot *)slot, link);
	}
	lock_drop(&slots.lock);
	if (!keep)
		private_unmap(slot);
}

unsigned slots_hold_private(struct slot **held, unsigned most)
{
	unsigned n = 0;
	lock_take(&slots.lock);
	struct private_slot *last = list_last(&slots.private_ones, link), *private = NULL;
	while (n < most && private != last) {
		private = list_first(&slots.private_ones, link);
		list_remove(&slots.private_ones, private, link);
		list_append(&slots.private_ones, private, link);
		if (slot_try(&private->slot))
			held[n++] = &private->slot;
	}
	lock_drop(&slots.lock);
	return n;
}

/* ---- the range ---- */

void slots_close(void)
{
	struct private_slot *private;
	/* only kept slots are left here: the slots of tasks were abandoned */
	while ((private = list_first(&slots.private_ones, link))) {
		list_remove(&slots.private_ones, private, link);
		private_unmap(&private->slot);
	}
	slots.private = NULL;
	for (unsigned i = 0; i < slots.made; i++)
		deregister(&slots.all[i]);
	if (!stack_strict)
		set_roots(0);
	stacks_unmap((char *)stacks_begin, stacks_size);
	if (stack_strict)
		strict_close();
	else
		free(slots.all), free(slots.warm);
	slots.warm = NULL;
	slots.warm_first = slots.warm_count = slots.surplus = 0;
	slots.decay = (struct decay){ 0 }; /* the next run may be in strict mode, which has no ring */
	slots.all = slots.free = slots.blocking = NULL;
	slots.free_count = slots.private_count = slots.count = slots.made = 0;
	store(&stacks_size, 0, relaxed);
}

int stack_worker_init(struct stack_worker *worker, unsigned number)
{
	*worker = (struct stack_worker){ .next = load(&slots.workers, relaxed) };
	if (slots.shared > 0)
		worker->shared = number % slots.sharing * slots.share % slots.shared;
	worker->reserve = map_stacks(2 * stack_size);
	if (!worker->reserve)
		return -ENOMEM;
	store(&slots.workers, worker, release); /* pairs with reserve_owner() */
	return 0;
}

void stack_worker_fini(struct stack_worker *worker)
{
	struct stack_worker **place = &slots.workers;
	if (!worker->reserve)
		return;
	while (*place != worker)
		place = &(*place)->next;
	*place = worker->next;
	munmap(worker->reserve, 2 * stack_size);
	worker->reserve = NULL;
}

/* The worker whose reserve `image` is, or null. Reserves are used only when memory is short. */
static struct stack_worker *reserve_owner(const void *image)
{
	/* the caller holds the image: if it were in a reserve, this load would see the count */
	if (likely(load(&slots.reserves_used, relaxed) == 0))
		return NULL;
	struct stack_worker *worker = load(&slots.workers, acquire); /* pairs with stack_worker_init() */
	while (worker && worker->reserve != image)
		worker = worker->next;
	return worker;
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
	fetch_add(&slots.reserves_used, 1, relaxed);
	return worker->reserve;
}

bool stack_reserve_free(void *image)
{
	struct stack_worker *owner = reserve_owner(image);
	if (likely(!owner))
		return false;
	store(&owner->reserve_used, 0, release); /* pairs with the cas in stack_reserve_take(): the bytes were read */
	fetch_sub(&slots.reserves_used, 1, relaxed);
	return true;
}

/* Takes a free exclusive slot, preferably one with pages. There is one. With the lock held. */
static struct slot *take_free(void)
{
	struct slot *slot = slots.free;
	slots.free_count--;
	if (slots.warm_count > 0) {
		slot = &slots.all[slots.warm[(slots.warm_first + --slots.warm_count) % slots.count]];
		slots.surplus = MIN(slots.surplus, slots.warm_count);
		decay_note(&slots.decay, slots.warm_count);
	} else {
		slots.free = slot->next;
	}
	return slot;
}

/* Moves a batch of exclusive slots into the worker's cache. The last quarter of the slots is only for large images. */
static void slots_refill(struct stack_worker *worker, bool large)
{
	lock_take(&slots.lock);
	unsigned keep = large ? 0 : slots.for_large;
	while (worker->free_count < REFILL && slots.free_count > keep)
		worker->free[worker->free_count++] = take_free();
	lock_drop(&slots.lock);
}

/* Returns all but `keep` of the worker's exclusive slots. */
static void give_free(struct stack_worker *worker, unsigned keep)
{
	lock_take(&slots.lock);
	while (worker->free_count > keep) {
		struct slot *slot = worker->free[--worker->free_count];
		slots.warm[(slots.warm_first + slots.warm_count++) % slots.count] = (uint32_t)(slot - slots.all);
		slots.free_count++;
	}
	lock_drop(&slots.lock);
}

void stack_worker_empty(struct stack_worker *worker)
{
	block_cache_empty(&worker->blocks);
	give_free(worker, 0);
}

static struct slot *pick_shared(struct stack_worker *worker)
{
	if (slots.shared == 0)
		return slot_private_new();
	/* a hint: the slot may be held by the time it is wanted */
	for (unsigned i = 0; i < slots.share; i++) {
		struct slot *slot = &slots.all[worker->shared + worker->cursor++ % slots.share];
		if (load(&slot->word, relaxed) == 0)
			return slot;
	}
	for (unsigned i = 0; i < slots.shared; i++) {
		struct slot *slot = &slots.all[(worker->shared + i) % slots.shared];
		if (load(&slot->word, relaxed) == 0)
			return slot;
	}
	return &slots.all[worker->shared + worker->cursor++ % slots.share];
}

static struct slot *take_blocking(void)
{
	lock_take(&slots.lock);
	struct slot *slot = slots.blocking;
	if (slot) {
		slots.blocking = slot->next;
		slot->tenants = 0;
	} else {
		unsigned n = slots.count - slots.blocking_from;
		slot = &slots.all[slots.blocking_from + slots.blocking_turn++ % n];
	}
	slot->tenants++;
	lock_drop(&slots.lock);
	return slot;
}

static void blocking_put(struct slot *slot)
{
	lock_take(&slots.lock);
	if (--slot->tenants == 0) {
		slot->next = slots.blocking;
		slots.blocking = slot;
	}
	lock_drop(&slots.lock);
}

/* An exclusive slot, or null. */
static struct slot *pick_exclusive(struct stack_worker *worker, bool large)
{
	if (worker->free_count == 0)
		slots_refill(worker, large);
	return worker->free_count > 0 ? worker->free[--worker->free_count] : NULL;
}

/* Called when a slot is used for the first time. Two workers may do this at once: it is idempotent. */
static void slot_first_used(struct slot *slot)
{
	unsigned number = (unsigned)(slot - slots.all);
	slot_dump(number);
#ifdef SLEY_VALGRIND
	lock_take(&slots.lock);
	slot_register(slot);
	lock_drop(&slots.lock);
#endif
	if (guard(slot->low, number) != 0)
		tell_unguarded();
	add_root(number);
	store(&slot->guarded, 1, relaxed);
}

struct slot *slot_pick(struct stack_worker *worker, bool large)
{
	if (unlikely(stack_strict))
		return strict_pick();
	struct slot *slot = pick_exclusive(worker, large);
	if (!slot)
		slot = pick_shared(worker);
	if (slot && unlikely(!load(&slot->guarded, relaxed)))
		slot_first_used(slot);
	return slot;
}

struct slot *slot_pick_blocking(struct stack_worker *worker)
{
	if (unlikely(stack_strict))
		return strict_pick();
	struct slot *slot = pick_exclusive(worker, true);
	if (!slot)
		slot = slots.blocking_from < slots.count ? take_blocking() : pick_shared(worker);
	if (slot && unlikely(!load(&slot->guarded, relaxed)))
		slot_first_used(slot);
	return slot;
}

void slot_put(struct stack_worker *worker, struct slot *slot)
{
	if (slot->kind == SLOT_PRIVATE) {
		private_put(slot);
	} else if (slot->kind == SLOT_STRICT) {
		strict_put(slot);
	} else if (slot->kind == SLOT_BLOCKING) {
		blocking_put(slot);
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
		list_remove(&slots.private_ones, (struct private_slot *)tenant->slot, link);
		private_unmap(tenant->slot);
	}
	tenant->slot = NULL;
}
