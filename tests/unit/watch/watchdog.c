/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The watchdog: what workers do not see because they are busy or asleep. Old waits for descriptors: reactor/reactor.c. */
#include "tests/unit/run.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"
#include "tests/race.h"

static unsigned flag;

static void raise_flag(void *arg)
{
	store(&flag, 1, release);
}

static void spin_until_flag(void *arg)
{
	sley_time deadline = SOON;
	while (!load(&flag, acquire)) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
}

static int main_run_next(void *arg)
{
	flag = 0;
	sley_task task = sley_spawn(raise_flag, NULL);
	spin_until_flag(NULL); /* this worker never comes to its queue */
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* Work in the queue of a worker that computes is done by the other, which slept. */
TEST(stuck_queue)
{
	for (int i = 0; i < 20; i++)
		run(main_run_next, 2);
}

static void sleep_and_raise(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(3))) == 0);
	store(&flag, 1, release);
}

static int main_stuck_timer(void *arg)
{
	flag = 0;
	sley_task task = sley_spawn(sleep_and_raise, NULL);
	while (state_of(task) != SLEY_TASK_WAITING &&
	       !load(&flag, acquire)) /* on a busy machine it may be over already */
		sley_yield();
	spin_until_flag(NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* The timers of a worker that computes are run by the other. */
TEST(stuck_timer)
{
	for (int i = 0; i < 20; i++)
		run(main_stuck_timer, 2);
}

static void read_and_raise(void *end)
{
	char byte;
	REQUIRE(sley_read(*(int *)end, &byte, 1, SLEY_NEVER) == 1);
	store(&flag, 1, release);
}

static int main_stuck_reactor(void *arg)
{
	int fd[2];
	char byte = 'x';
	flag = 0;
	REQUIRE(pipe(fd) == 0);
	sley_task task = sley_spawn(read_and_raise, &fd[0]);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(write(fd[1], &byte, 1) == 1);
	spin_until_flag(NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
	return 0;
}

/* Descriptors are looked at while one worker computes, whoever was the poller. */
TEST(stuck_reactor)
{
	for (int i = 0; i < 20; i++)
		run(main_stuck_reactor, 2);
}

/* The first worker that wakes, wakes the watchdog. */
TASK_TEST(woken_with_the_first, 1, 2)
{
	unsigned soon = 0;
	for (int i = 0; i < 5; i++) {
		REQUIRE(sley_sleep(sley_in(SLEY_MS(30))) == 0); /* all sleep: it rests after two looks */
		sley_time begin = sley_now();
		while (load(&watchdog_promise.next_look, seq_cst) > sley_in(SLEY_MS(20)))
			cpu_relax();
		soon += sley_now() - begin < SLEY_MS(50);
	}
	REQUIRE(soon >= 3); /* on a busy machine some are late */
}

#if RACE_POINTS
static struct {
	struct sley_chan *there, *back;
} pair;

static void receive_and_raise(void *chan)
{
	REQUIRE(sley_chan_recv(chan, NULL, SLEY_NEVER) == 0);
	store(&flag, 1, release);
}

static void compute_then_hand_over(void *chan)
{
	for (sley_time end = sley_in(SLEY_MS(2)); sley_now() < end;)
		cpu_relax();
	REQUIRE(sley_chan_send(chan, NULL, SLEY_NEVER) == 0);
	spin_until_flag(NULL);
}

static int main_announced(void *arg)
{
	struct sley_chan *chan;
	flag = 0;
	REQUIRE(sley_chan_new(&chan, 0, 0) == 0);
	sley_task receiver = sley_spawn(receive_and_raise, chan);
	await_state(receiver, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	race_stop("watchdog_looks");
	race_wait("watchdog_looks");
	sley_task sender = sley_spawn(compute_then_hand_over, chan);
	REQUIRE(sley_join(sender, SOON) == 0 && sley_join(receiver, SOON) == 0);
	race_go("watchdog_looks");
	return sley_chan_free(chan);
}

/* A task that has computed for long and hands over wakes the other worker, which sleeps, without the watchdog. */
TEST(announced)
{
	for (int i = 0; i < 5; i++)
		run(main_announced, 2);
}

static void answer(void *arg)
{
	while (sley_chan_recv(pair.there, NULL, SLEY_NEVER) == 0)
		REQUIRE(sley_chan_send(pair.back, NULL, SLEY_NEVER) == 0);
}

/* A pair that hands over quickly wakes nobody. */
TASK_TEST(quick_wakes_nobody, 2)
{
	uint64_t wakes = 0;
	const uint64_t rounds = 50000;
	REQUIRE(sley_chan_new(&pair.there, 0, 0) == 0 && sley_chan_new(&pair.back, 0, 0) == 0);
	sley_task task = sley_spawn(answer, NULL);
	for (uint64_t i = 0; i < 100 + rounds; i++) {
		if (i == 100) /* the other worker sleeps by now */
			wakes = counter(SLEY_COUNTER_wakes);
		REQUIRE(sley_chan_send(pair.there, NULL, SLEY_NEVER) == 0);
		REQUIRE(sley_chan_recv(pair.back, NULL, SLEY_NEVER) == 0);
	}
	wakes = counter(SLEY_COUNTER_wakes) - wakes;
	REQUIRE(wakes < rounds / 1000); /* each time that the worker was preempted may wake one */
	REQUIRE(sley_chan_close(pair.there) == 0 && sley_join(task, SOON) == 0);
	REQUIRE((sley_chan_free(pair.there) | sley_chan_free(pair.back)) == 0);
}
#endif

/* The watchdog's thread takes no signal from the service. */
TASK_TEST(signals, 1)
{
	DIR *threads = opendir("/proc/self/task");
	char path[300], name[64], line[256];
	unsigned long long blocked;
	unsigned checked = 0;
	REQUIRE(threads != NULL);
	for (struct dirent *entry; (entry = readdir(threads));) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		FILE *f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			sscanf(line, "Name: %63s", name);
			if (sscanf(line, "SigBlk: %llx", &blocked) != 1 || strcmp(name, "sley-watchdog") != 0)
				continue;
			REQUIRE(blocked & 1ull << (SIGTERM - 1) && blocked & 1ull << (SIGINT - 1));
			REQUIRE(blocked & 1ull << (SIGCHLD - 1));
			checked++;
		}
		if (f)
			fclose(f);
	}
	closedir(threads);
	REQUIRE(checked == 1);
}
