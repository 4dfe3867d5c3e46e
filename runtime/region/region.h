/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's side of the introspection region (include/sley/introspect.h). It is made once per process and kept over
 * all runs, so that site numbers and a reader's mapping stay valid. Only this process can write to the region. The
 * runtime reads back its own values where this saves a copy: maxima (run/depth.c), the caller of a wait (`wait_pc`),
 * and for diagnostics (watch/stuck.c follows `stack_top`).
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
	struct sley_region_block *blocks;
	uint64_t *counters; /* rows of `counter_stride` bytes */
	uint64_t *live;
	struct sley_region_site *sites;
	struct sley_region_site_blocks *site_blocks;
	struct sley_region_task *tasks;
	struct sley_control *control; /* of SLEY_CONTROL_SIZE; other processes write to it */
	uint32_t max_tasks;
	bool shared;    /* in a memfd; false: in private memory */
	unsigned level; /* atomic; enum sley_level, written by the watchdog */
};

/* The process's region. The pointers are constant once sley_run() has made it. */
extern HIDDEN struct region region;

/* The calling thread's word: see struct sley_region_header. Written by the thread itself. */
extern HIDDEN __thread uint32_t region_worker_word;

#define COUNTER_STRIDE ((size_t)ROUND_UP(SLEY_COUNTER_COUNT * sizeof(uint64_t), CACHE_LINE))

/* Makes the region for up to max_tasks tasks, unless the process has it already. 0 or a negative errno value. */
int region_open(uint32_t max_tasks);

/* Begins a run: stores the name and the place of the stacks, and sets the phase RUNNING. region_end() undoes it. */
void region_begin(const char *name, uintptr_t stacks_begin, uintptr_t stacks_end, size_t stack_size, unsigned slots);
void region_end(void);

/* Says in the header whether this source of blocks is at work. Any thread, during a run. */
void region_source(enum sley_block_source source, bool on);

/* Reads the control word, clamps it and sets region.level. Called by the watchdog, at `now`. */
void region_control(int64_t now);

/*
 * memfd_open() returns a memfd of `size` bytes, or a negative errno value. memfd_seal() adds the seals of all memfds
 * but the control word's.
 */
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

/* A row of counters. Worker i has row i + 1. All other threads share row 0, with atomic adds. */
static inline uint64_t *region_counters(unsigned row)
{
	return (uint64_t *)(void *)((char *)region.counters + row * COUNTER_STRIDE);
}

/*
 * For each site, the largest image that a task of the site has had. It predicts the image size of the site's next task.
 * Atomic.
 */
extern HIDDEN uint32_t region_site_live[SLEY_REGION_SITES];

/* Sets records of a word of 64 live, or clears them; atomic, because they belong to several owners. */
static inline void region_live_set(uint32_t word, uint64_t bits)
{
	fetch_or(&region.live[word], bits, release); /* after the records have memory */
}

static inline void region_live_clear(uint32_t word, uint64_t bits)
{
	fetch_and(&region.live[word], ~bits, relaxed);
}

static inline bool region_is_live(uint32_t index)
{
	return load(&region.live[index / 64], relaxed) >> (index % 64) & 1;
}

#endif
