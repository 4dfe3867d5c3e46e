/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/stress/replaced.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assist/tick.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/worker.h"
#include "tests/stress/stress.h"

static bool naps, notes; /* constant */
static uint64_t handovers;
static pthread_t thread;
static unsigned stop; /* atomic */

static void tell(void)
{
	print_message("hand-overs: %llu\n", (unsigned long long)handovers);
}

void replaced_open(void)
{
	const char *source = getenv("SLEY_STRESS_SOURCE");
	if (!source || naps || notes)
		return;
	notes = strcmp(source, "mistaken") == 0;
	naps = !notes;
	setenv("SLEY_ASSIST", notes ? "off" : source, 1);
	store(&tick_hog, SLEY_US(100), relaxed);
	atexit(tell);
}

bool replaced_shortly(void)
{
	const char *deep = getenv("SLEY_CHECK_DEEP");
	return (naps || notes) && !(deep && strcmp(deep, "1") == 0);
}

static void nap(uint32_t ns)
{
	struct timespec time = { .tv_nsec = ns };
	nanosleep(&time, NULL);
}

/* All sites, known or not yet. */
static void change_sites(bool open)
{
	uint32_t count = load(&region.header->site_count, relaxed) + 1;
	for (uint32_t i = 0; i < count && i < SLEY_REGION_SITES; i++) {
		store(&block_site_gates[i], open ? BLOCK_SITE_SECONDS : 0, relaxed);
		store(&block_site_confirms[i], 0, relaxed);
	}
}

/* A quarter of the workers. */
static void note_falsely(uint32_t *random)
{
	struct worker *worker;
	workers_awake(worker) {
		uint32_t what = stress_random(random) % 8;
		if (what == 0)
			blocked_note(worker, load(&worker->tick, relaxed), SLEY_SOURCE_TICK);
		else if (what == 1)
			hog_note(worker, load(&worker->tick, relaxed), SLEY_SOURCE_TICK);
	}
}

static void *disturb(void *unused)
{
	uint32_t random = 1;
	while (!load(&stop, acquire)) {
		if (stress_random(&random) % 4 == 0)
			change_sites(stress_random(&random) % 2 > 0);
		if (notes)
			note_falsely(&random);
		nap(stress_random(&random) % 200000);
	}
	return unused;
}

void replaced_begin(void)
{
	if (!naps && !notes)
		return;
	change_sites(true);
	store(&stop, 0, relaxed);
	REQUIRE(pthread_create(&thread, NULL, disturb, NULL) == 0);
}

void replaced_end(void)
{
	if (!naps && !notes)
		return;
	store(&stop, 1, release);
	REQUIRE(pthread_join(thread, NULL) == 0);
	handovers += stress_counted(SLEY_COUNTER_handovers);
}

void replaced_progress(uint64_t n)
{
	if (naps && n % 4 == 0)
		nap((uint32_t)(n * 7919 % 200000));
}
