/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Open addressing with linear probing; at most half of the slots are ever used. */
#include "model/yields.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/memory.h"

#define SLOTS 8192u

void yields_init(struct yields *y)
{
	*y = (struct yields){ .slots = xcalloc(SLOTS, sizeof(*y->slots)) };
	if (getrandom(&y->seed, sizeof(y->seed), GRND_NONBLOCK) != (ssize_t)sizeof(y->seed))
		y->seed = (uintptr_t)y->slots;
}

void yields_free(struct yields *y)
{
	free(y->slots);
	*y = (struct yields){ 0 };
}

static uint32_t hash(uint64_t seed, uint32_t site, uint32_t kind, uint64_t pc)
{
	uint64_t h = seed ^ pc;
	h = (h ^ h >> 32) * 0x9fb21c651e98df25ULL;
	h ^= (uint64_t)site << 8 ^ kind ^ seed << 17;
	h = (h ^ h >> 28) * 0x9fb21c651e98df25ULL;
	return (uint32_t)(h >> 40) % SLOTS;
}

static bool is_place(const struct yield_slot *s, uint32_t site, uint32_t kind, uint64_t pc)
{
	return s->tasks > 0 && s->site == site && s->kind == kind && s->pc == pc;
}

/* The slot of that place, perhaps new, or NULL. */
static struct yield_slot *find_place(struct yields *y, uint32_t site, uint32_t kind, uint64_t pc)
{
	uint32_t i = hash(y->seed, site, kind, pc);
	while (y->slots[i].tasks > 0 && !is_place(&y->slots[i], site, kind, pc))
		i = (i + 1) % SLOTS;
	if (y->slots[i].tasks == 0) {
		if (y->count == SLOTS / 2)
			return NULL;
		y->count++;
		y->slots[i].site = site;
		y->slots[i].kind = kind;
		y->slots[i].pc = pc;
	}
	y->last = i;
	return &y->slots[i];
}

void yields_add(struct yields *y, const struct sley_region_task *t)
{
	uint32_t kind = t->wait_pc ? t->wait_kind : SLEY_WAIT_NONE;
	struct yield_slot *slot = &y->slots[y->last];
	if (!is_place(slot, t->site, kind, t->wait_pc))
		slot = find_place(y, t->site, kind, t->wait_pc);
	if (slot == NULL) {
		y->lost++;
		return;
	}
	slot->tasks++;
	slot->waiting += t->state == SLEY_TASK_WAITING;
}

static int compare(const void *a, const void *b)
{
	const struct yield_slot *x = a, *y = b;
	return (x->tasks < y->tasks) - (x->tasks > y->tasks);
}

struct model_yield *yields_top(const struct yields *y, uint32_t limit, uint32_t *count)
{
	struct yield_slot *used = xcalloc(y->count, sizeof(*used));
	struct model_yield *top;
	uint32_t n = 0;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (y->slots[i].tasks > 0)
			used[n++] = y->slots[i];
	qsort(used, n, sizeof(*used), compare);
	*count = n < limit ? n : limit;
	top = xcalloc(*count, sizeof(*top));
	for (uint32_t i = 0; i < *count; i++)
		top[i] = (struct model_yield){ .site = used[i].site,
					       .kind = used[i].kind,
					       .pc = used[i].pc,
					       .waiting = used[i].waiting,
					       .tasks = used[i].tasks };
	free(used);
	return top;
}
