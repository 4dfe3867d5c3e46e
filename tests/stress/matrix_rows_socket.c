/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what only sockets have. */
#include "tests/stress/matrix_rows_socket.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/stress/matrix_pair.h"
#include "tests/stress/stress.h"

static struct sockaddr_un address;
static int connected;

static void accept_open(void)
{
	char text[128];
	static unsigned number;

	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/sley-matrix-%d-%u", (int)getpid(), number++);
	snprintf(text, sizeof(text), "unix:%s", address.sun_path);
	ends[0] = sley_listen(text, 0);
	REQUIRE(ends[0] >= 0);
}

static void accept_end(void)
{
	REQUIRE(unlink(address.sun_path) == 0);
	REQUIRE(sley_close(ends[0]) == 0);
}

static void accept_close(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
	REQUIRE(unlink(address.sun_path) == 0);
}

static void accept_ready(void)
{
	connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connected >= 0 && connect(connected, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static int accept_call(sley_time deadline)
{
	int fd = sley_accept(ends[0], deadline);

	if (fd < 0)
		return fd;
	REQUIRE(sley_close(fd) == 0 && close(connected) == 0);
	return 0;
}

/* ---- messages ---- */

static int recv_bytes_call(sley_time deadline)
{
	char here[8];

	return (int)sley_recv(ends[0], here, sizeof(here), 0, deadline);
}

static int recvmsg_call(sley_time deadline)
{
	char here[8], control[64];
	struct iovec part = { here, sizeof(here) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};

	return (int)sley_recvmsg(ends[0], &message, 0, deadline);
}

static int send_bytes_call(sley_time deadline)
{
	return (int)sley_send(ends[0], "7", 1, 0, deadline);
}

static int sendmsg_call(sley_time deadline)
{
	struct iovec part = { (char[]){ '7' }, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return (int)sley_sendmsg(ends[0], &message, 0, deadline);
}

static void packet_open(void)
{
	REQUIRE(sley_socketpair(SOCK_DGRAM, ends) == 0);
}

static void packet_end(void)
{
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

static void packet_reopen(void)
{
	REQUIRE(sley_close(ends[1]) == 0);
	packet_open();
}

static int recvfrom_call(sley_time deadline)
{
	char here[8];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);

	return (int)sley_recvfrom(ends[0], here, sizeof(here), 0, (struct sockaddr *)&from, &size, deadline);
}

const struct matrix_row matrix_rows_socket[] = {
	{ "accept", SLEY_WAIT_ACCEPT, accept_open, accept_end, accept_call, accept_ready, NULL, accept_close,
	  accept_open, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recv", SLEY_WAIT_READ, pair_open, pair_end, recv_bytes_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recvmsg", SLEY_WAIT_READ, pair_open, pair_end, recvmsg_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "send", SLEY_WAIT_WRITE, pair_open_full, pair_end, send_bytes_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "sendmsg", SLEY_WAIT_WRITE, pair_open_full, pair_end, sendmsg_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recvfrom, datagrams", SLEY_WAIT_READ, packet_open, packet_end, recvfrom_call, pair_give, NULL, pair_close,
	  packet_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ NULL },
};
