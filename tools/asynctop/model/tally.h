/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Counts tasks by a key of three numbers. A bounded hash table with a seed of its own, so that a hostile process can
 * neither fill it without end nor slow it down.
 */
#ifndef ASYNCTOP_TALLY_H
#define ASYNCTOP_TALLY_H

#include <stdint.h>

struct tally_slot {
	uint32_t site, kind; /* these and `what` are the key */
	uint64_t what;
	uint64_t tasks; /* 0: the slot is free */
	uint64_t waiting;
	/* the sum of their waits, the longest of them, and its task */
	int64_t sum_ns, longest_ns;
	uint64_t first;
};

struct tally {
	struct tally_slot *slots;
	uint32_t count;
	uint64_t lost; /* tasks that found no room */
	uint64_t seed;
	uint32_t last; /* slot of the last one: neighbours are often alike */
};

void tally_init(struct tally *t);
void tally_free(struct tally *t);

/* Counts a task. Returns its slot; NULL: there is no room. */
struct tally_slot *tally_add(struct tally *t, uint32_t site, uint32_t kind, uint64_t what);

/* The slots that are used, the first by `compare` first: their number. The array is the caller's to free. */
struct tally_slot *tally_sorted(const struct tally *t, int (*compare)(const void *, const void *), uint32_t *count);

#endif
