/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pages that deep calls left behind: finding the depth that a stack has reached, and giving the pages back.
 *
 *        low                    lowest resident     floor   sp            top
 *         |  never touched        |  left behind ... | KEEP  | live bytes  |
 *                                  <- given back  ->
 *
 * Pages are given back only with the slot held. So no worker runs on the slot or copies it, and no signal handler runs
 * there. The resident's sp is the sp with which it parked: all bytes below are dead, and its next call finds zeroes
 * there instead of garbage. The other tenants' sp does not matter, because their bytes are in images. The holder is the
 * watchdog; a worker that wants the slot meanwhile waits for it as for any holder.
 *
 * The pages do not show which tenant was so deep. So a slot records which tenants have been on it since the last look
 * (`since`), and how many pages the last look left (`kept`). A depth beyond `kept` was reached by these tenants. It is
 * attributed to a task or a site only if there was just one.
 *
 * A blocking slot that no tenant is on loses all its pages.
 */
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "stack/range.h"

#define KEEP   ((size_t)2) /* pages kept below the live bytes: the next calls need them */
#define WINDOW 1024        /* pages per call of mincore(2) */

#define FREE_MOST 1024u /* stacks that lose all their pages in one call, at most */

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
			return end; /* mincore(2) failed, perhaps forbidden by a filter: no pages are given back */
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
		return false; /* the slot was never used */
	unsigned pages = pages_above(slot, lowest_resident(slot->low, end_of(slot)));
	if (slot->kind == SLOT_BLOCKING)
		return pages > 0; /* only the holder may see whether a tenant is on it */
	/* if the stack is not deep, its live bytes lie in the page of the top, and KEEP pages stay below it */
	return pages > KEEP + 1 || pages > load(&slot->kept, relaxed);
}

/*
 * The lowest page with live bytes. If the resident's sp is outside of the slot, the resident waits on a stack of its
 * own, and all pages of the slot are live: see depth_parked().
 */
static char *lowest_live(const struct slot *slot)
{
	char *sp = slot->resident ? (char *)slot->resident->context.sp : slot->top - 1;
	return page_of(sp >= slot->low && sp < slot->top ? sp : slot->low);
}

size_t slot_trim(struct slot *slot, unsigned *pages, enum slot_since *since)
{
	CHECK(slot->kind != SLOT_STRICT); /* a parked strict stack has no resident, but its bytes are live */
	char *lowest = lowest_resident(slot->low, end_of(slot));
	char *live = lowest_live(slot);
	char *floor = slot->kind == SLOT_BLOCKING && !slot->resident
			      ? end_of(slot)
			      : live - MIN(KEEP * PAGE, (size_t)(live - slot->low));
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
	/* the other tenants of a slot of many come back without slot_bind() */
	if (slot->kind != SLOT_SHARED && slot->kind != SLOT_BLOCKING)
		slot->since = slot->resident ? SINCE_ONE : SINCE_NOBODY;
	return given;
}

/* ---- stacks without a tenant ---- */

void slots_age(void)
{
	lock_take(&slots.lock);
	slots.surplus = decay_step(&slots.decay, slots.warm_count);
	lock_drop(&slots.lock);
}

/* Takes the free slot whose pages have been unused the longest off the ring; null: no slot has to lose pages. */
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
 * No worker can want such a slot, because it has no tenant and is in no list meanwhile. It is held all the same, by the
 * rule that the slot is held while pages are given back (slot.h, invariant 1).
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
		store(&slot->owner, 0, relaxed); /* marks the slot as never used */
		store(&slot->kept, 0, relaxed);
		slot->since = SINCE_NOBODY;
		CHECK(!slot_release(slot));
		put_bare(slot);
	}
	return given;
}
