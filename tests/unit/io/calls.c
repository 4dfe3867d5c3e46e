/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What holds for every call on a descriptor, as a table: each call, on each kind of descriptor that it takes, ready at
 * once, ready later, at its deadline, cancelled, beside another one, closed under it, and with its number reused.
 */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define WORD 8 /* bytes that a call transfers */

/* ---- the calls ---- */

static int file; /* that sendfile reads */

static ssize_t call_read(int fd, char *word, sley_time deadline)
{
	return sley_read(fd, word, WORD, deadline);
}

static ssize_t call_read_full(int fd, char *word, sley_time deadline)
{
	return sley_read_full(fd, word, WORD, deadline);
}

static ssize_t call_readv(int fd, char *word, sley_time deadline)
{
	struct iovec v[] = { { word, 3 }, { NULL, 0 }, { word + 3, WORD - 3 } };
	return sley_readv(fd, v, 3, deadline);
}

static ssize_t call_recv(int fd, char *word, sley_time deadline)
{
	return sley_recv(fd, word, WORD, 0, deadline);
}

static ssize_t call_recvfrom(int fd, char *word, sley_time deadline)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	return sley_recvfrom(fd, word, WORD, 0, (struct sockaddr *)&from, &size, deadline);
}

static ssize_t call_recvmsg(int fd, char *word, sley_time deadline)
{
	struct iovec v[] = { { word, 3 }, { word + 3, WORD - 3 } };
	struct msghdr message = { .msg_iov = v, .msg_iovlen = 2 };
	return sley_recvmsg(fd, &message, 0, deadline);
}

static ssize_t call_splice_from(int fd, char *word, sley_time deadline)
{
	int ends[2];
	REQUIRE(sley_pipe(ends) == 0);
	ssize_t n = sley_splice(fd, NULL, ends[1], NULL, WORD, 0, deadline);
	if (n > 0)
		REQUIRE(read(ends[0], word, WORD) == n);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return n;
}

static ssize_t call_poll_in(int fd, char *word, sley_time deadline)
{
	int events = sley_poll(fd, POLLIN, deadline);
	return events == POLLIN ? sley_read(fd, word, WORD, 0) : events;
}

static ssize_t call_write(int fd, char *word, sley_time deadline)
{
	return sley_write(fd, word, WORD, deadline);
}

static ssize_t call_write_full(int fd, char *word, sley_time deadline)
{
	return sley_write_full(fd, word, WORD, deadline);
}

static ssize_t call_writev(int fd, char *word, sley_time deadline)
{
	const struct iovec v[] = { { word, 3 }, { NULL, 0 }, { word + 3, WORD - 3 } };
	return sley_writev(fd, v, 3, deadline);
}

static ssize_t call_send(int fd, char *word, sley_time deadline)
{
	return sley_send(fd, word, WORD, 0, deadline);
}

static ssize_t call_sendto(int fd, char *word, sley_time deadline)
{
	return sley_sendto(fd, word, WORD, 0, NULL, 0, deadline);
}

static ssize_t call_sendmsg(int fd, char *word, sley_time deadline)
{
	struct iovec v[] = { { word, 3 }, { word + 3, WORD - 3 } };
	const struct msghdr message = { .msg_iov = v, .msg_iovlen = 2 };
	return sley_sendmsg(fd, &message, 0, deadline);
}

static ssize_t call_sendfile(int fd, char *word, sley_time deadline)
{
	off_t offset = 0;
	ssize_t n = sley_sendfile(fd, file, &offset, WORD, deadline);
	REQUIRE(offset == (n > 0 ? n : 0));
	return n;
}

static ssize_t call_splice_to(int fd, char *word, sley_time deadline)
{
	int ends[2];
	REQUIRE(sley_pipe(ends) == 0 && write(ends[1], word, WORD) == WORD);
	ssize_t n = sley_splice(ends[0], NULL, fd, NULL, WORD, 0, deadline);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return n;
}

static ssize_t call_poll_out(int fd, char *word, sley_time deadline)
{
	int events = sley_poll(fd, POLLOUT, deadline);
	return events == POLLOUT ? sley_write(fd, word, WORD, 0) : events;
}

static const struct call {
	const char *name;
	ssize_t (*make)(int fd, char *word, sley_time deadline); /* transfers a word */
	bool reads;
	bool sockets; /* only these */
	enum sley_wait_kind kind;
} calls[] = {
	{ "read", call_read, true, false, SLEY_WAIT_READ },
	{ "read_full", call_read_full, true, false, SLEY_WAIT_READ },
	{ "readv", call_readv, true, false, SLEY_WAIT_READ },
	{ "recv", call_recv, true, true, SLEY_WAIT_READ },
	{ "recvfrom", call_recvfrom, true, true, SLEY_WAIT_READ },
	{ "recvmsg", call_recvmsg, true, true, SLEY_WAIT_READ },
	{ "splice from", call_splice_from, true, false, SLEY_WAIT_READ },
	{ "poll in", call_poll_in, true, false, SLEY_WAIT_POLL },
	{ "write", call_write, false, false, SLEY_WAIT_WRITE },
	{ "write_full", call_write_full, false, false, SLEY_WAIT_WRITE },
	{ "writev", call_writev, false, false, SLEY_WAIT_WRITE },
	{ "send", call_send, false, true, SLEY_WAIT_WRITE },
	{ "sendto", call_sendto, false, true, SLEY_WAIT_WRITE },
	{ "sendmsg", call_sendmsg, false, true, SLEY_WAIT_WRITE },
	{ "sendfile", call_sendfile, false, false, SLEY_WAIT_WRITE },
	{ "splice to", call_splice_to, false, false, SLEY_WAIT_WRITE },
	{ "poll out", call_poll_out, false, false, SLEY_WAIT_POLL },
};

/* ---- the descriptors ---- */

/* ends[0] is to be read from, ends[1] to be written to: plain blocking or own ones. */
static void open_foreign_sockets(int ends[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}

static void open_own_sockets(int ends[2])
{
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
}

static void open_adopted_sockets(int ends[2])
{
	open_foreign_sockets(ends);
	REQUIRE(sley_own(ends[0]) == 0 && sley_own(ends[1]) == 0);
}

static void open_foreign_pipe(int ends[2])
{
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
}

static void open_own_pipe(int ends[2])
{
	REQUIRE(sley_pipe(ends) == 0);
}

static void open_adopted_pipe(int ends[2])
{
	open_foreign_pipe(ends);
	REQUIRE(sley_own(ends[0]) == 0 && sley_own(ends[1]) == 0);
}

static const struct kind {
	const char *name;
	void (*open)(int ends[2]);
	bool socket;
} kinds[] = {
	{ "foreign socket", open_foreign_sockets, true },
	{ "own socket", open_own_sockets, true },
	{ "adopted socket", open_adopted_sockets, true },
	{ "foreign pipe", open_foreign_pipe, false },
	{ "own pipe", open_own_pipe, false },
	{ "adopted pipe", open_adopted_pipe, false },
};

/* ---- one cell of the table ---- */

struct cell {
	const struct call *call;
	const struct kind *kind;
	int fd, peer;
	ssize_t result;
	char word[WORD];
};

/* A call that waits, on a fresh descriptor: empty, or full. */
static void open_cell(struct cell *c)
{
	static char bytes[4096];
	int ends[2], mode;
	c->kind->open(ends);
	c->fd = ends[!c->call->reads];
	c->peer = ends[c->call->reads];
	memcpy(c->word, "password", WORD);
	if (c->call->reads)
		return;
	mode = fcntl(c->fd, F_GETFL);
	REQUIRE(fcntl(c->fd, F_SETFL, mode | O_NONBLOCK) == 0);
	while (write(c->fd, bytes, sizeof(bytes)) > 0)
		;
	while (write(c->fd, bytes, 1) > 0)
		;
	REQUIRE(errno == EAGAIN && fcntl(c->fd, F_SETFL, mode) == 0);
}

/* The call need not wait any more. */
static void make_ready(struct cell *c)
{
	static char bytes[1 << 20];
	ssize_t n;
	if (c->call->reads) {
		REQUIRE(write(c->peer, "password", WORD) == WORD);
		return;
	}
	do
		n = sley_read(c->peer, bytes, sizeof(bytes), SOON);
	while (n == sizeof(bytes) || (n > 0 && sley_poll(c->peer, POLLIN, 0) > 0));
	REQUIRE(n > 0 || n == -ETIMEDOUT);
}

static void close_cell(struct cell *c)
{
	REQUIRE(sley_close(c->fd) == 0 && sley_close(c->peer) == 0);
}

static void waiter(void *arg)
{
	struct cell *c = arg;
	errno = 4711;
	c->result = c->call->make(c->fd, c->word, SLEY_NEVER);
	REQUIRE(errno == 4711);
}

static sley_task spawn_waiter(struct cell *c)
{
	sley_task task = sley_spawn(waiter, c);
	await_state(task, SLEY_TASK_WAITING, c->call->kind);
	return task;
}

static ssize_t join_waiter(struct cell *c, sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
	return c->result;
}

/* Shows where it fails. */
static const struct cell *current;

static void expect(ssize_t result, ssize_t expected)
{
	if (result == expected)
		return;
	fprintf(stderr, "%s on %s: %zd and not %zd\n", current->call->name, current->kind->name, result, expected);
	abort();
}

static void each_cell(void (*check)(struct cell *))
{
	struct cell *c = calloc(1, sizeof(*c));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (calls[i].sockets && !kinds[k].socket)
				continue;
			c->call = &calls[i];
			c->kind = &kinds[k];
			current = c;
			open_cell(c);
			check(c);
		}
	}
	free(c);
}

/* ---- ready ---- */

static void check_ready(struct cell *c)
{
	expect(c->call->make(c->fd, c->word, 0), -ETIMEDOUT);
	expect(c->call->make(c->fd, c->word, sley_in(SLEY_MS(1))), -ETIMEDOUT);
	sley_task task = spawn_waiter(c);
	make_ready(c);
	expect(join_waiter(c, task), WORD);
	REQUIRE(memcmp(c->word, "password", WORD) == 0);
	if (c->call->reads)
		make_ready(c);
	expect(c->call->make(c->fd, c->word, 0), WORD); /* the deadline has passed, but there is no wait */
	if (c->call->reads)
		make_ready(c);
	expect(c->call->make(c->fd, c->word, SLEY_NEVER), WORD);
	close_cell(c);
}

/* At once, later, and at the deadline: in the past, in a millisecond, and passed although there is no wait. */
TASK_TEST(ready, 1, 2)
{
	each_cell(check_ready);
}

/* ---- cancelled ---- */

static void cancelled_but_ready(void *arg)
{
	struct cell *c = arg;
	while (sley_sleep(SLEY_NEVER) != -ECANCELED)
		;
	c->result = c->call->make(c->fd, c->word, SLEY_NEVER);
}

static void check_cancel(struct cell *c)
{
	sley_task task = spawn_waiter(c);
	REQUIRE(sley_cancel(task) == 0);
	expect(join_waiter(c, task), -ECANCELED);
	expect(c->call->make(c->fd, c->word, 0), -ETIMEDOUT); /* not -EBUSY: it does not wait any more */
	task = sley_spawn(cancelled_but_ready, c);
	make_ready(c);
	REQUIRE(sley_cancel(task) == 0);
	expect(join_waiter(c, task), WORD); /* no wait, so it is done */
	close_cell(c);
}

/* A cancelled wait is -ECANCELED; what needs no wait is done. */
TASK_TEST(cancel, 1, 2)
{
	each_cell(check_cancel);
}

/* ---- another one ---- */

static void check_busy(struct cell *c)
{
	sley_task task = spawn_waiter(c);
	char word[WORD] = "password";
	expect(c->call->make(c->fd, word, SOON), -EBUSY);
	expect(c->call->make(c->fd, word, 0), -EBUSY);
	make_ready(c);
	expect(join_waiter(c, task), WORD);
	close_cell(c);
}

/* A second one for the same direction is -EBUSY and does not disturb the first. */
TASK_TEST(busy, 1, 2)
{
	each_cell(check_busy);
}

/* ---- closed ---- */

static void check_close(struct cell *c)
{
	int number = c->fd;
	sley_task task = spawn_waiter(c);
	REQUIRE(sley_close(c->fd) == 0);
	/* the number is another's before the task runs again, and there is something to be had */
	int other = socketpair_at(number);
	REQUIRE(write(other, "notyours", WORD) == WORD);
	expect(join_waiter(c, task), -EBADF);
	char word[WORD];
	REQUIRE(sley_read(number, word, WORD, SOON) == WORD && memcmp(word, "notyours", WORD) == 0);
	REQUIRE(sley_poll(other, POLLIN, 0) == -ETIMEDOUT);
	REQUIRE(sley_close(number) == 0 && sley_close(other) == 0 && sley_close(c->peer) == 0);
}

/* Closing ends the wait with -EBADF, and nothing goes to or comes from what the number is next. */
TASK_TEST(close, 1, 2)
{
	each_cell(check_close);
}

/* Without it a number that was an own pipe's, and is a blocking socket's now, blocks the thread. */
#define NO_PWRITEV2 "qemu-user has no pwritev2"

/* Not libc's: ThreadSanitizer, which is right about it, would complain. */
static void close_behind(int fd)
{
	REQUIRE(syscall(SYS_close, fd) == 0);
}

static void check_plain_close(struct cell *c)
{
	int number = c->fd;
	sley_task task = spawn_waiter(c);
	close_behind(c->fd);
	int other = socketpair_at(number);
	expect(join_waiter(c, task), -EBADF);
	c->call = &calls[0];
	close_behind(c->peer);
	c->peer = other;
	c->fd = number;
	task = spawn_waiter(c); /* the new one can be waited for, and has its own bytes */
	make_ready(c);
	expect(join_waiter(c, task), WORD);
	close_cell(c);
}

static int main_plain_close(void *arg)
{
	each_cell(check_plain_close);
	return 0;
}

/* Closed behind sley's back, and the number given to a new own descriptor: -EBADF, and no waiter is left behind. */
TEST(plain_close)
{
	test_need_kernel(NO_PWRITEV2);
	run(main_plain_close, 1);
	run(main_plain_close, 2);
}

/*
 * The number of an own socket that was closed behind sley's back is that of a foreign pipe, and the other way round:
 * nothing is wrong but that sley did not know.
 */
static void check_other_kind(int own[2], void (*reopen)(int[2]), const struct call *call)
{
	struct cell *c = calloc(1, sizeof(*c));
	int ends[2];
	c->call = call;
	close_behind(own[0]);
	close_behind(own[1]);
	reopen(ends);
	REQUIRE((ends[0] == own[0] && ends[1] == own[1]) || (ends[0] == own[1] && ends[1] == own[0]));
	c->fd = ends[0];
	c->peer = ends[1];
	make_ready(c);
	REQUIRE(call->make(c->fd, c->word, SOON) == WORD && memcmp(c->word, "password", WORD) == 0);
	close_cell(c);
	free(c);
}

static int main_other_kind(void *arg)
{
	int own[2];
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!calls[i].reads || calls[i].sockets)
			continue;
		REQUIRE(sley_socketpair(SOCK_STREAM, own) == 0);
		check_other_kind(own, open_foreign_pipe, &calls[i]);
		REQUIRE(sley_pipe(own) == 0);
		check_other_kind(own, open_foreign_sockets, &calls[i]);
	}
	return 0;
}

/* Reuse by another kind of file, behind sley's back. */
TEST(other_kind)
{
	test_need_kernel(NO_PWRITEV2);
	run(main_other_kind, 1);
}

/* ---- bad input ---- */

/* Numbers that are no descriptors, and descriptors that are no sockets. */
TASK_TEST(bad, 1)
{
	char word[WORD] = { 0 };
	int own[2];
	REQUIRE(sley_socketpair(SOCK_STREAM, own) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		REQUIRE(calls[i].make(-1, word, SLEY_NEVER) == -EBADF);
		REQUIRE(calls[i].make(INT_MIN, word, 0) == -EBADF);
		REQUIRE(calls[i].make(INT_MAX, word, SLEY_NEVER) == -EBADF);
		REQUIRE(calls[i].make(900000, word, SLEY_NEVER) == -EBADF);
		REQUIRE(!calls[i].sockets || calls[i].make(file, word, SLEY_NEVER) == -ENOTSOCK);
	}
	REQUIRE(sley_close(own[0]) == 0 && sley_close(own[1]) == 0);
}

/* Outside of a task each call is -EDEADLK. */
TEST_FIRST(outside)
{
	char word[WORD] = { 0 };
	struct iovec v = { word, WORD };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1 };
	off_t offset = 0;
	assert_int_equal(sley_readv(0, &v, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_writev(1, &v, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_recv(0, word, WORD, 0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_recvfrom(0, word, WORD, 0, NULL, NULL, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_recvmsg(0, &message, 0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_send(0, word, WORD, 0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_sendto(0, word, WORD, 0, NULL, 0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_sendmsg(0, &message, 0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_sendfile(1, 0, &offset, WORD, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_splice(0, NULL, 1, NULL, WORD, 0, SLEY_NEVER), -EDEADLK);
}

int main(void)
{
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return tests_main(NULL, NULL);
}
