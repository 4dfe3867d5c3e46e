/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What closing does to those who wait, by sley_close() and behind its back, and that numbers are reused. */
#include "tests/unit/reactor/connection.h"
#include "tests/unit/run.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "reactor/reactor.h"

static int main_close(void *arg)
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
	return 0;
}

/* sley_close() wakes both waiters with -EBADF. */
static void test_close(void **state)
{
	run(main_close, 1);
	run(main_close, 3);
}

static int main_plain_close(void *arg)
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
	return 0;
}

/*
 * A descriptor that was closed behind the runtime's back, which no event tells: the monitor finds out and wakes with
 * -EBADF.
 */
static void test_plain_close(void **state)
{
	run(main_plain_close, 1);
}

/* Numbers are reused at once: another descriptor gets the one that was just closed. */
static int main_reuse(void *arg)
{
	long rounds = test_scale(2000);
	char byte;

	for (long i = 0; i < rounds; i++) {
		struct connection c = connect_pair();
		/* an event of the old descriptor that nobody has collected yet */
		REQUIRE(write(c.theirs, "o", 1) == 1);
		int number = c.ours;
		disconnect(c);
		struct connection next = connect_pair();
		REQUIRE(next.ours == number || next.theirs == number || i > 0);
		REQUIRE(sley_read(next.ours, &byte, 1, 0) == -ETIMEDOUT);
		REQUIRE(write(next.theirs, "n", 1) == 1);
		REQUIRE(sley_read(next.ours, &byte, 1, SOON) == 1 && byte == 'n');
		disconnect(next);
	}
	return 0;
}

/* A reused number never delivers an old descriptor's event or bytes. */
static void test_reuse(void **state)
{
	run(main_reuse, 1);
	run(main_reuse, 2);
}

static int main_reuse_waited(void *arg)
{
	struct waiting *old = calloc(1, sizeof(*old));
	struct connection c = connect_pair();
	char byte;

	old->fd = c.ours;
	sley_task task = sley_spawn(wait_to_read, old);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	struct connection spare = connect_pair();
	close(c.ours); /* behind its back, and the number goes to a new connection at once */
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
	return 0;
}

/*
 * Who waits for a number that was closed behind the runtime's back and is now a new connection gets -EBADF, and
 * nothing of it.
 */
static void test_reuse_waited(void **state)
{
	run(main_reuse_waited, 1);
}

static void read_twice(void *arg)
{
	struct waiting *w = arg;
	char bytes[10];

	store(&w->first, sley_read(w->fd, bytes, sizeof(bytes), SLEY_NEVER), relaxed);
	w->result = sley_read(w->fd, bytes, sizeof(bytes), SLEY_NEVER); /* it is drained: no try before the wait */
}

/*
 *   main                         reader
 *                                waits without a try
 *   cancel: it is ready
 *   close; the number is reused, and has a byte
 *                                a last try is due, but not of what the number is now
 */
static int main_reuse_cancelled(void *arg)
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
	int next[2];
	REQUIRE(sley_socketpair(SOCK_STREAM, next) == 0 && (next[0] == number || next[1] == number));
	REQUIRE(write(next[next[0] == number], "n", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0 && old->result == -ECANCELED);
	REQUIRE(sley_read(number, &byte, 1, 0) == 1 && byte == 'n');
	REQUIRE(sley_close(next[0]) == 0 && sley_close(next[1]) == 0);
	close(c.theirs);
	free(old);
	return 0;
}

/* A wait that was cancelled ends with a try where none was made before it, but of its own descriptor alone. */
static void test_reuse_cancelled(void **state)
{
	run(main_reuse_cancelled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close),           cmocka_unit_test(test_plain_close),
		cmocka_unit_test(test_reuse),           cmocka_unit_test(test_reuse_waited),
		cmocka_unit_test(test_reuse_cancelled),
	};

	return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}
