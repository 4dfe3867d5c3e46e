/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Waiting for several descriptors: the answers are those of poll(2), and the wait ends with the first event of any. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS 3

static int ends[PAIRS][2];

/* Own ones, or foreign and blocking ones. */
static void open_pairs(bool own)
{
	for (int i = 0; i < PAIRS; i++)
		REQUIRE(own ? sley_socketpair(SOCK_STREAM, ends[i]) == 0
			    : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[i]) == 0);
}

static void close_pairs(void)
{
	for (int i = 0; i < PAIRS; i++)
		REQUIRE(sley_close(ends[i][0]) == 0 && sley_close(ends[i][1]) == 0);
}

static void want_input(struct pollfd *fds)
{
	for (int i = 0; i < PAIRS; i++)
		fds[i] = (struct pollfd){ .fd = ends[i][0], .events = POLLIN, .revents = -1 };
}

/* What is ready at once is answered as poll(2) answers it, for each kind of entry. */
static int main_ready(void *own)
{
	struct pollfd here[PAIRS + 4], there[PAIRS + 4];
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	open_pairs(own != NULL);
	want_input(here);
	REQUIRE(write(ends[1][1], "x", 1) == 1 && shutdown(ends[2][1], SHUT_WR) == 0);
	here[0].events = POLLIN | POLLOUT;
	here[2].events = POLLIN | POLLRDHUP | POLLPRI;
	here[3] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = -1 };
	here[4] = (struct pollfd){ .fd = 1 << 20, .events = POLLIN, .revents = -1 }; /* not open */
	here[5] = (struct pollfd){ .fd = file, .events = POLLIN | POLLOUT, .revents = -1 };
	here[6] = (struct pollfd){ .fd = ends[1][0], .revents = -1 };
	memcpy(there, here, sizeof(here));
	int expected = poll(there, ARRAY_SIZE(there), 0);
	REQUIRE(expected == 5 && sley_pollv(here, ARRAY_SIZE(here), 0) == expected);
	REQUIRE(memcmp(here, there, sizeof(here)) == 0);
	close_pairs();
	close(file);
	return 0;
}

TEST(ready)
{
	run_with(main_ready, NULL, NULL);
	run_with(main_ready, &ends, NULL);
}

/* ---- waiting ---- */

static struct pollfd fds[PAIRS + 1];
static int result;

/* One descriptor is in it twice, with different events: both count. */
static void waiter(void *arg)
{
	want_input(fds);
	fds[PAIRS] = (struct pollfd){ .fd = ends[0][0], .events = POLLPRI };
	result = sley_pollv(fds, PAIRS + 1, SLEY_NEVER);
}

static int main_waits(void *own)
{
	unsigned before = open_descriptors();
	for (int i = 0; i < PAIRS; i++) {
		open_pairs(own != NULL);
		sley_task task = sley_spawn(waiter, NULL);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_POLL);
		REQUIRE(sley_write(ends[i][1], "x", 1, SOON) == 1);
		REQUIRE(sley_join(task, SOON) == 0 && result == 1);
		for (int k = 0; k <= PAIRS; k++)
			REQUIRE(fds[k].revents == (k == i ? POLLIN : 0));
		close_pairs();
	}
	REQUIRE(open_descriptors() == before);
	return 0;
}

/* The first event of any of them ends the wait, also of one that stands in the list twice. Nothing is left open. */
TEST(waits)
{
	for (unsigned workers = 1; workers <= 3; workers += 2) {
		struct sley_options options = { .size = sizeof(options), .workers = workers };
		run_with(main_waits, NULL, &options);
		run_with(main_waits, &ends, &options);
	}
}

static void other_waiter(void *arg)
{
	struct pollfd fd = { .fd = ends[0][0], .events = POLLIN };
	REQUIRE(sley_pollv(&fd, 1, SOON) == 1 && fd.revents == POLLIN);
}

static void reader(void *arg)
{
	char byte;
	REQUIRE(sley_read(ends[0][0], &byte, 1, SOON) == 1);
}

/* It takes no place at a descriptor: two such waits and a reader wait for the same one, and one byte is an event for all. */
TASK_TEST(shared, 1, 3)
{
	open_pairs(true);
	sley_task tasks[] = { sley_spawn(waiter, NULL), sley_spawn(other_waiter, NULL), sley_spawn(reader, NULL) };
	await_state(tasks[0], SLEY_TASK_WAITING, SLEY_WAIT_POLL);
	await_state(tasks[1], SLEY_TASK_WAITING, SLEY_WAIT_POLL);
	await_state(tasks[2], SLEY_TASK_WAITING, SLEY_WAIT_READ);
	/* two: the reader takes one, and what the others see does not depend on who was first */
	REQUIRE(sley_write(ends[0][1], "xy", 2, SOON) == 2);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	close_pairs();
}

static void cancelled(void *arg)
{
	want_input(fds);
	REQUIRE(sley_pollv(fds, PAIRS, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_pollv(fds, PAIRS, 0) < 0); /* and so do later waits */
	fds[1].events = POLLOUT;
	REQUIRE(sley_pollv(fds, PAIRS, SLEY_NEVER) == 1 && fds[1].revents == POLLOUT); /* what is ready is told */
}

/* Deadlines, cancellation, an empty list, and what is refused. */
TASK_TEST(answers, 1)
{
	unsigned before = open_descriptors();
	open_pairs(true);
	want_input(fds);
	REQUIRE(sley_pollv(fds, PAIRS, 0) == -ETIMEDOUT && fds[0].revents == 0);
	REQUIRE(sley_pollv(fds, PAIRS, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_pollv(NULL, 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_pollv(NULL, 1, SOON) == -EFAULT);
	sley_task task = sley_spawn(cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_POLL);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	close_pairs();
	REQUIRE(open_descriptors() == before);
}

/* For tasks. */
TEST_FIRST(outside)
{
	assert_int_equal(sley_pollv(fds, 0, SLEY_NEVER), -EDEADLK);
}

/* ---- descriptors that are given back ---- */

static void reads_forgotten(void *arg)
{
	char byte;
	result = (int)sley_read(ends[0][0], &byte, 1, SLEY_NEVER);
}

static int main_forget(void *own)
{
	char byte;
	open_pairs(own != NULL);
	sley_task task = sley_spawn(reads_forgotten, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(sley_forget(ends[0][0]) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && result == -EBADF);
	/* it is open, and may be waited for again, as a foreign one */
	task = sley_spawn(reads_forgotten, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(write(ends[0][1], "x", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0 && result == 1);
	/* closed by other code, the number is another descriptor's, and nothing of the old one is left */
	REQUIRE(sley_forget(ends[0][0]) == 0);
	REQUIRE(dup3(ends[1][0], ends[0][0], O_CLOEXEC) == ends[0][0]);
	REQUIRE(write(ends[1][1], "y", 1) == 1 && sley_read(ends[0][0], &byte, 1, SOON) == 1 && byte == 'y');
	close_pairs();
	REQUIRE(sley_forget(1 << 20) == 0 && sley_forget(-1) == -EBADF);
	return 0;
}

/* A descriptor that is given back ends its waits and stays open; closed by other code, its number can serve anew. */
TEST(forget)
{
	for (unsigned workers = 1; workers <= 3; workers += 2) {
		struct sley_options options = { .size = sizeof(options), .workers = workers };
		run_with(main_forget, NULL, &options);
		run_with(main_forget, &ends, &options);
	}
	assert_int_equal(sley_forget(0), -ENOTCONN);
}
