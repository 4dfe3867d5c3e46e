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
 * Work in somebody's hands is in no queue, so for each who can have some there is a word that says so, and whoever empties
 * his hands puts the work into a queue, and wakes a worker for it, before he says that they are empty:
 *   a worker            is no idle one: between two tasks, with what it has stolen, with a timer or an event that it has
 *                       taken out. The poller leaves the idle list before it takes anything out (run/idle.c).
 *   an offload thread   its job is counted as active until whoever waited for it is ready.
 *   a plain thread      is one of the process's threads, and not counted among those that wait. What it takes out in a
 *                       call, or has been given, it has before its next wait is counted (count_stuck()).
 *   the watchdog        looks here, and has empty hands then.
 * A descriptor that is ready counts as waited for until its waiter is claimed; by a worker, or one of the above.
 *
 * The words are read one after the other, so the idle list must be the same before and after: then all workers slept
 * throughout, and whatever was made ready meanwhile would have woken one. Of threads that come, wake each other and go
 * at the very moment the words could still tell a lie. Therefore two looks must agree, and no worker wake in between.
 */
#include <sys/stat.h>

#include "run/global.h"
#include "run/idle.h"
#include "run/starved.h"
#include "run/thread.h"
#include "run/worker.h"
#include "watch/deadlock.h"

static struct {
	bool suspected;
	uint64_t changes; /* of the idle list */
} look;                   /* owned by the watchdog */

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

/* Whether every thread of the process is one of the runtime's own or waits for a task, also while they are counted. */
static bool only_ours(void)
{
	unsigned stuck = threads_stuck();
	return threads_of_process() == load(&scheduler.started, relaxed) + load(&scheduler.threads, relaxed) + stuck &&
	       threads_stuck() == stuck;
}

static bool nothing_to_do(void)
{
	if (idle_count() != scheduler.active || load(&global_length, relaxed) > 0 ||
	    load(&starved_count, relaxed) > 0 || load(&scheduler.stopping, relaxed))
		return false;
	for (unsigned i = 0; i < scheduler.active; i++) {
		if (!worker_is_empty(worker_get(i)))
			return false;
	}
	if (sched_hooks.expecting && sched_hooks.expecting())
		return false;
	return only_ours();
}

bool deadlock_look(void)
{
	uint64_t changes = idle_changes();
	bool suspected = look.suspected && look.changes == changes;
	look.changes = changes;
	look.suspected = sched_hooks.deadlock && nothing_to_do();
	fence(); /* pairs with idle_leave(): if anything was seen as taken out, the change is seen too */
	if (idle_changes() != changes)
		look.suspected = false;
	bool found = suspected && look.suspected;
	if (found)
		look.suspected = false; /* for the next run */
	return found;
}
