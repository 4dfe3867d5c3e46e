/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* read, write, recv, send and their families: a task gets what the kernel gives a thread. */
#include "tests/posix/both.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGE 1000000 /* more than a pipe or a socket takes at once */

static int fds[2];

static void fill(unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
}

static void set_nonblocking(int fd)
{
	REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

static void set_timeout(int fd, int option, long ms)
{
	struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	REQUIRE(setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) == 0);
}

/* ---- what peers do ---- */

static void writes_hello(void *unused)
{
	REQUIRE(write(fds[1], "hello", 5) == 5);
}

static void closes(void *unused)
{
	REQUIRE(close(fds[1]) == 0);
}

static unsigned char drained[LARGE];

/* Reads so many bytes. */
static void drains(void *total)
{
	size_t n = 0;
	ssize_t part;
	while (n < *(size_t *)total && (part = read(fds[0], drained + n, sizeof(drained) - n)) > 0)
		n += (size_t)part;
	REQUIRE(n == *(size_t *)total);
}

/* ---- read ---- */

static void read_some(void)
{
	char bytes[16] = { 0 };
	peer_starts(writes_hello, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	note_bytes(bytes, sizeof(bytes));
	peer_ends();
	peer_starts(writes_hello, NULL);
	note(read(fds[0], bytes, 2));
	peer_ends();
	note(read(fds[0], bytes, 2));
	note(read(fds[0], bytes, 0));
	note(read(fds[0], bytes, sizeof(bytes)));
	note_bytes(bytes, sizeof(bytes));
	peer_starts(closes, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	note(read(fds[0], bytes, 0));
	close(fds[0]);
}

/* A read of an empty pipe waits, gets what there is, and 0 at the end. */
BOTH(read_pipe)
{
	make_pipe(fds);
	read_some();
}

BOTH(read_socket)
{
	make_pair(SOCK_STREAM, fds);
	read_some();
}

/* Datagrams: one a read, cut; an empty one is not the end. */
BOTH(read_datagrams)
{
	char bytes[16];
	make_pair(SOCK_DGRAM, fds);
	peer_starts(writes_hello, NULL);
	note(read(fds[0], bytes, 3));
	peer_ends();
	note(write(fds[1], "", 0));
	note(read(fds[0], bytes, sizeof(bytes)));
	note(recv(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT));
	close_both(fds);
}

static void signals_event(void *unused)
{
	REQUIRE(eventfd_write(fds[1], 3) == 0);
}

/* A file that is neither. */
BOTH(read_eventfd)
{
	uint64_t count = 0;
	fds[0] = fds[1] = eventfd(0, 0);
	peer_starts(signals_event, NULL);
	note(read(fds[0], &count, sizeof(count)));
	note((long)count);
	peer_ends();
	note(read(fds[0], &count, 4));
	close(fds[0]);
}

/* volatile: the compiler is not to know them. */
static volatile int minus_one = -1, too_many = 2000;
static void *volatile nowhere = (void *)8;

/* What fails at once fails so, in a task too. */
BOTH(read_failures)
{
	char bytes[16];
	struct iovec none[2] = { { bytes, 8 }, { bytes, 8 } };
	int directory = open("/", O_RDONLY | O_DIRECTORY), file = open("/proc/self/cmdline", O_RDONLY);
	make_pipe(fds);
	note(read(-1, bytes, 1));
	note(read(1000000, bytes, 1));
	note(write(-1, bytes, 1));
	note(read(fds[1], bytes, 1));
	note(write(fds[0], bytes, 1));
	note(read(directory, bytes, 1));
	note(read(file, bytes, 1));
	note(read(file, bytes, 0));
	note(write(file, bytes, 1));
	note(readv(fds[0], none, minus_one));
	note(readv(fds[0], none, too_many));
	note(readv(fds[0], none, 0));
	note(writev(fds[1], none, minus_one));
	note(recv(fds[0], bytes, 1, 0));
	note(send(fds[1], bytes, 1, 0));
	REQUIRE(write(fds[1], "hello", 5) == 5);
	note(read(fds[0], nowhere, 1));
	note(write(fds[1], nowhere, 1));
	close_both(fds);
	note(read(fds[0], bytes, 1));
	close(directory);
	close(file);
}

/* A non-blocking descriptor does not wait, however it became one. */
BOTH(nonblocking)
{
	char bytes[16];
	int on = 1, copy;
	make_pair(SOCK_STREAM | SOCK_NONBLOCK, fds);
	note(read(fds[0], bytes, 1));
	note(recv(fds[0], bytes, 1, 0));
	close_both(fds);
	make_pair(SOCK_STREAM, fds);
	set_nonblocking(fds[0]);
	note(read(fds[0], bytes, 1));
	close_both(fds);
	make_pipe(fds);
	REQUIRE(ioctl(fds[0], FIONBIO, &on) == 0);
	note(read(fds[0], bytes, 1));
	close_both(fds);
	make_pair(SOCK_STREAM, fds);
	copy = dup(fds[0]);
	set_nonblocking(copy); /* the mode is that of the open file */
	note(read(fds[0], bytes, 1));
	close(copy);
	close_both(fds);
	make_pair(SOCK_STREAM, fds);
	note(recv(fds[0], bytes, 1, MSG_DONTWAIT));
	close_both(fds);
}

/* ---- write ---- */

static unsigned char large[LARGE];

static void write_large(void)
{
	size_t total = sizeof(large);
	fill(large, total);
	peer_starts(drains, &total);
	note(write(fds[1], large, total));
	peer_ends();
	note_bytes(drained, total);
	struct iovec vector[20];
	for (size_t i = 0; i < 20; i++)
		vector[i] = (struct iovec){ large + i * (total / 20), total / 20 };
	peer_starts(drains, &total);
	note(writev(fds[1], vector, 20));
	peer_ends();
	note_bytes(drained, total);
	vector[3].iov_len = 0;
	total -= total / 20;
	peer_starts(drains, &total);
	note(writev(fds[1], vector, 20));
	peer_ends();
	note_bytes(drained, total);
	close_both(fds);
}

/* A blocking write returns when all bytes are written. */
BOTH(write_pipe)
{
	make_pipe(fds);
	write_large();
}

BOTH(write_socket)
{
	make_pair(SOCK_STREAM, fds);
	write_large();
}

/* A non-blocking one writes what there is room for. */
BOTH(write_nonblocking)
{
	make_pipe(fds);
	set_nonblocking(fds[1]);
	note(write(fds[1], large, sizeof(large)));
	note(write(fds[1], large, sizeof(large)));
	note(write(fds[1], large, 1));
	close_both(fds);
	make_pair(SOCK_STREAM, fds);
	set_nonblocking(fds[1]);
	long n = write(fds[1], large, sizeof(large));
	note(n > 0 && n < LARGE);
	note(write(fds[1], large, sizeof(large)));
	close_both(fds);
}

static void closes_reader(void *unused)
{
	char byte;
	REQUIRE(read(fds[0], &byte, 1) == 1);
	REQUIRE(close(fds[0]) == 0);
}

/* A reader that goes away ends a write: with the part that was written, and then with EPIPE. */
BOTH(write_without_reader)
{
	make_pipe(fds);
	peer_starts(closes_reader, NULL);
	long n = write(fds[1], large, sizeof(large));
	note(n > 0 && n < LARGE);
	peer_ends();
	note(write(fds[1], large, 1));
	note(writev(fds[1], &(struct iovec){ large, 1 }, 1));
	close(fds[1]);
	make_pair(SOCK_STREAM, fds);
	close(fds[0]);
	note(write(fds[1], large, 1));
	note(send(fds[1], large, 1, MSG_NOSIGNAL));
	close(fds[1]);
}

/* ---- readv ---- */

/* Buffers are filled in their order. */
BOTH(read_vector)
{
	char bytes[10] = { 0 };
	struct iovec vector[3] = { { bytes + 7, 2 }, { bytes, 0 }, { bytes, 7 } };
	make_pair(SOCK_STREAM, fds);
	peer_starts(writes_hello, NULL);
	note(readv(fds[0], vector, 3));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	close_both(fds);
	make_pipe(fds);
	peer_starts(writes_hello, NULL);
	note(readv(fds[0], vector, 3));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	close_both(fds);
}

/* ---- recv and send ---- */

static void writes_twice(void *unused)
{
	writes_hello(NULL);
	writes_hello(NULL);
}

/* MSG_PEEK leaves the bytes; MSG_WAITALL waits for all of them, or for the end. */
BOTH(recv_flags)
{
	char bytes[16] = { 0 };
	make_pair(SOCK_STREAM, fds);
	peer_starts(writes_hello, NULL);
	note(recv(fds[0], bytes, 3, MSG_PEEK));
	peer_ends();
	note(recv(fds[0], bytes, sizeof(bytes), 0));
	note_bytes(bytes, sizeof(bytes));
	peer_starts(writes_hello, NULL);
	note(recv(fds[0], bytes, 5, MSG_WAITALL));
	peer_ends();
	note(write(fds[1], "abc", 3));
	peer_starts(writes_twice, NULL);
	note(recv(fds[0], bytes, 13, MSG_WAITALL));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	note(write(fds[1], "abc", 3));
	peer_starts(closes, NULL);
	note(recv(fds[0], bytes, 13, MSG_WAITALL));
	peer_ends();
	note(recv(fds[0], bytes, 13, MSG_WAITALL));
	note(recv(fds[0], bytes, 1, MSG_OOB));
	close(fds[0]);
}

/* Two UDP sockets of loopback that know each other's address. */
static void make_udp(struct sockaddr_in addresses[2])
{
	for (int i = 0; i < 2; i++) {
		socklen_t size = sizeof(addresses[i]);
		addresses[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		REQUIRE(fds[i] >= 0 && bind(fds[i], (struct sockaddr *)&addresses[i], size) == 0);
		REQUIRE(getsockname(fds[i], (struct sockaddr *)&addresses[i], &size) == 0);
	}
}

static struct sockaddr_in addresses[2];

static void sends_datagram(void *unused)
{
	REQUIRE(sendto(fds[1], "hello", 5, 0, (struct sockaddr *)&addresses[0], sizeof(addresses[0])) == 5);
}

/* Datagrams come with the sender's address, cut to the buffer, and MSG_TRUNC tells their size. */
BOTH(datagrams)
{
	char bytes[16] = { 0 };
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	make_udp(addresses);
	peer_starts(sends_datagram, NULL);
	note(recvfrom(fds[0], bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size));
	peer_ends();
	note(size);
	note(((struct sockaddr_in *)&from)->sin_port == addresses[1].sin_port);
	note_bytes(bytes, sizeof(bytes));
	size = 4;
	sends_datagram(NULL);
	note(recvfrom(fds[0], bytes, 2, MSG_TRUNC, (struct sockaddr *)&from, &size));
	note(size);
	sends_datagram(NULL);
	note(recvfrom(fds[0], bytes, 2, 0, NULL, NULL));
	sends_datagram(NULL);
	note(recv(fds[0], bytes, sizeof(bytes), MSG_WAITALL)); /* of one datagram */
	note(sendto(fds[1], bytes, 1, 0, NULL, 0));
	note(sendto(fds[1], bytes, 1, 0, (struct sockaddr *)&addresses[0], 3));
	note(sendto(fds[1], large, 100000, 0, (struct sockaddr *)&addresses[0], sizeof(addresses[0])));
	struct sockaddr_in6 other = { .sin6_family = AF_INET6 };
	note(sendto(fds[1], bytes, 1, 0, (struct sockaddr *)&other, sizeof(other)));
	close_both(fds);
}

static void sends_descriptor(void *unused)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec vector = { large, 5 };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	*part = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(part), &fds[1], sizeof(int));
	REQUIRE(sendmsg(fds[1], &message, 0) == 5);
}

/* Messages: several buffers, flags, and a descriptor that is passed. */
BOTH(messages)
{
	char bytes[16] = { 0 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec vector[2] = { { bytes, 2 }, { bytes + 2, 14 } };
	struct msghdr message = { .msg_iov = vector,
				  .msg_iovlen = 2,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	fill(large, sizeof(large));
	make_pair(SOCK_STREAM, fds);
	peer_starts(sends_descriptor, NULL);
	note(recvmsg(fds[0], &message, MSG_CMSG_CLOEXEC));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	note((long)message.msg_controllen);
	note(message.msg_flags);
	int passed;
	memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	note(write(passed, "12", 2));
	note(fcntl(passed, F_GETFD));
	close(passed);
	message.msg_controllen = 0;
	note(recvmsg(fds[0], &message, 0));
	note(recvmsg(fds[0], NULL, MSG_DONTWAIT));
	close_both(fds);
}

/* Several datagrams at once: those that are there, or all of them. */
BOTH(several_messages)
{
	char bytes[4][16] = { 0 };
	struct iovec vectors[4];
	struct mmsghdr messages[4] = { 0 };
	for (int i = 0; i < 4; i++) {
		vectors[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	make_pair(SOCK_DGRAM, fds);
	peer_starts(writes_hello, NULL);
	note(recvmmsg(fds[0], messages, 4, MSG_WAITFORONE, NULL));
	peer_ends();
	note(messages[0].msg_len);
	writes_hello(NULL);
	peer_starts(writes_twice, NULL);
	note(recvmmsg(fds[0], messages, 3, 0, NULL));
	peer_ends();
	writes_hello(NULL);
	note(recvmmsg(fds[0], messages, 4, 0, &(struct timespec){ 0, 1 }));
	note(recvmmsg(fds[0], messages, 4, 0, &(struct timespec){ 0, -1 }));
	note(recvmmsg(fds[0], messages, 4, MSG_DONTWAIT, NULL));
	note(sendmmsg(fds[1], messages, 4, 0));
	for (int i = 0; i < 4; i++)
		note(messages[i].msg_len);
	note(recvmmsg(fds[0], messages, 4, 0, NULL));
	note_bytes(bytes, sizeof(bytes));
	note(sendmmsg(-1, messages, 4, 0));
	close_both(fds);
}

/* A large message is sent whole; one with an own name goes to it. */
BOTH(send_large)
{
	size_t total = sizeof(large);
	fill(large, total);
	make_pair(SOCK_STREAM, fds);
	peer_starts(drains, &total);
	note(send(fds[1], large, total, 0));
	peer_ends();
	note_bytes(drained, total);
	struct iovec vector[2] = { { large, total / 3 }, { large + total / 3, total - total / 3 } };
	peer_starts(drains, &total);
	note(sendmsg(fds[1], &(struct msghdr){ .msg_iov = vector, .msg_iovlen = 2 }, MSG_NOSIGNAL));
	peer_ends();
	note_bytes(drained, total);
	close_both(fds);
}

/* ---- timeouts ---- */

static long elapsed_ms(int64_t since)
{
	return (long)((test_now() - since) / 1000000);
}

/* SO_RCVTIMEO and SO_SNDTIMEO end a call with EAGAIN, not before their time, or with the part that was transferred. */
BOTH(timeouts)
{
	char bytes[16];
	make_pair(SOCK_STREAM, fds);
	set_timeout(fds[0], SO_RCVTIMEO, 30);
	set_timeout(fds[1], SO_SNDTIMEO, 30);
	int64_t since = test_now();
	note(read(fds[0], bytes, 1));
	note(elapsed_ms(since) >= 30);
	since = test_now();
	note(recv(fds[0], bytes, 1, MSG_PEEK));
	note(elapsed_ms(since) >= 30);
	writes_hello(NULL);
	note(recv(fds[0], bytes, 10, MSG_WAITALL));
	note(recv(fds[0], bytes, 10, MSG_WAITALL));
	long n = write(fds[1], large, sizeof(large));
	note(n > 0 && n < LARGE);
	since = test_now();
	note(write(fds[1], large, sizeof(large)));
	note(elapsed_ms(since) >= 30);
	n = read(fds[0], large, sizeof(large));
	note(n > 0);
	set_timeout(fds[0], SO_RCVTIMEO, 0);
	while (n > 0 && recv(fds[0], large, sizeof(large), MSG_DONTWAIT) > 0)
		;
	peer_starts(writes_hello, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	close_both(fds);
}

static void looks_at_mode(void *unused)
{
	note(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	writes_hello(NULL);
}

/* A blocking descriptor stays blocking, also while a call waits for it. */
BOTH(stays_blocking)
{
	char bytes[16];
	make_pair(SOCK_STREAM, fds);
	peer_starts(looks_at_mode, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	close_both(fds);
	make_pipe(fds);
	peer_starts(looks_at_mode, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	note(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	close_both(fds);
}

static void reads_too(void *unused)
{
	char byte;
	note(read(fds[0], &byte, 1));
	writes_hello(NULL);
}

/* Two may wait for the same direction of a descriptor; each gets its bytes. */
BOTH(two_readers)
{
	char byte;
	int other[2];
	make_pipe(fds);
	peer_starts(reads_too, NULL);
	if (in_task()) /* the peer waits first: this task goes to the queue behind it */
		usleep(1);
	REQUIRE(write(fds[1], "x", 1) == 1);
	peer_ends();
	make_pair(SOCK_STREAM, other);
	note(read(fds[0], &byte, 1));
	close_both(other);
	close_both(fds);
}

/* ---- what fortified libraries call ---- */

ssize_t __read_chk(int fd, void *buffer, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buffer, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t n, size_t size, int flags, struct sockaddr *address,
		       socklen_t *length);

/* They wait as the others do. */
BOTH(fortified)
{
	char bytes[16] = { 0 };
	make_pair(SOCK_STREAM, fds);
	peer_starts(writes_hello, NULL);
	note(__read_chk(fds[0], bytes, 8, sizeof(bytes)));
	peer_ends();
	peer_starts(writes_hello, NULL);
	note(__recv_chk(fds[0], bytes, 8, sizeof(bytes), 0));
	peer_ends();
	peer_starts(writes_hello, NULL);
	note(__recvfrom_chk(fds[0], bytes, 8, sizeof(bytes), 0, NULL, NULL));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	close_both(fds);
}
