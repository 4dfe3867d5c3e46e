/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The scheduler seen from its tasks: everybody runs, on whom they may, and nobody keeps the others out. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"

static void spin_until(unsigned *flag)
{
	sley_time deadline = SOON;
	while (!load(flag, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

/* ---- everybody runs ---- */

static unsigned ran[4000];

static void run_once(void *arg)
{
	fetch_add(&ran[(uintptr_t)arg], 1, relaxed);
}

static int main_many(void *arg)
{
	static sley_task tasks[4000];
	uint64_t overflows = counter(SLEY_COUNTER_overflows), spawned = counter(SLEY_COUNTER_spawned);
	uint64_t ended = counter(SLEY_COUNTER_ended);
	memset(ran, 0, sizeof(ran));
	for (uintptr_t i = 0; i < 4000; i++)
		REQUIRE((tasks[i] = sley_spawn(run_once, (void *)i)) > 0);
	for (int i = 0; i < 4000; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	for (int i = 0; i < 4000; i++)
		REQUIRE(load(&ran[i], relaxed) == 1);
	REQUIRE(counter(SLEY_COUNTER_spawned) == spawned + 4000);
	REQUIRE(counter(SLEY_COUNTER_ended) == ended + 4000);
	if (arg) /* one worker: 4,000 do not fit its deque */
		REQUIRE(counter(SLEY_COUNTER_overflows) > overflows);
	return 0;
}

/* Tasks that overflow the deque run exactly once each. */
TEST(overflow)
{
	struct sley_options one = { .size = sizeof(one), .workers = 1 };
	run_with(main_many, &one, &one);
	run(main_many, 2);
	run(main_many, 4);
}

static struct {
	unsigned arrived, all;
} barrier;

/* Busy until so many tasks are, all at the same time. */
static void meet(void *arg)
{
	sley_time deadline = SOON;
	fetch_add(&barrier.arrived, 1, acq_rel);
	while (load(&barrier.arrived, acquire) < barrier.all) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

/* N workers run N tasks at once: idle ones take what the spawner's worker has queued. */
TASK_TEST(parallel, 2, 4)
{
	sley_task tasks[8];
	for (int round = 0; round < 20; round++) {
		barrier.arrived = 0;
		barrier.all = scheduler.target;
		for (unsigned i = 0; i < barrier.all; i++)
			tasks[i] = sley_spawn(meet, NULL);
		for (unsigned i = 0; i < barrier.all; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	}
	REQUIRE(counter(SLEY_COUNTER_steals) > 0);
}

/* ---- nobody keeps the others out ---- */

static struct sley_chan *ping, *pong;
static unsigned flag;

static void answer(void *arg)
{
	while (sley_chan_recv(ping, NULL, SLEY_NEVER) == 0) {
		if (sley_chan_send(pong, NULL, SLEY_NEVER) != 0)
			break;
	}
}

static void ask(void *arg)
{
	sley_time deadline = SOON;
	while (!load(&flag, acquire)) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_chan_send(ping, NULL, SLEY_NEVER) == 0);
		REQUIRE(sley_chan_recv(pong, NULL, SLEY_NEVER) == 0);
	}
	REQUIRE(sley_chan_close(ping) == 0);
}

static void raise_flag(void *arg)
{
	sley_yield();
	store(&flag, 1, release);
}

/* A pair that hands work to each other through run-next lets a third task run, on the only worker. */
TASK_TEST(pair_is_fair, 1)
{
	flag = 0;
	REQUIRE(sley_chan_new(&ping, 0, 0) == 0 && sley_chan_new(&pong, 0, 0) == 0);
	sley_task tasks[] = { sley_spawn(answer, NULL), sley_spawn(ask, NULL), sley_spawn(raise_flag, NULL) };
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(ping) == 0 && sley_chan_free(pong) == 0);
}

static void yield_until_flag(void *arg)
{
	sley_time deadline = SOON;
	while (!load(&flag, acquire)) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Pinned tasks that yield let the others on their worker run. */
TASK_TEST(pinned_is_fair, 1)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	sley_task tasks[3];
	flag = 0;
	tasks[0] = sley_spawn_with(&pinned, yield_until_flag, NULL, SLEY_BY_POINTER);
	tasks[1] = sley_spawn_with(&pinned, yield_until_flag, NULL, SLEY_BY_POINTER);
	tasks[2] = sley_spawn(raise_flag, NULL);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
}

#define YIELDERS 3000 /* more than a deque holds */
#define TURNS    60u  /* of each, in the mean */

static unsigned turns[YIELDERS], all_turns;

static void take_turns(void *mine)
{
	while (all_turns < TURNS * YIELDERS) {
		++*(unsigned *)mine;
		all_turns++;
		sley_yield();
	}
}

/* Tasks that yield have their turns about equally often, also if there are more of them than the deque holds. */
TASK_TEST(yields_in_turn, 1)
{
	static sley_task tasks[YIELDERS];
	memset(turns, 0, sizeof(turns));
	all_turns = 0;
	for (unsigned i = 0; i < YIELDERS; i++)
		REQUIRE((tasks[i] = sley_spawn(take_turns, &turns[i])) > 0);
	for (unsigned i = 0; i < YIELDERS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	for (unsigned i = 0; i < YIELDERS; i++)
		REQUIRE(turns[i] > TURNS * 2 / 3 && turns[i] < TURNS * 3 / 2);
}

/* A worker that is never idle looks at its timers. */
TASK_TEST(busy_timers, 1, 2)
{
	flag = 0;
	sley_task tasks[2] = { sley_spawn(yield_until_flag, NULL), sley_spawn(yield_until_flag, NULL) };
	REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0); /* wakes though the worker is never idle */
	store(&flag, 1, release);
	REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
}

static void sleep_shortly(void *late)
{
	for (int i = 0; i < 100; i++) {
		sley_time until = sley_in(SLEY_US(300));
		REQUIRE(sley_sleep(until) == 0);
		if (sley_now() - until < SLEY_MS(5))
			fetch_sub((unsigned *)late, 1, relaxed);
	}
}

/* The timers of a worker that sleeps are looked at while the other is busy: most sleeps end within 5 ms of their time. */
TASK_TEST(sleeping_workers_timers, 2)
{
	static unsigned late;
	flag = 0;
	late = 100;
	/* one worker is kept busy; the sleeper's timers lie in the wheel of either */
	sley_task busy = sley_spawn(yield_until_flag, NULL);
	sley_task sleeper = sley_spawn(sleep_shortly, &late);
	REQUIRE(sley_join(sleeper, SLEY_NEVER) == 0);
	store(&flag, 1, release);
	REQUIRE(sley_join(busy, SLEY_NEVER) == 0);
	REQUIRE(load(&late, relaxed) < 50);
}

static void receive(void *chan)
{
	REQUIRE(sley_chan_recv(chan, NULL, SLEY_NEVER) == 0);
	store(&flag, 1, release);
}

static void hand_over_and_spin(void *chan)
{
	REQUIRE(sley_chan_send(chan, NULL, SLEY_NEVER) == 0); /* the receiver is in this worker's run-next */
	spin_until(&flag);
}

static int main_run_next_is_taken(void *arg)
{
	struct sley_chan *chan;
	flag = 0;
	REQUIRE(sley_chan_new(&chan, 0, 0) == 0);
	sley_task receiver = sley_spawn(receive, chan);
	await_state(receiver, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	sley_task spinner = sley_spawn(hand_over_and_spin, chan);
	REQUIRE(sley_join(receiver, SLEY_NEVER) == 0 && sley_join(spinner, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
	return 0;
}

/* A task in the run-next of a worker that computes is run by another one. */
TEST(run_next_is_taken)
{
	for (int i = 0; i < 10; i++)
		run(main_run_next_is_taken, 2);
}

static struct sley_chan *handed;
static unsigned relieved; /* how many of the blocked worker's three tasks have run */

static void await_relief(void)
{
	sley_time deadline = SOON;
	while (load(&relieved, acquire) < 3) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

static void relief(void *arg)
{
	fetch_add(&relieved, 1, acq_rel);
}

static void sleep_then_relief(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	relief(NULL);
}

static void receive_then_relief(void *arg)
{
	REQUIRE(sley_chan_recv(handed, NULL, SLEY_NEVER) == 0);
	relief(NULL);
}

/* Pinned: leaves a timer, a task in its worker's deque and one in run-next, and never comes back to them. */
static void block_with_work(void *arg)
{
	sley_task sleeper = sley_spawn(sleep_then_relief, NULL), receiver = sley_spawn(receive_then_relief, NULL);
	await_state_or_end(sleeper, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	await_state(receiver, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	REQUIRE(sley_spawn(relief, NULL) > 0);
	REQUIRE(sley_chan_send(handed, NULL, SLEY_NEVER) == 0);
	await_relief();
	REQUIRE(sley_join(sleeper, SOON) == 0 && sley_join(receiver, SOON) == 0);
}

static int main_blocked(void *arg)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	flag = 0;
	store(&relieved, 0, relaxed);
	REQUIRE(sley_chan_new(&handed, 0, 0) == 0);
	sley_task busy[] = { sley_spawn(yield_until_flag, NULL), sley_spawn(yield_until_flag, NULL) };
	sley_task blocker = sley_spawn_with(&pinned, block_with_work, NULL, SLEY_BY_POINTER);
	REQUIRE(sley_join(blocker, SOON) == 0);
	store(&flag, 1, release);
	REQUIRE(sley_join(busy[0], SOON) == 0 && sley_join(busy[1], SOON) == 0);
	return sley_chan_free(handed);
}

/* A worker that never comes back to its timers and queues is relieved of them by one that is never idle. */
TEST(blocked_is_relieved)
{
	for (int i = 0; i < 5; i++)
		run(main_blocked, 2);
	run(main_blocked, 4);
}

/* ---- who runs on whom ---- */

static void stay(void *arg)
{
	pid_t home = gettid();
	for (int i = 0; i < 300; i++) {
		if (i % 10 == 0)
			sley_sleep(sley_in(SLEY_US(5)));
		else
			sley_yield();
		REQUIRE(gettid() == home);
	}
	REQUIRE(arg == NULL || *(pid_t *)arg == home);
}

static pid_t first_worker;

static void *spawn_pinned(void *unused)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1, .detached = 1 };
	REQUIRE(sley_spawn_with(&pinned, stay, &first_worker, SLEY_BY_POINTER) > 0);
	return NULL;
}

static void spawner_of_pinned(void *arg)
{
	struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };
	sley_task tasks[10];
	pid_t *home = malloc(sizeof(*home));
	*home = gettid(); /* no wait between here and the spawns */
	for (int i = 0; i < 10; i++)
		tasks[i] = sley_spawn_with(&pinned, stay, home, SLEY_BY_POINTER);
	for (int i = 0; i < 10; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	free(home);
}

static int main_pinned(void *arg)
{
	sley_task tasks[4];
	pthread_t thread;
	REQUIRE(pthread_create(&thread, NULL, spawn_pinned, NULL) == 0);
	for (int i = 0; i < 4; i++)
		tasks[i] = sley_spawn(spawner_of_pinned, NULL);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	pthread_join(thread, NULL);
	while (live_tasks() > 1)
		sley_yield();
	return 0;
}

/* A pinned task stays on its spawner's worker; one that a plain thread spawned, on worker 0: the thread of sley_run(). */
TEST(pinned)
{
	first_worker = gettid();
	for (int i = 0; i < 5; i++)
		run(main_pinned, 3);
}

struct caller {
	struct sley_chan *chan;
	unsigned begun; /* atomic */
};

static void call_back(void *arg)
{
	struct caller *caller = arg;
	sley_time deadline = SOON;
	char item = 0;
	store(&caller->begun, 1, release);
	while (sley_chan_try_send(caller->chan, &item) != 0) { /* until it is waiting */
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

/* Parks, and is made ready from another worker: nobody else is free to run call_back() before it parks. */
static void wander(void *arg)
{
	static struct sley_mutex one_at_a_time = SLEY_MUTEX_INIT;
	struct caller *caller = arg;
	int on_stack[50];
	pid_t before = gettid(), now = before;
	sley_time deadline = SOON;
	char item;
	for (int i = 0; i < 50; i++)
		on_stack[i] = i * i;
	REQUIRE(sley_mutex_lock(&one_at_a_time, SOON) == 0);
	while (now == before) {
		REQUIRE(sley_now() < deadline);
		store(&caller->begun, 0, relaxed);
		sley_task task = sley_spawn(call_back, caller);
		sley_time patience = sley_in(SLEY_MS(10)); /* it may have come onto this task's slot */
		while (!load(&caller->begun, acquire) && sley_now() < patience)
			cpu_relax();
		REQUIRE(sley_chan_recv(caller->chan, &item, SOON) == 0);
		now = gettid();
		REQUIRE(sley_join(task, SOON) == 0);
	}
	REQUIRE(sley_mutex_unlock(&one_at_a_time) == 0);
	for (int i = 0; i < 50; i++)
		REQUIRE(on_stack[i] == i * i);
}

static int main_migrate(void *arg)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	sley_task tasks[8];
	uint64_t before = counter(SLEY_COUNTER_migrations);
	REQUIRE(sley_chan_new(&caller->chan, 1, 0) == 0);
	for (int i = 0; i < 8; i++)
		tasks[i] = sley_spawn(wander, caller);
	for (int i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(counter(SLEY_COUNTER_migrations) >= before + 8);
	REQUIRE(sley_chan_free(caller->chan) == 0);
	free(caller);
	return 0;
}

/* A started task resumes on any worker: each of these is seen on two threads, with its stack as it was. */
TEST(migrate)
{
	struct sley_options few = { .size = sizeof(few), .workers = 2, .stack_slots = 2 };
	run(main_migrate, 2);
#ifndef SLEY_ASAN /* there each task needs a slot of its own */
	run_with(main_migrate, NULL, &few);
#else
	(void)few;
#endif
}

struct node {
	struct node *next;
	int value;
};

static void change_it(void *arg)
{
	for (struct node *node = arg; node; node = node->next)
		node->value++;
}

static void own_private(void *arg)
{
	struct node second = { NULL, 20 }, first = { &second, 10 };
	for (int i = 1; i <= 100; i++) {
		sley_task task = sley_spawn(change_it, &first); /* a pointer into this stack */
		REQUIRE(task > 0);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(first.value == 10 + i && second.value == 20 + i);
	}
}

/* Pointers into a private stack stay good while its task waits and moves between threads. */
TASK_TEST(private, 1, 3)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	sley_task tasks[200];
	for (int i = 0; i < 200; i++) /* more than are kept for reuse */
		REQUIRE((tasks[i] = sley_spawn_with(&private, own_private, NULL, SLEY_BY_POINTER)) > 0);
	for (int i = 0; i < 200; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
}
