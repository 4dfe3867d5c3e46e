/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The delay that a block caused. Used by the programs when they add up a block, and by user space when it looks
 * earlier.
 */
#ifndef SLEY_BPF_DELAY_H
#define SLEY_BPF_DELAY_H

#include "events.h"
#include "sley/introspect.h"

/*
 * `line` is the worker's line, read after the block's end. Other workers may have begun some of the tasks queued at the
 * start meanwhile; see struct sley_region_worker for the sum. A beginning between the end and the reading of the line
 * counts as if it came before the end, so the result may be too small. The sums wrap, as the runtime's do; the
 * differences are right.
 */
static inline void weigh_delay(struct block_record *block, const struct sley_region_worker *line)
{
	uint64_t duration = block->end_ns - block->start_ns;
	uint64_t begun = line->elsewhere - block->elsewhere;
	int64_t waited;
	if (begun > block->delayed_tasks)
		begun = block->delayed_tasks;
	waited = line->elsewhere_ns - block->elsewhere_ns - begun * block->start_ns;
	if (waited < 0)
		waited = 0;
	if (waited > (int64_t)(begun * duration))
		waited = begun * duration;
	block->delayed_ns = (block->delayed_tasks - begun) * duration + waited;
}

#endif
