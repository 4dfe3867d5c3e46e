/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * After a burst of tasks their memory is free: images and table entries in slabs (base/slab.h), stacks in the pool, and
 * some of each in the workers' caches. The watchdog gives back memory that has been free for DECAY_STEPS steps
 * (base/decay.h), about two seconds. So a load that repeats each second keeps its memory populated.
 *
 * A block in a cache keeps its whole slab from being free. Each worker uses its cache without a lock, so each worker
 * empties its own cache, when the watchdog asks it to. A busy worker does this when it polls; a sleeping worker is
 * woken for it, once, as its cache stays empty until it runs a task. A worker in a task, blocked or computing, does it
 * when it comes back. Rejected: the watchdog empties the caches of sleeping workers. It would have to keep them from
 * waking meanwhile.
 *
 * This memory stays: the public records of the first tasks (4 MiB); the records of a part with at least one task alive
 * (region/part.h); and freed objects that malloc() keeps.
 */
#include "watch/memory.h"
#include "run/idle.h"

#include "run/global.h"
#include "task/records.h"

int64_t memory_interval = DECAY_INTERVAL;

static int64_t aged; /* owned by the watchdog: time of the last step */

void memory_open(int64_t now)
{
	aged = now;
}

static void ask_workers(void)
{
	for (unsigned i = 0; i < load(&scheduler.made, relaxed); i++) {
		struct worker *worker = worker_get(i);
		uint64_t tick = load(&worker->tick, relaxed);
		if (tick == worker->emptied_tick)
			continue;
		worker->emptied_tick = tick;
		store(&worker->empty_due, 1, relaxed); /* for a sleeping worker, ordered by the lock of the idle list */
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
