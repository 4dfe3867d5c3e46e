/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The range of stacks, which contains all slots except the private ones, and the lists of free slots. Shared by
 * slots.c, strict.c (which replaces most of slots.c in strict mode) and pages.c.
 */
#ifndef STACK_RANGE_H
#define STACK_RANGE_H

#include "base/compiler.h"
#include "base/decay.h"
#include "base/list.h"
#include "base/lock.h"
#include "stack/slot.h"

struct private_slot {
	struct slot slot;
	struct list_link link; /* in slots.private_ones; protected by slots.lock */
};

struct slots {
	struct memory_lock lock; /* protects the lists and counts below */
	/* a ring of the free exclusive slots that have pages; the last one put is the next one taken */
	uint32_t *warm;
	unsigned warm_first, warm_count;
	unsigned surplus; /* slots of the ring that are to lose their pages */
	struct decay decay;
	struct slot *free; /* free exclusive slots without pages; in strict mode a FIFO of slots that had a tenant */
	struct slot *free_last;
	unsigned free_count;                    /* in `warm` and `free` */
	struct slot *private;                   /* private slots without a tenant, kept for reuse */
	LIST(struct private_slot) private_ones; /* all private slots, the one that was visited the longest ago first */
	unsigned private_count;
	/* blocking slots without tenants; the number of picks that found none */
	struct slot *blocking;
	unsigned blocking_turn;
	unsigned dumped;          /* atomic: slots [0, dumped) are in core dumps */
	unsigned blocking_dumped; /* atomic: slots [blocking_from, blocking_dumped) are, too */
	unsigned roots;           /* protected by lock: the leak checker looks at slots [0, roots) */
	unsigned made;            /* atomic: slots [0, made) may be in use. In strict mode written under lock */
	/* constant during a run */
	struct slot *all;
	unsigned count, shared;       /* slots [0, shared) are shared ones */
	unsigned share, sharing;      /* of these, the number that belongs to each of so many workers */
	unsigned blocking_from;       /* slots [blocking_from, count) are blocking ones */
	unsigned for_large;           /* exclusive slots that only tasks with large images may take */
	struct stack_worker *workers; /* atomic: list of all workers'; it only grows while workers run */
	unsigned reserves_used;       /* atomic */
};
extern HIDDEN struct slots slots;

/*
 * Inaccessible addresses before the first slot. A frame that jumps over the guard of one of the first slots lands
 * there, and not on other memory of the process. Twice the usual limit of a thread's stack.
 */
#define STACKS_LEAD ((size_t)16 << 20)

/* stacks_map() reserves `size` bytes behind such a lead; null on failure. stacks_unmap() unmaps both. */
char *stacks_map(size_t size, int protection);
void stacks_unmap(char *base, size_t size);

/* Sets the copying range of a run. */
static inline void stacks_set(const void *begin, size_t size)
{
	store(&stacks_begin, (uintptr_t)begin, relaxed);
	store(&stacks_size, size, release); /* pairs with stack_is_copying() */
}

/* The address of slot `number` of the copying range, which begins with the guard. */
static inline char *slot_place(unsigned number)
{
	return (char *)stacks_begin + number * (stack_size + STACK_GUARD);
}

/* Called before slot `number` of the range is used: includes its stack, and some more stacks, in core dumps. */
void slot_dump(unsigned number);

/* Registers a stack with memcheck (make VALGRIND=1), once. With the lock held. */
void slot_register(struct slot *slot);

/* Sets the top of a stack that ends at `end`, staggered. */
void slot_colour(struct slot *slot, char *end, size_t number);

#endif
