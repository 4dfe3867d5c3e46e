/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A stream of connections. */
#include "tests/unit/run.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sley_stream *stream;
static char address[64];

static int listen_somewhere(void)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0 && getsockname(listener, (struct sockaddr *)&name, &length) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(name.sin_port));
	return listener;
}

static void dial_all(void *arg)
{
	for (char i = 0; i < 20; i++) {
		char back;
		int fd = sley_dial(address, SOON);
		REQUIRE(fd >= 0);
		REQUIRE(sley_write_full(fd, &i, 1, SOON) == 1);
		REQUIRE(sley_read(fd, &back, 1, SOON) == 1 && back == 2 * i);
		REQUIRE(sley_close(fd) == 0);
	}
}

/* Answers twice what it reads, and passes on what that was. */
static int serve(void *arg, const void *from, void *to)
{
	int fd = *(const int *)from;
	char byte = 0;
	ssize_t n = sley_read(fd, &byte, 1, SOON);
	*(char *)to = byte;
	byte *= 2;
	if (n == 1)
		n = sley_write_full(fd, &byte, 1, SOON);
	sley_close(fd);
	return n == 1 ? 0 : -EIO;
}

/* Connections are served as they come; freeing the stream closes the listener. */
TASK_TEST(accept, 1, 2)
{
	int listener = listen_somewhere();
	char item;
	REQUIRE(sley_stream_from_listener(&stream, listener) == 0);
	REQUIRE(sley_stream_buffered(stream, 4, serve, NULL, 0, 1, NULL) == 0);
	sley_task task = sley_spawn(dial_all, NULL);
	for (char i = 0; i < 20; i++)
		REQUIRE(sley_stream_next(stream, &item, SOON) == 0 && item == i);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	REQUIRE(sley_dial(address, SOON) == -ECONNREFUSED); /* it is closed */
}

static void next_until_end(void *arg)
{
	int fd;
	REQUIRE(sley_stream_next(stream, &fd, SOON) == SLEY_END);
}

/* A listener that is closed is the end of its stream. */
TASK_TEST(closed, 1, 2)
{
	int listener = listen_somewhere(), fd;
	REQUIRE(sley_stream_from_listener(&stream, listener) == 0);
	REQUIRE(sley_stream_next(stream, &fd, 0) == -ETIMEDOUT);
	sley_task task = sley_spawn(next_until_end, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_ACCEPT);
	REQUIRE(sley_close(listener) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
}

TASK_TEST(bad, 1)
{
	int ends[2], plain = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(pipe(ends) == 0 && plain >= 0);
	stream = NULL;
	REQUIRE(sley_stream_from_listener(&stream, -1) == -EBADF);
	REQUIRE(sley_stream_from_listener(&stream, ends[0]) == -ENOTSOCK);
	REQUIRE(sley_stream_from_listener(&stream, plain) == -EINVAL);
	REQUIRE(sley_stream_from_listener(NULL, plain) == -EINVAL && !stream);
	close(ends[0]);
	close(ends[1]);
	close(plain);
}
