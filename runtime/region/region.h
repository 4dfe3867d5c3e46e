/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's side of the introspection region (include/sley/introspect.h): made once per process and kept, over all
 * its runs, so that site numbers and a reader's mapping stay good. Everything here is only ever stored to.
 */
#ifndef REGION_REGION_H
#define REGION_REGION_H

#include <stdbool.h>

#include <sley.h>
#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/compiler.h"

struct region {
	struct sley_region_header *header; /* null before the first run */
	struct sley_region_worker *workers;
	uint64_t *counters; /* rows of `counter_stride` bytes */
	uint64_t *live;
	struct sley_region_site *sites;
	struct sley_region_task *tasks;
	uint32_t max_tasks;
	bool shared;    /* in a memfd; else in private memory */
	unsigned level; /* atomic; enum sley_level, written by the watchdog */
};

/* One for the process. The pointers are constant once sley_run() has made it. */
extern HIDDEN struct region region;

#define COUNTER_STRIDE ((size_t)ROUND_UP(SLEY_COUNTER_COUNT * sizeof(uint64_t), CACHE_LINE))

/* Makes the region for up to max_tasks tasks, unless the process has it already. 0 or a negative errno value. */
int region_open(uint32_t max_tasks);

/* Begins a run: name and the place of the stacks; phase RUNNING. region_end() undoes it. */
void region_begin(const char *name, uintptr_t stacks_begin, uintptr_t stacks_end, size_t stack_size, unsigned slots);
void region_end(void);

/* The control word, clamped: sets region.level. By the watchdog, at `now`. */
void region_control(int64_t now);

/* A memfd of `size` bytes, not sealed yet, or a negative errno value; sealed as all but the control word. */
int memfd_open(const char *name, uint64_t size);
void memfd_seal(int fd);

/* The number of a spawn site; registers it at first use. 0 when the table is full. Any thread. */
uint32_t region_site_slow(struct sley_site *site);

static inline uint32_t region_site(struct sley_site *site)
{
	uint32_t id = load(&site->id, acquire); /* pairs with the release in region_site_slow() */
	return likely(id != 0) ? id : region_site_slow(site);
}

/* Whether times are wanted. Relaxed: a change may be seen late. */
static inline int region_times(void)
{
	return unlikely(load(&region.level, relaxed) >= SLEY_LEVEL_TIMES);
}

/* A row of counters: that of worker i is i + 1. Row 0 is shared by all other threads: atomic adds. */
static inline uint64_t *region_counters(unsigned row)
{
	return (uint64_t *)(void *)((char *)region.counters + row * COUNTER_STRIDE);
}

/* The largest image that a task of each site has had: what a newcomer of the site is expected to need. Atomic. */
extern HIDDEN uint32_t region_site_live[SLEY_REGION_SITES];

/* Marks record `index` as used or not; atomic, as 64 tasks share a word. */
static inline void region_live_set(uint32_t index)
{
	fetch_or(&region.live[index / 64], (uint64_t)1 << (index % 64), release); /* after the record is whole */
}

static inline bool region_is_live(uint32_t index)
{
	return load(&region.live[index / 64], relaxed) >> (index % 64) & 1;
}

static inline void region_live_clear(uint32_t index)
{
	/* pairs with acquire loads of the word: who sees the task gone sees what it did */
	fetch_and(&region.live[index / 64], ~((uint64_t)1 << (index % 64)), release);
}

#endif
