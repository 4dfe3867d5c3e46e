/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service with more threads than the first 256: so many tasks say that they block, and block, that a thread each is
 * needed. Usage: many.planted TASKS
 *
 * It writes "ready" and waits for a line; lets all tasks block in read() at the same time and writes "blocked"; waits for
 * a line; lets them go on, to block in nanosleep() once each, and writes "done"; and waits for the end of its input.
 */
#include <sley.h>

#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static long tasks, blocking;
static int gate; /* lets one task through for each unit */

static void require(int ok)
{
	if (!ok)
		abort();
}

static void planted(void *group)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t unit;
	sley_block_enter();
	__atomic_add_fetch(&blocking, 1, __ATOMIC_RELEASE);
	require(read(gate, &unit, sizeof(unit)) == sizeof(unit)); /* PLANTED read */
	nanosleep(&pause, NULL);                                  /* PLANTED nanosleep */
	sley_block_leave();
	sley_group_done(group);
}

static void wait_for_input(void)
{
	char text[16];
	sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER);
}

static int service(void *unused)
{
	static struct sley_group group;
	const struct sley_task_options own = { .size = sizeof(own), .private_stack = 1, .detached = 1 };
	uint64_t units = (uint64_t)tasks;
	(void)unused;
	require(write(STDOUT_FILENO, "ready\n", 6) == 6);
	wait_for_input();
	for (long i = 0; i < tasks; i++)
		require(!sley_group_add(&group, 1) && sley_spawn_with(&own, planted, &group, SLEY_BY_POINTER) > 0);
	while (__atomic_load_n(&blocking, __ATOMIC_ACQUIRE) < tasks)
		sley_sleep(sley_in(SLEY_MS(1)));
	require(write(STDOUT_FILENO, "blocked\n", 8) == 8);
	wait_for_input();
	require(write(gate, &units, sizeof(units)) == sizeof(units));
	sley_group_wait(&group, SLEY_NEVER);
	require(write(STDOUT_FILENO, "done\n", 5) == 5);
	wait_for_input();
	return 0;
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	require(argc == 2);
	tasks = atol(argv[1]);
	options.max_threads = (unsigned)tasks;
	gate = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	require(gate >= 0);
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
