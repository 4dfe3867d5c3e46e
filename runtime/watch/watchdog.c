/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The watchdog: a thread that periodically checks states that no other thread is certain to notice: the control word of
 * the region; a worker stuck in one task while there is work in its queue or its timers; idle workers without a poller;
 * tasks that wait for memory; descriptors that were closed behind the runtime's back; stacks that were deeper than they
 * are now (depth.c); a deadlocked run (deadlock.c).
 *
 * A look costs some 10 us of a processor, so looks are no more frequent than needed:
 *   resting    All workers sleep, and slept at the last look: TICK_REST. The first worker that wakes, wakes the
 *              watchdog.
 *   otherwise  TICK.
 *   watching   A task was handed over to a worker that may not come to it, while another worker sleeps: TICK_WATCH, for
 *              some looks. The first such hand-over wakes the watchdog; the next ones find it watching (queue.c). The
 *              watchdog also watches if the poller is in a task while another worker sleeps (idle.c).
 *   timers     A timer of a worker that is awake, while another worker sleeps: the time at which the timer is late. A
 *              worker that arms a timer which would be late before the next look wakes the watchdog.
 * So it is woken once for each of its longer sleeps. A service whose workers all compute has 100 looks per second, one
 * whose workers all sleep 4, and one without hand-overs 100.
 *
 * Between these looks come *short looks*, which are only sched_hooks.look(): whether a worker is blocked (assist/tick.c).
 * That function says whether the next one should come soon, TICK_SOON later. Short looks that find nothing take
 * 1 / SOON_SHARE of a CPU at most, in the mean: the time earns credit for them, and without credit the next one comes later.
 * Most of their cost is to sleep and to wake, 15 us and more on a virtual machine. A look that has found a block while
 * work waited has given a CPU back for the rest of the block, so it costs no credit. If none is to come soon: TICK.
 * While each worker sleeps or is noted there is nothing to find. Then the short looks pause, if no
 * more were made than there was credit for, and the first worker that wakes, or is back, wakes the watchdog for the next one.
 * Not so beside a faster source: a thread that is woken may get its turn on that worker's CPU when it blocks, before what
 * tells of the block.
 *
 * The watchdog publishes its promises (`watched`, `resting`, `next_look`). Before it sleeps, it checks once more for a
 * reason for an earlier look. A thread with such a reason first publishes the reason and then checks the promise. All
 * these accesses are sequentially consistent, and `asleep` is 1 before them.
 *
 * It runs no tasks. It has all signals blocked.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/futex.h"
#include "base/race.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/depth.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/late.h"
#include "run/queue.h"
#include "run/starved.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"
#include "run/workers.h"
#include "watch/call.h"
#include "watch/convoy.h"
#include "watch/deadlock.h"
#include "watch/limit.h"
#include "watch/memory.h"
#include "watch/stuck.h"
#include "watch/watchdog.h"

#define TICK           (10 * NS_PER_MS)
#define TICK_REST      (250 * NS_PER_MS)
#define TICK_SOON      (500 * NS_PER_US)
#define SOON_SHARE     100
#define BURST          16 /* looks in vain for which credit is kept */
#define TICK_WATCH     (600 * NS_PER_US)
#define WATCH_LOOKS    4u /* number of further looks when there is nothing to watch */
#define REARM_INTERVAL NS_PER_SEC

#ifdef SLEY_TSAN
#define SANITIZER_THREADS 1u /* the sanitizer's own thread */
#else
#define SANITIZER_THREADS 0u
#endif

static struct {
	pthread_t thread;
	unsigned stop; /* atomic */
	/* owned by the watchdog */
	int64_t rearmed;
	uint64_t changes; /* of the idle list, at the last look */
	unsigned watched; /* looks since it began to watch */
	bool wanted;      /* a worker was to be woken at the last such look: see wake_for() */
	bool is_short;    /* the next look is to be a short one, unless somebody wakes it */
	bool paused;      /* the next look is to be a short one, if somebody wakes it */
	int64_t looked;   /* time of the last look that was not short */
	int64_t short_at; /* time of the next short look */
	int64_t cpu;      /* CPU time of this thread at `looked`, ns */
	unsigned looks;   /* since `looked` */
	bool found;       /* one of them has found a block while work waited */
	int64_t credit;   /* ns of CPU for short looks in vain */
	int64_t earned;   /* time up to which it was earned */
	int64_t cost;     /* of a look that finds none, ns of CPU: the mean of the last ones */
	bool away;        /* all workers have been in the same task since the last look, as far as this one has come */
} watchdog;

/* ---- looking ---- */

/*
 * Returns whether the worker does not come to a task just handed over to it, during the time that a thief would wait.
 */
static bool keeps_next(struct worker *worker, uint64_t tick)
{
	for (int i = 0; i < 100 && load(&worker->tick, relaxed) == tick; i++)
		cpu_relax();
	return load(&worker->tick, relaxed) == tick && load(&worker->next, relaxed);
}

/*
 * Returns whether this worker has work that it does not come to. Then it has been in the same task since the last look,
 * or for the time of keeps_next(), or its timers are late.
 */
static bool is_stuck(struct worker *worker, int64_t now)
{
	uint64_t tick = load(&worker->tick, relaxed);
	bool in_task = load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK;
	bool same = in_task && tick == worker->seen_tick;
	sley_time earliest = load(&worker->timers->earliest, relaxed);
	worker->seen_tick = tick;
	watchdog.away &= same;
	stuck_look(worker, same, now);
	if (same && unlikely(load(&worker->inbox_moved, relaxed) > 0)) {
		queue_give_moved(worker);
		return true;
	}
	if (!in_task || !idle_may_wake())
		return false;
	if (same)
		return deque_length(&worker->deque) > 0 || load(&worker->next, relaxed) || earliest <= now;
	return earliest <= now - NS_PER_MS || (load(&worker->next, relaxed) && keeps_next(worker, tick));
}

/* One after the other, as each may be the next member of a convoy. */
static void make_spares(int64_t now)
{
	do
		convoy_look(now);
	while (workers_look(now));
}

/*
 * Wakes a worker if a stuck one has work, if there is no poller, who the woken worker becomes, or if work is in the queue of
 * all. idle_notify() leaves it to the workers that search. But one of these may be stopped in the middle: by a page fault,
 * a debugger, or because it gets no CPU. So a worker is woken all the same for what was there at the last look, too.
 */
static void wake_for(bool stuck)
{
	bool wanted = idle_may_wake() && (!idle_has_poller() || load(&global_length, relaxed) > 0);
	if (stuck || (wanted && watchdog.wanted))
		idle_wake();
	else if (wanted)
		idle_notify();
	watchdog.wanted = wanted;
}

static void watchdog_look(int64_t now)
{
	bool stuck = false;
	struct worker *worker;
	watchdog.away = true;
	workers_awake(worker) {
		store(&worker->poll_due, 1, relaxed);
		stuck |= is_stuck(worker, now);
		if (load(&scheduler.stopping, relaxed))
			stuck_end_look(worker, now);
	}
	late_look(watchdog.away && idle_awake() > 0, now);
	wake_for(stuck);
	make_spares(now);
	limit_look(now);
	calls_look();
	block_sites_look(now);
	starved_look();
	region_control(now);
	if (now - watchdog.rearmed >= REARM_INTERVAL) {
		watchdog.rearmed = now;
		sched_hooks.rearm(now);
	}
	depth_look(now);
	memory_look(now);
	if (sched_hooks.tick)
		sched_hooks.tick();
	enum deadlock deadlock = deadlock_look(stuck_blocked(now));
	if (deadlock == DEADLOCK_FOUND)
		sched_hooks.deadlock();
	else if (deadlock == DEADLOCK_BLOCKED)
		stuck_deadlock(now);
}

/* CPU time of this thread, ns. */
static int64_t own_cpu(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * NS_PER_SEC + time.tv_nsec;
}

/*
 * Called before a look that is not short: the CPU time since the end of the last such look is that of the short ones, with
 * sleeping and waking.
 */
static void learn_cost(void)
{
	if (!watchdog.found)
		watchdog.cost += ((own_cpu() - watchdog.cpu) / MAX(watchdog.looks, 1) - watchdog.cost) / 4;
	watchdog.looks = 0;
	watchdog.found = false;
}

static void short_look(int64_t now)
{
	enum look_result result = sched_hooks.look ? sched_hooks.look(now) : LOOK_REST;
	int64_t earned = watchdog.credit + (now - watchdog.earned) / SOON_SHARE, pause = TICK;
	watchdog.earned = now;
	earned = MIN(earned, BURST * watchdog.cost) - (result == LOOK_FOUND ? 0 : watchdog.cost);
	watchdog.credit = MAX(earned, -watchdog.cost);
	if (result != LOOK_REST)
		pause = MIN(MAX(TICK_SOON, SOON_SHARE * (watchdog.cost - watchdog.credit)), TICK);
	watchdog.short_at = now + pause;
	watchdog.found |= result == LOOK_FOUND;
	if (blocked_wants_spare())
		make_spares(now);
}

/* ---- when to look ---- */

static bool is_needed(void)
{
	if (idle_without_poller())
		return true;
	struct worker *worker;
	workers_awake(worker) {
		if (load(&worker->inbox_moved, seq_cst) > 0)
			return true;
		if (load(&worker->next, seq_cst))
			return idle_may_wake();
	}
	return false;
}

/* Returns whether the watchdog continues to watch. */
static bool watch(void)
{
	if (!load(&watchdog_promise.watched, relaxed))
		return false;
	if (watchdog.watched++ < WATCH_LOOKS)
		return true;
	watchdog.watched = 0;
	RACE_POINT(watchdog_watches_no_more);
	store(&watchdog_promise.watched, 0, seq_cst);
	if (!is_needed())
		return false;
	store(&watchdog_promise.watched, 1, relaxed);
	return true;
}

/* Returns whether short looks would find nothing. Then the next worker that runs also wakes the watchdog. */
static bool pause_short(void)
{
	const unsigned others = 1u << SLEY_SOURCE_IDLE | 1u << SLEY_SOURCE_BPF;
	if (load(&region.header->sources, relaxed) & others || watchdog.credit < 0 || !idle_none_runs())
		return false;
	store(&watchdog_promise.resting, 1, seq_cst);
	fence(); /* pairs with idle_leave() and blocked_back() */
	if (idle_none_runs())
		return true;
	store(&watchdog_promise.resting, 0, relaxed);
	return false;
}

/* Returns whether nothing has run since the last look. Then the next worker that wakes also wakes the watchdog. */
static bool watchdog_rest(void)
{
	uint64_t changes = idle_changes(), before = watchdog.changes;
	watchdog.changes = changes;
	if (idle_count() != load(&scheduler.started, relaxed) || changes != before)
		return false;
	store(&watchdog_promise.resting, 1, seq_cst);
	fence(); /* pairs with idle_leave() */
	if (idle_changes() == changes)
		return true;
	store(&watchdog_promise.resting, 0, relaxed);
	return false;
}

/* Returns the earliest timer of the workers that are awake: sleeping workers do not wait for it. */
static sley_time earliest_awake(void)
{
	sley_time earliest = SLEY_NEVER;
	struct worker *worker;
	if (!idle_may_wake())
		return earliest;
	workers_awake(worker)
		earliest = MIN(earliest, load(&worker->timers->earliest, relaxed));
	return earliest;
}

/*
 * Returns the time of the next look, after it has promised that time. A thread that needs an earlier look wakes the
 * watchdog.
 */
static int64_t promise(int64_t now)
{
	store(&watchdog_promise.next_look, SLEY_NEVER, seq_cst);
	bool watches = watch(), rests = !watches && !watchdog.is_short && watchdog_rest();
	int64_t next = watches ? now + TICK_WATCH : rests ? now + TICK_REST : MAX(watchdog.looked + TICK, now);
	sley_time earliest = earliest_awake();
	if (earliest < next - TIMER_LATE)
		next = MAX(earliest, now) + TIMER_LATE;
	bool wants_short = !watches && !rests && watchdog.short_at < next;
	watchdog.paused = wants_short && pause_short();
	watchdog.is_short = wants_short && !watchdog.paused;
	if (watchdog.is_short)
		next = MAX(watchdog.short_at, now);
	store(&watchdog_promise.next_look, next, seq_cst);
	return next;
}

static void *watchdog_main(void *unused)
{
	(void)unused;
	while (!load(&watchdog.stop, acquire)) {
		store(&watchdog_promise.asleep, 1, seq_cst);
		int64_t now = clock_now();
		struct timespec time = clock_timespec(promise(now) - now);
		if (!load(&watchdog.stop, seq_cst)) /* pairs with watchdog_stop() */
			futex_wait(&watchdog_promise.asleep, 1, &time);
		bool woken = !exchange(&watchdog_promise.asleep, 0, seq_cst);
		store(&watchdog_promise.resting, 0, relaxed);
		RACE_POINT(watchdog_looks);
		now = clock_now();
		watchdog.looks++;
		watchdog.is_short = woken ? watchdog.paused : watchdog.is_short;
		if (now >= watchdog.short_at || watchdog.is_short)
			short_look(now);
		if (watchdog.is_short)
			continue;
		learn_cost();
		watchdog_look(now);
		watchdog.looked = now;
		watchdog.cpu = own_cpu();
	}
	return NULL;
}

int watchdog_start(void)
{
	sigset_t all, old;
	watchdog.stop = watchdog_promise.asleep = watchdog.watched = 0;
	watchdog.rearmed = clock_now();
	store(&watchdog_promise.watched, 0, relaxed);
	store(&watchdog_promise.resting, 0, relaxed);
	store(&watchdog_promise.next_look, 0, relaxed);
	watchdog.is_short = watchdog.paused = watchdog.found = false;
	watchdog.looked = watchdog.short_at = watchdog.cpu = watchdog.cost = watchdog.looks = 0;
	watchdog.earned = watchdog.credit = 0;
	depth_open(watchdog.rearmed);
	memory_open(watchdog.rearmed);
	stuck_open();
	limit_open();
	convoy_open();
	late_open();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	store(&scheduler.threads, SANITIZER_THREADS + 1, relaxed);
	int error = pthread_create(&watchdog.thread, NULL, watchdog_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pthread_setname_np(watchdog.thread, "sley-watchdog");
	return -error;
}

void watchdog_stop(void)
{
	store(&watchdog.stop, 1, seq_cst);
	watchdog_wake();
	pthread_join(watchdog.thread, NULL);
}
