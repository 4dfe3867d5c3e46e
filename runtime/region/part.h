/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The parts of the task records, and the memfds that they are in: see SLEY_REGION_PARTS. One thread at a time. */
#ifndef REGION_PART_H
#define REGION_PART_H

#include <sys/types.h>

#include "region/region.h"

/* The memfd that a part is in. */
struct part {
	int fd; /* valid if it was opened */
	dev_t device;
	ino_t inode;
	uint32_t opened; /* how often one was */
};

/* The first record of a part; that of the part behind the last one is none. */
static inline uint32_t part_begin(unsigned part)
{
	return part == 0 ? 0 : SLEY_REGION_PART_RECORDS << (part - 1);
}

static inline uint32_t part_end(unsigned part)
{
	uint64_t end = (uint64_t)SLEY_REGION_PART_RECORDS << part;
	return (uint32_t)MIN(end, region.max_tasks);
}

/* Before any record of part 1 or up is used: it gets a memfd. If none is to be had its records are in the region. */
void part_open(unsigned part);

/*
 * Gives the memory of its records back, of which nobody uses any, before this call is over. False: not now. Afterwards
 * they are zero, and out of core dumps, and *old is to be closed.
 */
bool part_renew(unsigned part, struct part *old);

/* Closes what it was before it was renewed: without a lock, as that takes a millisecond for every 6 MiB. */
void part_close(const struct part *old);

#endif
