/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A million tasks may wait, so those that cannot be in a warning are left out by one look at their kind. A wait to
 * receive from a channel is not counted: that is what idle tasks do. It may be a part of a deadlock, which is found from
 * its other waits. Calls on other threads are counted for the sake of those that wait for a place among them.
 */
#include "model/waits.h"

#define COUNTED \
	(1u << SLEY_WAIT_MUTEX | 1u << SLEY_WAIT_RDLOCK | 1u << SLEY_WAIT_WRLOCK | 1u << SLEY_WAIT_JOIN | \
	 1u << SLEY_WAIT_SEND | 1u << SLEY_WAIT_QUEUE | 1u << SLEY_WAIT_OFFLOAD | 1u << SLEY_WAIT_RESOLVE)

_Static_assert(SLEY_WAIT_KINDS <= 32, "COUNTED has a bit for each");

int64_t waits_ns(const struct model *m, const struct sley_region_task *t)
{
	int64_t ns = model_in_state(m, t);
	return ns == MODEL_UNKNOWN ? model_in_state_min(m, t) : ns;
}

uint32_t waits_kind(uint32_t kind)
{
	return kind == SLEY_WAIT_RDLOCK ? SLEY_WAIT_WRLOCK : kind;
}

void waits_add(struct tally *waits, const struct model *m, const struct sley_region_task *t)
{
	struct tally_slot *slot;
	int64_t ns;
	if (t->state != SLEY_TASK_WAITING || !(1u << t->wait_kind & COUNTED))
		return;
	ns = waits_ns(m, t);
	slot = ns < WAITS_BRIEF_NS ? NULL : tally_add(waits, 0, waits_kind(t->wait_kind), t->wait_object);
	if (slot == NULL)
		return;
	slot->waiting++;
	if (__builtin_add_overflow(slot->sum_ns, ns, &slot->sum_ns))
		slot->sum_ns = INT64_MAX;
	if (slot->first == 0 || ns > slot->longest_ns) {
		slot->first = t->id;
		slot->longest_ns = ns;
	}
}

static int compare_sums(const void *a, const void *b)
{
	const struct tally_slot *x = a, *y = b;
	return (x->sum_ns < y->sum_ns) - (x->sum_ns > y->sum_ns);
}

struct tally_slot *waits_worst(const struct tally *waits, uint32_t *count)
{
	return tally_sorted(waits, compare_sums, count);
}
