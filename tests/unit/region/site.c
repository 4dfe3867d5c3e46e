/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Spawn sites: registered once, found by all, cut to fit, and what happens when the table is full. */
#include "region/region.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

static int open_region(void **state)
{
	return region_open(1000); /* for the process: later ones are the same */
}

/* The record has what the static says; the same static gets the same number. */
TEST(record)
{
	static struct sley_site site = { "directory/file.c", "spawner", "entry", 123, 0 };
	uint32_t id = region_site(&site);
	assert_true(id > 0);
	assert_int_equal(region_site(&site), id);
	assert_int_equal(site.id, id);
	assert_true(region.header->site_count > id);
	assert_string_equal(region.sites[id].file, "directory/file.c");
	assert_string_equal(region.sites[id].function, "spawner");
	assert_string_equal(region.sites[id].entry, "entry");
	assert_int_equal(region.sites[id].line, 123);
}

/* A path is cut at its front, names at their end; a missing string is empty. All are terminated. */
TEST(cut)
{
	static char path[400], name[400];
	static struct sley_site long_site = { path, name, name, 1, 0 }, empty = { NULL, NULL, NULL, 2, 0 },
				fits = { path + 400 - 112, NULL, NULL, 3, 0 };
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = (char)('a' + i % 26);
	memset(name, 'n', sizeof(name) - 1);
	const struct sley_region_site *record = &region.sites[region_site(&long_site)];
	assert_int_equal(strlen(record->file), sizeof(record->file) - 1);
	assert_string_equal(record->file, path + sizeof(path) - sizeof(record->file));
	assert_int_equal(strlen(record->function), sizeof(record->function) - 1);
	assert_int_equal(strspn(record->entry, "n"), sizeof(record->entry) - 1);
	record = &region.sites[region_site(&fits)];
	assert_string_equal(record->file, path + 400 - 112);
	record = &region.sites[region_site(&empty)];
	assert_string_equal(record->file, "");
	assert_string_equal(record->entry, "");
}

static struct sley_site shared[100];
static uint32_t ids[4][100];

static void *register_all(void *arg)
{
	uint32_t *mine = ids[(uintptr_t)arg];
	for (int i = 0; i < 100; i++)
		mine[i] = region_site(&shared[i]);
	return NULL;
}

/* Threads that meet at new sites agree on their numbers. */
TEST(threads)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < 100; i++)
		shared[i] = (struct sley_site){ "file.c", "function", "entry", i, 0 };
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, register_all, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(region.sites[ids[0][i]].line, i);
		for (int t = 1; t < 4; t++)
			assert_int_equal(ids[t][i], ids[0][i]);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(ids[0][i], ids[0][k]);
	}
}

static struct sley_site many[SLEY_REGION_SITES + 100];

/* With the table full, the others share site 0, which says so; nothing is written beyond. Last: it fills the table. */
TEST(full)
{
	for (unsigned i = 0; i < SLEY_REGION_SITES + 100; i++) {
		many[i] = (struct sley_site){ "file.c", "function", "entry", i, 0 };
		region_site(&many[i]);
	}
	assert_int_equal(region.header->site_count, SLEY_REGION_SITES);
	assert_int_equal(region_site(&many[SLEY_REGION_SITES + 99]), 0);
	assert_non_null(strstr(region.sites[0].file, "more than"));
	assert_true(region_site(&many[0]) > 0);
}

int main(void)
{
	return tests_main(open_region, NULL);
}
