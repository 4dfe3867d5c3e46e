/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The tick needs no privilege and nothing of the kernel but /proc. The watchdog looks at each worker that is in a task,
 * in one of two cases: work waits, or the worker has been in the same dispatch since the last look. The state in the stat
 * file of the thread decides:
 *
 *   S, D    the task has blocked its thread in a system call or by a page fault: noted.
 *   R       it computes, or waits for a CPU. A thread that has used tick_hog of its CPU clock in one dispatch while work
 *           waits is a hog: noted, too, so that the kernel shares the CPU between it and a spare. There are no more
 *           hogs than twice the target: each of them is one more thread that wants a CPU.
 *   T, t    it was stopped by a signal, a debugger or the freezer: no replacement could know when it is over, and its
 *           task is not to blame.
 *
 * The tick of the worker is the same before and after the state was read, so the state belongs to that dispatch. A note
 * for a block that has just ended is corrected at the worker's next scheduling point (run/blocked.h).
 *
 * After a block was found while work waited, the looks come soon for a while (EAGER looks): a service that blocks once will
 * do so again. Soon is a millisecond, or as much more as keeps the looks at 5 % of a CPU (watch/watchdog.c): a look that
 * finds a block costs some 50 us here. Rejected: 1 %. Looks each 5 to 10 ms find a block of 10 ms when it is over: a service
 * in which one request in 100 blocks so long had 20,000 requests/s
 * then, and has 86,000 (16,000 without the tick, 104,000 without blocks).
 *
 * The words of the worker are read relaxed: they are guesses, which the second reading of the tick confirms, with system
 * calls in between. A wrong note does no harm, see above.
 */
#include "assist/tick.h"

#include "assist/thread.h"
#include "base/clock.h"
#include "run/blocked.h"
#include "run/worker.h"

#define EAGER 200u /* looks */

int64_t tick_hog = 10 * NS_PER_MS;

static struct {
	bool on;        /* constant during a run */
	unsigned eager; /* owned by the watchdog: eager looks that are left */
} ticks;

void tick_open(bool on)
{
	ticks.on = on;
	ticks.eager = 0;
}

/* Notes the worker if it is blocked or a hog. Returns whether it did. */
static bool look_at(struct worker *worker, bool waits)
{
	uint64_t tick = load(&worker->tick, relaxed);
	bool same = worker->look_tick == tick;
	if (load(&worker->line->mode, relaxed) != SLEY_WORKER_TASK || load(&worker->note, relaxed))
		return false;
	if (!same) {
		worker->look_tick = tick;
		worker->look_cpu = waits ? thread_cpu(worker) : 0;
	} else if (waits && worker->look_cpu == 0) {
		worker->look_cpu = thread_cpu(worker);
	}
	if (!same && !waits)
		return false;
	char state = thread_state_now(worker);
	if (load(&worker->tick, relaxed) != tick || load(&worker->line->mode, relaxed) != SLEY_WORKER_TASK)
		return false;
	if (state == 'S' || state == 'D')
		return blocked_note(worker, tick);
	return state == 'R' && waits && same && thread_cpu(worker) - worker->look_cpu >= load(&tick_hog, relaxed) &&
	       hog_note(worker, tick);
}

bool tick_look(int64_t now)
{
	struct worker *worker;
	if (!ticks.on)
		return false;
	threads_forget_ended();
	bool waits = blocked_work_waits(now), found = false;
	workers_awake(worker)
		found |= look_at(worker, waits);
	ticks.eager = found && waits ? EAGER : ticks.eager - (ticks.eager > 0);
	return ticks.eager > 0;
}
