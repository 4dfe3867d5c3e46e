/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "stack/range.h"

#include "base/arena.h"
#include "base/check.h"
#include "stack/copy.h"

#define COLOURS     8
#define COLOUR_STEP 320 /* 5 lines; the last one leaves most of the first page */
#define DUMP_STEP   64u /* stacks that are put into core dumps at once */

#ifdef SLEY_VALGRIND
#define TOP_FREE 512 /* nearer than that to the end of a stack, Valgrind does not look for callers */
#else
#define TOP_FREE 0
#endif

uintptr_t stacks_begin, stacks_size;
size_t stack_size;

struct slots slots;

void slot_colour(struct slot *slot, char *end, size_t number)
{
	slot->top = end - TOP_FREE - number % COLOURS * COLOUR_STEP;
}

void slot_dump(unsigned number)
{
	unsigned from = load(&slots.dumped, relaxed), to = MIN(ROUND_UP(number + 1, DUMP_STEP), slots.count);
	if (to <= from)
		return;
	/* two workers may do it at once: it is idempotent */
	memory_dump(slot_place(from), (to - from) * (stack_size + STACK_GUARD), true);
	while (from < to && !cas_weak(&slots.dumped, &from, to, relaxed, relaxed))
		;
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

struct slot *slot_of(const void *p)
{
	if (!stack_is_copying(p))
		return NULL;
	size_t number = ((uintptr_t)p - stacks_begin) / (stack_size + STACK_GUARD);
	return number < load(&slots.made, acquire) ? &slots.all[number] : NULL; /* pairs with strict_pick() */
}

unsigned slots_made(void)
{
	return load(&slots.made, acquire); /* pairs with strict_pick() */
}

bool slot_in_range(const struct slot *slot)
{
	return (uintptr_t)slot - (uintptr_t)slots.all < sizeof(struct slot) * slots.count;
}

struct slot *slot_at(unsigned number)
{
	return &slots.all[number];
}
