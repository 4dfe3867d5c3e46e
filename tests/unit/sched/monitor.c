/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The monitor: what workers do not see because they are busy or asleep. Old waits for descriptors: reactor/reactor.c. */
#include "tests/unit/run.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "sched/worker.h"

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
static void test_stuck_queue(void **state)
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
	while (state_of(task) != SLEY_TASK_WAITING && !load(&flag, acquire)) /* on a busy machine it may be over already */
		sley_yield();
	spin_until_flag(NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* The timers of a worker that computes are run by the other. */
static void test_stuck_timer(void **state)
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
static void test_stuck_reactor(void **state)
{
	for (int i = 0; i < 20; i++)
		run(main_stuck_reactor, 2);
}

static int main_signals(void *arg)
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
			if (sscanf(line, "SigBlk: %llx", &blocked) != 1 || strcmp(name, "sley-monitor") != 0)
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
	return 0;
}

/* The monitor's thread takes no signal from the service. */
static void test_signals(void **state)
{
	run(main_signals, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stuck_queue),
		cmocka_unit_test(test_stuck_timer),
		cmocka_unit_test(test_stuck_reactor),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
