/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Copying stacks: slots and their tenants.
 *
 *        low                         sp              top
 *   guard |  pages never touched ...  | live bytes    |  guard of the next slot ...
 *
 * A slot is a stack. A task becomes a tenant of a slot at its first run, for life, because its bytes must come back to
 * the same addresses. At most one tenant is *resident*: its live bytes [sp, top) are in the slot. The live bytes of the
 * other tenants are in images. Parking copies nothing: slot_enter() exchanges tenants when another tenant is to run.
 *
 * Invariants
 *   1. Running on a slot, copying from or to it, and changing `resident` or `fifo` need the slot held. A worker holds
 *      at most one slot, and a second one only while it switches from a task to another one (run/worker.c). A task
 *      that was granted a slot holds it while it is in a run queue. The watchdog holds a slot while it gives back
 *      pages (pages.c).
 *   2. A tenant's context.sp and image belong to the holder of its slot, not to the tenant's own worker or waker.
 *   3. If there are waiters, the slot is held. So a later slot_release() finds every waiter.
 *   4. The worker releases the slot on another stack, after the switch away from the slot is complete. So a thread that
 *      readies a task that is still leaving its stack just queues the task. The worker that dequeues it finds the slot
 *      held and adds the task to the waiters, and the release hands the slot on. Private stacks use the same protocol
 *      for that reason.
 *
 * `word` is 0 (free), HELD, or HELD | the last waiter pushed: a LIFO that slot_release() turns into `fifo`, so that
 * waiters are served in the order of their arrival. The success of slot_hold() (acquire) pairs with the drop of
 * slot_release() (release): the new holder sees the stack bytes. The push of slot_hold() (release) pairs with the
 * exchange that takes the waiters (acquire).
 *
 * The release hands the slot on while it stays held: no newcomer can barge, no task is woken twice, and a slot occupies
 * at most one place in the run queues. Rejected: dropping the slot and readying the first waiter, which then had to
 * compete again.
 *
 * Slots are of five kinds. *Exclusive* slots serve one tenant at a time, and are taken as long as there are free ones:
 * a task alone on its stack is never copied. *Shared* slots, a small hot set that stays in the cache, serve the other
 * tasks. *Blocking* slots serve in their place the tasks of spawn sites that were seen to block: a blocked task keeps
 * its slot, and its co-tenants would wait. *Private* slots have one tenant for life and lie outside of the copying
 * range. *Strict* slots replace the first three kinds in strict mode, see strict.h.
 */
#ifndef STACK_SLOT_H
#define STACK_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"
#include "base/race.h"
#include "base/sanitizer.h"
#include "context/context.h"

struct slot;

#define SLOT_HELD ((uintptr_t)1)

/* The part of a task that its slot uses. */
struct tenant {
	struct tenant *next;    /* link of the one queue that the tenant is in */
	struct context context; /* protected by the slot */
	struct slot *slot;      /* atomic; set at the first run, by the task's owner at that time */
	/* protected by the slot: the bytes [context.sp, top); null: they are in the slot, or the tenant never ran */
	void *image;
};

enum slot_kind { SLOT_EXCLUSIVE, SLOT_PRIVATE, SLOT_SHARED, SLOT_BLOCKING, SLOT_STRICT };

/* The tenants that may have touched pages since the last slot_trim(). */
enum slot_since {
	SINCE_NOBODY,
	SINCE_ONE,   /* only the owner */
	SINCE_SITE,  /* several tasks of the same site */
	SINCE_MIXED, /* tasks of several sites */
};

struct slot {
	uintptr_t word;          /* atomic, see above */
	struct tenant *fifo;     /* atomic, written by the holder: waiters in order, older than those in word */
	struct tenant *resident; /* protected by the slot */
	char *top; /* constant, 16-byte aligned, staggered by some lines: tops must not share cache sets */
	char *low; /* constant */
	union {
		struct slot *next; /* link of a free list; protected by slots.lock, or owned by the worker's cache */
		size_t tenants;    /* of a blocking slot that is in no free list; protected by slots.lock */
	};
	uint64_t owner;  /* atomic, written by the holder: id of the task that was bound last */
	uint32_t site;   /* atomic, written by the holder: spawn site of `owner` */
	uint8_t kind;    /* enum slot_kind */
	uint8_t guarded; /* atomic: the guard below is in place, or cannot be made */
	uint8_t since;   /* protected by the slot: enum slot_since */
	uint8_t kept;    /* atomic, written by the holder: pages below the top that slot_trim() left, saturating */
#ifdef SLEY_VALGRIND
	unsigned known; /* protected by slots.lock: the number of stack_register(), or 0 */
#endif
} CACHE_ALIGNED;

#define SLOT_CACHE 32

/* A worker's part of the stacks. Owned by the worker, except reserve_used. */
struct stack_worker {
	struct block_cache blocks;
	struct slot *free[SLOT_CACHE]; /* exclusive slots */
	unsigned free_count;
	unsigned shared;           /* the first of its shared slots; constant */
	unsigned cursor;           /* the next of these to try */
	struct stack_worker *next; /* in the list of all */
	char *reserve;             /* two halves of stack_size each: an image of last resort, and a buffer for swaps */
	unsigned reserve_used;     /* atomic: the first half holds an image */
};

/*
 * The copying range, constant during a run. Atomic: plain threads read it while runs begin and end. A run sets the size
 * last, and its end sets only the size, to 0. A base that does not belong to the size would make the range cover other
 * memory.
 */
extern HIDDEN uintptr_t stacks_begin, stacks_size;

/* Whether `p` points into any copying stack. One subtraction, one compare. */
static inline bool stack_is_copying(const void *p)
{
	uintptr_t size = load(&stacks_size, acquire); /* pairs with stacks_set() */
	return unlikely((uintptr_t)p - load(&stacks_begin, relaxed) < size);
}

/* Whether this is a run in strict mode (strict.h). Constant during a run. */
extern HIDDEN bool stack_strict;

#define SLOTS_SHARED_MOST 512 /* the maximal number of shared slots */

/*
 * Reserves `count` slots of `stack_size` bytes (a multiple of the page), some of which are shared by the tasks of each of so
 * many workers, and blocking slots. 0 or -ENOMEM.
 */
int slots_open(unsigned count, size_t stack_size, unsigned workers);

/* The same, but no two tasks share a stack: private stacks are made when those of the range are used up. */
int slots_open_alone(unsigned count, size_t stack_size);
void slots_close(void);

/* 0 or -ENOMEM. `number` is the worker's. One thread at a time. */
int stack_worker_init(struct stack_worker *worker, unsigned number);

/* When no worker runs. Idempotent. */
void stack_worker_fini(struct stack_worker *worker);

/*
 * The slot whose stack or guard contains `p`. Null: `p` is not in a slot of the copying range, or that slot was never
 * used. Any thread, signal handlers too. The slots of the range stay at their addresses during a run.
 */
struct slot *slot_of(const void *p);

/*
 * Whether `p`, a stack pointer or an address that a frame touched, belongs to a frame that has jumped over the slot's
 * guard: `p` is on the slots below, or in the lead before the first slot. Signal-safe.
 */
bool slot_jumped_to(const struct slot *slot, const void *p);

/* Whether the slot is one of the range. Any pointer. */
bool slot_in_range(const struct slot *slot);

/*
 * Whether nobody but its one tenant wants the slot. So a tenant that runs may keep it when it yields, in a run queue, and
 * has no waiters.
 */
static inline bool slot_is_single(const struct slot *slot)
{
	return slot->kind <= SLOT_PRIVATE;
}

/* Whether tenants wait for the slot; may change meanwhile. Any thread, but only for slots of the range. */
static inline bool slot_has_waiters(const struct slot *slot)
{
	return load(&slot->word, relaxed) & ~SLOT_HELD || load(&slot->fifo, relaxed);
}

/* slots_made(): the number of slots of the range that may be in use. slot_at(): each of them. */
unsigned slots_made(void);
struct slot *slot_at(unsigned number);

/*
 * Picks a slot for a first run. An exclusive slot, if one is free and (unless `large`) more than a reserve of them are.
 * Else the next of the worker's shared slots, preferably one that is not held; or a private slot if none may be shared
 * (AddressSanitizer). Null: all strict slots are taken, or there is no memory for a private slot.
 */
struct slot *slot_pick(struct stack_worker *worker, bool large);

/*
 * The same for a task that may block its thread. An exclusive slot, if one is free, from the reserve too; else a
 * blocking slot: one without tenants, and only if there is none the next in turn.
 */
struct slot *slot_pick_blocking(struct stack_worker *worker);

/* A private slot; null: there is no memory. */
struct slot *slot_private_new(void);

/* Holds the slot if it is free. */
static inline bool slot_try(struct slot *slot)
{
	uintptr_t expected = 0;
	return cas(&slot->word, &expected, SLOT_HELD, acquire, relaxed); /* pairs with slot_release() */
}

/*
 * Holds the slot for `tenant` and returns true, or adds the tenant to the waiters and returns false. The tenant does
 * not belong to the caller any more then.
 */
bool slot_hold(struct slot *slot, struct tenant *tenant);

/* Drops the slot and returns null, or hands it on to the waiter that it returns. */
struct tenant *slot_release(struct slot *slot);

/* slot_release() of a slot for which nobody waits. False: somebody does, and nothing was done. */
static inline bool slot_release_alone(struct slot *slot)
{
	uintptr_t word = SLOT_HELD;
	if (unlikely(slot->fifo != NULL))
		return false;
	RACE_POINT(slot_is_released);
	return likely(cas(&slot->word, &word, 0, release, relaxed));
}

/*
 * Makes `tenant` resident. The slot is held for it. Never called on the slot's own stack. *evicted is the tenant that
 * was copied out, or null. -ENOMEM: the resident could not be saved, and nothing has changed.
 */
int slot_exchange(struct stack_worker *worker, struct tenant *tenant, struct tenant **evicted);

static inline int slot_enter(struct stack_worker *worker, struct tenant *tenant, struct tenant **evicted)
{
	*evicted = NULL;
	return likely(tenant->slot->resident == tenant) ? 0 : slot_exchange(worker, tenant, evicted);
}

/* Called at a tenant's first run, with the slot held: records the tenant as the owner. */
static inline void slot_bind(struct slot *slot, uint64_t owner, uint32_t site)
{
	if (slot->since == SINCE_NOBODY)
		slot->since = SINCE_ONE;
	else
		slot->since = slot->since != SINCE_MIXED && slot->site == site ? SINCE_SITE : SINCE_MIXED;
	store(&slot->owner, owner, relaxed);
	store(&slot->site, site, relaxed);
}

/* The tenant's frames never return: informs AddressSanitizer, if it is there. With the slot held, or alone. */
static inline void slot_forget_frames(const struct slot *slot)
{
	sanitizer_unpoison(slot->low, (size_t)(slot->top - slot->low));
}

/* Called after a task has left its stack, with the slot still held. In strict mode the stack becomes inaccessible. */
void strict_hide(struct slot *slot);
static inline void slot_hide(struct slot *slot)
{
	if (unlikely(slot->kind == SLOT_STRICT))
		strict_hide(slot);
}

/*
 * slot_leave(): the tenant has ended and left its stack for good. Called with the slot held; afterwards the slot may be
 * released. After the release of a slot that is not shared, slot_put() must get the slot back.
 */
void slot_leave(struct tenant *tenant);
void slot_put(struct stack_worker *worker, struct slot *slot);

/* Returns the worker's cached blocks and slots. Called by the worker. */
void stack_worker_empty(struct stack_worker *worker);

/*
 * Stacks without a tenant. slots_age() is a step of decay (base/decay.h). slots_trim_free() gives back all pages of the
 * stacks that were not needed for long; returns the bytes. Called by one thread, the one that trims.
 */
void slots_age(void);
size_t slots_trim_free(void);

/*
 * Gives back the pages of [low, top) that lie well below the live bytes; returns the bytes. With the slot held, and not
 * in strict mode. *pages becomes the depth of the stack, from the top down to the lowest resident page, or 0 if it was
 * not deeper than the last time. *since becomes the tenants that may have been so deep. In pages.c.
 */
size_t slot_trim(struct slot *slot, unsigned *pages, enum slot_since *since);

/*
 * Whether slot_trim() would report a depth or give back pages. The slot need not be held, so the answer may be
 * outdated.
 */
bool slot_wants_trim(const struct slot *slot);

/* Holds up to `most` private slots, those visited the longest ago first, and returns their number. */
unsigned slots_hold_private(struct slot **held, unsigned most);

/* Frees an abandoned tenant's image and private slot. Called only when no worker runs. */
void slot_abandon(struct tenant *tenant);

/* Bytes in use on the running task's stack: for tools, accurate enough. */
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

/* The number of slots of the copying range, blocking ones included. */
static inline unsigned slots_count(void)
{
	return (unsigned)(stacks_size / (stack_size + STACK_GUARD));
}

#endif
