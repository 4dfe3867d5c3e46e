/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Several tasks accept from one listener: in turn, each connection once, none is left, and a close ends all waits. */
#include "tests/unit/run.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "tests/race.h"

#define TASKS 6

static int listener;
static struct sockaddr_in address;

/* Own, or foreign. */
static void listen_on(bool own)
{
	socklen_t size = sizeof(address);
	listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	if (!own) {
		int copy = dup(listener);
		REQUIRE(copy >= 0 && sley_close(listener) == 0);
		listener = copy;
	}
}

/* The client's end. The connection is in the listener's queue when this returns. */
static int client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static unsigned order[TASKS * 2], got; /* atomic */
static int answers[TASKS];

static void accept_one(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	answers[i] = sley_accept(listener, SLEY_NEVER);
	if (answers[i] < 0)
		return;
	REQUIRE(sley_close(answers[i]) == 0);
	store(&order[load(&got, relaxed)], (unsigned)i, relaxed);
	fetch_add(&got, 1, release);
}

static void await_got(unsigned n)
{
	await_at_least(&got, n);
	REQUIRE(load(&got, acquire) == n);
}

static sley_task start(uintptr_t i)
{
	sley_task task = sley_spawn(accept_one, (void *)i);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_ACCEPT);
	return task;
}

/* One connection at a time goes to the one who has waited longest. */
static int main_in_turn(void *own)
{
	sley_task tasks[TASKS];
	listen_on(own != NULL);
	got = 0;
	for (uintptr_t i = 0; i < TASKS; i++)
		tasks[i] = start(i);
	for (unsigned i = 0; i < TASKS; i++) {
		int fd = client();
		await_got(i + 1);
		REQUIRE(sley_join(tasks[i], SOON) == 0 && order[i] == i);
		close(fd);
	}
	REQUIRE(sley_close(listener) == 0);
	return 0;
}

TEST(in_turn)
{
	struct sley_options options = { .size = sizeof(options) };
	for (options.workers = 1; options.workers <= 2; options.workers++) {
		run_with(main_in_turn, NULL, &options);
		run_with(main_in_turn, (void *)1, &options);
	}
}

/* Several connections, and each acceptor takes one alone: one event is enough for all. */
static int main_burst(void *own)
{
	sley_task tasks[TASKS];
	int fds[TASKS];
	listen_on(own != NULL);
	for (int round = 0; round < 20; round++) {
		got = 0;
		for (uintptr_t i = 0; i < TASKS; i++)
			tasks[i] = start(i);
		for (int i = 0; i < TASKS; i++)
			fds[i] = client();
		for (int i = 0; i < TASKS; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0 && close(fds[i]) == 0);
		REQUIRE(got == TASKS);
	}
	REQUIRE(sley_close(listener) == 0);
	return 0;
}

TEST(burst)
{
	struct sley_options options = { .size = sizeof(options) };
	for (options.workers = 1; options.workers <= 4; options.workers *= 2) {
		run_with(main_burst, NULL, &options);
		run_with(main_burst, (void *)1, &options);
	}
}

static unsigned accepted; /* atomic */

static void accept_all(void *arg)
{
	unsigned *own = arg;
	int fd;
	while ((fd = sley_accept(listener, SLEY_NEVER)) >= 0) {
		REQUIRE(sley_close(fd) == 0);
		fetch_add(own, 1, relaxed);
		fetch_add(&accepted, 1, relaxed);
	}
	REQUIRE(fd == -EBADF);
}

/* Acceptors in loops: every connection is had once, and no acceptor goes without. The close ends them all. */
TASK_TEST(loops, 1, 2, 4)
{
	static unsigned own[TASKS];
	sley_task tasks[TASKS];
	unsigned n = (unsigned)test_scale(600);
	listen_on(true);
	accepted = 0;
	for (int i = 0; i < TASKS; i++) {
		own[i] = 0;
		tasks[i] = sley_spawn(accept_all, &own[i]);
	}
	for (unsigned i = 1; i <= n; i++) {
		int fd = client();
		if (i % 5 == 0)
			await_at_least(&accepted, i);
		close(fd);
	}
	await_at_least(&accepted, n);
	for (int i = 0; i < TASKS; i++)
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_ACCEPT);
	REQUIRE(sley_close(listener) == 0);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0 && (own[i] > 0 || n < 100));
	REQUIRE(accepted == n);
}

/* The close ends all waits, although the number is another listener's at once, for which others line up. */
TASK_TEST(closed, 1, 2)
{
	sley_task tasks[TASKS];
	listen_on(true);
	got = 0;
	for (uintptr_t i = 0; i < 3; i++)
		tasks[i] = start(i);
	int number = listener;
	REQUIRE(sley_close(listener) == 0);
	listen_on(true);
	REQUIRE(listener == number);
	for (uintptr_t i = 3; i < TASKS; i++)
		tasks[i] = start(i);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0 && answers[i] == -EBADF);
	for (unsigned i = 3; i < TASKS; i++) {
		int fd = client();
		REQUIRE(sley_join(tasks[i], SOON) == 0 && order[i - 3] == i);
		close(fd);
	}
	REQUIRE(sley_close(listener) == 0);
}

static int result;

static void accept_until(void *arg)
{
	result = sley_accept(listener, *(sley_time *)arg);
}

static void poll_once(void *arg)
{
	REQUIRE(sley_poll(listener, POLLIN, SLEY_NEVER) == -ECANCELED);
}

static void select_once(void *arg)
{
	struct sley_case c = { .fd = listener, .op = SLEY_READABLE };
	REQUIRE(sley_select(&c, 1, SLEY_NEVER) == -ECANCELED);
}

/* Who gives up, at the front or in the line, or waits there for something else, leaves the turn to the next one. */
TASK_TEST(gives_up, 1, 2)
{
	static sley_time never = SLEY_NEVER, soon;
	void (*const others[])(void *) = { poll_once, select_once, accept_until };
	listen_on(true);
	for (int i = 0; i < 3; i++) {
		got = 0;
		sley_task front = sley_spawn(others[i], &never);
		await_state(front, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
		sley_task in_line = sley_spawn(accept_until, &never);
		await_state(in_line, SLEY_TASK_WAITING, SLEY_WAIT_ACCEPT);
		sley_task last = start(0);
		soon = sley_in(SLEY_MS(1));
		accept_until(&soon);
		REQUIRE(result == -ETIMEDOUT);
		REQUIRE(sley_cancel(in_line) == 0 && sley_join(in_line, SOON) == 0 && result == -ECANCELED);
		REQUIRE(sley_cancel(front) == 0 && sley_join(front, SOON) == 0);
		int fd = client();
		REQUIRE(sley_join(last, SOON) == 0 && got == 1);
		close(fd);
	}
	REQUIRE(sley_close(listener) == 0);
}

#if RACE_POINTS
/*
 *   A                                   B
 *   has the first connection;
 *   the mark is clear
 *                                       finds it clear, and waits at the entry
 *   sets the mark, passes the turn
 *                                       gets the second connection, for which no event came
 */
TASK_TEST(late_mark, 2)
{
	listen_on(true);
	got = 0;
	int first = client(), second = client();
	race_stop("accept_tried");
	sley_task a = sley_spawn(accept_one, (void *)0);
	race_wait("accept_tried");
	sley_task b = start(1);
	race_go("accept_tried");
	REQUIRE(sley_join(a, SOON) == 0 && sley_join(b, SOON) == 0 && got == 2);
	close(first);
	close(second);
	REQUIRE(sley_close(listener) == 0);
}
#endif
