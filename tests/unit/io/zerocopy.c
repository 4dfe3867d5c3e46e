/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sending without a copy, and when the buffer is the caller's again. */
#include "tests/unit/run.h"

#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

#define NO_ZEROCOPY "qemu-user does not know SO_ZEROCOPY"
#define SIZE        ((size_t)1 << 20)

static int ends[2];
static char *buffer; /* on the heap */

static void connect_ends(const char *address)
{
	struct sockaddr_storage a;
	socklen_t size = sizeof(a);
	int listener = sley_listen(address, 0);
	REQUIRE(listener >= 0 && getsockname(listener, (struct sockaddr *)&a, &size) == 0);
	ends[0] = sley_socket(a.ss_family, SOCK_STREAM, 0);
	REQUIRE(sley_connect(ends[0], (struct sockaddr *)&a, size, SOON) == 0);
	ends[1] = sley_accept(listener, SOON);
	REQUIRE(ends[1] >= 0 && sley_close(listener) == 0);
}

static void close_ends(void)
{
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 >> 3);
}

static void check_pattern(void *arg)
{
	unsigned char *bytes = malloc(SIZE);
	size_t done = 0, total = (size_t)arg;
	while (done < total) {
		ssize_t n = sley_read(ends[1], bytes, SIZE, SLEY_NEVER);
		REQUIRE(n > 0);
		for (ssize_t i = 0; i < n; i++)
			REQUIRE(bytes[i] == pattern((done + (size_t)i) % SIZE));
		done += (size_t)n;
	}
	free(bytes);
}

static int main_send(void *arg)
{
	static const size_t sizes[] = { 1, 4096, 100000, SIZE };
	buffer = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		buffer[i] = (char)pattern(i);
	connect_ends("127.0.0.1:0");
	REQUIRE(sley_zerocopy_wait(ends[0], 0) == 0); /* nothing was sent */
	REQUIRE(sley_send_zerocopy(ends[0], buffer, 0, SOON) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t copies = 1; copies < 4; copies++) {
			sley_task task = sley_spawn(check_pattern, (void *)sizes[i]);
			REQUIRE(sley_send_zerocopy(ends[0], buffer, sizes[i], SOON) == (ssize_t)sizes[i]);
			int released = sley_zerocopy_wait(ends[0], SOON);
			REQUIRE(released == 0 || released == 1); /* over loopback: a copy, and said */
			REQUIRE(sley_join(task, SOON) == 0);
			REQUIRE(sley_zerocopy_wait(ends[0], 0) == 0); /* said once */
		}
	}
	/* several at once, and an ordinary write between them */
	sley_task task = sley_spawn(check_pattern, (void *)(5 * SIZE));
	for (int i = 0; i < 5; i++)
		REQUIRE((i == 2 ? sley_write_full(ends[0], buffer, SIZE, SOON)
				: sley_send_zerocopy(ends[0], buffer, SIZE, SOON)) == (ssize_t)SIZE);
	REQUIRE(sley_zerocopy_wait(ends[0], SOON) >= 0 && sley_join(task, SOON) == 0);
	close_ends();
	free(buffer);
	return 0;
}

/* Every byte arrives, and the buffer is released, after one call and after several. */
TEST(send)
{
	test_need_kernel(NO_ZEROCOPY);
	run(main_send, 1);
	run(main_send, 2);
}

/* ---- a peer that does not read ---- */

struct waiting {
	int result;
};

static void wait_released(void *arg)
{
	((struct waiting *)arg)->result = sley_zerocopy_wait(ends[0], SLEY_NEVER);
}

static void fill(void)
{
	ssize_t n = 0;
	for (int i = 0; i < 64 && n >= 0; i++)
		n = sley_send_zerocopy(ends[0], buffer, SIZE, sley_in(SLEY_MS(20)));
	REQUIRE(n == -ETIMEDOUT);
}

static int main_stuck(void *arg)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	struct waiting *w = calloc(1, sizeof(*w));
	char byte;
	buffer = calloc(1, SIZE);
	connect_ends("127.0.0.1:0");
	fill();
	REQUIRE(sley_zerocopy_wait(ends[0], 0) == -ETIMEDOUT);
	REQUIRE(sley_zerocopy_wait(ends[0], sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	sley_task task = sley_spawn(wait_released, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(sley_zerocopy_wait(ends[0], SOON) == -EBUSY && sley_write_full(ends[0], buffer, SIZE, SOON) == -EBUSY);
	REQUIRE(sley_read(ends[0], &byte, 1, 0) == -ETIMEDOUT); /* the other direction is free */
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && w->result == -ECANCELED);
	/* giving the connection up gives the buffers back */
	task = sley_spawn(wait_released, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(sley_connect(ends[0], &nowhere, sizeof(nowhere), SOON) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && w->result >= 0);
	close_ends();

	connect_ends("127.0.0.1:0");
	fill();
	task = sley_spawn(wait_released, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(sley_close(ends[0]) == 0); /* under the waiter */
	REQUIRE(sley_join(task, SOON) == 0 && w->result == -EBADF);
	REQUIRE(sley_close(ends[1]) == 0);

	connect_ends("127.0.0.1:0");
	fill();
	task = sley_spawn(wait_released, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	const struct linger at_once = { 1, 0 };
	REQUIRE(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	REQUIRE(sley_close(ends[1]) == 0); /* the peer resets */
	REQUIRE(sley_join(task, SOON) == 0 && w->result >= 0);
	REQUIRE(sley_send_zerocopy(ends[0], buffer, SIZE, SOON) < 0 && sley_close(ends[0]) == 0);
	free(buffer);
	free(w);
	return 0;
}

/* The release waits for the peer: deadline, cancellation, close, a second waiter; a dead connection releases. */
TEST(stuck)
{
	test_need_kernel(NO_ZEROCOPY);
	run(main_stuck, 1);
	run(main_stuck, 2);
}

/* ---- beside a reader ---- */

static void read_one(void *arg)
{
	char byte;
	((struct waiting *)arg)->result = (int)sley_read(ends[0], &byte, 1, SLEY_NEVER);
}

static int main_reader(void *arg)
{
	struct waiting *w = calloc(1, sizeof(*w));
	char *bytes = malloc(SIZE);
	buffer = calloc(1, SIZE);
	connect_ends("127.0.0.1:0");
	sley_task task = sley_spawn(read_one, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(sley_send_zerocopy(ends[0], buffer, 1000, SOON) == 1000 && sley_zerocopy_wait(ends[0], SOON) >= 0);
	for (int i = 0; i < 100; i++) {
		uint64_t waits = counter(SLEY_COUNTER_waits);
		REQUIRE(sley_send_zerocopy(ends[0], buffer, 1000, SOON) == 1000);
		REQUIRE(sley_zerocopy_wait(ends[0], SOON) >= 0);
		REQUIRE(sley_read_full(ends[1], bytes, 1000, SOON) == 1000);
		REQUIRE(counter(SLEY_COUNTER_waits) - waits <= 2); /* at most ours: the reader was left alone */
	}
	REQUIRE(sley_write(ends[1], "x", 1, SOON) == 1);
	REQUIRE(sley_join(task, SOON) == 0 && w->result == 1);
	/* and a reset reaches it */
	task = sley_spawn(read_one, w);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	const struct linger at_once = { 1, 0 };
	REQUIRE(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0 && sley_close(ends[1]) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && w->result == -ECONNRESET);
	REQUIRE(sley_close(ends[0]) == 0);
	free(buffer);
	free(bytes);
	free(w);
	return 0;
}

/* Notifications do not wake the socket's reader; data and errors do. */
TEST(reader)
{
	test_need_kernel(NO_ZEROCOPY);
	run(main_reader, 1);
}

/* ---- datagrams ---- */

static int main_datagrams(void *arg)
{
	char address[64];
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	char *bytes = malloc(SIZE);
	buffer = calloc(1, SIZE);
	int server = sley_packet_listen("127.0.0.1:0");
	REQUIRE(getsockname(server, (struct sockaddr *)&a, &size) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
	int client = sley_packet_dial(address);
	for (int i = 0; i < 10; i++) {
		buffer[0] = (char)i;
		REQUIRE(sley_send_zerocopy(client, buffer, 30000, SOON) == 30000);
		REQUIRE(sley_recv(server, bytes, SIZE, 0, SOON) == 30000 && bytes[0] == i);
		REQUIRE(sley_zerocopy_wait(client, SOON) >= 0);
	}
	REQUIRE(sley_send_zerocopy(client, buffer, SIZE, SOON) == -EMSGSIZE);
	REQUIRE(sley_zerocopy_wait(client, 0) == 0); /* nothing of that was sent */
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0);
	free(buffer);
	free(bytes);
	return 0;
}

/* UDP. */
TEST(datagrams)
{
	test_need_kernel(NO_ZEROCOPY);
	run(main_datagrams, 1);
}

/* ---- no memory for notifications ---- */

/* Takes the socket's memory for options and the like away, by joining groups. */
static void use_option_memory(int fd)
{
	struct ipv6_mreq group = { .ipv6mr_multiaddr = { .s6_addr = { 0xff, 0x11 } }, .ipv6mr_interface = 1 };
	int error = 0;
	for (uint32_t i = 1; i < 1000000 && error == 0; i++) {
		memcpy(&group.ipv6mr_multiaddr.s6_addr[12], &i, sizeof(i));
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)) != 0)
			error = errno;
	}
	REQUIRE(error == ENOMEM || error == ENOBUFS);
}

static int main_no_memory(void *arg)
{
	char address[64], byte;
	struct sockaddr_in6 a;
	socklen_t size = sizeof(a);
	int server = sley_packet_listen("[::1]:0");
	REQUIRE(getsockname(server, (struct sockaddr *)&a, &size) == 0);
	snprintf(address, sizeof(address), "[::1]:%u", ntohs(a.sin6_port));
	int client = sley_packet_dial(address);
	use_option_memory(client);
	buffer = calloc(1, SIZE);
	for (int i = 0; i < 3; i++) {
		buffer[0] = (char)i;
		REQUIRE(sley_send_zerocopy(client, buffer, 1, SOON) == 1);
		REQUIRE(sley_recv(server, &byte, 1, 0, SOON) == 1 && byte == i);
		REQUIRE(sley_zerocopy_wait(client, SOON) == 0); /* it was not sent so */
	}
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0);
	free(buffer);
	return 0;
}

/* Where there is no memory for a notification the bytes are copied after all. */
TEST(no_memory)
{
	test_need_kernel(NO_ZEROCOPY);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		test_skip("needs IPv6");
	close(fd);
	run(main_no_memory, 1);
}

/* ---- bad input ---- */

static void send_from_stack(void *arg)
{
	char bytes[100] = { 0 };
	((struct waiting *)arg)->result = (int)sley_send_zerocopy(ends[0], bytes, sizeof(bytes), SOON);
}

static int main_bad(void *arg)
{
	struct waiting *w = calloc(1, sizeof(*w));
	int other[2];
	char text[1000];
	buffer = calloc(1, SIZE);
	connect_ends("127.0.0.1:0");
	REQUIRE(sley_send_zerocopy(-1, buffer, 1, SOON) == -EBADF && sley_zerocopy_wait(-1, SOON) == -EBADF);
	REQUIRE(sley_zerocopy_wait(900000, SOON) == -EBADF);
	REQUIRE(sley_send_zerocopy(ends[0], buffer, SIZE_MAX, SOON) == -EINVAL);
	REQUIRE(sley_send_zerocopy(ends[0], (void *)8, 10, SOON) == -EFAULT);
	capture_begin();
	sley_task task = sley_spawn(send_from_stack, w);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(w->result == -EFAULT && occurrences(text, "sley_send_zerocopy") == 1);
	REQUIRE(sley_socketpair(SOCK_STREAM, other) == 0);
	REQUIRE(sley_send_zerocopy(other[0], buffer, 1, SOON) == -EOPNOTSUPP &&
		sley_zerocopy_wait(other[0], SOON) == 0);
	REQUIRE(sley_close(other[0]) == 0 && sley_close(other[1]) == 0);
	REQUIRE(sley_pipe(other) == 0 && sley_send_zerocopy(other[1], buffer, 1, SOON) == -EINVAL);
	REQUIRE(sley_close(other[0]) == 0 && sley_close(other[1]) == 0);
	int foreign = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(sley_send_zerocopy(foreign, buffer, 1, SOON) == -EINVAL && sley_close(foreign) == 0);
	close_ends();
	free(buffer);
	free(w);
	return 0;
}

/* Each mistake has its code; a buffer on a copying stack is reported. */
TEST(bad)
{
	test_need_kernel(NO_ZEROCOPY);
	assert_int_equal(sley_send_zerocopy(0, "x", 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_zerocopy_wait(0, SLEY_NEVER), -EDEADLK);
	run(main_bad, 1);
}
