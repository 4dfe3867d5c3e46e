/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/taken.h"

#include "base/clock.h"

/* of `taken`: number of the worker plus 1, and bits of its tick */
#define TICK_BITS 5
#define TICK_MASK ((1u << TICK_BITS) - 1)

_Static_assert((SLEY_REGION_WORKERS + 1) << TICK_BITS <= 1 << 16, "struct task has 16 bits for both");

#define SATURATE(n) MIN((n), 0xffffu)

/* relaxed: tools read the word, and nothing else depends on it. A dispatch that is over is never put back. */
static void count_taken(struct sley_region_worker *line, uint64_t tick, unsigned n)
{
	uint64_t word = load(&line->elsewhere, relaxed), now;
	do {
		uint32_t ahead = SLEY_ELSEWHERE_DISPATCH(word) - (uint32_t)tick;
		if (ahead != 0 && ahead < 1u << 31)
			return;
		if (ahead == 0)
			now = SLEY_ELSEWHERE(tick, SATURATE(SLEY_ELSEWHERE_TAKEN(word) + n),
					     SLEY_ELSEWHERE_BEGUN(word));
		else
			now = SLEY_ELSEWHERE(tick, SATURATE(n), 0);
	} while (!cas_weak(&line->elsewhere, &word, now, relaxed, relaxed));
}

/* The time goes first: a reader in between takes it for too late a beginning, which it bounds. */
static void count_begun(struct sley_region_worker *line, uint64_t tick)
{
	uint64_t word = load(&line->elsewhere, relaxed), now;
	if (SLEY_ELSEWHERE_DISPATCH(word) != (uint32_t)tick)
		return;
	fetch_add(&line->elsewhere_ns, (uint64_t)clock_now(), relaxed);
	do {
		if (SLEY_ELSEWHERE_DISPATCH(word) != (uint32_t)tick)
			return;
		now = SLEY_ELSEWHERE(tick, SLEY_ELSEWHERE_TAKEN(word), SATURATE(SLEY_ELSEWHERE_BEGUN(word) + 1));
	} while (!cas_weak(&line->elsewhere, &word, now, relaxed, relaxed));
}

void taken_note(struct worker *victim, uint64_t tick, struct task *const *tasks, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (unlikely(tasks[i]->taken))
			taken_begin(tasks[i]);
		tasks[i]->taken = (uint16_t)((victim->number + 1) << TICK_BITS | (tick & TICK_MASK));
	}
	count_taken(victim->line, tick, n);
}

void taken_begin(struct task *task)
{
	struct worker *from = worker_get((task->taken >> TICK_BITS) - 1u);
	uint64_t tick = load(&from->tick, relaxed);
	bool same = ((tick ^ task->taken) & TICK_MASK) == 0;
	task->taken = 0;
	if (same)
		count_begun(from->line, tick);
}
