/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * No wake-up is lost: work comes while a worker falls asleep. In debug builds at each moment of that, which a RACE_POINT
 * holds, and with the watchdog kept from finding the work in its stead.
 */
#include "run/idle.h"

#include "tests/unit/run.h"

#include "base/atomic.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"
#include "tests/race.h"
#include "tests/unit/run/outsider.h"

#if RACE_POINTS

/* ---- at the moments that matter ---- */

/* From here on nobody but the workers themselves looks after work. */
static void hold_watchdog(void)
{
	race_stop("watchdog_looks");
	watchdog_wake();
	race_wait("watchdog_looks");
}

/* Until a worker has found nothing; one that sleeps is woken for nothing, and searches once more. */
static void stop_before_it_is_listed(void)
{
	race_stop("worker_has_found_nothing");
	while (!race_reached("worker_has_found_nothing"))
		idle_notify();
}

/* Until the only worker is in the idle list, and about to sleep. */
static void stop_before_it_sleeps(void)
{
	for (;;) {
		while (idle_count() == 0)
			cpu_relax();
		race_stop("worker_is_to_sleep");
		idle_notify();
		race_wait("worker_is_to_sleep");
		if (worker_get(0)->idle)
			return;
		race_go("worker_is_to_sleep"); /* it was woken between the two, and falls asleep again */
	}
}

static void *spawn_to_one_that_has_found_nothing(void *unused)
{
	hold_watchdog();
	stop_before_it_is_listed();
	REQUIRE(sley_go(done_add, NULL) == 0);
	race_go("worker_has_found_nothing");
	done_take();
	race_go("watchdog_looks");
	outsider_end();
	return NULL;
}

/*
 *   the worker                   plain thread
 *   finds nothing
 *                                push to the global queue; nobody is idle: wakes nobody
 *   joins the idle list
 *   looks at the queues
 */
TASK_TEST(spawned_before_it_is_listed, 1)
{
	outsider_run(spawn_to_one_that_has_found_nothing);
}

static struct sley_chan *letters;

static void receive_letter(void *unused)
{
	REQUIRE(sley_chan_recv(letters, NULL, SLEY_NEVER) == 0);
	done_add(NULL);
}

static sley_task spawn_pinned(void (*fn)(void *), void *arg)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	sley_task task = sley_spawn_with(&pinned, fn, arg, SLEY_BY_POINTER);
	REQUIRE(task > 0);
	return task;
}

static void *send_to_one_that_has_found_nothing(void *unused)
{
	hold_watchdog();
	stop_before_it_is_listed();
	REQUIRE(sley_chan_send(letters, NULL, SOON) == 0);
	race_go("worker_has_found_nothing");
	done_take();
	race_go("watchdog_looks");
	outsider_end();
	return NULL;
}

/* The same with a task that is pinned to the worker: it comes by the worker's inbox. */
TASK_TEST(sent_before_it_is_listed, 1)
{
	REQUIRE(sley_chan_new(&letters, 0, 0) == 0);
	sley_task task = spawn_pinned(receive_letter, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	outsider_run(send_to_one_that_has_found_nothing);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_chan_free(letters) == 0);
}

/* The same with a task in the deque of another worker, which computes until it has run. */
TASK_TEST(pushed_before_it_is_listed, 2)
{
	done_open();
	hold_watchdog();
	stop_before_it_is_listed();
	sley_task task = sley_spawn(done_add, NULL);
	race_go("worker_has_found_nothing");
	done_take();
	race_go("watchdog_looks");
	REQUIRE(sley_join(task, SOON) == 0);
}

static void *spawn_to_one_that_is_to_sleep(void *unused)
{
	hold_watchdog();
	stop_before_it_sleeps();
	REQUIRE(sley_go(done_add, NULL) == 0);
	race_go("worker_is_to_sleep");
	done_take();
	race_go("watchdog_looks");
	outsider_end();
	return NULL;
}

/*
 *   the worker                   plain thread
 *   joins the idle list, finds nothing
 *                                push to the global queue; it is idle: parked = 0; it is not the poller: no interrupt
 *   becomes the poller
 *   is parked still 1?
 */
TASK_TEST(woken_before_it_polls, 1)
{
	outsider_run(spawn_to_one_that_is_to_sleep);
}

static unsigned second_has_run; /* atomic */

static void run_second(void *unused)
{
	store(&second_has_run, 1, release);
}

static void compute_until_second(void *unused)
{
	sley_time deadline = SOON;
	while (!load(&second_has_run, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
	done_add(NULL);
}

static void *spawn_two(void *unused)
{
	hold_watchdog();
	await_asleep(2);
	race_stop("spinner_has_found");
	REQUIRE(sley_go(compute_until_second, NULL) == 0);
	race_wait("spinner_has_found");
	REQUIRE(sley_go(run_second, NULL) == 0);
	race_go("spinner_has_found");
	done_take();
	race_go("watchdog_looks");
	outsider_end();
	return NULL;
}

/*
 *   a worker                     plain thread                                the other worker
 *                                                                            sleeps
 *   is woken, searches
 *   finds the first task
 *                                push the second; somebody searches: wakes nobody
 *   searches no more; looks at the queues: wakes the other
 *   runs the first                                                           runs the second
 */
TASK_TEST(last_spinner_looks_again, 2)
{
	second_has_run = 0;
	outsider_run(spawn_two);
}

static struct {
	struct sley_chan *chan;
	sley_task task;
	unsigned worker; /* that it is pinned to */
} sleepers[2];
static unsigned stopped; /* atomic: the worker that is stopped */

static bool note_worker(void)
{
	store(&stopped, worker_self()->number, release);
	return true;
}

static void sleep_when_told(void *number)
{
	uintptr_t i = (uintptr_t)number;
	REQUIRE(sley_chan_recv(sleepers[i].chan, NULL, SLEY_NEVER) == 0);
	if (sleepers[i].worker != load(&stopped, acquire)) {
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
		done_add(NULL);
	}
}

static void spawn_sleeper(void *number)
{
	static unsigned there; /* atomic */
	uintptr_t i = (uintptr_t)number;
	sley_time deadline = SOON;
	fetch_add(&there, 1, acq_rel);
	while (load(&there, acquire) % 2) { /* two of these run at the same time, so on two workers */
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
	sleepers[i].worker = worker_self()->number;
	sleepers[i].task = spawn_pinned(sleep_when_told, number);
}

static void *arm_behind_the_poller(void *unused)
{
	while (idle_count() < 2)
		cpu_relax();
	hold_watchdog();
	race_stop("poller_has_left");
	sched_hooks.interrupt();
	race_wait("poller_has_left"); /* with nothing: it is the poller once more */
	race_stop_if("poller_is_to_wait", note_worker);
	race_go("poller_has_left");
	race_wait("poller_is_to_wait");
	unsigned other = sleepers[0].worker == load(&stopped, acquire);
	REQUIRE(sley_chan_send(sleepers[other].chan, NULL, SOON) == 0);
	while (idle_count() < 2 || load(&worker_get(sleepers[other].worker)->timers->earliest, relaxed) == SLEY_NEVER)
		cpu_relax();
	race_go("poller_is_to_wait");
	done_take();
	race_go("watchdog_looks");
	REQUIRE(sley_chan_send(sleepers[!other].chan, NULL, SOON) == 0);
	outsider_end();
	return NULL;
}

/*
 *   the poller                   the other worker
 *   reads the earliest of all timers
 *                                arms an earlier one; falls asleep, and sees until when the poller does: interrupts it
 *   waits in the reactor
 */
TASK_TEST(poller_hears_of_earlier_timer, 2)
{
	for (uintptr_t i = 0; i < 2; i++)
		REQUIRE(sley_chan_new(&sleepers[i].chan, 0, 0) == 0);
	sley_task tasks[] = { sley_spawn(spawn_sleeper, NULL), sley_spawn(spawn_sleeper, (void *)1) };
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	outsider_run(arm_behind_the_poller);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(sleepers[i].task, SOON) == 0 && sley_chan_free(sleepers[i].chan) == 0);
}

#endif

/* ---- at any moment ---- */

/*
 * Each spawn meets the workers in another moment of falling asleep:
 *
 *   plain thread                 worker
 *   push to the global queue     takes the task, runs it, finds nothing, joins the idle list
 *   fence                        looks at the queues once more
 *   somebody idle? wake it       (woken for nothing: searches, sleeps again)
 *   wait until it ran
 *   push ...                     must be woken again
 */
static void *spawn_one_by_one(void *arg)
{
	long rounds = test_scale(5000);
	for (long i = 0; i < rounds; i++) {
		REQUIRE(sley_go(done_add, NULL) == 0);
		done_take();
		for (unsigned spin = (unsigned)(i % 64) * 8; spin > 0; spin--)
			cpu_relax();
	}
	outsider_end();
	return NULL;
}

/* Every task that a plain thread spawns is run, with all workers idle, for 1, 2 and 4 workers. */
TASK_TEST(plain_thread_wakes, 1, 2, 4)
{
	outsider_run(spawn_one_by_one);
}

static struct sley_chan *there, *back;

static void echo(void *arg)
{
	uint64_t value;
	while (sley_chan_recv(there, &value, SLEY_NEVER) == 0)
		REQUIRE(sley_chan_send(back, &value, SLEY_NEVER) == 0);
}

/* Hand-offs between tasks on workers that fall asleep all the time are not lost. */
TASK_TEST(hand_off, 1, 2, 4)
{
	long rounds = test_scale(3000);
	uint64_t value;
	REQUIRE(sley_chan_new(&there, sizeof(value), 0) == 0 && sley_chan_new(&back, sizeof(value), 0) == 0);
	sley_task task = sley_spawn(echo, NULL);
	for (long i = 0; i < rounds; i++) {
		value = (uint64_t)i;
		REQUIRE(sley_chan_send(there, &value, SOON) == 0);
		REQUIRE(sley_chan_recv(back, &value, SOON) == 0);
		REQUIRE(value == (uint64_t)i);
		if (i % 16 == 0) /* let everybody fall asleep now and then; the timer wakes the poller */
			sley_sleep(sley_in(SLEY_US(20)));
	}
	REQUIRE(sley_chan_close(there) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(there) == 0 && sley_chan_free(back) == 0);
}
