/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A busy service: tasks that sleep, talk over channels and sockets, lock and yield. Usage: switches.planted MIX SECONDS
 *
 * MIX "cooperative": that is all. MIX "mixed": one task also blocks its thread and one computes for long. It says
 * "ready", waits for a line, works for SECONDS and says "done".
 */
#include <sley.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 8

static bool mixed;
static sley_time end;
static struct sley_group group = SLEY_GROUP_INIT;
static struct sley_mutex mutex = SLEY_MUTEX_INIT;
static unsigned long counter;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void sleeper(void *unused)
{
	(void)unused;
	while (sley_now() < end)
		sley_sleep(sley_in(SLEY_US(700)));
	sley_group_done(&group);
}

static void locker(void *unused)
{
	(void)unused;
	while (sley_now() < end) {
		require(!sley_mutex_lock(&mutex, SLEY_NEVER));
		counter++;
		sley_yield();
		require(!sley_mutex_unlock(&mutex));
		sley_sleep(sley_in(SLEY_US(50)));
	}
	sley_group_done(&group);
}

/* Each end of a pair sends a byte back as soon as it gets one, until the other closes. */
static void echoer(void *argument)
{
	int fd = (int)(long)argument;
	char byte;
	while (sley_read(fd, &byte, 1, SLEY_NEVER) == 1 && sley_now() < end)
		require(sley_write(fd, &byte, 1, SLEY_NEVER) >= 0 || true);
	sley_close(fd);
	sley_group_done(&group);
}

static void receiver(void *channel)
{
	long item;
	while (sley_chan_recv(channel, &item, SLEY_NEVER) == 0)
		counter++;
	sley_group_done(&group);
}

static void sender(void *channel)
{
	long item = 0;
	while (sley_now() < end) {
		require(!sley_chan_send(channel, &item, SLEY_NEVER));
		if (++item % 64 == 0)
			sley_sleep(sley_in(SLEY_US(200)));
	}
	sley_chan_close(channel);
	sley_group_done(&group);
}

static void blocker(void *unused)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	(void)unused;
	while (sley_now() < end) {
		nanosleep(&pause, NULL);
		sley_yield();
	}
	sley_group_done(&group);
}

static void burner(void *unused)
{
	(void)unused;
	while (sley_now() < end) {
		sley_time until = sley_in(SLEY_MS(10));
		while (sley_now() < until)
			;
		sley_yield();
	}
	sley_group_done(&group);
}

static void start(void (*task)(void *), void *argument)
{
	require(!sley_group_add(&group, 1) && !sley_go(task, argument));
}

static void start_pair(void)
{
	int fds[2];
	require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	start(echoer, (void *)(long)fds[0]);
	start(echoer, (void *)(long)fds[1]);
	require(write(fds[0], "x", 1) == 1);
}

static void start_all(void)
{
	struct sley_chan *channel;
	require(!sley_chan_new(&channel, sizeof(long), 16));
	start(receiver, channel);
	start(sender, channel);
	for (int i = 0; i < PAIRS; i++) {
		start(sleeper, NULL);
		start(locker, NULL);
		start_pair();
	}
	if (!mixed)
		return;
	start(blocker, NULL);
	start(burner, NULL);
}

static void wait_for_input(void)
{
	char text[16];
	sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER);
}

static int service(void *seconds)
{
	require(write(STDOUT_FILENO, "ready\n", 6) == 6);
	wait_for_input();
	end = sley_in(SLEY_SEC(atol(seconds)));
	start_all();
	sley_group_wait(&group, SLEY_NEVER);
	require(write(STDOUT_FILENO, "done\n", 5) == 5);
	wait_for_input();
	return 0;
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	if (argc < 3)
		return 2;
	mixed = strcmp(argv[1], "mixed") == 0;
	return sley_run(service, argv[2], &options, NULL) ? 1 : 0;
}
