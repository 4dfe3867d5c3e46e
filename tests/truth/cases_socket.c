/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: sockets and names. */
#include "service.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMES 3

static const struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr = { 0x0100007f } };

/* A bound socket of the loopback interface, and its address. */
static int make_bound(int type, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	*at = loopback;
	if (bind(fd, (struct sockaddr *)at, size) || getsockname(fd, (struct sockaddr *)at, &size))
		abort();
	return fd;
}

static void connect_to(void *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, address, sizeof(struct sockaddr_in)))
		abort();
	close(fd);
}

PLANTED(accept_, "accept")
{
	struct sockaddr_in at;
	int fd = make_bound(SOCK_STREAM, &at), got = -1;
	listen(fd, 8);
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, connect_to, &at);
		BLOCK(got = accept(fd, NULL, NULL));
		close(got);
	}
}

PLANTED(accept4_, "accept4")
{
	struct sockaddr_in at;
	int fd = make_bound(SOCK_STREAM, &at), got = -1;
	listen(fd, 8);
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, connect_to, &at);
		BLOCK(got = accept4(fd, NULL, NULL, SOCK_CLOEXEC));
		close(got);
	}
}

static void accept_one(void *fd)
{
	close(accept((int)(intptr_t)fd, NULL, NULL));
}

/* The peer's queue is full. */
PLANTED(connect_, "connect")
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(sa_family_t); /* the kernel gives it a name */
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[TIMES + 1];
	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 0))
		return;
	size = sizeof(at);
	getsockname(listener, (struct sockaddr *)&at, &size);
	for (int i = 0; i < TIMES + 1; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	connect(fds[TIMES], (struct sockaddr *)&at, size);
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, accept_one, (void *)(intptr_t)listener);
		BLOCK(connect(fds[i], (struct sockaddr *)&at, size));
	}
}

PLANTED(recv_, "recvfrom")
{
	int ends[2];
	char byte;
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(recv(ends[0], &byte, 1, 0));
	}
}

PLANTED(recvmsg_, "recvmsg")
{
	int ends[2];
	char byte;
	struct iovec to = { &byte, 1 };
	struct msghdr message = { .msg_iov = &to, .msg_iovlen = 1 };
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(recvmsg(ends[0], &message, 0));
	}
}

PLANTED(recvmmsg_, "recvmmsg")
{
	int ends[2];
	char byte;
	struct iovec to = { &byte, 1 };
	struct mmsghdr message = { .msg_hdr = { .msg_iov = &to, .msg_iovlen = 1 } };
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(recvmmsg(ends[0], &message, 1, 0, NULL));
	}
}

PLANTED(recv_udp, "recvfrom")
{
	struct timeval patience = { .tv_usec = PAUSE_US };
	struct sockaddr_in at;
	int fd = make_bound(SOCK_DGRAM, &at);
	char byte;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < TIMES; i++)
		BLOCK(recvfrom(fd, &byte, 1, 0, NULL, NULL));
}

PLANTED(read_socket, "read")
{
	int ends[2];
	char byte;
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(if (read(ends[0], &byte, 1) != 1) not_here("socket"));
	}
}

static void empty_socket(void *fd)
{
	drain((int)(intptr_t)fd);
}

PLANTED(send_, "sendto")
{
	int ends[2];
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		fill(ends[0]);
		later(PAUSE_US, empty_socket, (void *)(intptr_t)ends[1]);
		BLOCK(send(ends[0], "x", 1, 0));
	}
}

PLANTED(sendmsg_, "sendmsg")
{
	int ends[2];
	char byte = 'x';
	struct iovec from = { &byte, 1 };
	struct msghdr message = { .msg_iov = &from, .msg_iovlen = 1 };
	make_pair(ends);
	for (int i = 0; i < TIMES; i++) {
		fill(ends[0]);
		later(PAUSE_US, empty_socket, (void *)(intptr_t)ends[1]);
		BLOCK(sendmsg(ends[0], &message, 0));
	}
}

static void read_and_close(void *fd)
{
	drain((int)(intptr_t)fd);
	close((int)(intptr_t)fd);
}

/* Its data is not taken yet. */
PLANTED(linger, "close")
{
	const struct linger linger = { 1, 3 };
	struct sockaddr_in at;
	int listener = make_bound(SOCK_STREAM, &at), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	listen(listener, 8);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return;
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	fill(fd);
	later(PAUSE_US, read_and_close, (void *)(intptr_t)peer);
	BLOCK(close(fd));
}

/* ---- names ---- */

/* A name server that knows nothing, and says so after a while, so many times. */
struct server {
	int fd;
	int questions;
};

static void *serve_names(void *arg)
{
	const struct server *server = arg;
	for (int i = 0; i < server->questions; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		unsigned char packet[512];
		ssize_t n = recvfrom(server->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
		if (n < 12)
			break;
		nanosleep(&pause_time, NULL);
		packet[2] |= 0x80;        /* an answer */
		packet[3] = 0x80 | 3;     /* no such name */
		memset(packet + 6, 0, 6); /* with a question, and nothing else */
		for (n = 12; packet[n]; n += packet[n] + 1)
			;
		sendto(server->fd, packet, (size_t)n + 5, 0, (struct sockaddr *)&from, size);
	}
	return NULL;
}

static void serve_some(void *arg)
{
	serve_names(arg);
}

/* This thread's resolver asks that server, and no other. */
static bool use_server(const struct sockaddr_in *at)
{
	if (res_init())
		return false;
	_res.nscount = 1;
	_res.nsaddr_list[0] = *at;
	_res.retry = 1;
	_res.retrans = 5;
	_res.ndots = 1;
	for (int i = 0; i < MAXDNSRCH; i++)
		_res.dnsrch[i] = NULL;
	return true;
}

PLANTED(getaddrinfo_, "poll", .many = true)
{
	static struct server server;
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct sockaddr_in at;
	server = (struct server){ make_bound(SOCK_DGRAM, &at), 1 };
	if (!use_server(&at))
		return;
	later(0, serve_some, &server);
	BLOCK(getaddrinfo("nowhere.example.org.", "80", &hints, &found));
}

/* It asks for the name in one domain after the other. */
PLANTED(search_domains, "poll", .many = true)
{
	static struct server server;
	static char domains[] = "one.example\0two.example";
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct sockaddr_in at;
	server = (struct server){ make_bound(SOCK_DGRAM, &at), 3 };
	if (!use_server(&at))
		return;
	_res.dnsrch[0] = domains;
	_res.dnsrch[1] = domains + strlen(domains) + 1;
	later(0, serve_some, &server);
	BLOCK(getaddrinfo("nowhere", "80", &hints, &found));
}
