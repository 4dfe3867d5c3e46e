/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/wheel.h"

#include <stddef.h>

#include "base/check.h"
#include "base/compiler.h"

#define FEW 4 /* nodes that are looked at one by one rather than moved down: two moves cost as much */

/* ---- slots ---- */

static void slot_add(struct wheel *wheel, unsigned number, struct wheel_node *node)
{
	struct wheel_slot *slot = &wheel->slots[number];
	struct wheel_node *first = slot->first;
	unsigned level = number / WHEEL_SLOTS;
	node->place = number + 1;
	node->next = NULL;
	if (!first) {
		node->prev = node;
		slot->first = node;
		slot->bound = node->key;
		wheel->filled[level] |= (uint64_t)1 << number % WHEEL_SLOTS;
		wheel->levels |= (uint64_t)1 << level;
		return;
	}
	node->prev = first->prev;
	first->prev = node;
	if (node->key < slot->bound) { /* the new first one */
		node->next = first;
		slot->first = node;
		slot->bound = node->key;
	} else {
		node->prev->next = node;
	}
}

/* Called when the slot is empty. */
static void slot_clear(struct wheel *wheel, unsigned number)
{
	unsigned level = number / WHEEL_SLOTS;
	wheel->filled[level] &= ~((uint64_t)1 << number % WHEEL_SLOTS);
	if (!wheel->filled[level])
		wheel->levels &= ~((uint64_t)1 << level);
}

/* Makes `first` the first node of the slot, or the slot empty; `last` is the last node. */
static void slot_begin(struct wheel *wheel, unsigned number, struct wheel_node *first, struct wheel_node *last)
{
	struct wheel_slot *slot = &wheel->slots[number];
	slot->first = first;
	if (!first) {
		slot_clear(wheel, number);
		return;
	}
	first->prev = last;
	if (first == last)
		slot->bound = first->key;
}

static void slot_remove(struct wheel *wheel, struct wheel_node *node)
{
	unsigned number = node->place - 1;
	struct wheel_slot *slot = &wheel->slots[number];
	struct wheel_node *next = node->next, *last = slot->first->prev;
	node->place = 0;
	last = node == last ? node->prev : last;
	if (node == slot->first) {
		slot_begin(wheel, number, next, last);
		return;
	}
	node->prev->next = next;
	if (next)
		next->prev = node->prev;
	slot_begin(wheel, number, slot->first, last);
}

/* Finds the bound of a slot with few nodes: its first one becomes that with the least key. */
static void slot_look(struct wheel_slot *slot)
{
	struct wheel_node *first = slot->first, *least = first, *node = first;
	for (unsigned i = 0; i < FEW && (node = node->next); i++)
		least = node->key < least->key ? node : least;
	if (node)
		return; /* many */
	slot->bound = least->key;
	if (least == first)
		return;
	least->prev->next = least->next;
	if (least->next) {
		least->next->prev = least->prev;
		least->prev = first->prev;
	}
	first->prev = least;
	least->next = first;
	slot->first = least;
}

/* Adds the node to its slot by the present `base`. */
static void place(struct wheel *wheel, struct wheel_node *node)
{
	uint64_t base = (uint64_t)wheel->base, key = MAX((uint64_t)node->key, base);
	unsigned level = (63 - (unsigned)__builtin_clzll((key - base) | 1)) / WHEEL_BITS;
	if ((key >> level * WHEEL_BITS) - (base >> level * WHEEL_BITS) >= WHEEL_SLOTS)
		level++;
	slot_add(wheel, level * WHEEL_SLOTS + (unsigned)(key >> level * WHEEL_BITS) % WHEEL_SLOTS, node);
}

/* The slot with the least bound. Null: the wheel is empty. */
static struct wheel_slot *first_slot(const struct wheel *wheel)
{
	const struct wheel_slot *least = NULL;
	for (uint64_t levels = wheel->levels; levels; levels &= levels - 1) {
		unsigned level = (unsigned)__builtin_ctzll(levels);
		unsigned here = (unsigned)((uint64_t)wheel->base >> level * WHEEL_BITS) % WHEEL_SLOTS;
		uint64_t filled = wheel->filled[level];
		uint64_t ahead = filled >> here | filled << (WHEEL_SLOTS - here) % WHEEL_SLOTS; /* bit 0: `here` */
		unsigned slot = (here + (unsigned)__builtin_ctzll(ahead)) % WHEEL_SLOTS;
		const struct wheel_slot *first = &wheel->slots[level * WHEEL_SLOTS + slot];
		if (!least || first->bound < least->bound)
			least = first;
	}
	return (struct wheel_slot *)least;
}

/* Called when the least bound may have become later. */
static struct wheel_slot *find_bound(struct wheel *wheel)
{
	struct wheel_slot *slot = first_slot(wheel);
	if (slot)
		wheel->bound = slot->bound;
	return slot;
}

/* ---- the wheel ---- */

void wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t now)
{
	int64_t bound = wheel_bound(wheel);
	wheel->base = MAX(wheel->base, MIN(now, bound));
	wheel->bound = MIN(bound, node->key);
	place(wheel, node);
}

void wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
	bool first = wheel->slots[node->place - 1].bound <= wheel->bound;
	slot_remove(wheel, node);
	if (first)
		find_bound(wheel);
}

/* Moves nodes of the slot to lower levels, until it is empty or the steps are used up. */
static void take_apart(struct wheel *wheel, struct wheel_slot *slot, unsigned *steps)
{
	unsigned number = (unsigned)(slot - wheel->slots);
	struct wheel_node *node = slot->first, *last = node->prev, *next;
	wheel->base = MAX(wheel->base, slot->bound);
	for (; node && *steps > 0; node = next, --*steps) {
		next = node->next;
		place(wheel, node);
		DCHECK((node->place - 1) / WHEEL_SLOTS < number / WHEEL_SLOTS);
	}
	slot_begin(wheel, number, node, last);
}

struct wheel_node *wheel_take(struct wheel *wheel, int64_t now, unsigned *steps)
{
	struct wheel_slot *slot;
	while ((slot = find_bound(wheel)) && slot->bound <= now && *steps > 0) {
		struct wheel_node *node = slot->first;
		/* the keys in a slot of level 0 are equal, or have all passed */
		if (node->key == slot->bound || slot < wheel->slots + WHEEL_SLOTS) {
			--*steps;
			slot_remove(wheel, node);
			if (slot->first)
				slot_look(slot);
			return node;
		}
		take_apart(wheel, slot, steps);
	}
	return NULL;
}
