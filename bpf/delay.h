/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The delay that a block caused. Used by the programs when they add up a block, and by user space when it looks
 * earlier.
 */
#ifndef SLEY_BPF_DELAY_H
#define SLEY_BPF_DELAY_H

#ifndef __bpf__
#include <stdbool.h>
#endif

#include "events.h"
#include "sley/introspect.h"

#define DELAYED_MOST (1u << 20) /* more tasks than that are in no queue: the line lies */

/* What the process has published of a block, of the same time. */
struct delay_words {
	uint64_t elsewhere, elsewhere_ns, pinned_ns;
	uint32_t pinned;
};

/* What SLEY_ELSEWHERE() says of the block's dispatch; 0: nothing. */
static inline uint64_t elsewhere_of(const struct block_record *block, uint64_t word)
{
	return SLEY_ELSEWHERE_DISPATCH(word) == (uint32_t)block->dispatches ? word : 0;
}

/* Neither less than 0, nor more than what `tasks` can wait in that time. */
static inline uint64_t bounded(uint64_t sum, uint64_t tasks, uint64_t duration)
{
	if ((int64_t)sum < 0)
		return 0;
	return sum > tasks * duration ? tasks * duration : sum;
}

/*
 * The delay until `end` of the tasks that were queued at the start: see struct sley_region_worker. The sums of times wrap,
 * as the runtime's do; the differences are right.
 */
static inline uint64_t delay_queued(struct block_record *block, uint64_t end, const struct delay_words *words)
{
	uint64_t before = elsewhere_of(block, block->elsewhere), now = elsewhere_of(block, words->elsewhere);
	uint64_t tasks = block->queued, duration = end - block->start_ns;
	uint64_t begun, out, all = 0;
	if (SLEY_ELSEWHERE_BEGUN(now) > SLEY_ELSEWHERE_BEGUN(before))
		all = SLEY_ELSEWHERE_BEGUN(now) - SLEY_ELSEWHERE_BEGUN(before);
	/* taken before the block, and begun in it: none of those that the block delays */
	out = SLEY_ELSEWHERE_TAKEN(before) - SLEY_ELSEWHERE_BEGUN(before);
	begun = all > out ? all - out : 0;
	if (begun > tasks)
		begun = tasks;
	block->begun = begun;
	if (!begun)
		return tasks * duration;
	return (tasks - begun) * duration +
	       bounded(words->elsewhere_ns - block->elsewhere_ns - all * block->start_ns, all, duration) / all * begun;
}

/* Tasks that were made ready behind the block since its start, for which no other worker may do anything. */
static inline uint32_t pinned_since(const struct block_record *block, const struct delay_words *words)
{
	uint32_t more = words->pinned > block->pinned ? words->pinned - block->pinned : 0;
	return more < DELAYED_MOST ? more : 0;
}

/*
 * Tasks that were late because of the worker's absence, and in no queue until they were found: their number, and the sum of
 * their delays. Most are found when the dispatch is over: if there were other blocks before in that, theirs are among
 * these, see give_late(). A replacement finds some before the end.
 */
static inline uint32_t late_since(const struct block_record *block, uint64_t end,
				  const struct sley_region_block *replaced, uint64_t *delay)
{
	uint32_t dispatch = (uint32_t)block->dispatches, tasks, before = 0;
	uint64_t since = replaced->late_ns - block->late_ns, found = replaced->late_found_ns - block->late_found_ns;
	*delay = 0;
	if (SLEY_LATE_DISPATCH(replaced->late) != dispatch)
		return 0;
	if (SLEY_LATE_DISPATCH(block->late) == dispatch)
		before = SLEY_LATE_TASKS(block->late);
	tasks = SLEY_LATE_TASKS(replaced->late) - before;
	if (tasks >= DELAYED_MOST)
		return 0;
	if ((int64_t)(found - tasks * end) > 0)
		found = tasks * end;
	*delay = bounded(found - since, tasks, end - block->start_ns + block->before_ns);
	return tasks;
}

/*
 * Gives what was late to the longest block of the dispatch: to one before, which is over, unless the tasks came to be able to
 * run after that one, in the mean. So a block of half a second keeps what it has delayed if the task then writes to a log.
 */
static inline uint64_t give_late(struct block_record *block, uint64_t end, const struct sley_region_block *replaced,
				 uint64_t delay)
{
	uint64_t since = replaced->late_ns - block->late_ns;
	block->given_tasks = 0;
	block->given_ns = 0;
	if (!block->late_tasks || block->longest_ns <= end - block->start_ns ||
	    (int64_t)(block->late_tasks * block->longest_end_ns - since) <= 0)
		return delay;
	block->given_tasks = block->late_tasks;
	block->given_ns = delay;
	block->late_tasks = 0;
	return 0;
}

/* Whether the note was in force at some time of the block. */
static inline bool note_covers(const struct block_record *block, uint64_t end, uint64_t note, uint64_t noted_ns,
			       uint64_t over_ns)
{
	return note && SLEY_NOTE_DISPATCH(note) == block->dispatches && noted_ns <= end && over_ns > block->start_ns;
}

/*
 * Weighs the block until `end`. `line` and `replaced` are the worker's, read later. If the block was noted, and the note
 * is over, its words are as they were at the worker's next scheduling point; so are its counters, if the block took a
 * millisecond. Otherwise what others began between `end` and the reading, in the same dispatch, counts as if it came before;
 * and if others have taken tasks in a later dispatch meanwhile, what they took in this one is not known any more. Then the
 * result may be too large.
 */
static inline void weigh_delay(struct block_record *block, uint64_t end, const struct sley_region_worker *line,
			       const struct sley_region_block *replaced)
{
	const struct sley_region_past *past = &replaced->past;
	struct delay_words words = { line->elsewhere, line->elsewhere_ns, block->pinned_ns, block->pinned };
	uint64_t duration = end - block->start_ns, more, late_delay;
	block->late_tasks = late_since(block, end, replaced, &late_delay);
	late_delay = give_late(block, end, replaced, late_delay);
	block->noted_ns = block->handed_ns = 0;
	block->replacement = 0;
	if (note_covers(block, end, replaced->note, replaced->noted_ns, ~0ULL)) {
		words.pinned = replaced->pinned;
		words.pinned_ns = replaced->pinned_ns;
		block->noted_ns = replaced->noted_ns ? (uint64_t)replaced->noted_ns : end;
		block->replacement = replaced->replacement & ~SLEY_BLOCK_RAN;
		if (replaced->replacement & SLEY_BLOCK_RAN)
			block->handed_ns = replaced->handed_ns;
	} else if (note_covers(block, end, past->note, past->noted_ns, past->over_ns)) {
		words = (struct delay_words){ past->elsewhere, past->elsewhere_ns, past->pinned_ns, past->pinned };
		block->noted_ns = past->noted_ns ? (uint64_t)past->noted_ns : end;
		block->replacement = past->replacement & ~SLEY_BLOCK_RAN;
		block->handed_ns = past->handed_ns;
	} else if (elsewhere_of(block, replaced->elsewhere)) {
		words.elsewhere = replaced->elsewhere;
		words.elsewhere_ns = replaced->elsewhere_ns;
	}
	if (block->handed_ns > end || (block->handed_ns && block->handed_ns < block->noted_ns))
		block->handed_ns = 0; /* it came too late; or the time is that of an earlier one */
	more = pinned_since(block, &words);
	block->delayed_tasks = block->queued + block->pinned + more + block->late_tasks;
	block->delayed_ns = delay_queued(block, end, &words) + block->pinned * duration + late_delay +
			    bounded(more * end - (words.pinned_ns - block->pinned_ns), more, duration);
}

#endif
