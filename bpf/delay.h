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

#define DELAYED_MOST (1u << 20) /* more tasks than that are in no queue: the line lies */

/* What SLEY_ELSEWHERE() says of the block's dispatch; 0: nothing. */
static inline uint64_t elsewhere_of(const struct block_record *block, uint64_t word)
{
	return SLEY_ELSEWHERE_DISPATCH(word) == (uint32_t)block->dispatches ? word : 0;
}

/*
 * The delay until `end`. `line` is the worker's line, read later: see struct sley_region_worker for the sum. A beginning
 * between `end` and the reading, in the same dispatch, counts as if it came before. If others have taken tasks in a later
 * dispatch meanwhile, what they took in this one is not known any more. In both cases the result may be too large. The
 * sum of times wraps, as the runtime's does; the difference is right.
 */
static inline uint64_t delay_until(const struct block_record *block, uint64_t end,
				   const struct sley_region_worker *line)
{
	uint64_t before = elsewhere_of(block, block->elsewhere), now = elsewhere_of(block, line->elsewhere);
	uint64_t tasks = block->delayed_tasks, duration = end - block->start_ns;
	uint64_t begun, out, all = 0;
	int64_t waited;
	if (SLEY_ELSEWHERE_BEGUN(now) > SLEY_ELSEWHERE_BEGUN(before))
		all = SLEY_ELSEWHERE_BEGUN(now) - SLEY_ELSEWHERE_BEGUN(before);
	/* taken before the block, and begun in it: none of those that the block delays */
	out = SLEY_ELSEWHERE_TAKEN(before) - SLEY_ELSEWHERE_BEGUN(before);
	begun = all > out ? all - out : 0;
	if (begun > tasks)
		begun = tasks;
	if (!begun)
		return tasks * duration;
	waited = line->elsewhere_ns - block->elsewhere_ns - all * block->start_ns;
	if (waited < 0)
		waited = 0;
	if ((uint64_t)waited > all * duration)
		waited = all * duration;
	return (tasks - begun) * duration + waited / all * begun;
}

static inline void weigh_delay(struct block_record *block, const struct sley_region_worker *line)
{
	block->delayed_ns = delay_until(block, block->end_ns, line);
}

#endif
