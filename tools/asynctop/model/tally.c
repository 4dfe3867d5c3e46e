/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Open addressing with linear probing; at most half of the slots are ever used. */
#include "model/tally.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/memory.h"

#define SLOTS 8192u

void tally_init(struct tally *t)
{
	*t = (struct tally){ .slots = xcalloc(SLOTS, sizeof(*t->slots)) };
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != (ssize_t)sizeof(t->seed))
		t->seed = (uintptr_t)t->slots;
}

void tally_free(struct tally *t)
{
	free(t->slots);
	*t = (struct tally){ 0 };
}

static uint32_t hash(uint64_t seed, uint32_t site, uint32_t kind, uint64_t what)
{
	uint64_t h = seed ^ what;
	h = (h ^ h >> 32) * 0x9fb21c651e98df25ULL;
	h ^= (uint64_t)site << 8 ^ kind ^ seed << 17;
	h = (h ^ h >> 28) * 0x9fb21c651e98df25ULL;
	return (uint32_t)(h >> 40) % SLOTS;
}

static bool is_key(const struct tally_slot *s, uint32_t site, uint32_t kind, uint64_t what)
{
	return s->tasks > 0 && s->site == site && s->kind == kind && s->what == what;
}

/* The slot of that key, perhaps new, or NULL. */
static struct tally_slot *find_slot(struct tally *t, uint32_t site, uint32_t kind, uint64_t what)
{
	uint32_t i = hash(t->seed, site, kind, what);
	while (t->slots[i].tasks > 0 && !is_key(&t->slots[i], site, kind, what))
		i = (i + 1) % SLOTS;
	if (t->slots[i].tasks == 0) {
		if (t->count == SLOTS / 2)
			return NULL;
		t->count++;
		t->slots[i].site = site;
		t->slots[i].kind = kind;
		t->slots[i].what = what;
	}
	t->last = i;
	return &t->slots[i];
}

struct tally_slot *tally_add(struct tally *t, uint32_t site, uint32_t kind, uint64_t what)
{
	struct tally_slot *slot = &t->slots[t->last];
	if (!is_key(slot, site, kind, what))
		slot = find_slot(t, site, kind, what);
	if (slot == NULL)
		t->lost++;
	else
		slot->tasks++;
	return slot;
}

struct tally_slot *tally_sorted(const struct tally *t, int (*compare)(const void *, const void *), uint32_t *count)
{
	struct tally_slot *used = xcalloc(t->count, sizeof(*used));
	uint32_t n = 0;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (t->slots[i].tasks > 0)
			used[n++] = t->slots[i];
	qsort(used, n, sizeof(*used), compare);
	*count = n;
	return used;
}
