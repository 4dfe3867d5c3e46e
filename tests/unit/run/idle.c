/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sleeping and waking: no wake-up is lost, whoever brings the work and whatever the idle worker is about to do. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "run/blocked.h"
#include "run/idle.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"
#include "tests/race.h"
#include "tests/unit/run/outsider.h"

/* Looks like a spawner that was slow: the worker took its task long ago, and is woken for nothing. */
static void *wake_for_nothing(void *arg)
{
	for (int i = 0; i < 100; i++) {
		while (idle_count() < scheduler.target)
			cpu_relax();
		idle_notify();
		while (idle_count() < scheduler.target)
			cpu_relax();
		REQUIRE(sley_go(done_add, NULL) == 0);
		done_take();
	}
	outsider_end();
	return NULL;
}

/* A worker that was woken and found nothing can be woken again. */
TASK_TEST(woken_for_nothing, 1, 2)
{
	outsider_run(wake_for_nothing);
}

static uint64_t wakes_of_rounds;

static void *spawn_to_sleepers(void *arg)
{
	for (int i = 0; i < 101; i++) {
		while (idle_count() < scheduler.target)
			cpu_relax();
		if (i == 1) /* from here on, one is the poller and stays it */
			wakes_of_rounds = counter(SLEY_COUNTER_wakes);
		REQUIRE(sley_go(done_add, NULL) == 0);
		done_take();
	}
	wakes_of_rounds = counter(SLEY_COUNTER_wakes) - wakes_of_rounds;
	outsider_end();
	return NULL;
}

/* Of the workers that all sleep, one is woken for one task: not the next by the first, which finds that task alone. */
TASK_TEST(one_task_wakes_one, 2, 4)
{
	outsider_run(spawn_to_sleepers);
	REQUIRE(wakes_of_rounds >= 100 && wakes_of_rounds < 150); /* the watchdog may wake some */
}

static unsigned pinned_done;

static void pinned_sleeper(void *arg)
{
	for (int i = 0; i < 50; i++)
		REQUIRE(sley_sleep(sley_in(SLEY_US(10 + 37 * i % 500))) == 0);
	fetch_add(&pinned_done, 1, relaxed);
}

static int main_pinned(void *arg)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	sley_task tasks[20];
	store(&pinned_done, 0, relaxed);
	for (int i = 0; i < 20; i++)
		REQUIRE((tasks[i] = sley_spawn_with(&pinned, pinned_sleeper, NULL, SLEY_BY_POINTER)) > 0);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(load(&pinned_done, relaxed) == 20);
	return 0;
}

/* A timer run by another worker wakes the very worker that a task is pinned to. */
TEST(pinned_wake)
{
	for (int i = 0; i < 5; i++)
		run(main_pinned, 3);
}

/* Idle workers sleep: 400 ms of nothing take a few polls, not thousands. */
TASK_TEST(idle_is_quiet, 1, 4)
{
	sley_time begin = sley_now();
	uint64_t polls = counter(SLEY_COUNTER_polls);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(400))) == 0);
	polls = counter(SLEY_COUNTER_polls) - polls;
	/* the poller sleeps until the timer; the watchdog's few looks are all that may disturb it */
	REQUIRE(polls < 50 * (1 + (uint64_t)(sley_now() - begin) / SLEY_MS(400)));
}

static unsigned stop;

static void compute(void *arg)
{
	sley_time deadline = SOON;
	while (!load(&stop, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

/* The poller, which is the only worker that sleeps, wakes nobody for what it readies itself. */
TASK_TEST(poller_alone, 2)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	struct itimerspec often = { { .tv_nsec = SLEY_US(200) }, { .tv_nsec = SLEY_US(200) } };
	uint64_t times, wakes = 0, events = 100;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	REQUIRE(fd >= 0 && timerfd_settime(fd, 0, &often, NULL) == 0);
	store(&stop, 0, relaxed);
	sley_task task = sley_spawn_with(&pinned, compute, NULL, SLEY_BY_POINTER);
	for (uint64_t i = 0; i < 10 + events; i++) {
		if (i == 10) /* from here on this worker computes, and the other has seen that */
			wakes = counter(SLEY_COUNTER_wakes);
		REQUIRE(sley_read(fd, &times, sizeof(times), SOON) == sizeof(times));
	}
	wakes = counter(SLEY_COUNTER_wakes) - wakes;
	store(&stop, 1, release);
	REQUIRE(wakes < events / 2); /* the watchdog may have found the poller between two sleeps */
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(close(fd) == 0);
}

static int event_pipe[2];

/* No stay is long, and none is rare: after some events the poller leaves its replacement to the watchdog. */
static void let_all_stays_be_quick(void)
{
	store(&idle_stay_quick, SLEY_SEC(1000), relaxed);
	store(&idle_stay_rare, SLEY_SEC(1000), relaxed);
}

static void lone_event(void)
{
	while (idle_count() < scheduler.target)
		cpu_relax();
	REQUIRE(write(event_pipe[1], "x", 1) == 1);
	done_take();
}

static void *lone_events(void *unused)
{
	uint64_t wakes = 0;
	for (int i = 0; i < 1010; i++) {
		if (i == 10)
			wakes = counter(SLEY_COUNTER_wakes);
		lone_event();
	}
	wakes = counter(SLEY_COUNTER_wakes) - wakes;
	REQUIRE(wakes < 500); /* of the watchdog, when it looked just then */
	REQUIRE(write(event_pipe[1], "e", 1) == 1);
	return NULL;
}

/* A poller that gets one event at a time, and is soon back each time, is not replaced each time. */
TASK_TEST(quick_poller_is_not_replaced, 2, 4)
{
	pthread_t thread;
	char byte;
	done_open();
	REQUIRE(pipe(event_pipe) == 0);
	let_all_stays_be_quick();
	REQUIRE(pthread_create(&thread, NULL, lone_events, NULL) == 0);
	while (sley_read(event_pipe[0], &byte, 1, SLEY_NEVER) == 1 && byte == 'x')
		done_add(NULL);
	pthread_join(thread, NULL);
	REQUIRE((sley_close(event_pipe[0]) || sley_close(event_pipe[1])) == 0);
}

#if RACE_POINTS
static struct {
	struct sley_chan *chan;
	unsigned on;    /* the worker to which the waiter is pinned, plus 1 */
	unsigned begun; /* atomic: it has been woken, and computes */
} waiters[2];

/* Its worker never comes back to the reactor until another one has been there. */
static void wait_then_compute(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	REQUIRE(sley_chan_recv(waiters[i].chan, NULL, SLEY_NEVER) == 0);
	store(&waiters[i].begun, 1, release);
	compute(NULL);
}

/* Two of these run at the same time, so on two workers. */
static void spawn_waiter(void *arg)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1, .detached = 1 };
	sley_time deadline = SOON;
	uintptr_t i = (uintptr_t)arg;
	REQUIRE(sley_chan_new(&waiters[i].chan, 0, 0) == 0);
	REQUIRE(sley_spawn_with(&pinned, wait_then_compute, arg, SLEY_BY_POINTER) > 0);
	store(&waiters[i].on, worker_self()->number + 1, release);
	while (!load(&waiters[1 - i].on, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
	REQUIRE(waiters[0].on != waiters[1].on);
}

/* One of the two workers is the poller, and gets a pinned task. */
static void *wake_each(void *unused)
{
	for (int i = 0; i < 2; i++) {
		while (idle_count() < 2) /* so who computed before has seen the stop */
			cpu_relax();
		store(&stop, 0, relaxed);
		REQUIRE(sley_chan_send(waiters[i].chan, NULL, SOON) == 0);
		while (!load(&waiters[i].begun, acquire))
			cpu_relax();
		REQUIRE(write(event_pipe[1], "x", 1) == 1);
		while (!load(&stop, acquire))
			cpu_relax();
	}
	return NULL;
}

/* A poller that a pinned task takes away is replaced by another idle worker, without the watchdog. */
TASK_TEST(poller_is_replaced, 2)
{
	pthread_t thread;
	char byte;
	memset(waiters, 0, sizeof(waiters));
	store(&idle_stay_rare, 0,
	      relaxed); /* however often the poller was back before, the post is not left to the watchdog */
	REQUIRE(pipe(event_pipe) == 0);
	sley_task tasks[] = { sley_spawn(spawn_waiter, NULL), sley_spawn(spawn_waiter, (void *)1) };
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	race_stop("watchdog_looks"); /* it would find out that nobody is in the reactor */
	race_wait("watchdog_looks");
	REQUIRE(pthread_create(&thread, NULL, wake_each, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		REQUIRE(sley_read(event_pipe[0], &byte, 1, SLEY_NEVER) == 1);
		store(&stop, 1, release);
	}
	REQUIRE(pthread_join(thread, NULL) == 0);
	race_go("watchdog_looks");
	while (live_tasks() > 1)
		sley_yield();
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_chan_free(waiters[i].chan) == 0 && close(event_pipe[i]) == 0);
}

static void await_begun(int i)
{
	sley_time deadline = SOON;
	while (!load(&waiters[i].begun, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

/*
 *   one worker                            the other                      this thread
 *   is the poller, and is interrupted
 *   leaves its post
 *                                         is the next poller, and
 *                                         about to wait                  interrupts it: a pinned task
 *   goes on
 *                                         waits, but not for long
 */
static void *interrupt_both(void *unused)
{
	while (idle_count() < 2)
		cpu_relax();
	race_stop("poller_has_left");
	sched_hooks.interrupt();
	race_wait("poller_has_left");
	race_stop("poller_is_to_wait");
	idle_notify();
	race_wait("poller_is_to_wait");
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_chan_send(waiters[i].chan, NULL, SOON) == 0);
	race_go("poller_has_left");
	while (!load(&waiters[0].begun, acquire) && !load(&waiters[1].begun, acquire))
		cpu_relax();
	race_go("poller_is_to_wait");
	await_begun(0);
	await_begun(1);
	store(&stop, 1, release);
	REQUIRE(write(event_pipe[1], "x", 1) == 1);
	return NULL;
}

/* A poller that was interrupted does not take away the interruption of the next one. */
TASK_TEST(interrupt_is_kept, 2)
{
	pthread_t thread;
	char byte;
	memset(waiters, 0, sizeof(waiters));
	store(&stop, 0, relaxed);
	REQUIRE(pipe(event_pipe) == 0);
	sley_task tasks[] = { sley_spawn(spawn_waiter, NULL), sley_spawn(spawn_waiter, (void *)1) };
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	REQUIRE(pthread_create(&thread, NULL, interrupt_both, NULL) == 0);
	REQUIRE(sley_read(event_pipe[0], &byte, 1, SLEY_NEVER) == 1);
	REQUIRE(pthread_join(thread, NULL) == 0);
	while (live_tasks() > 1)
		sley_yield();
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_chan_free(waiters[i].chan) == 0 && close(event_pipe[i]) == 0);
}

static int second_pipe[2];
static unsigned begun; /* atomic: main computes */

static void end_computing(void *arg)
{
	char byte;
	REQUIRE(sley_read(second_pipe[0], &byte, 1, SLEY_NEVER) == 1);
	store(&stop, 1, release);
}

/*
 * Main is woken by an event, and computes until the second one has been taken: by the other worker, which sleeps. The
 * watchdog is about to look, and watches then.
 */
static void occupy_poller(void)
{
	while (idle_count() < 2)
		cpu_relax();
	REQUIRE(write(event_pipe[1], "c", 1) == 1);
	while (!load(&begun, acquire))
		cpu_relax();
}

static void require_watching(void)
{
	race_wait("watchdog_looks");
	REQUIRE(load(&watchdog_promise.watched, relaxed) == 1);
	race_go("watchdog_looks");
	REQUIRE(write(second_pipe[1], "x", 1) == 1);
}

static void *leave_to_resting(void *unused)
{
	for (int i = 0; i < 10; i++)
		lone_event();
	while (load(&watchdog_promise.watched, relaxed))
		cpu_relax();
	race_stop("watchdog_looks");
	occupy_poller();
	require_watching();
	return NULL;
}

/*
 *   watchdog                       poller
 *   is to watch no more
 *                                  leaves its post, and sees it watching
 *   watches no more
 *   looks whether it is needed
 */
static void *leave_to_watching(void *unused)
{
	race_stop("watchdog_watches_no_more");
	while (!race_reached("watchdog_watches_no_more"))
		lone_event();
	occupy_poller();
	race_stop("watchdog_looks");
	race_go("watchdog_watches_no_more");
	require_watching();
	return NULL;
}

static int main_left_to_watchdog(void *body)
{
	pthread_t thread;
	char byte;
	done_open();
	REQUIRE(pipe(event_pipe) == 0 && pipe(second_pipe) == 0);
	store(&stop, 0, relaxed);
	store(&begun, 0, relaxed);
	let_all_stays_be_quick();
	sley_task task = sley_spawn(end_computing, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(pthread_create(&thread, NULL, (void *(*)(void *))body, NULL) == 0);
	while (sley_read(event_pipe[0], &byte, 1, SLEY_NEVER) == 1 && byte == 'x')
		done_add(NULL);
	store(&begun, 1, release);
	compute(NULL);
	REQUIRE(sley_join(task, SOON) == 0 && pthread_join(thread, NULL) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_close(event_pipe[i]) == 0 && sley_close(second_pipe[i]) == 0);
	return 0;
}

/* Who leaves his replacement to the watchdog makes it watch, whatever it was about to do. */
TEST(left_to_watchdog)
{
	const struct sley_options two = { .size = sizeof(two), .workers = 2 };
	run_with(main_left_to_watchdog, (void *)leave_to_resting, &two);
	run_with(main_left_to_watchdog, (void *)leave_to_watching, &two);
}

/*
 * The poller has left with an event for main, and finds a pinned task first, which computes until main has run: on the
 * other worker, which sleeps, and without the watchdog.
 */
static void *pin_poller(void *unused)
{
	int i = 0;
	for (int k = 0; k < 10; k++)
		lone_event(); /* until no other one is woken to replace the poller, who would find it */
	while (idle_count() < 2)
		cpu_relax();
	race_stop("poller_has_left");
	REQUIRE(write(event_pipe[1], "c", 1) == 1);
	race_wait("poller_has_left");
	while (worker_get(waiters[i].on - 1)->idle)
		i = 1 - i;
	worker_get(waiters[i].on - 1)->deque_turn = true; /* next is the inbox's */
	REQUIRE(sley_chan_send(waiters[i].chan, NULL, SOON) == 0);
	race_go("poller_has_left");
	while (!load(&stop, acquire))
		cpu_relax();
	REQUIRE(sley_chan_send(waiters[1 - i].chan, NULL, SOON) == 0);
	return NULL;
}

/* What the poller readies and does not come to itself is announced when it begins something else. */
TASK_TEST(first_is_announced_late, 2)
{
	pthread_t thread;
	char byte;
	memset(waiters, 0, sizeof(waiters));
	store(&stop, 0, relaxed);
	done_open();
	REQUIRE(pipe(event_pipe) == 0);
	let_all_stays_be_quick();
	sley_task tasks[] = { sley_spawn(spawn_waiter, NULL), sley_spawn(spawn_waiter, (void *)1) };
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	race_stop("watchdog_looks"); /* it would find that a worker does not come to its queue */
	race_wait("watchdog_looks");
	REQUIRE(pthread_create(&thread, NULL, pin_poller, NULL) == 0);
	while (sley_read(event_pipe[0], &byte, 1, SLEY_NEVER) == 1 && byte == 'x')
		done_add(NULL);
	store(&stop, 1, release);
	REQUIRE(pthread_join(thread, NULL) == 0);
	race_go("watchdog_looks");
	while (live_tasks() > 1)
		sley_yield();
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_chan_free(waiters[i].chan) == 0 && close(event_pipe[i]) == 0);
}
#endif

static int main_end(void *arg)
{
	return 0;
}

/* A run ends while its workers are anywhere between falling asleep and waking. */
TEST(end)
{
	long rounds = test_scale(300);
	for (long i = 0; i < rounds; i++)
		run(main_end, 1 + (unsigned)i % 6);
}

/* A worker that sleeps; null: none does. */
static struct worker *sleeper(void)
{
	for (unsigned i = 0; i < load(&scheduler.started, relaxed); i++) {
		if (worker_awake(i) != worker_get(i))
			return worker_get(i);
	}
	return NULL;
}

/* A note that comes when the worker sleeps already is taken back at once, whoever made it, though there is no work. */
TASK_TEST(late_note, 2, 4)
{
	struct worker *worker;
	sley_time end = SOON;
	for (int round = 0; round < 100; round++) {
		while (!(worker = sleeper())) {
			REQUIRE(sley_now() < end);
			sley_yield();
		}
		blocked_note(worker, load(&worker->tick, relaxed), round % 2 ? SLEY_SOURCE_TICK : SLEY_SOURCE_IDLE);
		while (load(&scheduler.blocked, relaxed) > 0) {
			REQUIRE(sley_now() < end);
			sley_yield();
		}
	}
}
