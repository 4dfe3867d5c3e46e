/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "stack/strict.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"
#include "stack/range.h"

/*
 * A stack whose tenant has ended is not reused before RESTING other stacks were left. Without a bound, a service that
 * spawns for ever would use up the address space, and page tables with it.
 */
#define RESTING 16384u

bool stack_strict;

static struct slot *map_slots(unsigned count)
{
	void *base = mmap(NULL, sizeof(struct slot) * count, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return base == MAP_FAILED ? NULL : base;
}

/* Touches one page of the range, so that the whole range has the kernel's anon_vma, and all its parts can merge. */
static int touch_first(char *base)
{
	if (mprotect(base, PAGE, PROT_READ | PROT_WRITE) != 0)
		return -ENOMEM;
	*(volatile char *)base = 0;
	return mprotect(base, PAGE, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

/* Maps the stacks, inaccessible, and their slots, zero and not touched. */
static int map(unsigned count, size_t size)
{
	size_t whole = (size + STACK_GUARD) * count;
	char *base = stacks_map(whole, PROT_NONE);
	if (!base)
		return -ENOMEM;
	slots.all = map_slots(count);
	if (!slots.all || touch_first(base) != 0) {
		stacks_unmap(base, whole);
		if (slots.all)
			munmap(slots.all, sizeof(struct slot) * count);
		slots.all = NULL;
		return -ENOMEM;
	}
	madvise(base, whole, MADV_NOHUGEPAGE);
	memory_dump(base, whole, false);
	slots.count = slots.blocking_from = count;
	slots.made = slots.dumped = 0;
	stack_size = size;
	stacks_set(base, whole);
	return 0;
}

int strict_open(unsigned most, size_t size)
{
	int error = -ENOMEM;
	for (unsigned count = most; error && count > 0; count /= 2)
		error = map(count, size);
	stack_strict = error == 0;
	return error;
}

void strict_close(void)
{
	munmap(slots.all, sizeof(struct slot) * slots.count);
	stack_strict = false;
}

static struct slot *make(unsigned number)
{
	struct slot *slot = &slots.all[number];
	slot->low = slot_place(number) + STACK_GUARD;
	slot->kind = SLOT_STRICT;
	slot->guarded = 1; /* the memory between the stacks is never accessible */
	slot_colour(slot, slot->low + stack_size, number);
	slot_register(slot);
	return slot;
}

struct slot *strict_pick(void)
{
	struct slot *slot = NULL;
	lock_take(&slots.lock);
	if (slots.made < slots.count && slots.free_count < RESTING) {
		slot = make(slots.made);
		store(&slots.made, slots.made + 1, release); /* pairs with slot_of(): the slot is complete */
	} else if (slots.free) {
		slot = slots.free;
		slots.free = slot->next;
		slots.free_count--;
	}
	lock_drop(&slots.lock);
	if (slot)
		slot_dump((unsigned)(slot - slots.all));
	return slot;
}

void strict_put(struct slot *slot)
{
	madvise(slot->low, stack_size, MADV_DONTNEED);
	slot->next = NULL;
	lock_take(&slots.lock);
	if (slots.free)
		slots.free_last->next = slot;
	else
		slots.free = slot;
	slots.free_last = slot;
	slots.free_count++;
	lock_drop(&slots.lock);
}

int strict_show(struct slot *slot)
{
	return mprotect(slot->low, stack_size, PROT_READ | PROT_WRITE) == 0 ? 0 : -ENOMEM;
}

void strict_hide(struct slot *slot)
{
	static unsigned told; /* atomic */
	if (mprotect(slot->low, stack_size, PROT_NONE) != 0 && !exchange(&told, 1, relaxed))
		complain(
			"strict mode cannot protect the stack of a parked task, so accesses to it stay unseen: the process has "
			"as many memory mappings as it may have. Raise the limit (sysctl vm.max_map_count)");
	slot->resident = NULL;
}
