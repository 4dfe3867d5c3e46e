/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Places in a tally. */
#include "model/yields.h"

#include <stdlib.h>

#include "common/memory.h"

void yields_add(struct tally *y, const struct sley_region_task *t)
{
	uint32_t kind = t->wait_pc ? t->wait_kind : SLEY_WAIT_NONE;
	struct tally_slot *slot = tally_add(y, t->site, kind, t->wait_pc);
	if (slot != NULL)
		slot->waiting += t->state == SLEY_TASK_WAITING;
}

static int compare_counts(const void *a, const void *b)
{
	const struct tally_slot *x = a, *y = b;
	return (x->tasks < y->tasks) - (x->tasks > y->tasks);
}

struct model_yield *yields_top(const struct tally *y, uint32_t limit, uint32_t *count)
{
	struct tally_slot *used = tally_sorted(y, compare_counts, count);
	struct model_yield *top;
	if (*count > limit)
		*count = limit;
	top = xcalloc(*count, sizeof(*top));
	for (uint32_t i = 0; i < *count; i++)
		top[i] = (struct model_yield){ .site = used[i].site,
					       .kind = used[i].kind,
					       .pc = used[i].what,
					       .waiting = used[i].waiting,
					       .tasks = used[i].tasks };
	free(used);
	return top;
}
