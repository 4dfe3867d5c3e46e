/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Idle workers: who sleeps, who searches, and who must be woken when there is work.
 *
 * A worker without work first *spins*: it searches the others' queues for some microseconds. Then it sleeps, on its own
 * futex (`parked`) or, if nobody does yet, in the reactor, as the *poller*, until the earliest of all timers.
 *
 * No wake-up is lost:
 *   who adds work:     push; fence; look at scheduler.sleeping and idle.spinning
 *   who goes to sleep: join the idle list (scheduler.sleeping); fence; look at all queues
 * One of the two sees the other. A push that finds a spinner wakes nobody, so the last spinner that finds work looks at
 * the queues once more, and wakes the next for what is left there (idle_spin_end); and one that finds none looks once
 * more after it joined the list. Rejected: waking the next without that look. Each task that a plain thread or a pool
 * made ready for workers that all slept then woke two of them, the second for nothing.
 *
 *   who wakes W:       parked = 0; is W the poller? interrupt the reactor
 *   W:                 become the poller; is parked still 1? wait in the reactor
 * Both pairs are sequentially consistent, so either W does not wait or it is interrupted.
 *
 * Run-next is no such work: see next_hand_over() in queue.c.
 *
 * So a wake-up costs a system call only when somebody sleeps and nobody searches.
 *
 * A worker in the list has empty hands. The poller leaves the list and its post when the reactor has returned, before it
 * takes an event or a timer out (worker_slept(), idle_leave()): what it takes out nobody else can see until it is in a
 * queue, and whoever counts sleepers meanwhile, to find a deadlock or somebody to wake, must not count it.
 *
 * Who takes the post. The first task that the poller readies is for itself, so it is not announced (queue.c); what else
 * there is then, is. When it has found that task it may be long in it, and nobody waits in the reactor: it wakes another
 * one for that (idle_replace_poller()). That is a wake-up for each event of a service with one connection, and mostly
 * for nothing: the task waits again before the other one has come to the reactor. So a poller that was back within
 * idle_stay_quick, the last STAYS times, and leaves the post again and again, wakes nobody: it leaves that to the watchdog,
 * which is made to watch, and finds the post empty within a millisecond. Its looks cost about what a wake-up does, so
 * that is worth it when the post is left more often than the watchdog looks; events that are rarer wake somebody as
 * before. A task that is long for once delays others' events by a look of the watchdog at most, and the next ones not.
 * Rejected: all idle workers in the reactor, where the kernel wakes one and the next is there already: a pinned task
 * could not wake the worker that it wants.
 */
#include <stddef.h>

#include "base/check.h"
#include "base/futex.h"
#include "base/race.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"

#define STAYS 4u

int64_t idle_stay_quick = 50 * NS_PER_US; /* about what it takes until a worker that is woken runs */
int64_t idle_stay_rare = 600 * NS_PER_US; /* from one to the next: as between two looks of a watchdog that watches */

static struct {
	struct lock lock;      /* protects list and the workers' idle fields */
	struct worker *list;   /* LIFO: the last to fall asleep has the warmest cache */
	unsigned spinning;     /* atomic */
	struct worker *poller; /* atomic: who waits in the reactor, or is about to */
	int64_t poll_until;    /* atomic: when the poller will look by itself */
	/* atomic, guesses: how often the post was left in quick succession, and never for long; and when it was last */
	unsigned stays;
	int64_t left;
	uint64_t changes; /* atomic; of the list, in all runs; written under lock */
} idle;

void idle_open(void)
{
	idle.list = NULL;
	idle.spinning = 0;
	store(&scheduler.sleeping, 0, relaxed);
	idle.poller = NULL;
	idle.poll_until = SLEY_NEVER;
	idle.stays = 0;
	idle.left = 0;
}

uint64_t idle_changes(void)
{
	return load(&idle.changes, acquire); /* pairs with idle_change() */
}

bool idle_without_poller(void)
{
	/* seq_cst: pairs with leave_to_watchdog() */
	return idle_count() > 0 && !load(&idle.poller, seq_cst);
}

/* With the lock held: the list is another. */
static void idle_change(unsigned count)
{
	store(&scheduler.sleeping, count, relaxed);
	store(&idle.changes, idle.changes + 1, release);
}

/*
 * Nobody is in the reactor, and some sleep. Here: the post is empty; is the watchdog watching? The watchdog, to look less:
 * it watches no more; is the post empty? All are sequentially consistent, so one of the two sees the other.
 */
static void leave_to_watchdog(void)
{
	if (!load(&watchdog_promise.watched, seq_cst))
		watchdog_watch();
}

void idle_replace_poller(struct worker *worker)
{
	worker->was_poller = false;
	if (deque_length(&worker->deque) > 0) /* what it took out, but for the task that it has found */
		idle_notify();
	else if (
		!idle_without_poller()) /* after the fence of idle_leave(): whoever still found the post taken is in the list */
		return;
	else if (load(&idle.stays, relaxed) < STAYS)
		idle_notify();
	else
		leave_to_watchdog();
}

/* The poller is back, with something to do or not. */
static void begin_stay(struct worker *worker, int64_t now)
{
	int64_t since = now - load(&idle.left, relaxed);
	unsigned stays = load(&idle.stays, relaxed);
	store(&idle.stays, since < load(&idle_stay_rare, relaxed) ? MIN(stays + 1, STAYS) : 0, relaxed);
	store(&idle.left, now, relaxed);
	worker->left_post = now;
}

/* A worker without work: if it was the poller last, has it done more than little since? */
static void end_stay(struct worker *worker)
{
	if (worker->left_post && clock_now() - worker->left_post > load(&idle_stay_quick, relaxed))
		store(&idle.stays, 0, relaxed);
	worker->left_post = 0;
}

static void idle_join(struct worker *worker)
{
	worker->asleep = true;
	lock_take(&idle.lock);
	worker->idle = true;
	worker->idle_prev = NULL;
	worker->idle_next = idle.list;
	if (idle.list)
		idle.list->idle_prev = worker;
	idle.list = worker;
	store(&worker->parked, 1, relaxed);
	idle_change(scheduler.sleeping + 1);
	lock_drop(&idle.lock);
}

/* With the lock held. */
static void unlink_worker(struct worker *worker)
{
	if (worker->idle_prev)
		worker->idle_prev->idle_next = worker->idle_next;
	else
		idle.list = worker->idle_next;
	if (worker->idle_next)
		worker->idle_next->idle_prev = worker->idle_prev;
	worker->idle = false;
	idle_change(scheduler.sleeping - 1);
}

static void idle_rouse(struct worker *worker)
{
	store(&worker->parked, 0, seq_cst);
	if (load(&idle.poller, seq_cst) == worker)
		sched_hooks.interrupt();
	else
		futex_wake(&worker->parked, 1);
	count_here(SLEY_COUNTER_wakes, 1);
}

/* Wakes one that sleeps on its futex, else the poller. It comes back as a spinner, for it is to search. */
static void wake_one(void)
{
	lock_take(&idle.lock);
	struct worker *worker = idle.list;
	if (worker && worker == load(&idle.poller, relaxed) && worker->idle_next)
		worker = worker->idle_next;
	if (worker) {
		unlink_worker(worker);
		worker->spinning = true;
		fetch_add(&idle.spinning, 1, relaxed);
	}
	lock_drop(&idle.lock);
	if (worker)
		idle_rouse(worker);
}

void idle_notify(void)
{
	if (scheduler.active == 1 && worker_self())
		return; /* the one worker is awake: it is us */
	fence();
	if (idle_count() > 0 && load(&idle.spinning, relaxed) == 0)
		wake_one();
}

void idle_notify_worker(struct worker *worker)
{
	lock_take(&idle.lock);
	bool asleep = worker->idle;
	if (asleep)
		unlink_worker(worker);
	lock_drop(&idle.lock);
	if (asleep)
		idle_rouse(worker);
}

void idle_wake_all(void)
{
	for (unsigned i = 0; i < scheduler.active; i++)
		idle_notify_worker(worker_get(i));
}

bool idle_spin_begin(struct worker *worker)
{
	if (worker->spinning)
		return true;
	unsigned busy = scheduler.active - idle_count();
	if (2 * load(&idle.spinning, relaxed) >= busy)
		return false; /* half of those awake are enough */
	worker->spinning = true;
	fetch_add(&idle.spinning, 1, seq_cst);
	return true;
}

/* Work that any worker could do, whoever has it. */
static bool work_for_all(void)
{
	if (load(&global_length, relaxed) > 0)
		return true;
	for (unsigned i = 0; i < scheduler.active; i++) {
		if (deque_length(&worker_get(i)->deque) > 0)
			return true;
	}
	return false;
}

void idle_spin_end(struct worker *worker, bool found)
{
	worker->spinning = false;
	unsigned before = fetch_sub(&idle.spinning, 1, seq_cst);
	if (!found || before > 1 || idle_count() == 0)
		return;
	fence(); /* as who goes to sleep: whoever pushed sees no spinner, or we see what he pushed */
	if (work_for_all())
		idle_notify();
}

/*
 * Work that this worker could do now. What others have handed over is none: they come to it at once, and if not, the
 * watchdog sees it, which they do not ask to watch before they see that somebody sleeps.
 */
static bool work_there(struct worker *worker)
{
	if (work_for_all() || load(&worker->inbox_length, relaxed) > 0 || load(&worker->next, relaxed) ||
	    load(&scheduler.stopping, relaxed))
		return true;
	for (unsigned i = 0; i < scheduler.active; i++) {
		if (load(&worker_get(i)->next, relaxed))
			watchdog_watch();
	}
	return false;
}

static sley_time earliest_timer(void)
{
	sley_time earliest = SLEY_NEVER;
	for (unsigned i = 0; i < scheduler.active; i++)
		earliest = MIN(earliest, load(&worker_get(i)->timers.earliest, relaxed));
	return earliest;
}

void idle_leave(struct worker *worker)
{
	worker->asleep = false;
	worker->until_clock = MAX(worker->until_clock, 2); /* if it finds nothing at hand, it looks around anyway */
	if (load(&idle.poller, relaxed) == worker) {
		worker->was_poller = true;
		store(&idle.poll_until, SLEY_NEVER, relaxed);
		store(&idle.poller, NULL, seq_cst);
	}
	lock_take(&idle.lock);
	if (worker->idle)
		unlink_worker(worker);
	lock_drop(&idle.lock);
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, relaxed);
	/* Against deadlock_look(): whoever sees what it takes out now, sees that it has left; and against watchdog_rest(). */
	fence();
	if (unlikely(load(&watchdog_promise.resting, relaxed)) && exchange(&watchdog_promise.resting, 0, relaxed))
		watchdog_wake();
}

void worker_slept(void)
{
	struct worker *worker = worker_self();
	worker->stamp = 0;
	if (worker->asleep)
		idle_leave(worker);
}

static void poll_as_poller(struct worker *worker)
{
	sley_time until = earliest_timer();
	store(&idle.poll_until, until, relaxed);
	fence(); /* against sleep_parked(): whoever armed an earlier timer sees the poller, or the poller the timer */
	if (earliest_timer() >= until && load(&worker->parked, seq_cst)) {
		int64_t now = clock_now();
		RACE_POINT(poller_is_to_wait);
		sched_hooks.poll(until == SLEY_NEVER ? SLEY_NEVER : MAX(until - now, 0));
	}
	if (worker->asleep)
		idle_leave(worker);
	worker->polled = clock_now();
	begin_stay(worker, worker->polled);
}

static void sleep_parked(struct worker *worker)
{
	fence();
	struct worker *poller = load(&idle.poller, relaxed);
	if (poller && load(&worker->timers.earliest, relaxed) < load(&idle.poll_until, relaxed))
		sched_hooks.interrupt(); /* it is to sleep no longer than our timer */
	while (load(&worker->parked, acquire))
		futex_wait(&worker->parked, 1, NULL);
	worker_slept();
}

bool idle_wait(struct worker *worker)
{
	bool polled = false;
	end_stay(worker);
	idle_join(worker);
	fence();
	if (!work_there(worker)) {
		struct worker *nobody = NULL;
		store(&worker->line->mode, SLEY_WORKER_IDLE, relaxed);
		polled = cas(&idle.poller, &nobody, worker, seq_cst, relaxed);
		if (polled)
			poll_as_poller(worker);
		else
			sleep_parked(worker);
	}
	if (worker->asleep)
		idle_leave(worker);
	return polled;
}
