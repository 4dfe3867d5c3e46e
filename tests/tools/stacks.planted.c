/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service with 1,000 parked tasks: 400 wait in a channel, three calls deep, 599 sleep, and the main task reads its
 * input. Their stacks are few, so most are copied out. It writes the number of tasks when all have parked, and ends with
 * its input.
 */
#include <sley.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECEIVERS 400
#define SLEEPERS  599

static struct sley_chan *channel;
static int used; /* so that no call is the last act of its function */

static void require(int ok)
{
	if (!ok)
		abort();
}

__attribute__((noinline)) static void await_item(void)
{
	int item;
	used += sley_chan_recv(channel, &item, SLEY_NEVER); /* PLANTED: receives */
}

__attribute__((noinline)) static void middle(void)
{
	volatile char frame[200] = { 1 };
	await_item();
	used += frame[0];
}

static void receiver(void *unused)
{
	(void)unused;
	middle();
	used++;
}

static void sleeper(void *unused)
{
	(void)unused;
	used += sley_sleep(sley_in(SLEY_SEC(3600))); /* PLANTED: sleeps */
}

static int service(void *unused)
{
	char byte;
	(void)unused;
	require(!sley_chan_new(&channel, sizeof(int), 0));
	for (int i = 0; i < RECEIVERS; i++)
		require(sley_go(receiver, NULL) == 0);
	for (int i = 0; i < SLEEPERS; i++)
		require(sley_go(sleeper, NULL) == 0);
	sley_sleep(sley_in(SLEY_MS(1)));
	printf("%d\n", RECEIVERS + SLEEPERS + 1);
	fflush(stdout);
	while (sley_read(STDIN_FILENO, &byte, 1, SLEY_NEVER) > 0)
		;
	_exit(0);
}

int main(void)
{
	const struct sley_options options = {
		.size = sizeof(options), .name = "stacks", .workers = 2, .stack_slots = 16
	};
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
