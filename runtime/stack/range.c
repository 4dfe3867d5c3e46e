/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "stack/range.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "stack/copy.h"

#define COLOURS     8
#define COLOUR_STEP 320 /* 5 cache lines; the last colour leaves most of the first page */
#define DUMP_STEP   64u /* stacks that are included in core dumps at once */

#ifdef SLEY_VALGRIND
#define TOP_FREE 512 /* Valgrind does not look for callers nearer to the end of a stack */
#else
#define TOP_FREE 0
#endif

uintptr_t stacks_begin, stacks_size;
size_t stack_size;

struct slots slots;

char *stacks_map(size_t size, int protection)
{
	int saved = errno;
	char *lead = mmap(NULL, STACKS_LEAD + size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lead != MAP_FAILED && protection != PROT_NONE && mprotect(lead, STACKS_LEAD, PROT_NONE) != 0) {
		munmap(lead, STACKS_LEAD + size);
		lead = MAP_FAILED;
	}
	errno = saved;
	return lead == MAP_FAILED ? NULL : lead + STACKS_LEAD;
}

void stacks_unmap(char *base, size_t size)
{
	munmap(base - STACKS_LEAD, STACKS_LEAD + size);
}

void slot_colour(struct slot *slot, char *end, size_t number)
{
	slot->top = end - TOP_FREE - number % COLOURS * COLOUR_STEP;
}

void slot_dump(unsigned number)
{
	bool blocking = number >= slots.blocking_from;
	unsigned *dumped = blocking ? &slots.blocking_dumped : &slots.dumped;
	unsigned end = blocking ? slots.count : slots.blocking_from;
	unsigned from = load(dumped, relaxed), to = MIN(ROUND_UP(number + 1, DUMP_STEP), end);
	if (to <= from)
		return;
	/* two workers may do this at once: it is idempotent */
	memory_dump(slot_place(from), (to - from) * (stack_size + STACK_GUARD), true);
	while (from < to && !cas_weak(dumped, &from, to, relaxed, relaxed))
		;
}

/* Called when a stack is first used, with the lock held. */
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

bool slot_jumped_to(const struct slot *slot, const void *p)
{
	uintptr_t least = load(&stacks_begin, relaxed) - STACKS_LEAD;
	return stack_is_copying(slot->low) && (uintptr_t)p >= least && (const char *)p < slot->low;
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
