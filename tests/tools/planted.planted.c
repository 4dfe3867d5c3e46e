/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service for asynctop to look at: parked tasks, tasks that yield, and one with a planted mistake.
 * Usage: planted.planted TASKS FILE. It writes "ready" and runs until its input ends.
 */
#include <sley.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *path;

static void park(void *arg)
{
	(void)arg;
	sley_sleep(SLEY_NEVER);
}

static void cooperate(void *arg)
{
	(void)arg;
	sley_set_name("polite");
	for (;;) {
		sley_yield();
		sley_sleep(sley_in(SLEY_MS(2)));
	}
}

static void stay(void *arg)
{
	(void)arg;
	sley_sleep(SLEY_NEVER); /* PLANTED: where a task waits for ever */
	sley_set_name("woken");
}

/* Blocks its thread 20 ms at a time, in a call that has nothing to do with the file, which it holds open. */
static void block(void *arg)
{
	const struct timespec time = { .tv_nsec = 20000000 };
	(void)arg;
	sley_set_name("culprit");
	for (;;) {
		nanosleep(&time, NULL); /* PLANTED: blocks */
		sley_sleep(sley_in(SLEY_MS(20)));
	}
}

/* Waits on a FIFO that nobody writes, as a thread would: it never comes back. */
static void stick(void *arg)
{
	char byte;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	(void)arg;
	sley_set_name("stuck");
	if (fd < 0 || read(fd, &byte, 1) < 0) /* PLANTED: sticks */
		perror(path);
}

static int run(void *arg)
{
	long tasks = *(long *)arg;
	char byte;
	for (long i = 0; i < tasks; i++)
		if (sley_go(park, NULL) != 0)
			return 1;
	sley_go(cooperate, NULL);
	sley_go(stay, NULL);
	sley_go(block, NULL); /* PLANTED: spawns the culprit */
	if (path != NULL)
		sley_go(stick, NULL);
	printf("ready\n");
	fflush(stdout);
	while (sley_read(STDIN_FILENO, &byte, 1, SLEY_NEVER) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	const struct sley_options options = { .size = sizeof(options), .name = "planted", .workers = 3 };
	long tasks = argc > 1 ? atol(argv[1]) : 0;
	int error, result = 1;
	path = argc > 2 ? argv[2] : NULL;
	error = sley_run(run, &tasks, &options, &result);
	if (error)
		fprintf(stderr, "planted: %s\n", strerror(-error));
	return error ? 1 : result;
}
