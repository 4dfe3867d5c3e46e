/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The monitor: a thread that looks every few milliseconds, less often while all workers sleep, at what nobody else can
 * be relied on to see: the control word of the region, a worker stuck in one task while there is work in its queue or
 * its timers, idle workers none of which waits in the reactor, tasks that wait for memory, descriptors that were closed
 * behind the runtime's back, stacks that were deeper than they are (depth.c), and a run in which nothing can ever happen again (deadlock.c).
 *
 * It runs no tasks. It has all signals blocked.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/futex.h"
#include "base/race.h"
#include "sched/depth.h"
#include "sched/hold.h"
#include "sched/memory.h"
#include "sched/worker.h"

#define TICK_BUSY      (10 * NS_PER_MS)
#define TICK_IDLE      (250 * NS_PER_MS)
#define REARM_INTERVAL NS_PER_SEC

#ifdef SLEY_TSAN
#define SANITIZER_THREADS 1u /* it has one of its own */
#else
#define SANITIZER_THREADS 0u
#endif

static struct {
	pthread_t thread;
	unsigned stop; /* atomic, futex */
	int64_t rearmed;
} monitor;

/* Whether this worker has been in the same task since the last look, with work waiting for it. */
static bool is_stuck(struct worker *worker, int64_t now)
{
	uint64_t tick = load(&worker->tick, relaxed);
	bool same = tick == worker->seen_tick && load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK;
	worker->seen_tick = tick;
	hold_look(worker, same, now);
	return same && (deque_length(&worker->deque) > 0 || load(&worker->next, relaxed) ||
			load(&worker->timers.earliest, relaxed) <= now);
}

static void look(int64_t now)
{
	bool stuck = false;
	for (unsigned i = 0; i < scheduler.count; i++) {
		struct worker *worker = worker_get(i);
		store(&worker->poll_due, 1, relaxed);
		stuck |= is_stuck(worker, now);
	}
	/* also without a stuck one: an idle worker that looks around becomes the poller if there is none */
	if (stuck || idle_without_poller())
		idle_notify();
	starved_retry();
	region_control(now);
	if (now - monitor.rearmed >= REARM_INTERVAL) {
		monitor.rearmed = now;
		sched_hooks.rearm(now);
	}
	depth_look(now);
	memory_look(now);
	if (sched_hooks.tick)
		sched_hooks.tick();
	if (deadlock_look())
		sched_hooks.deadlock();
}

static void *monitor_main(void *unused)
{
	(void)unused;
	while (!load(&monitor.stop, acquire)) {
		bool all_idle = idle_count() == scheduler.count;
		struct timespec tick = clock_timespec(all_idle ? TICK_IDLE : TICK_BUSY);
		futex_wait(&monitor.stop, 0, &tick);
		RACE_POINT(monitor_looks);
		look(clock_now());
	}
	return NULL;
}

int monitor_start(void)
{
	sigset_t all, old;
	monitor.stop = 0;
	monitor.rearmed = clock_now();
	depth_open(monitor.rearmed);
	memory_open(monitor.rearmed);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	store(&scheduler.threads, SANITIZER_THREADS + 1, relaxed);
	int error = pthread_create(&monitor.thread, NULL, monitor_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pthread_setname_np(monitor.thread, "sley-monitor");
	return -error;
}

void monitor_stop(void)
{
	store(&monitor.stop, 1, release);
	futex_wake(&monitor.stop, 1);
	pthread_join(monitor.thread, NULL);
}
