/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The parts of the task records, and their memfds: see SLEY_REGION_PARTS. These functions run on one thread at a time.
 */
#ifndef REGION_PART_H
#define REGION_PART_H

#include <sys/types.h>

#include "region/region.h"

/* The memfd of a part. */
struct part {
	int fd; /* valid if opened > 0 */
	dev_t device;
	ino_t inode;
	uint32_t opened; /* how many memfds the part has had */
};

/* The first record of a part. For the part behind the last one: no valid record. */
static inline uint32_t part_begin(unsigned part)
{
	return part == 0 ? 0 : SLEY_REGION_PART_RECORDS << (part - 1);
}

static inline uint32_t part_end(unsigned part)
{
	uint64_t end = (uint64_t)SLEY_REGION_PART_RECORDS << part;
	return (uint32_t)MIN(end, region.max_tasks);
}

/*
 * Called before any record of part 1 or up is used: gives the part a memfd. If that fails, the part's records stay in
 * the region's memfd.
 */
void part_open(unsigned part);

/*
 * Gives the memory of the part's records back. No record may be in use until this call is over. Returns false if it
 * cannot do so now. Afterwards the records are zero and excluded from core dumps, and the caller passes *old to
 * part_close().
 */
bool part_renew(unsigned part, struct part *old);

/*
 * Closes the memfd that the part had before part_renew(). Called without a lock, because closing takes a millisecond
 * for every 6 MiB.
 */
void part_close(const struct part *old);

#endif
