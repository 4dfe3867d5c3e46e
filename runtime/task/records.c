/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A part of the records (region/part.h) can be given back when all slabs of its entries have lost their pages. Then
 * none of these entries is in use, so no thread writes to their records. Each slab keeps the generations of its entries
 * (task.c), so no id is used twice. A slab gets pages only with the table's growth lock held, so that lock is held
 * meanwhile.
 */
#include "task/records.h"

#include "base/arena.h"
#include "base/slab.h"
#include "region/part.h"
#include "task/task.h"

#define AHEAD 4096u /* records are populated in steps of 256 KiB */
#define FIRST 64u   /* the first page */

/* Protected by the table's growth lock. */
static struct {
	uint32_t populated;               /* [0, populated) were touched */
	bool used[SLEY_REGION_PARTS + 1]; /* the part has pages */
} records;

/* Populates a range within one part. */
static int populate(uint32_t begin, uint32_t end)
{
	unsigned part = (unsigned)SLEY_REGION_PART(begin);
	size_t size = ROUND_UP((end - begin) * sizeof(struct sley_region_task), PAGE);
	if (part > 0 && !records.used[part])
		part_open(part);
	records.used[part] = true;
	if (memory_populate(&region.tasks[begin], size) != 0)
		return -ENOMEM;
	memory_dump(&region.tasks[begin], size, true);
	return 0;
}

int records_grow(uint32_t high)
{
	while (records.populated < high) {
		uint32_t step = records.populated < AHEAD ? FIRST : AHEAD;
		uint32_t end = MIN(records.populated + step, ROUND_UP(region.max_tasks, FIRST));
		int error = populate(records.populated, end);
		if (error)
			return error;
		records.populated = end;
	}
	return 0;
}

int records_again(uint32_t begin, uint32_t end)
{
	end = MIN(end, ROUND_UP(region.max_tasks, FIRST));
	return SLEY_REGION_PART(begin) > 0 && begin < end ? populate(begin, end) : 0;
}

static unsigned slab_of(uint32_t index)
{
	return (unsigned)(((size_t)index * sizeof(struct task) + SLAB - 1) / SLAB);
}

/*
 * Renews the part if it has pages. If so, returns true, passes the old memfd as *old to be closed, and adds the bytes
 * to *given.
 */
static bool renew(unsigned part, struct part *old, size_t *given)
{
	uint32_t begin = part_begin(part), end = MIN(part_end(part), records.populated);
	if (!records.used[part] || !part_renew(part, old))
		return false;
	records.used[part] = false;
	*given += begin < end ? (end - begin) * sizeof(struct sley_region_task) : 0;
	return true;
}

/* Renews the part if none of its entries can be in use meanwhile. */
static bool renew_cold(struct slabs *entries, unsigned part, struct part *old, size_t *given)
{
	if (!lock_try(&entries->growth)) /* a thread is populating, which takes long */
		return false;
	bool cold = slabs_are_cold(entries, slab_of(part_begin(part)), slab_of(part_end(part)));
	bool renewed = cold && renew(part, old, given);
	lock_drop(&entries->growth);
	return renewed;
}

size_t records_trim(struct slabs *entries, size_t (*shrink)(uint32_t tasks))
{
	size_t given = 0;
	for (unsigned part = SLEY_REGION_PARTS; part > 0; part--) {
		struct part old;
		if (part_begin(part) < region.max_tasks && renew_cold(entries, part, &old, &given))
			part_close(&old);
	}
	if (lock_try(&entries->growth)) {
		given += shrink((uint32_t)(slabs_usable(entries) * (SLAB / sizeof(struct task))));
		lock_drop(&entries->growth);
	}
	return given;
}

void records_close(void)
{
	size_t given = 0;
	for (unsigned part = SLEY_REGION_PARTS; part > 0; part--) {
		struct part old;
		if (renew(part, &old, &given))
			part_close(&old);
	}
	records.populated = MIN(records.populated, SLEY_REGION_PART_RECORDS);
}
