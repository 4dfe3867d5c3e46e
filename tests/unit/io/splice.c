/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sendfile and splice: every byte, and what they refuse. Who may wait and what closing does is in calls.c. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

#define TOTAL ((size_t)test_scale(1 << 20))

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 >> 3);
}

static int pattern_file(void)
{
	int fd = memfd_create("pattern", MFD_CLOEXEC);
	unsigned char *bytes = malloc(TOTAL);
	for (size_t i = 0; i < TOTAL; i++)
		bytes[i] = pattern(i);
	REQUIRE(write(fd, bytes, TOTAL) == (ssize_t)TOTAL && lseek(fd, 0, SEEK_SET) == 0);
	free(bytes);
	return fd;
}

struct end {
	int fd;
	size_t done;
};

static void check_pattern(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[5000];
	ssize_t n;
	while ((n = sley_read(e->fd, bytes, sizeof(bytes), SLEY_NEVER)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			REQUIRE(bytes[i] == pattern(e->done + (size_t)i));
		e->done += (size_t)n;
	}
	REQUIRE(n == 0 && sley_close(e->fd) == 0);
}

/* ---- what they write to ---- */

static void foreign_sockets(int ends[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

static void foreign_nonblocking(int ends[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
}

static void own_sockets(int ends[2])
{
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
}

static void tcp(int ends[2])
{
	struct sockaddr_storage a;
	socklen_t size = sizeof(a);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
	ends[1] = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(sley_connect(ends[1], (struct sockaddr *)&a, size, SOON) == 0);
	ends[0] = sley_accept(listener, SOON);
	REQUIRE(ends[0] >= 0 && sley_close(listener) == 0);
}

static void foreign_pipe(int ends[2])
{
	REQUIRE(pipe(ends) == 0);
}

static void own_pipe(int ends[2])
{
	REQUIRE(sley_pipe(ends) == 0);
}

static void (*const open_ends[])(int[2]) = {
	foreign_sockets, foreign_nonblocking, own_sockets, tcp, foreign_pipe, own_pipe,
};

/* ---- sendfile ---- */

/* A whole file through sockets and pipes, own and foreign, blocking and not, from an offset and from its position. */
TASK_TEST(sendfile, 1, 2)
{
	struct end *e = calloc(1, sizeof(*e));
	int ends[2], file = pattern_file();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(open_ends); i++) {
		off_t offset = 0;
		ssize_t n;
		bool own_position = i % 2;
		open_ends[i / 2](ends);
		*e = (struct end){ .fd = ends[0] };
		sley_task task = sley_spawn(check_pattern, e);
		REQUIRE(lseek(file, own_position ? 0 : 5, SEEK_SET) >= 0);
		while ((n = sley_sendfile(ends[1], file, own_position ? NULL : &offset, 100000, SOON)) > 0)
			REQUIRE(n <= 100000);
		REQUIRE(n == 0); /* the end of the file */
		REQUIRE(sley_close(ends[1]) == 0 && sley_join(task, SOON) == 0 && e->done == TOTAL);
		REQUIRE(own_position || offset == (off_t)TOTAL);
		REQUIRE(lseek(file, 0, SEEK_CUR) == (own_position ? (off_t)TOTAL : 5));
	}
	REQUIRE(sley_close(file) == 0);
	free(e);
}

/*
 * What is written after the end of a file. A short count of sendfile is the end of the file and not a full socket: the
 * next write is not waited for.
 */
TASK_TEST(then_write, 1)
{
	int ends[2], file = memfd_create("short", MFD_CLOEXEC);
	char bytes[10];
	REQUIRE(write(file, "abc", 3) == 3);
	for (size_t i = 0; i < ARRAY_SIZE(open_ends); i++) {
		open_ends[i](ends);
		off_t offset = 0;
		REQUIRE(sley_sendfile(ends[1], file, &offset, 1000, SOON) == 3);
		REQUIRE(sley_write(ends[1], "def", 3, SLEY_NEVER) == 3);
		REQUIRE(sley_read_full(ends[0], bytes, 6, SOON) == 6 && memcmp(bytes, "abcdef", 6) == 0);
		REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	}
	REQUIRE(sley_close(file) == 0);
}

/* ---- splice ---- */

struct copying {
	int in, out;
	int error;
};

/* From `in` to `out`, one of which is a pipe, until the end. */
static void copy(void *arg)
{
	struct copying *c = arg;
	ssize_t n;
	while ((n = sley_splice(c->in, NULL, c->out, NULL, 30000, SPLICE_F_MOVE, SLEY_NEVER)) > 0)
		REQUIRE(n <= 30000);
	REQUIRE(n == 0 && sley_close(c->in) == 0 && sley_close(c->out) == 0);
}

static void feed(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[4000];
	while (e->done < TOTAL) {
		size_t n = MIN(sizeof(bytes), TOTAL - e->done);
		for (size_t i = 0; i < n; i++)
			bytes[i] = pattern(e->done + i);
		REQUIRE(sley_write_full(e->fd, bytes, n, SLEY_NEVER) == (ssize_t)n);
		e->done += n;
	}
	REQUIRE(sley_close(e->fd) == 0);
}

/* feed -> first -> copy -> pipe -> copy -> last -> check */
static void check_splice(void (*first)(int[2]), void (*middle)(int[2]), void (*last)(int[2]))
{
	struct end *ends = calloc(2, sizeof(*ends));
	struct copying *copies = calloc(2, sizeof(*copies));
	int a[2], b[2], c[2];
	sley_task tasks[4];
	first(a);
	middle(b);
	last(c);
	ends[0].fd = a[1];
	copies[0] = (struct copying){ a[0], b[1] };
	copies[1] = (struct copying){ b[0], c[1] };
	ends[1].fd = c[0];
	tasks[0] = sley_spawn(feed, &ends[0]);
	tasks[1] = sley_spawn(copy, &copies[0]);
	tasks[2] = sley_spawn(copy, &copies[1]);
	tasks[3] = sley_spawn(check_pattern, &ends[1]);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(ends[1].done == TOTAL);
	free(ends);
	free(copies);
}

/* Proxies: from and to sockets and pipes of every kind, through a pipe. */
TASK_TEST(splice, 1, 2)
{
	for (size_t i = 0; i < ARRAY_SIZE(open_ends); i++) {
		check_splice(open_ends[i], own_pipe, own_sockets);
		check_splice(own_sockets, foreign_pipe, open_ends[i]);
	}
}

/* Regular files, with offsets, and devices. */
TASK_TEST(file, 1)
{
	int ends[2], file = pattern_file(), copy = memfd_create("copy", MFD_CLOEXEC);
	off_t in = 100, out = 7;
	char a[1000], b[1000];
	REQUIRE(sley_pipe(ends) == 0);
	REQUIRE(sley_splice(file, &in, ends[1], NULL, 1000, 0, SOON) == 1000 && in == 1100);
	REQUIRE(sley_splice(ends[0], NULL, copy, &out, 1000, 0, SOON) == 1000 && out == 1007);
	REQUIRE(pread(file, a, 1000, 100) == 1000 && pread(copy, b, 1000, 7) == 1000 && memcmp(a, b, 1000) == 0);
	in = (off_t)TOTAL;
	REQUIRE(sley_splice(file, &in, ends[1], NULL, 1000, 0, SOON) == 0); /* the end of the file */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);                 /* epoll does not take it */
	REQUIRE(sley_splice(file, NULL, ends[1], NULL, 10, 0, SOON) >= 0 && write(ends[1], "x", 1) == 1);
	REQUIRE(sley_splice(ends[0], NULL, null, NULL, 10, 0, SOON) > 0);
	in = 0;
	REQUIRE(sley_sendfile(null, file, &in, 10, SOON) == 10);
	REQUIRE(sley_sendfile(copy, file, &in, 10, SOON) == 10); /* a regular file is written to without waiting */
	REQUIRE(sley_close(null) == 0 && sley_close(file) == 0 && sley_close(copy) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- closed on one side while the other is waited for ---- */

static void splice_once(void *arg)
{
	struct copying *c = arg;
	c->error = (int)sley_splice(c->in, NULL, c->out, NULL, 8, 0, SLEY_NEVER);
}

/* The side that is not waited for is closed and its number reused: nothing of the new one is moved. */
TASK_TEST(closed, 1, 2)
{
	struct copying *c = calloc(1, sizeof(*c));
	static char bytes[1 << 20];
	int in[2], out[2];
	REQUIRE(sley_socketpair(SOCK_STREAM, in) == 0 && sley_pipe(out) == 0);
	while (write(out[1], bytes, 4096) > 0)
		;
	*c = (struct copying){ in[0], out[1] };
	sley_task task = sley_spawn(splice_once, c);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ); /* first for what is to be read */
	REQUIRE(write(in[1], "12345678", 8) == 8);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE); /* then for room */
	REQUIRE(sley_close(in[0]) == 0);
	int other = socketpair_at(in[0]);
	REQUIRE(write(other, "notyours", 8) == 8);
	while (read(out[0], bytes, sizeof(bytes)) > 0)
		;
	REQUIRE(sley_join(task, SOON) == 0 && c->error == -EBADF);
	REQUIRE(sley_read(in[0], bytes, 10, 0) == 8 && memcmp(bytes, "notyours", 8) == 0);
	REQUIRE(sley_read(out[0], bytes, 10, 0) == -ETIMEDOUT);
	REQUIRE(sley_close(in[0]) == 0 && sley_close(other) == 0 && sley_close(in[1]) == 0);
	REQUIRE(sley_close(out[0]) == 0 && sley_close(out[1]) == 0);
	free(c);
}

/* ---- bad input ---- */

static void read_one(void *fd)
{
	char byte;
	REQUIRE(sley_read((int)(intptr_t)fd, &byte, 1, SOON) == 1);
}

/* Each mistake has its code. */
TASK_TEST(bad, 1)
{
	int ends[2], sockets[2], file = pattern_file();
	off_t offset = -1;
	REQUIRE(sley_pipe(ends) == 0 && sley_socketpair(SOCK_STREAM, sockets) == 0);
	REQUIRE(sley_sendfile(ends[1], -1, NULL, 1, SOON) == -EBADF &&
		sley_sendfile(-1, file, NULL, 1, SOON) == -EBADF);
	REQUIRE(sley_sendfile(ends[1], file, NULL, (size_t)SSIZE_MAX + 1, SOON) == -EINVAL);
	REQUIRE(sley_sendfile(ends[1], file, &offset, 1, SOON) == -EINVAL);
	REQUIRE(sley_sendfile(ends[1], file, (off_t *)1, 1, SOON) == -EFAULT);
	REQUIRE(sley_sendfile(ends[1], file, NULL, 0, SOON) == 0);
	REQUIRE(sley_splice(-1, NULL, ends[1], NULL, 1, 0, SOON) == -EBADF);
	REQUIRE(sley_splice(ends[0], NULL, -1, NULL, 1, 0, SOON) == -EBADF);
	REQUIRE(sley_splice(ends[0], NULL, sockets[0], NULL, SIZE_MAX, 0, SOON) == -EINVAL);
	REQUIRE(sley_splice(sockets[0], NULL, sockets[1], NULL, 1, 0, SOON) == -EINVAL); /* no pipe */
	REQUIRE(sley_splice(ends[0], NULL, ends[1], NULL, 1, 0, SOON) == -EINVAL);       /* twice the same */
	REQUIRE(sley_splice(ends[0], NULL, sockets[0], NULL, 1, 0x8000, SOON) == -EINVAL);
	sley_task reader = sley_spawn(read_one, (void *)(intptr_t)ends[0]);
	await_state(reader, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(sley_splice(ends[0], NULL, sockets[0], NULL, 1, 0, SOON) == -EBUSY);
	REQUIRE(write(ends[1], "1", 1) == 1 && sley_join(reader, SOON) == 0);
	offset = 0;
	REQUIRE(sley_splice(ends[0], &offset, sockets[0], NULL, 1, 0, SOON) == -ESPIPE);
	REQUIRE(sley_splice(ends[0], NULL, sockets[0], NULL, 0, 0, SOON) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	REQUIRE(sley_close(sockets[0]) == 0 && sley_close(sockets[1]) == 0 && sley_close(file) == 0);
}

/* SPLICE_F_NONBLOCK does not wait. */
TASK_TEST(at_once, 1)
{
	for (int foreign = 0; foreign <= 1; foreign++) {
		int from[2], to[2];
		char byte;
		foreign ? foreign_pipe(from) : own_pipe(from);
		foreign ? foreign_sockets(to) : own_sockets(to);
		REQUIRE(sley_splice(from[0], NULL, to[0], NULL, 10, SPLICE_F_NONBLOCK, SOON) == -EAGAIN);
		REQUIRE(sley_write(from[1], "a", 1, SOON) == 1);
		REQUIRE(sley_splice(from[0], NULL, to[0], NULL, 10, SPLICE_F_NONBLOCK, SOON) == 1);
		REQUIRE(sley_read(to[1], &byte, 1, SOON) == 1 && byte == 'a');
		for (int i = 0; i < 2; i++)
			REQUIRE(sley_close(from[i]) == 0 && sley_close(to[i]) == 0);
	}
}
