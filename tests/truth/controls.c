/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Controls: tasks that block no thread. Whatever is said of them is false. */
#include "service.h"

#include <string.h>
#include <unistd.h>

#define ROUNDS 20

static int64_t soon(void)
{
	return sley_in(1000000);
}

PLANTED(control_sleep, "", .waits = true)
{
	for (int i = 0; i < ROUNDS; i++)
		sley_sleep(soon());
}

PLANTED(control_yield, "", .waits = true)
{
	for (int i = 0; i < 100 * ROUNDS; i++)
		sley_yield();
}

PLANTED(control_read, "", .waits = true)
{
	int ends[2];
	char byte;
	make_pipe(ends);
	for (int i = 0; i < ROUNDS; i++) {
		write_later(ends[1]);
		sley_read(ends[0], &byte, 1, SLEY_NEVER);
	}
	sley_close(ends[0]);
	sley_close(ends[1]);
}

/* So long that the kernel gives its CPU to others. */
PLANTED(control_compute, "", .tasks = 3)
{
	int64_t end = sley_now() + 50000000;
	while (sley_now() < end)
		;
}

static void rest(void *unused)
{
	(void)unused;
	nanosleep(&pause_time, NULL);
}

/* A thread of the pool blocks in its place. */
PLANTED(control_offload, "", .waits = true)
{
	for (int i = 0; i < 3; i++)
		sley_offload(rest, NULL, 0, SLEY_NEVER);
}
