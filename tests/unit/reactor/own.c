/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What closing does to those who wait, by sley_close() and behind its back, and that numbers are reused. */
#include "tests/unit/reactor/connection.h"
#include "tests/unit/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "reactor/reactor.h"
#include "run/idle.h"
#include "tests/race.h"
#include "tests/test.h"

/* sley_close() wakes both waiters with -EBADF. */
TASK_TEST(close, 1, 3)
{
	struct waiting *read = calloc(1, sizeof(*read)), *write = calloc(1, sizeof(*write));
	int pair[2];
	for (int foreign = 0; foreign < 2; foreign++) {
		struct connection c = connect_pair();
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		read->fd = write->fd = foreign ? pair[0] : c.ours;
		sley_task reader = sley_spawn(wait_to_read, read), writer = sley_spawn(wait_to_write, write);
		await_state(reader, SLEY_TASK_WAITING, SLEY_WAIT_READ);
		await_state(writer, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
		REQUIRE(sley_close(read->fd) == 0);
		REQUIRE(sley_join(reader, SOON) == 0 && sley_join(writer, SOON) == 0);
		REQUIRE(read->result == -EBADF && write->result == -EBADF);
		REQUIRE(sley_close(foreign ? c.ours : pair[0]) == 0 && sley_close(pair[1]) == 0);
		close(c.theirs);
	}
	free(read);
	free(write);
}

/*
 * A descriptor that was closed behind the runtime's back, which no event tells: the watchdog finds out and wakes with
 * -EBADF.
 */
TASK_TEST(plain_close, 1)
{
	struct waiting *own = calloc(1, sizeof(*own)), *foreign = calloc(1, sizeof(*foreign));
	struct connection c = connect_pair();
	int pair[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	own->fd = c.ours;
	foreign->fd = pair[0];
	sley_task tasks[] = { sley_spawn(wait_to_read, own), sley_spawn(wait_to_read, foreign) };
	await_state(tasks[0], SLEY_TASK_WAITING, SLEY_WAIT_READ);
	await_state(tasks[1], SLEY_TASK_WAITING, SLEY_WAIT_READ);
	sley_time begin = sley_now();
	close(c.ours);
	close(pair[0]);
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	REQUIRE(own->result == -EBADF && foreign->result == -EBADF);
	REQUIRE(sley_now() - begin < SLEY_SEC(3)); /* waits of a second are looked at, each second */
	close(c.theirs);
	close(pair[1]);
	free(own);
	free(foreign);
}

/* How often the epoll instance of this process watches the number. */
static unsigned watched(int number)
{
	char name[64], link[64], line[256];
	unsigned count = 0;
	for (int fd = 0; fd < 64; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		ssize_t size = readlink(name, link, sizeof(link));
		if (size < 0 || !memmem(link, (size_t)size, "[eventpoll]", 11))
			continue;
		snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
		FILE *info = fopen(name, "re");
		REQUIRE(info);
		while (fgets(line, sizeof(line), info)) {
			int watched;
			count += sscanf(line, "tfd: %d", &watched) == 1 && watched == number;
		}
		fclose(info);
	}
	return count;
}

static int main_duplicate(void *arg)
{
	char byte;
	for (int foreign = 0; foreign < 2; foreign++) {
		int pair[2];
		if (foreign)
			REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		else
			REQUIRE(sley_socketpair(SOCK_STREAM, pair) == 0);
		REQUIRE(sley_read(pair[0], &byte, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
		int duplicate = dup(pair[0]);
		REQUIRE(watched(pair[0]) == 1);
		REQUIRE(sley_close(pair[0]) == 0);
		REQUIRE(watched(pair[0]) == 0);
		close(duplicate);
		REQUIRE(sley_close(pair[1]) == 0);
	}
	return 0;
}

/*
 * What sley_close() closes leaves the epoll instance first: a duplicate keeps no events of the dead number coming, and
 * no epoll_wait(2) that is just looking at the file keeps it open (tests/unit/io/message.c saw that once: a pipe
 * that had a reader after its last one was closed).
 */
TEST(duplicate)
{
	test_need_kernel("qemu-user has no fdinfo of epoll instances");
	run(main_duplicate, 1);
	run(main_duplicate, 2);
}

/*
 * A reused number never delivers an old descriptor's event or bytes. Numbers are reused at once: another descriptor
 * gets the one that was just closed.
 */
TASK_TEST(reuse, 1, 2)
{
	long rounds = test_scale(400), reused = 0;
	char byte;
	for (long i = 0; i < rounds; i++) {
		struct connection c = connect_pair();
		/* an event of the old descriptor that nobody has collected yet */
		REQUIRE(write(c.theirs, "o", 1) == 1);
		int number = c.ours;
		disconnect(c);
		struct connection next = connect_pair();
		reused += next.ours == number || next.theirs == number;
		REQUIRE(sley_read(next.ours, &byte, 1, 0) == -ETIMEDOUT);
		REQUIRE(write(next.theirs, "n", 1) == 1);
		REQUIRE(sley_read(next.ours, &byte, 1, SOON) == 1 && byte == 'n');
		disconnect(next);
	}
	REQUIRE(reused > 0);
}

#if RACE_POINTS

static void read_new(void *fd)
{
	char byte;
	REQUIRE(sley_read((int)(intptr_t)fd, &byte, 1, SLEY_NEVER) == 1 && byte == 'n');
}

/*
 *   the poller                           this worker
 *   has an event of the number in hand
 *                                        closes it, opens another one of the same number; a task waits for that
 *   delivers the event: to nobody
 */
TASK_TEST(event_of_the_old_one, 2)
{
	int old[2];
	char byte;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, old) == 0 && sley_own(old[0]) == 0);
	REQUIRE(sley_read(old[0], &byte, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	while (idle_count() < 1)
		cpu_relax();
	race_stop("poller_has_left");
	REQUIRE(write(old[1], "o", 1) == 1);
	race_wait("poller_has_left");
	int number = old[0];
	REQUIRE(sley_close(old[0]) == 0);
	int other = socketpair_at(number);
	sley_task task = sley_spawn(read_new, (void *)(intptr_t)number);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	uint64_t waits = counter(SLEY_COUNTER_waits);
	race_stop("event_taken");
	race_go("poller_has_left");
	race_wait("event_taken");
	race_go("event_taken");
	while (idle_count() < 1)
		cpu_relax();
	REQUIRE(counter(SLEY_COUNTER_waits) == waits); /* not woken to find nothing, and wait again */
	REQUIRE(write(other, "n", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_close(number) == 0 && sley_close(other) == 0 && close(old[1]) == 0);
}

#endif

/*
 * Who waits for a number that was closed behind the runtime's back and is now a new connection gets -EBADF, and
 * nothing of it.
 */
TASK_TEST(reuse_waited, 1)
{
	struct waiting *old = calloc(1, sizeof(*old));
	struct connection c = connect_pair();
	char byte;
	old->fd = c.ours;
	sley_task task = sley_spawn(wait_to_read, old);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	struct connection spare = connect_pair();
	/* closed behind its back, and the number goes to a new connection at once */
	REQUIRE(dup2(spare.ours, c.ours) == c.ours);
	REQUIRE(reactor_own(c.ours, FD_STREAM) == 0); /* as accept() and dial() do with a number that they got */
	struct connection next = { c.ours, spare.theirs };
	/* the old waiter must neither keep the new connection's reader out nor get its bytes */
	REQUIRE(sley_join(task, BEFORE_REARM) == 0 && old->result == -EBADF);
	REQUIRE(write(next.theirs, "n", 1) == 1);
	REQUIRE(sley_read(next.ours, &byte, 1, SOON) == 1 && byte == 'n');
	disconnect(next);
	REQUIRE(sley_close(spare.ours) == 0);
	close(c.theirs);
	free(old);
}

static void read_twice(void *arg)
{
	struct waiting *w = arg;
	char bytes[10];
	store(&w->first, sley_read(w->fd, bytes, sizeof(bytes), SLEY_NEVER), relaxed);
	w->result = sley_read(w->fd, bytes, sizeof(bytes), SLEY_NEVER); /* it is drained: no try before the wait */
}

/*
 * A wait that was cancelled ends with a try where none was made before it, but of its own descriptor alone.
 *
 *   main                         reader
 *                                waits without a try
 *   cancel: it is ready
 *   close; the number is reused, and has a byte
 *                                a last try is due, but not of what the number is now
 */
TASK_TEST(reuse_cancelled, 1)
{
	struct waiting *old = calloc(1, sizeof(*old));
	struct connection c = connect_pair();
	char byte;
	old->fd = c.ours;
	sley_task task = sley_spawn(read_twice, old);
	REQUIRE(write(c.theirs, "o", 1) == 1);
	sley_time deadline = SOON;
	while (load(&old->first, relaxed) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	int number = c.ours;
	REQUIRE(sley_cancel(task) == 0);
	REQUIRE(sley_close(c.ours) == 0);
	int other = socketpair_at(number);
	REQUIRE(write(other, "n", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0 && old->result == -ECANCELED);
	REQUIRE(sley_read(number, &byte, 1, 0) == 1 && byte == 'n');
	REQUIRE(sley_close(number) == 0 && sley_close(other) == 0);
	close(c.theirs);
	free(old);
}

/* ---- close(2) itself ---- */

#define LINGER 60 /* seconds: longer than SOON */

/* A socket with more to send than the peer takes. */
static struct connection lingering(int seconds)
{
	struct connection c = connect_pair();
	struct linger linger = { 1, seconds };
	static char bytes[1 << 16];
	REQUIRE(setsockopt(c.ours, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	while (send(c.ours, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return c;
}

/*
 * A lingering socket keeps nobody waiting that closes it: by sley_close(), by the last call that holds it, and as a
 * foreign one.
 */
TASK_TEST(linger, 1, 2, 4)
{
	sley_time deadline = SOON;
	struct hold hold = { 0 };
	struct connection c = lingering(LINGER);
	int copy = dup(c.ours);
	REQUIRE(sley_close(c.ours) == 0);
	REQUIRE(sley_close(copy) == 0);
	close(c.theirs);

	c = lingering(LINGER);
	REQUIRE(reactor_hold_now(c.ours, &hold) == 0);
	REQUIRE(sley_close(c.ours) == 0);
	reactor_let_go(c.ours, &hold);
	REQUIRE(sley_close(c.ours) == -EBADF);
	close(c.theirs);

	c = lingering(LINGER);
	reactor_disown(c.ours);
	REQUIRE(sley_close(c.ours) == 0);
	close(c.theirs);
	REQUIRE(sley_now() < deadline);

	/* no time at all: the peer gets an error, and not the end */
	char bytes[4096];
	ssize_t n;
	c = lingering(0);
	REQUIRE(sley_close(c.ours) == 0);
	while ((n = recv(c.theirs, bytes, sizeof(bytes), 0)) > 0)
		;
	REQUIRE(n < 0 && errno == ECONNRESET);
	close(c.theirs);
}

#if RACE_POINTS

static void close_it(void *fd)
{
	REQUIRE(sley_close(*(int *)fd) == 0);
}

/*
 * close(2) is called without the lock, and a wait that slips in before it is not forgotten.
 *
 * closer                                  others
 * waits are ended, the lock is left
 *                                         reader: begins to wait for the number
 * close(2)
 * looks again: the reader gets -EBADF
 */
TASK_TEST(late_wait, 2, 4)
{
	static struct connection c;
	struct waiting *w = calloc(1, sizeof(*w));
	c = connect_pair();
	w->fd = c.ours;
	race_stop("closing");
	sley_task closer = sley_spawn(close_it, &c.ours);
	race_wait("closing"); /* this worker is not the one that is stopped */
	sley_task reader = sley_spawn(wait_to_read, w);
	await_state(reader, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	sley_time deadline = BEFORE_REARM;
	race_go("closing");
	REQUIRE(sley_join(closer, SOON) == 0 && sley_join(reader, SOON) == 0);
	REQUIRE(w->result == -EBADF && sley_now() < deadline);
	close(c.theirs);
	free(w);
}

#endif
