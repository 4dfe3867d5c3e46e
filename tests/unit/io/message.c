/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Datagrams, flags, addresses and descriptors that are passed. */
#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/compiler.h"

/* "127.0.0.1:PORT" of a bound socket. */
static const char *name_of(int fd)
{
	static char text[64];
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	REQUIRE(getsockname(fd, (struct sockaddr *)&a, &size) == 0 && a.sin_family == AF_INET);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(a.sin_port));
	return text;
}

static const char *unix_name(void)
{
	static char text[64];
	snprintf(text, sizeof(text), "unix:/tmp/sley-test-message-%d", getpid());
	return text;
}

/* ---- datagrams ---- */

/* Sends back what comes until an empty datagram comes. */
static void echo(void *arg)
{
	int fd = *(int *)arg;
	char bytes[100];
	ssize_t n;
	do {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		n = sley_recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size, SLEY_NEVER);
		REQUIRE(n >= 0 && size > sizeof(sa_family_t) && size <= sizeof(from));
		REQUIRE(sley_sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, size, SLEY_NEVER) == n);
	} while (n > 0);
}

static void check_echo(const char *listen_address)
{
	int *server = malloc(sizeof(*server));
	char bytes[100];
	*server = sley_packet_listen(listen_address);
	REQUIRE(*server >= 0);
	REQUIRE(fcntl(*server, F_GETFD) & FD_CLOEXEC && fcntl(*server, F_GETFL) & O_NONBLOCK);
	sley_task task = sley_spawn(echo, server);
	int client = sley_packet_dial(listen_address[0] == 'u' ? listen_address : name_of(*server));
	int other = sley_packet_dial(listen_address[0] == 'u' ? listen_address : name_of(*server));
	REQUIRE(client >= 0 && other >= 0 && fcntl(client, F_GETFL) & O_NONBLOCK);
	for (int i = 1; i < 20; i++) {
		REQUIRE(sley_send(client, "some words to be echoed", (size_t)i, 0, SOON) == i);
		REQUIRE(sley_send(other, "other", 5, 0, SOON) == 5);
		REQUIRE(sley_recv(client, bytes, sizeof(bytes), 0, SOON) == i &&
			memcmp(bytes, "some words to be echoed", (size_t)i) == 0);
		REQUIRE(sley_read(other, bytes, sizeof(bytes), SOON) == 5 && memcmp(bytes, "other", 5) == 0);
		REQUIRE(sley_recv(client, bytes, sizeof(bytes), 0, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	}
	REQUIRE(sley_write(client, "cut", 3, SOON) == 3);
	REQUIRE(sley_recv(client, bytes, 1, MSG_TRUNC, SOON) == 3); /* its real size */
	REQUIRE(sley_send(client, NULL, 0, 0, SOON) == 0);
	REQUIRE(sley_recv(client, bytes, sizeof(bytes), 0, SOON) == 0); /* an empty one */
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_close(client) == 0 && sley_close(other) == 0 && sley_close(*server) == 0);
	free(server);
}

/* UDP and Unix datagrams there and back, by address and connected, empty ones and ones that are cut. */
TASK_TEST(datagrams, 1, 2)
{
	check_echo("127.0.0.1:0");
	unlink(unix_name() + 5);
	check_echo(unix_name());
	unlink(unix_name() + 5);
}

static int main_packet_errors(void *arg)
{
	char bytes[10];
	REQUIRE(sley_packet_listen("localhost:1") == -EINVAL && sley_packet_listen(NULL) == -EINVAL);
	REQUIRE(sley_packet_dial("localhost:1") == -EINVAL && sley_packet_dial(NULL) == -EINVAL);
	REQUIRE(sley_packet_listen("192.0.2.1:1") == -EADDRNOTAVAIL);
	REQUIRE(sley_packet_dial("unix:/nonexistent/socket") == -ENOENT);
	int first = sley_packet_listen("127.0.0.1:0");
	char name[64];
	snprintf(name, sizeof(name), "%s", name_of(first));
	REQUIRE(sley_packet_listen(name) == -EADDRINUSE);
	int client = sley_packet_dial(name);
	REQUIRE(first >= 0 && client >= 0 && sley_close(first) == 0);
	/* nobody there: the kernel says so at the next call, waiting or not */
	REQUIRE(sley_send(client, "a", 1, 0, SOON) == 1);
	REQUIRE(sley_recv(client, bytes, sizeof(bytes), 0, SOON) == -ECONNREFUSED);
	REQUIRE(sley_send(client, "a", 1, 0, SOON) == 1);
	REQUIRE(sley_poll(client, POLLIN, SOON) & POLLERR);
	REQUIRE(sley_send(client, "a", 1, 0, SOON) == -ECONNREFUSED);
	REQUIRE(sley_recv(client, bytes, sizeof(bytes), 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	static char large[70000];
	REQUIRE(sley_send(client, large, sizeof(large), 0, SOON) == -EMSGSIZE);
	REQUIRE(sley_close(client) == 0);
	return 0;
}

/* Addresses in use or not there, a peer that is gone, datagrams that are too large. */
TEST(packet_errors)
{
	assert_int_equal(sley_packet_listen("127.0.0.1:0"), -ENOTCONN);
	assert_int_equal(sley_packet_dial("127.0.0.1:1"), -ENOTCONN);
	run(main_packet_errors, 1);
}

/* ---- a Unix receiver that is full ---- */

struct sending {
	int fd;
	ssize_t result;
};

static void send_one(void *arg)
{
	struct sending *s = arg;
	s->result = sley_send(s->fd, "one", 3, 0, SLEY_NEVER);
}

/* Sending by name to a full Unix socket is -EAGAIN; a connected sender waits for room. */
TASK_TEST(full, 1, 2)
{
	struct sending *s = calloc(1, sizeof(*s));
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *name = unix_name();
	char bytes[10];
	ssize_t n;
	int sent = 0;
	unlink(name + 5);
	int server = sley_packet_listen(name), client = sley_packet_dial(name),
	    stranger = sley_socket(AF_UNIX, SOCK_DGRAM, 0);
	REQUIRE(server >= 0 && client >= 0 && stranger >= 0);
	strcpy(to.sun_path, name + 5);
	while ((n = sley_sendto(stranger, "x", 1, 0, (struct sockaddr *)&to, sizeof(to), SOON)) == 1)
		sent++;
	REQUIRE(n == -EAGAIN && sent > 0); /* at once: nothing tells when there is room */
	struct iovec v = { bytes, 1 };
	const struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &v, .msg_iovlen = 1 };
	REQUIRE(sley_sendmsg(stranger, &message, 0, SOON) == -EAGAIN);
	/* a connected one is told */
	s->fd = client;
	sley_task task = sley_spawn(send_one, s);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	while (sley_recv(server, bytes, sizeof(bytes), 0, SOON) != 3)
		;
	REQUIRE(sley_join(task, SOON) == 0 && s->result == 3);
	REQUIRE(sley_close(server) == 0 && sley_close(client) == 0 && sley_close(stranger) == 0);
	unlink(name + 5);
	free(s);
}

/* ---- flags ---- */

static void check_flags(int ends[2])
{
	char bytes[10];
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_DONTWAIT, SOON) == -EAGAIN);
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_ERRQUEUE, SOON) == -EAGAIN);
	REQUIRE(sley_send(ends[1], "abcdef", 6, 0, SOON) == 6);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_recv(ends[0], bytes, 10, MSG_PEEK, SOON) == 6 && memcmp(bytes, "abcdef", 6) == 0);
	REQUIRE(sley_recv(ends[0], bytes, 2, 0, SOON) == 2 && memcmp(bytes, "ab", 2) == 0);
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_DONTWAIT, SOON) == 4 && memcmp(bytes, "cdef", 4) == 0);
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_DONTWAIT, SOON) == -EAGAIN);
	/* what peeked finds that another took it waits all the same, and is woken */
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_PEEK, 0) == -ETIMEDOUT);
	REQUIRE(sley_send(ends[1], "gh", 2, MSG_DONTWAIT, SOON) == 2);
	REQUIRE(sley_recv(ends[0], bytes, 10, MSG_PEEK, SOON) == 2);
	REQUIRE(sley_recv(ends[0], bytes, 10, 0, SOON) == 2); /* no more than there is */
	static char much[1 << 16];
	ssize_t n;
	while ((n = sley_send(ends[1], much, sizeof(much), MSG_DONTWAIT, SOON)) > 0)
		;
	REQUIRE(n == -EAGAIN);
	REQUIRE(sley_send(ends[1], "x", 1, MSG_ZEROCOPY, SOON) == -EINVAL);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

static void tcp_pair(int ends[2])
{
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0);
	ends[0] = sley_dial(name_of(listener), SOON);
	ends[1] = sley_accept(listener, SOON);
	REQUIRE(ends[0] >= 0 && ends[1] >= 0 && sley_close(listener) == 0);
}

/* MSG_PEEK takes nothing away; MSG_DONTWAIT and MSG_ERRQUEUE do not wait; MSG_ZEROCOPY is refused. */
TASK_TEST(flags, 1, 2)
{
	int ends[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); /* blocking */
	check_flags(ends);
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	check_flags(ends);
	tcp_pair(ends);
	check_flags(ends);
}

/* Urgent data. */
TASK_TEST(urgent, 1)
{
	int ends[2];
	char byte = 0;
	tcp_pair(ends);
	REQUIRE(sley_recv(ends[0], &byte, 1, MSG_OOB, SOON) == -EINVAL); /* there is none: no wait */
	REQUIRE(sley_send(ends[1], "!", 1, MSG_OOB, SOON) == 1);
	sley_time deadline = SOON;
	while (sley_recv(ends[0], &byte, 1, MSG_OOB, SOON) != 1) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(byte == '!');
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* The error queue is read without waiting. */
TASK_TEST(error_queue, 1)
{
	int on = 1;
	char bytes[10], control[256];
	struct iovec v = { bytes, sizeof(bytes) };
	int server = sley_packet_listen("127.0.0.1:0"), client = sley_packet_dial(name_of(server));
	REQUIRE(sley_close(server) == 0);
	REQUIRE(setsockopt(client, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0);
	REQUIRE(sley_send(client, "lost", 4, 0, SOON) == 4);
	REQUIRE(sley_poll(client, POLLIN, SOON) & POLLERR);
	struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	REQUIRE(sley_recvmsg(client, &message, MSG_ERRQUEUE, SOON) == 4 && memcmp(bytes, "lost", 4) == 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	REQUIRE(c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR);
	REQUIRE(((struct sock_extended_err *)CMSG_DATA(c))->ee_errno == ECONNREFUSED);
	REQUIRE(sley_recvmsg(client, &message, MSG_ERRQUEUE, SOON) == -EAGAIN);
	REQUIRE(sley_close(client) == 0);
}

/* ---- descriptors ---- */

static void pass(int socket, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec v = { (char *)"fd", 2 };
	const struct msghdr message = { .msg_iov = &v,
					.msg_iovlen = 1,
					.msg_control = control.bytes,
					.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	REQUIRE(sley_sendmsg(socket, &message, 0, SOON) == 2);
}

/* How many came. */
static size_t take(int socket, int *fds, size_t room, int *flags)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char bytes[10];
	struct iovec v = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_iov = &v,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = CMSG_LEN(room * sizeof(int)) };
	REQUIRE(sley_recvmsg(socket, &message, 0, SOON) == 2 && memcmp(bytes, "fd", 2) == 0);
	*flags = message.msg_flags;
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	if (!c)
		return 0;
	REQUIRE(c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS);
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

struct taking {
	int socket, flags;
	int fds[4];
	size_t count;
};

static void take_two(void *arg)
{
	struct taking *t = arg;
	t->count = take(t->socket, t->fds, 2, &t->flags);
}

static void check_passing(int ends[2])
{
	struct taking *t = calloc(1, sizeof(*t));
	int pipe[2], flags;
	char byte;
	REQUIRE(sley_pipe(pipe) == 0);
	t->socket = ends[0];
	sley_task task = sley_spawn(take_two, t);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	pass(ends[1], pipe, 2);
	REQUIRE(sley_join(task, SOON) == 0 && t->count == 2 && !(t->flags & MSG_CTRUNC));
	for (int i = 0; i < 2; i++) {
		REQUIRE(fcntl(t->fds[i], F_GETFD) & FD_CLOEXEC);
		REQUIRE(sley_close(pipe[i]) == 0);
	}
	/* the same pipe by other numbers, as foreign descriptors and taken over */
	REQUIRE(sley_write(t->fds[1], "x", 1, SOON) == 1 && sley_read(t->fds[0], &byte, 1, SOON) == 1 && byte == 'x');
	REQUIRE(sley_own(t->fds[0]) == 0 && sley_own(t->fds[1]) == 0);
	REQUIRE(sley_write(t->fds[1], "y", 1, SOON) == 1 && sley_read(t->fds[0], &byte, 1, SOON) == 1 && byte == 'y');
	/* no room for the second: it is closed by the kernel, and said */
	pass(ends[1], t->fds, 2);
	int got;
	REQUIRE(take(ends[0], &got, 1, &flags) == 1 && flags & MSG_CTRUNC && sley_close(got) == 0);
	REQUIRE(sley_close(t->fds[0]) == 0);
	REQUIRE(sley_write(t->fds[1], "z", 1, SOON) == -EPIPE); /* no reader is left anywhere */
	REQUIRE(sley_close(t->fds[1]) == 0 && sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	free(t);
}

static int main_passing(void *arg)
{
	int ends[2];
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		REQUIRE(socketpair(AF_UNIX, type, 0, ends) == 0);
		check_passing(ends);
		REQUIRE(sley_socketpair(type, ends) == 0);
		check_passing(ends);
	}
	REQUIRE(sley_socketpair(SOCK_SEQPACKET, ends) == 0);
	check_passing(ends);
	return 0;
}

/* Descriptors come through streams and datagrams, close-on-exec, and are used at once. */
TEST(passing)
{
	test_need_kernel("qemu-user does not say MSG_CTRUNC when a second descriptor had no room");
	run(main_passing, 1);
	run(main_passing, 2);
}

/* ---- bad input ---- */

/* Sizes that overflow, too many buffers, pointers that are none; and a call that failed leaves the rest to the next. */
TASK_TEST(bad, 1)
{
	int ends[2];
	static struct iovec many[IOV_MAX + 1];
	struct iovec v = { NULL, 5 };
	struct msghdr message = { .msg_iov = many, .msg_iovlen = IOV_MAX + 1 };
	char byte;
	REQUIRE(sley_socketpair(SOCK_DGRAM, ends) == 0);
	REQUIRE(sley_recv(ends[0], &byte, (size_t)SSIZE_MAX + 1, 0, SOON) == -EINVAL);
	REQUIRE(sley_send(ends[0], &byte, SIZE_MAX, 0, SOON) == -EINVAL);
	REQUIRE(sley_recvmsg(ends[0], NULL, 0, SOON) == -EFAULT && sley_sendmsg(ends[0], NULL, 0, SOON) == -EFAULT);
	REQUIRE(sley_sendmsg(ends[0], &message, 0, SOON) == -EMSGSIZE);
	REQUIRE(sley_recvmsg(ends[0], &message, 0, SOON) == -EMSGSIZE);
	message = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
	REQUIRE(sley_sendmsg(ends[0], &message, 0, SOON) == -EFAULT);
	message = (struct msghdr){ .msg_iov = NULL, .msg_iovlen = 1 };
	REQUIRE(sley_sendmsg(ends[0], &message, 0, SOON) == -EFAULT);
	REQUIRE(sley_send(ends[0], NULL, 5, 0, SOON) == -EFAULT);
	/* what failed on a bad pointer loses the datagram, but not the next one's event */
	REQUIRE(sley_send(ends[1], "a", 1, 0, SOON) == 1 && sley_send(ends[1], "b", 1, 0, SOON) == 1);
	REQUIRE(sley_recv(ends[0], NULL, 1, 0, SOON) == -EFAULT);
	REQUIRE(sley_recv(ends[0], &byte, 1, 0, SOON) == 1);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);

	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	REQUIRE(sley_send(ends[1], "ab", 2, 0, SOON) == 2);
	REQUIRE(sley_read(ends[0], NULL, 10, SOON) == -EFAULT);
	REQUIRE(sley_read(ends[0], &byte, 1, SOON) == 1); /* the bytes are there still, without another event */
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	tcp_pair(ends);
	REQUIRE(sley_send(ends[1], "ab", 2, 0, SOON) == 2);
	REQUIRE(sley_read(ends[0], NULL, 10, SOON) == -EFAULT);
	REQUIRE(sley_read(ends[0], &byte, 1, SLEY_NEVER) == 1);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- MSG_WAITALL ---- */

/* Sends "abc", and the rest of "abcdefgh" once that was taken. */
static void send_parts(void *arg)
{
	int fd = *(int *)arg, left;
	REQUIRE(sley_write_full(fd, "abc", 3, SOON) == 3);
	for (sley_time deadline = SOON; ioctl(((int *)arg)[1], FIONREAD, &left) == 0 && left > 0;) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(sley_write_full(fd, "defgh", 5, SOON) == 5);
}

static ssize_t recv_vector(int fd, char *bytes, void *control, size_t *control_size, int flags, sley_time deadline)
{
	struct iovec v[4] = { { bytes, 2 }, { NULL, 0 }, { bytes + 2, 3 }, { bytes + 5, 3 } };
	struct msghdr m = {
		.msg_iov = v, .msg_iovlen = 4, .msg_control = control, .msg_controllen = control ? *control_size : 0
	};
	ssize_t n = sley_recvmsg(fd, &m, flags, deadline);
	REQUIRE(m.msg_iov == v && m.msg_iovlen == 4 && v[2].iov_len == 3); /* the caller's are as they were */
	if (control)
		*control_size = m.msg_controllen;
	return n;
}

static void check_whole(int ends[2])
{
	char bytes[8];
	struct sockaddr_storage from;
	socklen_t size;
	for (int how = 0; how < 3; how++) {
		sley_task sender = sley_spawn(send_parts, ends);
		ssize_t n;
		memset(bytes, 0, sizeof(bytes));
		size = sizeof(from);
		if (how == 0)
			n = sley_recv(ends[1], bytes, 8, MSG_WAITALL, SOON);
		else if (how == 1)
			n = sley_recvfrom(ends[1], bytes, 8, MSG_WAITALL, (struct sockaddr *)&from, &size, SOON);
		else
			n = recv_vector(ends[1], bytes, NULL, NULL, MSG_WAITALL, SOON);
		REQUIRE(n == 8 && memcmp(bytes, "abcdefgh", 8) == 0);
		REQUIRE(sley_join(sender, SOON) == 0);
	}
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL | MSG_PEEK, SOON) == -EINVAL);
	REQUIRE(sley_write_full(ends[0], "abc", 3, SOON) == 3);
	REQUIRE(sley_poll(ends[1], POLLIN, SOON) == POLLIN);
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL | MSG_DONTWAIT, SOON) == 3);
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL, 0) == -ETIMEDOUT);
	REQUIRE(sley_write_full(ends[0], "abc", 3, SOON) == 3);
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* and "abc" is lost */
	REQUIRE(sley_write_full(ends[0], "xy", 2, SOON) == 2 && sley_shutdown(ends[0], SHUT_WR) == 0);
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL, SOON) == 2 && bytes[0] == 'x');
	REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL, SOON) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* Descriptors end it, so that those of the next bytes are not mixed up with them. */
static void check_passed(int ends[2])
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec v = { "de", 2 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)
	};
	char bytes[8];
	int fd;
	size_t size = sizeof(control.bytes);
	memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
	REQUIRE(sley_write_full(ends[0], "abc", 3, SOON) == 3 && sley_sendmsg(ends[0], &m, 0, SOON) == 2);
	REQUIRE(sley_write_full(ends[0], "fgh", 3, SOON) == 3);
	REQUIRE(recv_vector(ends[1], bytes, &control, &size, MSG_WAITALL, SOON) == 5 && memcmp(bytes, "abcde", 5) == 0);
	REQUIRE(size >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
	REQUIRE(close(fd) == 0);
	REQUIRE(sley_recv(ends[1], bytes, 3, MSG_WAITALL, SOON) == 3 && memcmp(bytes, "fgh", 3) == 0);
}

/* All bytes, in however many parts they come; what cannot be so is said. */
TASK_TEST(whole, 1, 2)
{
	int ends[2];
	char bytes[8];
	tcp_pair(ends);
	check_whole(ends);
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	check_passed(ends);
	check_whole(ends);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0); /* foreign, and blocking */
	check_whole(ends);
	for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_DGRAM) {
		REQUIRE(sley_socketpair(type, ends) == 0);
		REQUIRE(sley_send(ends[0], "abc", 3, 0, SOON) == 3 && sley_send(ends[0], "de", 2, 0, SOON) == 2);
		REQUIRE(sley_recv(ends[1], bytes, 8, MSG_WAITALL, SOON) == 3); /* a message is whole */
		REQUIRE(recv_vector(ends[1], bytes, NULL, NULL, MSG_WAITALL, SOON) == 2);
		REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	}
}

/* Sending with the connection, to a server that does not know the client: it waits until it can be sent. */
TASK_TEST(fast_open, 1)
{
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	char bytes[8];
	int listener = sley_listen("127.0.0.1:0", 0), client = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
	ssize_t n = sley_sendto(client, "abc", 3, MSG_FASTOPEN, (struct sockaddr *)&a, size, SOON);
	if (n == -EOPNOTSUPP) /* switched off here */
		return;
	REQUIRE(n == 3);
	int server = sley_accept(listener, SOON);
	REQUIRE(server >= 0 && sley_recv(server, bytes, 3, MSG_WAITALL, SOON) == 3 && memcmp(bytes, "abc", 3) == 0);
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0 && sley_close(listener) == 0);
}
