/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Counts tasks by the place where they gave their thread back last: (spawn site, wait kind, return address). A bounded
 * hash table with a seed of its own, so that a hostile process can neither fill it without end nor slow it down.
 */
#ifndef ASYNCTOP_YIELDS_H
#define ASYNCTOP_YIELDS_H

#include "model/model.h"

struct yield_slot {
	uint32_t site, kind;
	uint64_t pc, waiting, tasks; /* as in struct model_yield; tasks 0: free */
};

struct yields {
	struct yield_slot *slots;
	uint32_t count;
	uint64_t lost; /* tasks that found no room */
	uint64_t seed;
	uint32_t last; /* slot of the last one: neighbours are often alike */
};

void yields_init(struct yields *y);
void yields_free(struct yields *y);
void yields_add(struct yields *y, const struct sley_region_task *t);

/* The at most `limit` places with the most tasks, most first. The array is the caller's to free. */
struct model_yield *yields_top(const struct yields *y, uint32_t limit, uint32_t *count);

#endif
