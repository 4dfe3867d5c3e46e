/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The range of stacks that all slots but the private ones lie in, and where free slots are: what slots.c, strict.c (in the
 * place of most of it) and pages.c share.
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
	struct list_link link; /* of all; protected by the lock of `slots` */
};

struct slots {
	struct lock lock; /* protects the lists and counts */
	/* exclusive slots that nobody has: those with pages, of which the last to come is the next to go, in a ring; and... */
	uint32_t *warm;
	unsigned warm_first, warm_count;
	unsigned surplus; /* of them, to lose their pages */
	struct decay decay;
	struct slot *free; /* ... those without. In strict mode those that had a tenant: a FIFO */
	struct slot *free_last;
	unsigned free_count;                    /* of both */
	struct slot *private;                   /* kept for reuse */
	LIST(struct private_slot) private_ones; /* all, in the order in which they were looked at */
	unsigned private_count;
	unsigned dumped; /* atomic: slots [0, dumped) are in core dumps */
	unsigned roots;  /* protected by lock: slots [0, roots) are looked at by the leak checker */
	unsigned made;   /* atomic: slots [0, made) have been used or may be; in strict mode written under lock */
	/* constant during a run */
	struct slot *all;
	unsigned count, shared;
	unsigned for_large;               /* exclusive slots that only tasks with large images may take */
	struct stack_worker *worker[256]; /* by number, null beyond the last */
	unsigned reserves_used;           /* atomic */
};
extern HIDDEN struct slots slots;

/*
 * Inaccessible addresses before the first slot. A frame that jumps over the guard of one of the first slots lands there,
 * and not on what the process has mapped below. Twice the usual limit of a thread's stack.
 */
#define STACKS_LEAD ((size_t)16 << 20)

/* Reserves `size` bytes behind such a lead, or null; and takes both away. */
char *stacks_map(size_t size, int protection);
void stacks_unmap(char *base, size_t size);

/* A run has the copying range. */
static inline void stacks_set(const void *begin, size_t size)
{
	store(&stacks_begin, (uintptr_t)begin, relaxed);
	store(&stacks_size, size, release); /* pairs with stack_is_copying() */
}

/* Where slot `number` of the copying range begins: its guard. */
static inline char *slot_place(unsigned number)
{
	return (char *)stacks_begin + number * (stack_size + STACK_GUARD);
}

/* Slot `number` of the range is about to be used: core dumps have it from now on, and some more. */
void slot_dump(unsigned number);

/* Tells memcheck of a stack (make VALGRIND=1), once. With the lock held. */
void slot_register(struct slot *slot);

/* Sets the top of a stack that ends at `end`, staggered. */
void slot_colour(struct slot *slot, char *end, size_t number);

#endif
