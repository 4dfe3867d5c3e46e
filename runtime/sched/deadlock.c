/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Finding out that nothing can ever happen again: every task waits for another one.
 *
 * That is so when all workers sleep, no queue holds a task, no timer is armed, no descriptor is waited for, nothing is
 * offloaded (sched_hooks.expecting), and the process has no other thread that could call in: each is a worker, one of
 * the runtime's own, or itself waits for a task without a deadline. Threads are counted in /proc/self/task; where that
 * cannot be read, it is never found out. A signal handler cannot call in, as no call is async-signal-safe.
 *
 * The words are read one after the other, so a poller that has taken an event and not yet queued its task could be
 * missed. Therefore two looks must agree, and in between the poller is sent around once: it went to sleep again
 * (rounds) with empty hands, and no task was resumed. All others sleep in their futex, and who wakes them is somebody
 * else.
 */
#include <sys/stat.h>

#include "sched/global.h"
#include "sched/thread.h"
#include "sched/worker.h"

static struct {
	bool suspected;
	uint64_t ticks, rounds;
} look; /* owned by the monitor */

static uint64_t ticks(void)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < scheduler.count; i++)
		sum += load(&worker_get(i)->tick, relaxed);
	return sum;
}

/* Threads of the process, from the links of their directory; 0: unknown. */
static unsigned threads_of_process(void)
{
	struct stat status;
	return stat("/proc/self/task", &status) == 0 && status.st_nlink > 2 ? (unsigned)status.st_nlink - 2 : 0;
}

static bool worker_is_empty(struct worker *worker)
{
	return deque_length(&worker->deque) == 0 && !load(&worker->next, relaxed) &&
	       load(&worker->inbox_length, relaxed) == 0 && load(&worker->timers.earliest, relaxed) == SLEY_NEVER;
}

static bool nothing_to_do(void)
{
	if (idle_count() != scheduler.count || load(&global_length, relaxed) > 0 ||
	    load(&scheduler.starved_count, relaxed) > 0 || load(&scheduler.stopping, relaxed))
		return false;
	for (unsigned i = 0; i < scheduler.count; i++) {
		if (!worker_is_empty(worker_get(i)))
			return false;
	}
	if (sched_hooks.expecting && sched_hooks.expecting())
		return false;
	return threads_of_process() == scheduler.count + load(&scheduler.threads, relaxed) + threads_stuck();
}

bool deadlock_look(void)
{
	bool suspected = look.suspected;
	uint64_t ticks_before = look.ticks, rounds_before = look.rounds;
	if (!sched_hooks.deadlock || !(look.suspected = nothing_to_do()))
		return false;
	look.ticks = ticks();
	look.rounds = idle_rounds();
	if (suspected && look.ticks == ticks_before && look.rounds != rounds_before) {
		look.suspected = false;
		return true;
	}
	idle_nudge();
	return false;
}
