/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The global queue by itself. The only worker is busy with the main task, so nobody else looks at it; what goes through
 * are free entries.
 */
#include "run/global.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "task/task.h"

#define ENTRIES 5000u /* some chunks */

static struct task *entries[ENTRIES];

static void nothing(void *arg)
{
}

static void make_entries(void)
{
	static sley_task ids[ENTRIES];
	for (unsigned i = 0; i < ENTRIES; i++)
		REQUIRE((ids[i] = sley_spawn(nothing, NULL)) > 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		entries[i] = task_find(ids[i]);
	for (unsigned i = 0; i < ENTRIES; i++)
		REQUIRE(sley_join(ids[i], SOON) == 0);
	REQUIRE(load(&global_length, relaxed) == 0);
}

/* Takes `n` at most, and checks that they are the oldest. */
static unsigned take_oldest(unsigned next, unsigned workers, unsigned n)
{
	struct task *got[600];
	unsigned taken = global_take(got, workers, n);
	for (unsigned i = 0; i < taken; i++)
		REQUIRE(got[i] == entries[(next + i) % ENTRIES]);
	return taken;
}

/* First in, first out, in any portions; what was used up is used again: there is room for some 5,000 alone. */
TASK_TEST(order, 1)
{
	static const unsigned puts[] = { 1, 512, 513, 2, 1021, 1022, 1023, 5 }, takes[] = { 1, 600, 3, 512, 511 };
	unsigned put = 0, taken = 0;
	make_entries();
	REQUIRE(take_oldest(0, 1, 600) == 0);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = MIN(puts[round % ARRAY_SIZE(puts)], ENTRIES - (put - taken));
		n = MIN(n, ENTRIES - put % ENTRIES);
		global_put(&entries[put % ENTRIES], n);
		put += n;
		taken += take_oldest(taken, 1, takes[round % ARRAY_SIZE(takes)]);
		REQUIRE(load(&global_length, relaxed) == put - taken);
	}
	REQUIRE(put > 50 * ENTRIES);
	while (taken < put)
		taken += take_oldest(taken, 1, 600);
	REQUIRE(load(&global_length, relaxed) == 0 && take_oldest(0, 1, 600) == 0);
}

/* A worker's share leaves the others theirs, but nothing stays behind. */
TASK_TEST(share, 1)
{
	make_entries();
	global_put(entries, 100);
	REQUIRE(take_oldest(0, 4, 600) == 26); /* a quarter of 100, and one */
	REQUIRE(take_oldest(26, 1, 600) == 74);
	global_put(entries, 1);
	REQUIRE(take_oldest(0, 64, 600) == 1);
}

/* ---- from several threads ---- */

static unsigned seen[ENTRIES + 100], puts_left; /* atomic */

static void *put_some(void *which)
{
	for (unsigned i = (unsigned)(uintptr_t)which; i < ENTRIES; i += 14)
		global_put(&entries[i], MIN(7, ENTRIES - i));
	fetch_add(&puts_left, -1u, release);
	return NULL;
}

static void *take_all(void *unused)
{
	struct task *got[50];
	for (;;) {
		bool last = load(&puts_left, acquire) == 0;
		unsigned n = global_take(got, 2, 50);
		for (unsigned i = 0; i < n; i++)
			fetch_add(&seen[got[i] - task_at(0)], 1, relaxed);
		if (n == 0 && last)
			return unused;
	}
}

/* Two threads put and two take at the same time: everything comes out once. */
TASK_TEST(threads, 1)
{
	pthread_t threads[4];
	make_entries();
	for (long round = test_scale(200); round > 0; round--) {
		memset(seen, 0, sizeof(seen));
		store(&puts_left, 2, relaxed);
		for (uintptr_t i = 0; i < 2; i++) {
			REQUIRE(pthread_create(&threads[i], NULL, put_some, (void *)(i * 7)) == 0);
			REQUIRE(pthread_create(&threads[i + 2], NULL, take_all, NULL) == 0);
		}
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		for (unsigned i = 0; i < ENTRIES; i++)
			REQUIRE(seen[entries[i] - task_at(0)] == 1);
	}
}
