/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service in which a task blocks its thread, while two others wait for its stack and one is pinned to its thread. It
 * writes the ids, in this order, and ends with its input.
 */
#include <sley.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void require(int ok)
{
	if (!ok)
		abort();
}

static void nothing(void *unused)
{
	(void)unused;
}

static sley_task others[3];

static void holder(void *unused)
{
	const struct sley_task_options pinned = { .size = sizeof(pinned), .name = "pinned", .pinned = 1 };
	int ends[2];
	char byte;
	(void)unused;
	sley_set_name("holder");
	require(!pipe(ends));
	for (int i = 0; i < 2; i++)
		require((others[i] = sley_spawn(nothing, NULL)) > 0);
	require((others[2] = sley_spawn_with(&pinned, nothing, NULL, SLEY_BY_POINTER)) > 0);
	printf("%lld %lld %lld %lld\n", (long long)sley_self(), (long long)others[0], (long long)others[1],
	       (long long)others[2]);
	fflush(stdout);
	require(read(ends[0], &byte, 1) == 1);
}

static int service(void *unused)
{
	char byte;
	(void)unused;
	require(sley_spawn(holder, NULL) > 0); /* PLANTED: the holder's site */
	while (sley_read(STDIN_FILENO, &byte, 1, SLEY_NEVER) > 0)
		;
	_exit(0);
}

int main(void)
{
	const struct sley_options options = { .size = sizeof(options), .name = "kept", .workers = 2, .stack_slots = 1 };
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
