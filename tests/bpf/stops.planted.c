/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service to be stopped. Usage: stops.planted compute | read | idle
 *
 * It writes "ready", waits for a line, and writes the number of the thread of its task, which then computes or reads what
 * nobody writes until the input ends; with "idle" there is no such task. It has two workers.
 */
#include <sley.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool reads;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void planted(void *unused)
{
	int ends[2];
	char byte;
	(void)unused;
	require(!pipe(ends));
	dprintf(STDOUT_FILENO, "tid %d\n", (int)gettid());
	if (reads)
		require(read(ends[0], &byte, 1) == 1);
	for (volatile unsigned long i = 0;; i++)
		;
}

static int service(void *kind)
{
	char text[16];
	dprintf(STDOUT_FILENO, "ready\n");
	if (sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER) > 0 && strcmp(kind, "idle") != 0)
		require(!sley_go(planted, NULL));
	while (sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "stops", .workers = 2 };
	require(argc == 2);
	reads = strcmp(argv[1], "read") == 0;
	return sley_run(service, argv[1], &options, NULL) ? 1 : 0;
}
