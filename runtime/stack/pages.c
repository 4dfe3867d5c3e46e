/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pages that deep calls left behind: finding how deep a stack has been, and giving them back.
 *
 *        low                    lowest resident     floor   sp            top
 *         |  never touched        |  left behind ... | KEEP  | live bytes  |
 *                                  <- given back  ->
 *
 * Only with the slot held, so no worker runs on it or copies it, no handler of a signal runs there, and the resident's
 * sp is what it parked with: all below is dead, and its next call finds zeroes there instead of garbage. The sp of the
 * others does not matter: their bytes are in images. The holder is the watchdog; whoever wants the slot meanwhile waits
 * for it as for any holder.
 *
 * Which tenant was so deep cannot be seen from the pages. So a slot remembers who has been on it since the last look,
 * and how many pages that left (`kept`): what is found to be deeper was touched by those, and is put down to a task or
 * a site only if there is but one.
 */
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "stack/range.h"

#define KEEP   ((size_t)2) /* pages below the live bytes that stay: the next calls want them */
#define WINDOW 1024        /* pages that are asked for at once */

#define FREE_MOST 1024u /* stacks that lose all pages in one call */

static char *page_of(const void *p)
{
	return (char *)((uintptr_t)p & ~(PAGE - 1));
}

/* The lowest page of [low, end) that is resident, or end. */
static char *lowest_resident(char *low, char *end)
{
	unsigned char resident[WINDOW];
	while (low < end) {
		size_t n = MIN((size_t)(end - low) / PAGE, WINDOW);
		if (mincore(low, n * PAGE, resident) != 0)
			return end; /* the system call is forbidden, say: then nothing is given back */
		for (size_t i = 0; i < n; i++) {
			if (resident[i] & 1)
				return low + i * PAGE;
		}
		low += n * PAGE;
	}
	return end;
}

static char *end_of(const struct slot *slot)
{
	return slot->low + stack_size;
}

static unsigned pages_above(const struct slot *slot, const char *lowest)
{
	return (unsigned)((size_t)(end_of(slot) - lowest) / PAGE);
}

bool slot_wants_trim(const struct slot *slot)
{
	if (load(&slot->owner, relaxed) == 0)
		return false; /* it was never used */
	unsigned pages = pages_above(slot, lowest_resident(slot->low, end_of(slot)));
	/* the page of the top is part of most live bytes, so these are left if nothing is deep */
	return pages > KEEP + 1 || pages > load(&slot->kept, relaxed);
}

/* The page from which on the bytes are live. All are while the tenant waits on a stack of its own: see depth_parked(). */
static char *lowest_live(const struct slot *slot)
{
	char *sp = slot->resident ? (char *)slot->resident->context.sp : slot->top - 1;
	return page_of(sp >= slot->low && sp < slot->top ? sp : slot->low);
}

size_t slot_trim(struct slot *slot, unsigned *pages, enum slot_since *since)
{
	CHECK(slot->kind != SLOT_STRICT); /* nobody is resident there, but what is there is live */
	char *lowest = lowest_resident(slot->low, end_of(slot));
	char *live = lowest_live(slot);
	char *floor = live - MIN(KEEP * PAGE, (size_t)(live - slot->low));
	size_t given = 0;
	*pages = pages_above(slot, lowest);
	*since = (enum slot_since)slot->since;
	if (*pages <= slot->kept)
		*pages = 0;
	if (lowest < floor && madvise(lowest, (size_t)(floor - lowest), MADV_DONTNEED) == 0) {
		given = (size_t)(floor - lowest);
		lowest = floor;
	}
	store(&slot->kept, (uint8_t)MIN(pages_above(slot, lowest), UINT8_MAX), relaxed);
	if (slot->kind != SLOT_SHARED) /* the other tenants of a shared one come back without being bound again */
		slot->since = slot->resident ? SINCE_ONE : SINCE_NOBODY;
	return given;
}

/* ---- stacks that nobody has ---- */

void slots_age(void)
{
	lock_take(&slots.lock);
	slots.surplus = decay_step(&slots.decay, slots.warm_count);
	lock_drop(&slots.lock);
}

/* The free slot whose pages have been unused the longest, taken off the ring; null: none has to lose them. */
static struct slot *take_surplus(void)
{
	struct slot *slot = NULL;
	lock_take(&slots.lock);
	if (slots.surplus > 0) {
		slot = &slots.all[slots.warm[slots.warm_first]];
		slots.warm_first = (slots.warm_first + 1) % slots.count;
		slots.surplus--;
		decay_note(&slots.decay, --slots.warm_count);
		slots.free_count--;
	}
	lock_drop(&slots.lock);
	return slot;
}

static void put_bare(struct slot *slot)
{
	lock_take(&slots.lock);
	slot->next = slots.free;
	slots.free = slot;
	slots.free_count++;
	lock_drop(&slots.lock);
}

/*
 * Nobody can want such a slot, as it is in no list meanwhile and has no tenant; it is held all the same, as whoever
 * gives back pages does (slot.h, invariant 1).
 */
size_t slots_trim_free(void)
{
	size_t given = 0;
	struct slot *slot;
	for (unsigned n = 0; n < FREE_MOST && (slot = take_surplus()); n++) {
		CHECK(slot_try(slot) && !slot->resident);
		unsigned pages = MAX(load(&slot->kept, relaxed), 1);
		if (madvise(slot->low, stack_size, MADV_DONTNEED) == 0)
			given += pages * PAGE;
		store(&slot->owner, 0, relaxed); /* as if it had never been used */
		store(&slot->kept, 0, relaxed);
		slot->since = SINCE_NOBODY;
		CHECK(!slot_release(slot));
		put_bare(slot);
	}
	return given;
}
