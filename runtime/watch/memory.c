/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * After a burst of tasks their memory is free: images and table entries in slabs (base/slab.h), stacks in the pool, and
 * some of each in the workers' caches. The watchdog gives back what has been free for DECAY_STEPS steps (base/decay.h),
 * so about two seconds; a load that repeats each second keeps its memory populated.
 *
 * A block in a cache keeps a whole slab from being free. The caches are their workers', who use them without a lock, so
 * each is emptied by its worker, when the watchdog has said so: a busy one when it polls, one that sleeps is woken for
 * it. Once, as one that has run nothing since has an empty cache. One that is in a task, blocked or busy, does it when
 * it comes back. Rejected: that the watchdog takes the caches of workers that sleep. It would have to keep them from
 * waking up meanwhile.
 *
 * What stays: the public records of the first tasks (4 MiB), and of others as long as one of the same part lives
 * (region/part.h). And what malloc() keeps of freed objects.
 */
#include "watch/memory.h"
#include "run/idle.h"

#include "run/global.h"
#include "task/records.h"

int64_t memory_interval = DECAY_INTERVAL;

static int64_t aged; /* owned by the watchdog: when it last was a step */

void memory_open(int64_t now)
{
	aged = now;
}

static void ask_workers(void)
{
	for (unsigned i = 0; i < scheduler.active; i++) {
		struct worker *worker = worker_get(i);
		uint64_t tick = load(&worker->tick, relaxed);
		if (tick == worker->emptied_tick)
			continue;
		worker->emptied_tick = tick;
		store(&worker->empty_due, 1, relaxed); /* the lock of the idle list orders it for one that sleeps */
		idle_notify_worker(worker);
	}
}

void memory_look(int64_t now)
{
	bool step = now - aged >= load(&memory_interval, relaxed);
	if (step) {
		aged = now;
		slabs_age(&blocks);
		slabs_age(&task_slabs);
		slots_age();
		if (slabs_are_large(&blocks) || slabs_are_large(&task_slabs))
			ask_workers();
	}
	size_t given = slabs_trim(&blocks) + slabs_trim(&task_slabs) + slots_trim_free();
	if (step || given > 0)
		given += records_trim(&task_slabs, global_shrink);
	if (given > 0)
		count_here(SLEY_COUNTER_given_back, given);
}
