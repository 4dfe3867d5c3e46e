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
 *   T, t    it was stopped by a signal or a debugger: no replacement could know when it is over, and its task is not to
 *           blame. That is shown in the region. (The freezer of cgroups shows S or D, but it stops the watchdog, too.)
 *
 * The tick of the worker is the same before and after the state was read, so the state belongs to that dispatch. A note
 * for a block that has just ended is corrected at the worker's next scheduling point (run/blocked.h).
 *
 * After a block was found while work waited, others are likely to follow, so for EAGER more is done:
 *   - The watchdog looks twice a millisecond, as long as the looks that find nothing take 1 % of a CPU in the mean
 *     (watch/watchdog.c). A look that finds a block and wakes a spare costs some 15 us more than one in vain. It gives a
 *     CPU back for the rest of the block, so it is not in that share.
 *   - A busy worker looks, each 100 us, at one other worker: at its tick, and if that has not moved since somebody's last
 *     look, at its thread, no more often than each ASK_AGAIN. This needs no thread that wakes, and costs 0.1 us if the
 *     tick has moved and some 4 us if not. It finds nothing when all workers are blocked: that is the watchdog's.
 * Measured with 2 workers on 2 CPUs of a virtual machine, one request in 100 blocks 10 ms, thousand requests/s, against 81
 * to 94 without blocks: 75 to 112, for 3 % of a CPU with the hand-overs. 61 to 65 if all looks of the watchdog are in the
 * share, 35 to 39 if so and workers do not look, 16 without the tick. With looks of the watchdog alone that may take 5 %:
 * 79 to 110. The share is the CPU time of the watchdog's thread in four runs of row stall with source tick: 2.5 to 3.2 %.
 * Without blocks the tick is not in it: 1.0 to 1.3 % with SLEY_ASSIST=off, as the watchdog watches (watch/watchdog.c), and
 * 1.1 to 1.7 % with the tick.
 *
 * The words of the worker are read relaxed: they are guesses, which the second reading of the tick confirms, with system
 * calls in between. A wrong note does no harm, see above.
 */
#include "assist/tick.h"

#include "assist/thread.h"
#include "base/clock.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/worker.h"

#define EAGER     (500 * NS_PER_MS)
#define ASK_FIRST (50 * NS_PER_US) /* after the first look of a worker at this tick */
#define ASK_AGAIN (500 * NS_PER_US)

int64_t tick_hog = 10 * NS_PER_MS;

static struct {
	unsigned on;   /* atomic: tests change it in a run */
	int64_t found; /* atomic: time of the last block that was found while work waited */
} ticks;

void tick_open(bool on)
{
	store(&ticks.on, on, relaxed);
	region_source(SLEY_SOURCE_TICK, on);
	store(&ticks.found, -EAGER, relaxed);
}

static bool is_eager(int64_t now)
{
	return now - load(&ticks.found, relaxed) < EAGER;
}

static void publish_stop(struct worker *worker, bool stopped)
{
	if (unlikely(load(&worker->block->stopped, relaxed) != stopped))
		store(&worker->block->stopped, stopped, relaxed);
}

/* Notes the worker if it is blocked or a hog. Returns whether it did. */
static bool look_at(struct worker *worker, bool waits)
{
	uint64_t tick = load(&worker->tick, relaxed);
	bool same = worker->look_tick == tick, in_task = load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK;
	if (!same || !in_task)
		publish_stop(worker, false);
	if (!in_task || load(&worker->block->note, relaxed))
		return false;
	if (!same) {
		worker->look_tick = tick;
		worker->look_cpu = waits ? thread_cpu(worker) : 0;
	} else if (waits && worker->look_cpu == 0) {
		worker->look_cpu = thread_cpu(worker);
	}
	if (!same && (!waits || block_site_confirm(load(&worker->line->site, relaxed)) > 0))
		return false; /* a block of a site whose blocks are short counts when two looks have seen it */
	char state = thread_state_now(worker);
	if (load(&worker->tick, relaxed) != tick || load(&worker->line->mode, relaxed) != SLEY_WORKER_TASK)
		return false;
	publish_stop(worker, state == 'T' || state == 't');
	if (state == 'S' || state == 'D')
		return blocked_note(worker, tick, SLEY_SOURCE_TICK);
	return state == 'R' && waits && same && thread_cpu(worker) - worker->look_cpu >= load(&tick_hog, relaxed) &&
	       hog_note(worker, tick, SLEY_SOURCE_TICK);
}

enum look_result tick_look(int64_t now)
{
	struct worker *worker;
	if (!load(&ticks.on, relaxed))
		return LOOK_REST;
	bool waits = blocked_work_waits(now), found = false;
	workers_awake(worker)
		found |= look_at(worker, waits);
	if (found && waits)
		store(&ticks.found, now, relaxed);
	return found && waits ? LOOK_FOUND : is_eager(now) ? LOOK_SOON : LOOK_REST;
}

/* The first worker in a circle from number `from` that is in a task and not noted, but not `self`; null: none. */
static struct worker *other_in_task(const struct worker *self, unsigned from)
{
	for (int half = 0; half < 2; half++, from = 0) {
		struct worker *worker = worker_awake(from);
		for (; worker; worker = worker_awake(worker->number + 1)) {
			if (worker != self && load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK &&
			    !load(&worker->block->note, relaxed))
				return worker;
		}
	}
	return NULL;
}

/*
 * Several workers may write asked_tick and asked of one worker at the same time, and then the values do not belong
 * together: the thread is looked at too early, which is harmless.
 */
void tick_look_around(const struct worker *self, int64_t now)
{
	struct worker *other;
	if (!load(&ticks.on, relaxed) || !is_eager(now) ||
	    !(other = other_in_task(self, random_here() % load(&scheduler.made, relaxed))))
		return;
	uint64_t tick = load(&other->tick, relaxed);
	int64_t asked = load(&other->asked, relaxed);
	if (load(&other->asked_tick, relaxed) != tick) {
		store(&other->asked_tick, tick, relaxed);
		store(&other->asked, now - ASK_AGAIN + ASK_FIRST, relaxed);
		return;
	}
	if (now - asked < ASK_AGAIN || !cas(&other->asked, &asked, now, relaxed, relaxed))
		return;
	char state = thread_state(other, LOOKER_WATCHDOG);
	if ((state == 'S' || state == 'D') && load(&other->tick, relaxed) == tick &&
	    load(&other->line->mode, relaxed) == SLEY_WORKER_TASK && blocked_note(other, tick, SLEY_SOURCE_TICK))
		store(&ticks.found, now, relaxed);
}
