/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Holding and releasing slots, exchanging tenants. Allocation of slots is in slots.c. */
#include "stack/slot.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/race.h"
#include "stack/copy.h"
#include "stack/strict.h"

#define HELD SLOT_HELD

bool slot_hold(struct slot *slot, struct tenant *tenant)
{
	uintptr_t word = load(&slot->word, relaxed);
	RACE_POINT(slot_is_looked_at);
	for (;;) {
		if (word == 0) {
			if (cas_weak(&slot->word, &word, HELD, acquire, relaxed))
				return true;
		} else {
			tenant->next = (struct tenant *)(word & ~HELD);
			if (cas_weak(&slot->word, &word, (uintptr_t)tenant | HELD, release, relaxed))
				return false;
		}
	}
}

/* Takes the waiters pushed since the last call, oldest first. */
static struct tenant *take_waiters(struct slot *slot)
{
	struct tenant *lifo = (struct tenant *)(exchange(&slot->word, HELD, acquire) & ~HELD);
	struct tenant *fifo = NULL;
	while (lifo) {
		struct tenant *next = lifo->next;
		lifo->next = fifo;
		fifo = lifo;
		lifo = next;
	}
	return fifo;
}

struct tenant *slot_release(struct slot *slot)
{
	struct tenant *first = slot->fifo;
	if (slot_release_alone(slot))
		return NULL;
	if (!first)
		first = take_waiters(slot);
	store(&slot->fifo, first->next, relaxed);
	first->next = NULL;
	return first;
}

static void free_image(struct stack_worker *worker, struct tenant *tenant)
{
	if (likely(!stack_reserve_free(tenant->image)))
		block_free_to(&worker->blocks, tenant->image, slot_live(tenant->slot, tenant));
	tenant->image = NULL;
}

static void copy_in(struct slot *slot, struct tenant *tenant)
{
	size_t live = slot_live(slot, tenant);
	stack_expect(tenant->context.sp, live);
	stack_copy(tenant->context.sp, tenant->image, live);
}

/*
 * Makes the tenant resident without memory for the resident's image. This works if the newcomer's own image can take
 * the resident's bytes (they swap through the second half of the reserve), or if this worker's reserve is free.
 */
NOINLINE static int enter_without_memory(struct stack_worker *worker, struct slot *slot, struct tenant *tenant)
{
	struct tenant *resident = slot->resident;
	size_t live = slot_live(slot, resident);
	/* a block is freed by the size of the live bytes in it, so the swap needs blocks of the same class */
	if (tenant->image &&
	    (stack_reserve_has(tenant->image) || block_capacity(live) == block_capacity(slot_live(slot, tenant)))) {
		char *bounce = worker->reserve + stack_size;
		stack_copy(bounce, resident->context.sp, live);
		copy_in(slot, tenant);
		stack_copy(tenant->image, bounce, live);
		resident->image = tenant->image;
		tenant->image = NULL;
	} else {
		void *reserve = stack_reserve_take(worker);
		if (!reserve)
			return -ENOMEM;
		stack_copy(reserve, resident->context.sp, live);
		resident->image = reserve;
	}
	return 0;
}

int slot_exchange(struct stack_worker *worker, struct tenant *tenant, struct tenant **evicted)
{
	struct slot *slot = tenant->slot;
	struct tenant *resident = slot->resident;
	if (unlikely(slot->kind == SLOT_STRICT)) {
		int error = strict_show(slot);
		slot->resident = error ? NULL : tenant;
		return error;
	}
	if (resident) {
		size_t live = slot_live(slot, resident);
		void *image = block_alloc_from(&worker->blocks, live);
		if (likely(image != NULL)) {
			stack_copy(image, resident->context.sp, live);
			resident->image = image;
		} else if (enter_without_memory(worker, slot, tenant) != 0) {
			return -ENOMEM;
		}
		*evicted = resident;
	}
	if (tenant->image) {
		copy_in(slot, tenant);
		if (resident)
			stack_bury(resident->context.sp, tenant->context.sp);
		free_image(worker, tenant);
	}
	slot->resident = tenant;
	return 0;
}

void slot_leave(struct tenant *tenant)
{
	struct slot *slot = tenant->slot;
	DCHECK(slot->resident == tenant);
	stack_bury(slot->low, slot->top);
	slot->resident = NULL;
	store(&tenant->slot, NULL, relaxed);
}
