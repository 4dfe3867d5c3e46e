/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Spawn sites. A site is registered at its first spawn, under a lock. Later spawns find its number in the macro's
 * static.
 */
#include <string.h>

#include "base/lock.h"
#include "region/region.h"

static struct list_lock sites_lock; /* serialises registration */

uint32_t region_site_live[SLEY_REGION_SITES];

/* Copies a string. A long string loses its front, because the end of a path tells more. */
static void copy_tail(char *to, size_t size, const char *from)
{
	size_t n = strlen(from ? from : "");
	size_t skip = n < size ? 0 : n - (size - 1);
	memcpy(to, from ? from + skip : "", n - skip + 1);
}

static void copy_head(char *to, size_t size, const char *from)
{
	size_t n = from ? strnlen(from, size - 1) : 0;
	memcpy(to, from ? from : "", n);
	to[n] = 0;
}

uint32_t region_site_slow(struct sley_site *site)
{
	lock_take(&sites_lock);
	uint32_t id = load(&site->id, relaxed);
	if (id == 0 && region.header->site_count < SLEY_REGION_SITES) {
		id = region.header->site_count;
		struct sley_region_site *record = &region.sites[id];
		record->line = site->line;
		copy_tail(record->file, sizeof(record->file), site->file);
		copy_head(record->function, sizeof(record->function), site->function);
		copy_head(record->entry, sizeof(record->entry), site->entry);
		store(&region.header->site_count, id + 1, release); /* readers: the record is complete */
		store(&site->id, id, release);                      /* spawners: pairs with region_site() */
	}
	lock_drop(&sites_lock);
	return id;
}
