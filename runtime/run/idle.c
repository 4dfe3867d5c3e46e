/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Idle workers: sleeping, searching, and waking when there is work.
 *
 * A worker without work first *spins*: it searches the other workers' queues for some microseconds. Then it sleeps, on
 * its own futex (`parked`). If no worker is in the reactor yet, it sleeps there instead, as the *poller*, until the
 * earliest of all timers.
 *
 * No wake-up is lost:
 *   a thread that adds work:    push; fence; read scheduler.sleeping and idle.spinning
 *   a worker that falls asleep: join the idle list (scheduler.sleeping); fence; look at all queues
 * One of the two sees the other. A push that finds a spinner wakes no worker. So the last spinner that finds work looks
 * at the queues once more, and wakes the next worker if work is left (idle_spin_end()). A spinner that finds no work
 * looks once more after it has joined the list. Rejected: waking the next worker without that look. Then each task that
 * a plain thread or a pool made ready while all workers slept woke two workers, the second one for nothing.
 *
 *   a thread that wakes W:      parked = 0; if W is the poller, interrupt the reactor
 *   W:                          become the poller; if parked is still 1, wait in the reactor
 * Both pairs are sequentially consistent, so either W does not wait or it is interrupted.
 *
 * A spinner that is stopped in the middle finds nothing and lets nobody be woken: the watchdog does then, after two looks.
 *
 * A task in run-next is not announced this way: see next_hand_over() in queue.c.
 *
 * So a wake-up costs a system call only when a worker sleeps and no worker searches.
 *
 * A worker in the list holds no work. The poller leaves the list and its post when the reactor has returned, before it
 * takes out an event or a timer (worker_slept(), idle_leave()). Until that work is in a queue, no other thread can see
 * it. So a thread that counts sleepers meanwhile, to find a deadlock or a worker to wake, must not count the poller.
 *
 * The successor of the poller. The first task that the poller readies is for the poller itself, so it is not announced
 * (queue.c); further work is. When the poller runs that task, it may be busy for long, and no worker waits in the
 * reactor. So it wakes another worker for the post (idle_replace_poller()). In a service with one connection this would
 * be a wake-up for each event, and mostly for nothing: the task waits again before the other worker has come to the
 * reactor. So a poller wakes no worker if it was back within idle_stay_quick the last STAYS times, and the post is left
 * again and again. The watchdog takes its place: it is made to watch, and finds the post empty within a millisecond.
 * The watchdog's looks cost about as much as a wake-up each. So this pays if the post is left more often than the
 * watchdog looks; rarer events wake another worker. A single long task delays other events by one look of the watchdog
 * at most, and later tasks do not. Rejected: all idle workers in the reactor, where the kernel wakes one and the next
 * is there already. Then a pinned task could not wake the worker that it needs.
 */
#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/futex.h"
#include "base/race.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/replacement.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"

#define STAYS 4u

int64_t idle_stay_quick = 50 * NS_PER_US; /* about the time until a woken worker runs */
/* between two departures: like the time between two looks of a watching watchdog */
int64_t idle_stay_rare = 600 * NS_PER_US;

static struct {
	struct list_lock lock;    /* protects list and the workers' idle fields */
	LIST(struct worker) list; /* LIFO: the last worker to fall asleep has the warmest cache */
	/* atomic, written under lock: the first two of the list; hints for idle_wake_unlocked() */
	struct worker *first, *second;
	unsigned spinning;     /* atomic */
	struct worker *poller; /* atomic: the worker that waits in the reactor, or is about to */
	int64_t poll_until;    /* atomic: the time at which the poller's sleep ends by itself */
	/* atomic, estimates: successive short departures from the post; the time of the last departure */
	unsigned stays;
	int64_t left;
	uint64_t changes; /* atomic; changes of the list, in all runs; written under lock */
} idle;

void idle_open(unsigned workers)
{
	memset(scheduler.awake, 0, sizeof(scheduler.awake));
	for (unsigned i = 0; i < workers; i++)
		scheduler.awake[i / 64] |= (uint64_t)1 << i % 64;
	store(&scheduler.started, workers, relaxed);
	store(&scheduler.made, workers, relaxed);
	idle.list.list = (struct list){ 0 };
	idle.first = idle.second = NULL;
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
	return idle_may_wake() && !load(&idle.poller, seq_cst);
}

bool idle_has_poller(void)
{
	return load(&idle.poller, seq_cst) != NULL;
}

const void *idle_poller_place(void)
{
	return &idle.poller;
}

/* Called with the lock held when the list has changed. */
static void idle_change(unsigned count)
{
	struct worker *first = list_first(&idle.list, idle_link);
	store(&idle.first, first, relaxed);
	store(&idle.second, first ? list_next(first, idle_link) : NULL, relaxed);
	store(&scheduler.sleeping, count, relaxed);
	store(&idle.changes, idle.changes + 1, release);
}

/*
 * Makes the watchdog watch while no worker is in the reactor and some sleep. This thread: empties the post; reads
 * `watched`. The watchdog, to look less often: clears `watched`; checks the post. All four are sequentially consistent,
 * so one of the two threads sees the other.
 */
static void leave_to_watchdog(void)
{
	if (!load(&watchdog_promise.watched, seq_cst))
		watchdog_watch();
}

void idle_replace_poller(struct worker *worker)
{
	worker->was_poller = false;
	if (deque_length(&worker->deque) > 0) /* work that it took out besides the task that it has found */
		idle_notify();
	else if (!idle_without_poller()) /* fence in idle_leave(): a worker that found the post taken is in the list */
		return;
	else if (load(&idle.stays, relaxed) < STAYS)
		idle_notify();
	else
		leave_to_watchdog();
}

/* Called when the poller is back from the reactor, with or without work. */
static void begin_stay(struct worker *worker, int64_t now)
{
	int64_t since = now - load(&idle.left, relaxed);
	unsigned stays = load(&idle.stays, relaxed);
	store(&idle.stays, since < load(&idle_stay_rare, relaxed) ? MIN(stays + 1, STAYS) : 0, relaxed);
	store(&idle.left, now, relaxed);
	worker->left_post = now;
}

/*
 * Called for a worker without work: if it was the poller last and worked for longer than idle_stay_quick since, ends
 * the series of stays.
 */
static void end_stay(struct worker *worker)
{
	if (worker->left_post && clock_now() - worker->left_post > load(&idle_stay_quick, relaxed))
		store(&idle.stays, 0, relaxed);
	worker->left_post = 0;
}

/* With the lock held: whether the worker is one of those that are awake. */
static void set_awake(const struct worker *worker, bool awake)
{
	uint64_t *word = &scheduler.awake[worker->number / 64], bit = (uint64_t)1 << worker->number % 64;
	store(word, awake ? *word | bit : *word & ~bit, release); /* pairs with worker_awake() */
}

/* With the lock held. */
static void link_worker(struct worker *worker)
{
	worker->asleep = true;
	worker->idle = true;
	list_prepend(&idle.list, worker, idle_link);
	store(&worker->parked, 1, relaxed);
	set_awake(worker, false);
	idle_change(scheduler.sleeping + 1);
}

static void idle_join(struct worker *worker)
{
	lock_take(&idle.lock);
	link_worker(worker);
	lock_drop(&idle.lock);
}

/* With the lock held. */
static void unlink_worker(struct worker *worker)
{
	list_remove(&idle.list, worker, idle_link);
	worker->idle = false;
	set_awake(worker, true);
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

/*
 * Wakes a worker that sleeps on its futex, else the poller. The worker comes back as a spinner, because it has to
 * search.
 */
void idle_wake(void)
{
	lock_take(&idle.lock);
	struct worker *worker = idle_may_wake() ? list_first(&idle.list, idle_link) : NULL, *next;
	if (worker && worker == load(&idle.poller, relaxed) && (next = list_next(worker, idle_link)))
		worker = next;
	if (worker) {
		unlink_worker(worker);
		worker->spinning = true;
		fetch_add(&idle.spinning, 1, relaxed);
	}
	lock_drop(&idle.lock);
	if (worker) {
		replacement_wake(worker);
		idle_rouse(worker);
	}
}

/* Of a worker that is in the list, or was: if it is awake by now, this does nothing. */
static void rouse_unlocked(struct worker *worker)
{
	futex_set_and_wake(&worker->parked, 0);
	if (load(&idle.poller, seq_cst) == worker)
		sched_hooks.interrupt();
	count_here(SLEY_COUNTER_wakes, 1);
}

/*
 * Wakes one of the first two of the list, as this thread sees them. The worker takes itself out of the list, and searches
 * like a worker that idle_wake() has woken (idle_leave()). Until then it counts as asleep, so it may be woken a second time,
 * which is harmless. If both are awake already, nothing is lost: they left the list after this thread had read the hints,
 * so they search the queues after the work came that this thread has seen.
 */
void idle_wake_unlocked(void)
{
	struct worker *hints[] = { load(&idle.first, relaxed), load(&idle.second, relaxed) }, *worker = NULL;
	struct worker *poller = load(&idle.poller, relaxed);
	for (unsigned i = 0; i < 2; i++) {
		if (hints[i] && load(&hints[i]->parked, relaxed) && (!worker || worker == poller))
			worker = hints[i];
	}
	if (!worker)
		return;
	replacement_wake(worker);
	rouse_unlocked(worker);
}

void idle_recall(struct worker *worker, bool locks)
{
	if (worker_awake(worker->number) == worker)
		return;
	if (locks)
		idle_notify_worker(worker);
	else
		rouse_unlocked(worker);
}

void idle_notify(void)
{
	if (load(&scheduler.started, relaxed) == 1 && worker_self())
		return; /* the only worker is awake: it is this thread */
	fence();
	if (idle_may_wake() && load(&idle.spinning, relaxed) == 0)
		idle_wake();
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
	for (unsigned i = 0; i < load(&scheduler.made, acquire); i++) /* pairs with idle_add() */
		idle_notify_worker(worker_get(i));
}

void idle_add(struct worker *worker)
{
	lock_take(&idle.lock);
	set_awake(worker, true);
	store(&scheduler.started, scheduler.started + 1, relaxed);
	store(&scheduler.made, MAX(scheduler.made, worker->number + 1), release); /* pairs with idle_wake_all() */
	lock_drop(&idle.lock);
}

void idle_drop(struct worker *worker)
{
	lock_take(&idle.lock);
	set_awake(worker, false);
	store(&scheduler.started, scheduler.started - 1, relaxed);
	lock_drop(&idle.lock);
}

bool idle_end(struct worker *worker)
{
	lock_take(&idle.lock);
	bool ends = worker->idle && load(&idle.poller, relaxed) != worker;
	if (ends) {
		unlink_worker(worker);
		set_awake(worker, false);
		store(&scheduler.started, scheduler.started - 1, relaxed);
		store(&worker->leaves, true, relaxed); /* the futex orders it */
	}
	lock_drop(&idle.lock);
	if (ends)
		idle_rouse(worker);
	return ends;
}

bool idle_spin_begin(struct worker *worker)
{
	if (worker->spinning)
		return true;
	if (2 * load(&idle.spinning, relaxed) >= idle_awake())
		return false; /* it is enough if half of the awake workers search */
	worker->spinning = true;
	fetch_add(&idle.spinning, 1, seq_cst);
	return true;
}

/* Whether there is work that any worker could do, in any queue. */
static bool work_for_all(void)
{
	if (load(&global_length, relaxed) > 0)
		return true;
	struct worker *worker;
	workers_awake(worker) {
		if (deque_length(&worker->deque) > 0)
			return true;
	}
	return false;
}

void idle_spin_end(struct worker *worker, bool found)
{
	if (found)
		RACE_POINT(spinner_has_found);
	worker->spinning = false;
	unsigned before = fetch_sub(&idle.spinning, 1, seq_cst);
	if (!found || before > 1 || !idle_may_wake())
		return;
	fence(); /* like falling asleep: either a pushing thread sees no spinner, or this thread sees its push */
	if (work_for_all())
		idle_notify();
}

/*
 * Whether there is work that this worker could do now. Tasks in another worker's run-next do not count: that worker
 * comes to them at once, or the watchdog finds them. A worker that hands over asks the watchdog to watch only if it
 * sees a sleeper. So this function asks, for hand-overs from before this worker joined the list.
 */
static bool work_there(struct worker *worker)
{
	struct worker *other;
	if (load(&worker->inbox_length, relaxed) > 0 || load(&worker->next, relaxed) ||
	    load(&scheduler.stopping, relaxed) || load(&worker->block->note, relaxed))
		return true;
	if (!idle_may_wake()) /* others, as many as are to run, come to what there is */
		return false;
	if (work_for_all())
		return true;
	workers_awake(other) {
		if (load(&other->next, relaxed))
			watchdog_watch();
	}
	return false;
}

void idle_leave(struct worker *worker)
{
	bool polls = load(&idle.poller, relaxed) == worker;
	worker->asleep = false;
	worker->until_clock = MAX(worker->until_clock, 2); /* if it finds no local work, it looks around anyway */
	if (polls) {
		worker->was_poller = true;
		store(&idle.poll_until, SLEY_NEVER, relaxed);
		store(&idle.poller, NULL, seq_cst);
	}
	lock_take(&idle.lock);
	if (worker->idle) {
		unlink_worker(worker);
		if (!polls && !load(&worker->parked, relaxed)) { /* woken by idle_wake_unlocked() */
			worker->spinning = true;
			fetch_add(&idle.spinning, 1, relaxed);
		}
	}
	lock_drop(&idle.lock);
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, relaxed);
	/*
	 * Pairs with deadlock_look(): if it sees the effect of work that this worker takes out now, it sees that the
	 * worker has left. Also pairs with watchdog_rest(), and with blocked_back(): this worker sees that another one is
	 * back, or that one sees that this one is awake, so one of them steps back.
	 */
	fence();
	if (unlikely(idle_is_surplus()))
		store(&worker->poll_due, 1, relaxed); /* it steps back before it runs a task */
	watchdog_resume();
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
	sley_time until = timers_earliest();
	store(&idle.poll_until, until, relaxed);
	/* pairs with sleep_parked(): a worker with an earlier timer sees the poller, or the poller sees the timer */
	fence();
	if (timers_earliest() >= until && load(&worker->parked, seq_cst)) {
		int64_t now = clock_now();
		RACE_POINT(poller_is_to_wait);
		sched_hooks.poll(until == SLEY_NEVER ? SLEY_NEVER : MAX(until - now, 0));
	}
	if (worker->asleep)
		idle_leave(worker);
	store(&worker->polled, clock_now(), relaxed);
	store(&worker->polled_before, worker->polled, relaxed); /* it has looked all the time */
	store(&worker->polled_tick, worker->tick, relaxed);
	begin_stay(worker, worker->polled);
}

static void sleep_parked(struct worker *worker)
{
	fence();
	struct worker *poller = load(&idle.poller, relaxed);
	if (poller && load(&worker->timers->earliest, relaxed) < load(&idle.poll_until, relaxed))
		sched_hooks.interrupt(); /* the poller must not sleep longer than this worker's timer */
	while (load(&worker->parked, acquire))
		futex_wait(&worker->parked, 1, NULL);
	worker_slept();
}

bool idle_wait(struct worker *worker)
{
	bool polled = false;
	end_stay(worker);
	RACE_POINT(worker_has_found_nothing);
	idle_join(worker);
	fence();
	if (!work_there(worker)) {
		struct worker *nobody = NULL;
		store(&worker->line->mode, SLEY_WORKER_IDLE, relaxed);
		RACE_POINT(worker_is_to_sleep);
		polled = idle_may_wake() && cas(&idle.poller, &nobody, worker, seq_cst, relaxed);
		if (polled)
			poll_as_poller(worker);
		else
			sleep_parked(worker);
	}
	if (worker->asleep)
		idle_leave(worker);
	return polled;
}

bool idle_step_back(struct worker *worker)
{
	lock_take(&idle.lock);
	bool surplus = idle_is_surplus();
	if (surplus)
		link_worker(worker);
	lock_drop(&idle.lock);
	if (!surplus)
		return false;
	RACE_POINT(stepping_back);
	fence(); /* see blocked.h */
	if (!work_there(worker)) {
		store(&worker->line->mode, SLEY_WORKER_IDLE, relaxed);
		sleep_parked(worker);
	}
	if (worker->asleep)
		idle_leave(worker);
	return true;
}
