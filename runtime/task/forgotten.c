/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "task/forgotten.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/check.h"
#include "region/region.h"

static struct {
	uint32_t max;  /* constant during a run */
	unsigned told; /* atomic */
} forgotten;

void forgotten_open(uint32_t max)
{
	forgotten.max = max;
	store(&forgotten.told, 0, relaxed);
}

/* Counts the ended tasks, by spawn site in `of_site`. The records are read as any reader of the region reads them. */
static uint32_t count(uint32_t *of_site)
{
	uint32_t n = 0, high = load(&region.header->task_high, relaxed);
	for (uint32_t i = 0; i < MIN(high, region.max_tasks); i++) {
		const struct sley_region_task *record = &region.tasks[i];
		if (load(&record->id, relaxed) == 0 || load(&record->state, relaxed) != SLEY_TASK_ENDED)
			continue;
		n++;
		of_site[load(&record->site, relaxed) % SLEY_REGION_SITES]++;
	}
	return n;
}

void forgotten_report(void)
{
	if (exchange(&forgotten.told, 1, relaxed))
		return;
	int saved = errno;
	uint32_t *of_site = calloc(SLEY_REGION_SITES, sizeof(*of_site));
	uint32_t n = of_site ? count(of_site) : 0, most = 0;
	for (uint32_t i = 0; of_site && i < SLEY_REGION_SITES; i++)
		most = of_site[i] > of_site[most] ? i : most;
	if (n > 0 && n >= forgotten.max / 2)
		complain(
			"no task can be spawned: of %u tasks (option max_tasks), %u have ended and were never joined. Of "
			"these, %u were spawned at %s:%u as %s. Join them (sley_join()), or spawn them with sley_go() or the "
			"option detached",
			forgotten.max, n, of_site[most], region.sites[most].file, region.sites[most].line,
			region.sites[most].entry);
	else
		store(&forgotten.told, 0, relaxed); /* unjoined tasks are not the cause */
	free(of_site);
	errno = saved;
}
