/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reading another process's introspection region, which may be anything.
 *
 * Everything is copied with pread before it is looked at. So a word that was checked is the word that is used, a file
 * that shrinks gives a short read and no SIGBUS, and looking allocates no hole. All results are in bounds: worker and
 * site numbers, states and wait kinds; strings end. The bytes of strings are the process's own: text.h and json.h clean
 * them on output.
 */
#ifndef ASYNCTOP_REGION_H
#define ASYNCTOP_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sley/introspect.h"

enum region_status {
	REGION_OK,
	REGION_NONE,    /* no region: not (yet) published, or something else */
	REGION_VERSION, /* of another version than this tool */
	REGION_INVALID, /* contradicts itself: `why` says how */
};

struct region {
	int fd;
	int parts[SLEY_REGION_PARTS]; /* of the task records: a memfd, or -1; looked into by its word in the header */
	uint64_t part_words[SLEY_REGION_PARTS]; /* the one it was opened by */
	struct sley_region_header header;       /* checked, and refreshed by region_refresh() */
	char name[sizeof(((struct sley_region_header *)0)->name) + 1];
	char why[160]; /* plain ASCII */
};

/* Strings end; `line` 0 means that the place is unknown. */
struct region_site {
	uint32_t line;
	uint32_t stack;   /* the most live bytes that a task of it parked with */
	uint32_t deepest; /* the deepest that the stack of one is known to have been, bytes; 0: unknown */
	uint64_t spawned, waits, yields;
	char file[112];
	char function[56];
	char entry[56];
};

/* Takes `fd` (a shmem file open for reading) and checks the header. On failure the caller still owns fd. */
enum region_status region_open(struct region *r, int fd);

void region_close(struct region *r);

/* Reads the header again: REGION_INVALID when it changed where it may not, or counts are out of range. */
enum region_status region_refresh(struct region *r);

/* Whether the header tells of another memfd for part `part` (from 1) than was given. Looked at after a refresh. */
bool region_part_changed(const struct region *r, unsigned part);

/* Takes `fd` (open for reading; -1: it cannot be had) for the part, and closes it if it is not valid. */
void region_part_set(struct region *r, unsigned part, int fd);

/* Copies the blocks of workers [0, worker_count) to `out`, which holds SLEY_REGION_WORKERS. The number, or -1. */
int region_blocks(struct region *r, struct sley_region_block *out);

/* Copies worker lines [0, worker_count) to `out`, which holds SLEY_REGION_WORKERS. The number, or -1. */
int region_workers(struct region *r, struct sley_region_worker *out);

/* Copies the counters of blocks of sites [0, site_count) to `out`, which holds SLEY_REGION_SITES. The number, or -1. */
int region_site_blocks(struct region *r, struct sley_region_site_blocks *out);

/* Adds up the counters over their rows: the workers', and the other threads'. 0 or -1. */
int region_counters(struct region *r, uint64_t out[SLEY_COUNTER_COUNT]);

/*
 * Copies sites [first, site_count) to `out[first..]`. The number of sites in all, or -1. `out` holds SLEY_REGION_SITES.
 */
int region_sites(struct region *r, struct region_site *out, uint32_t first);

#define REGION_CHUNK 2048 /* task records read at a time; a multiple of 64 */

struct region_cursor {
	uint32_t next;    /* record to look at next; start with 0 */
	uint64_t invalid; /* live records that made no sense and were left out */
};

/*
 * The next live task records, up to REGION_CHUNK of them: their number; 0 at the end; -1 on a read error. Ids match
 * their places, and state, wait_kind, worker and site are in range: an unknown worker is UINT16_MAX, an unknown site 0.
 * A worker may have SLEY_TASK_PINNED.
 */
int region_tasks(struct region *r, struct region_cursor *cursor, struct sley_region_task out[REGION_CHUNK]);

/* Whether the record of task `id` still is that task's: then the words read before belong together. */
bool region_still(struct region *r, uint64_t id);

/* Copies the record of task `id`, checked as by region_tasks(). False if the record is another's by now. */
bool region_task(struct region *r, uint64_t id, struct sley_region_task *out);

#endif
