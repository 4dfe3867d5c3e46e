/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Copying stacks: slots and their tenants.
 *
 *        low                         sp              top
 *   guard |  pages never touched ...  | live bytes    |  guard of the next slot ...
 *
 * A slot is a stack. A task becomes its tenant at its first run, for life: its bytes must come back to the same
 * addresses. At most one tenant is *resident*: its live bytes [sp, top) are in the slot. The others' are in images.
 * Parking copies nothing; slot_enter() exchanges tenants when another one is to run.
 *
 * Invariants
 *   1. Whoever runs on a slot, copies from or to it, or changes `resident` or `fifo`, holds it. A worker holds at most
 *      one slot; a task that was granted a slot and sits in a run queue holds it too, and so does the watchdog while it
 *      gives back pages (pages.c).
 *   2. A tenant's context.sp, image and live belong to the holder of its slot, not to the tenant's own worker or waker.
 *   3. waiters are there => the slot is held. So every waiter is found by a later slot_release().
 *   4. The slot is released only when the switch away from it is complete (the worker does it on its own stack). So who
 *      readies a task that is still on its way out just queues it: the worker that dequeues it finds the slot held and
 *      leaves it with the waiters, and the release hands it on. Private stacks use the same protocol for that reason.
 *
 * `word` is 0 (free), HELD, or HELD | the last waiter pushed: a LIFO that slot_release() turns into `fifo`, so that
 * waiters are served in the order in which they came. slot_hold()'s success (acquire) pairs with slot_release()'s drop
 * (release): the new holder sees the stack bytes. Its push (release) pairs with the taking exchange (acquire).
 *
 * Release hands the slot on still held: no newcomer can barge, nothing is woken twice, and a slot occupies at most one
 * place in the run queues. Rejected: dropping it and readying the first waiter, who then had to compete again.
 *
 * Slots are of three kinds. *Exclusive* ones serve one tenant at a time, taken while there are any: a task alone on its
 * stack is never copied. *Shared* ones, a small hot set that stays in the cache, serve the rest. *Private* ones have
 * one tenant for life outside the copying range. *Strict* ones take the place of the first two in strict mode, see
 * strict.h.
 */
#ifndef STACK_SLOT_H
#define STACK_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"
#include "base/sanitizer.h"
#include "context/context.h"

struct slot;

#define SLOT_HELD ((uintptr_t)1)

/* The stack's part of a task. */
struct tenant {
	struct tenant *next;    /* link of the one queue that it is in */
	struct context context; /* protected by the slot */
	struct slot *slot;      /* atomic; set at the first run, by who owns the task then */
	void *image; /* protected by the slot: the bytes [context.sp, top); null while they are in the slot, or never run */
};

enum slot_kind { SLOT_EXCLUSIVE, SLOT_SHARED, SLOT_PRIVATE, SLOT_STRICT };

/* Whose calls may have touched pages since slot_trim() looked last. */
enum slot_since {
	SINCE_NOBODY,
	SINCE_ONE,   /* its owner's alone */
	SINCE_SITE,  /* those of several tasks, all of the site */
	SINCE_MIXED, /* those of tasks of several sites */
};

struct slot {
	uintptr_t word;          /* atomic, see above */
	struct tenant *fifo;     /* atomic, written by the holder: waiters in order, before those in word */
	struct tenant *resident; /* protected by the slot */
	char *top;         /* constant, 16-byte aligned, staggered by some lines: tops must not share cache sets */
	char *low;         /* constant */
	struct slot *next; /* of the free list; protected by its lock or the owner of the cache */
	uint64_t owner;    /* atomic, written by the holder: the tenant that was bound to it last, by its task's id */
	uint32_t site;     /* the same: where that was spawned */
	uint8_t kind;      /* enum slot_kind */
	uint8_t guarded;   /* owned by the holder: the guard below is in place */
	uint8_t since;     /* protected by the slot: enum slot_since */
	uint8_t kept; /* atomic, written by the holder: pages from the top down that slot_trim() left, saturating */
#ifdef SLEY_VALGRIND
	unsigned known; /* protected by the lock of `slots`: from stack_register(), or 0 */
#endif
} CACHE_ALIGNED;

#define SLOT_CACHE 32

/* What a worker needs for stacks. Owned by the worker, but for reserve_used. */
struct stack_worker {
	struct block_cache blocks;
	struct slot *free[SLOT_CACHE]; /* exclusive slots */
	unsigned free_count;
	unsigned cursor; /* next shared slot to try */
	unsigned number;
	char *reserve;         /* two halves of stack_size: an image of last resort, and a place to swap through */
	unsigned reserve_used; /* atomic: the first half holds an image */
};

/*
 * The copying range, constant during a run. Atomic: plain threads look while runs begin and end. It is set size last, and
 * its end sets the size to 0 alone: a begin that is not the size's own would have the range cover anything.
 */
extern HIDDEN uintptr_t stacks_begin, stacks_size;

/* Whether `p` points into a copying stack, anybody's. One subtraction, one compare. */
static inline bool stack_is_copying(const void *p)
{
	uintptr_t size = load(&stacks_size, acquire); /* pairs with stacks_set() */
	return unlikely((uintptr_t)p - load(&stacks_begin, relaxed) < size);
}

/* Whether this is a run in strict mode (strict.h). Constant during a run. */
extern HIDDEN bool stack_strict;

/* Reserves `count` slots of `stack_size` bytes (a multiple of the page). 0 or -ENOMEM. */
int slots_open(unsigned count, size_t stack_size);
void slots_close(void);

/* 0 or -ENOMEM. `number` is the worker's. */
int stack_worker_init(struct stack_worker *worker, unsigned number);
void stack_worker_fini(struct stack_worker *worker);

/*
 * The slot in whose stack or guard `p` points; null: in none of the copying range's, or in one that was never used. Any
 * thread, signal handlers too. The slots of the range stay where they are during a run.
 */
struct slot *slot_of(const void *p);

/*
 * Whether `p`, a stack pointer or what a frame touched, is where a frame that has jumped over the guard of a slot of the
 * range lies: on the slots below, or in the lead before the first. Signal-safe.
 */
bool slot_jumped_to(const struct slot *slot, const void *p);

/* Whether it is one of the range's. Any pointer. */
bool slot_in_range(const struct slot *slot);

/* Whether tenants wait for it. Any thread, but only of slots of the range: it may change meanwhile. */
static inline bool slot_has_waiters(const struct slot *slot)
{
	return load(&slot->word, relaxed) & ~SLOT_HELD || load(&slot->fifo, relaxed);
}

/* How many slots of the range have been used or may be, and each of them. */
unsigned slots_made(void);
struct slot *slot_at(unsigned number);

/*
 * A slot for a first run: an exclusive one, while there is one and (unless `large`) more than a reserve of them; else
 * the next shared slot, preferably one that is not held, or a private one where none may be shared (AddressSanitizer).
 * Null: strict mode's are all taken, or there is no memory for a private one.
 */
struct slot *slot_pick(struct stack_worker *worker, bool large);

/* A private slot: null when there is no memory. */
struct slot *slot_private_new(void);

/* Holds it if it is free. */
static inline bool slot_try(struct slot *slot)
{
	uintptr_t expected = 0;
	return cas(&slot->word, &expected, SLOT_HELD, acquire, relaxed); /* pairs with slot_release() */
}

/*
 * Holds the slot for `tenant`: true; or leaves the tenant with its waiters: false, and the tenant is not the caller's
 * any more.
 */
bool slot_hold(struct slot *slot, struct tenant *tenant);

/* Drops it: null; or the waiter that holds it from now on. */
struct tenant *slot_release(struct slot *slot);

/*
 * Makes `tenant` resident; the slot is held for it. Never on the slot's own stack. *evicted is the tenant that was
 * copied out, or null. -ENOMEM: the resident could not be saved, nothing has changed.
 */
int slot_exchange(struct stack_worker *worker, struct tenant *tenant, struct tenant **evicted);

static inline int slot_enter(struct stack_worker *worker, struct tenant *tenant, struct tenant **evicted)
{
	*evicted = NULL;
	return likely(tenant->slot->resident == tenant) ? 0 : slot_exchange(worker, tenant, evicted);
}

/* At the first run of a tenant, with the slot held: whose it is from now on. */
static inline void slot_bind(struct slot *slot, uint64_t owner, uint32_t site)
{
	if (slot->since == SINCE_NOBODY)
		slot->since = SINCE_ONE;
	else
		slot->since = slot->since != SINCE_MIXED && slot->site == site ? SINCE_SITE : SINCE_MIXED;
	store(&slot->owner, owner, relaxed);
	store(&slot->site, site, relaxed);
}

/* The tenant's frames never return: AddressSanitizer is told, if there is one. With the slot held, or alone. */
static inline void slot_forget_frames(const struct slot *slot)
{
	sanitizer_unpoison(slot->low, (size_t)(slot->top - slot->low));
}

/* The stack was left; its slot is still held. In strict mode it becomes inaccessible. */
void strict_hide(struct slot *slot);
static inline void slot_hide(struct slot *slot)
{
	if (unlikely(slot->kind == SLOT_STRICT))
		strict_hide(slot);
}

/*
 * The tenant has ended: its stack is left for good. With the slot held; after it the slot may be released. An exclusive
 * or private slot must then be handed to slot_put(), after its release.
 */
void slot_leave(struct tenant *tenant);
void slot_put(struct stack_worker *worker, struct slot *slot);

/* Gives what the worker keeps of blocks and slots back to all. By the worker. */
void stack_worker_empty(struct stack_worker *worker);

/*
 * Stacks that nobody has: a step of decay (base/decay.h), and giving back all pages of those that nobody has needed for
 * long: the bytes. By one thread, the one that trims.
 */
void slots_age(void);
size_t slots_trim_free(void);

/*
 * Gives the pages of [low, top) back that lie well below the live bytes, with the slot held, and not in strict mode:
 * the bytes given back. *pages is how deep the stack was found: from the top down to the lowest page that is resident,
 * or 0 if not deeper than the last time; *since, whose calls may have been so deep. In pages.c.
 */
size_t slot_trim(struct slot *slot, unsigned *pages, enum slot_since *since);

/* Whether slot_trim() would find or give back anything. The slot need not be held, and may change meanwhile. */
bool slot_wants_trim(const struct slot *slot);

/* Holds some private slots, those that were looked at the longest ago, and says how many. */
unsigned slots_hold_private(struct slot **held, unsigned most);

/* Frees what an abandoned tenant holds (image, private slot). Only when no worker runs. */
void slot_abandon(struct tenant *tenant);

/* Bytes in use on the running task's stack: for tools, near enough. */
static inline size_t slot_live_now(const struct slot *slot)
{
	return (size_t)(slot->top - (char *)__builtin_frame_address(0));
}

static inline size_t slot_live(const struct slot *slot, const struct tenant *tenant)
{
	return (size_t)(slot->top - (char *)tenant->context.sp);
}

/* The size of every stack, and of the guard below it. */
extern HIDDEN size_t stack_size;
#define STACK_GUARD ((size_t)64 << 10)

/* How many slots the copying range has. */
static inline unsigned slots_count(void)
{
	return (unsigned)(stacks_size / (stack_size + STACK_GUARD));
}

#endif
