/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Detection of a deadlock: every task waits for another task.
 *
 * A deadlock has these conditions: all workers sleep, no queue holds a task, no timer is armed, no descriptor is waited
 * for, nothing is offloaded (sched_hooks.expecting), and no other thread of the process could call in. Only a running
 * thread could wake a task, and there is none: each thread is a worker, another thread of the runtime, or itself waits
 * for a task without a deadline. Threads are counted in /proc/self/task; if it cannot be read, deadlocks are not
 * detected. A signal handler cannot call in, as no call is async-signal-safe.
 *
 * A thread may hold work that is in no queue, such as a task that it has just claimed. So each kind of thread has a
 * word that is set while it may hold work. Before it clears the word, the thread queues the work and wakes a worker for
 * it:
 *   a worker            It is not in the idle list while it is between two tasks, or holds stolen tasks, or holds a
 *                       timer or event that it has taken out. The poller leaves the idle list before it takes out an
 *                       event (run/idle.c).
 *   an offload thread   Its job counts as active until its waiter is ready.
 *   a plain thread      It is counted as a thread of the process, but not among the waiting ones. Before its next wait
 *                       is counted, it has passed on all work from its call (count_stuck()).
 *   the watchdog        It looks here, and holds no work then.
 * A ready descriptor counts as waited for until its waiter is claimed, by one of these threads.
 *
 * A run is also looked at for a deadlock in which a task is blocked in the kernel, by something that only a task could end
 * which waits for the blocked task's slot: no spare can run that. The conditions are the same, but that some workers are
 * not asleep but blocked for long in the same task (`blocked`). What such a task waits for is not known, so this is only
 * reported.
 *
 * The words are read one after the other. So the idle list must be the same before and after: then all workers slept
 * throughout, and a task made ready in between would have woken a worker. Plain threads that start, wake each other and
 * end at that moment could still make the words wrong. So two successive looks must agree, and no worker may wake
 * between them.
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
	unsigned blocked;
	uint64_t changes; /* of the idle list */
} look;                   /* owned by the watchdog */

/* Returns the number of threads of the process, from the link count of their directory; 0: unknown. */
static unsigned threads_of_process(void)
{
	struct stat status;
	return stat("/proc/self/task", &status) == 0 && status.st_nlink > 2 ? (unsigned)status.st_nlink - 2 : 0;
}

/* Tasks that are pinned to a blocked worker can run no sooner than those that wait for its slot. */
static bool worker_is_empty(struct worker *worker)
{
	return deque_length(&worker->deque) == 0 && !load(&worker->next, relaxed) &&
	       (load(&worker->inbox_length, relaxed) == 0 || worker_awake(worker->number) == worker);
}

/*
 * Returns whether every thread of the process belongs to the runtime or waits for a task, before and after the count.
 */
static bool only_ours(void)
{
	unsigned stuck = threads_stuck();
	return threads_of_process() == load(&scheduler.started, relaxed) + load(&scheduler.threads, relaxed) + stuck &&
	       threads_stuck() == stuck;
}

static bool nothing_to_do(unsigned blocked)
{
	if (idle_count() + blocked != load(&scheduler.started, relaxed) || timers_earliest() != SLEY_NEVER ||
	    load(&global_length, relaxed) > 0 || load(&starved_count, relaxed) > 0 ||
	    load(&scheduler.stopping, relaxed))
		return false;
	for (unsigned i = 0; i < load(&scheduler.made, relaxed); i++) {
		if (!worker_is_empty(worker_get(i)))
			return false;
	}
	if (sched_hooks.expecting && sched_hooks.expecting())
		return false;
	return only_ours();
}

enum deadlock deadlock_look(unsigned blocked)
{
	uint64_t changes = idle_changes();
	bool suspected = look.suspected && look.changes == changes && look.blocked == blocked;
	look.changes = changes;
	look.blocked = blocked;
	look.suspected = sched_hooks.deadlock && nothing_to_do(blocked);
	fence(); /* pairs with idle_leave(): if work was seen as taken out, the change is seen too */
	if (idle_changes() != changes)
		look.suspected = false;
	bool found = suspected && look.suspected;
	if (found)
		look.suspected = false; /* for the next run */
	return !found ? DEADLOCK_NONE : blocked ? DEADLOCK_BLOCKED : DEADLOCK_FOUND;
}
