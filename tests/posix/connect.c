/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* connect and accept, and descriptors that are closed while a call waits: a task gets what the kernel gives a thread. */
#include "tests/posix/both.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int listener, fds[2];
static struct sockaddr_in address;

static void make_listener(void)
{
	socklen_t size = sizeof(address);
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 10) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static void dials(void *fd)
{
	*(int *)fd = dial();
}

/* An accept waits for a connection, and tells its peer's address. */
BOTH(accept_waits)
{
	struct sockaddr_in peer, own;
	socklen_t size = sizeof(peer);
	make_listener();
	peer_starts(dials, &fds[1]);
	fds[0] = accept(listener, (struct sockaddr *)&peer, &size);
	note(fds[0] >= 0);
	peer_ends();
	note(size);
	size = sizeof(own);
	REQUIRE(getsockname(fds[1], (struct sockaddr *)&own, &size) == 0);
	note(memcmp(&own, &peer, sizeof(own)) == 0);
	note(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	close_both(fds);
	peer_starts(dials, &fds[1]);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	peer_ends();
	note(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	note(fcntl(fds[0], F_GETFD));
	note(fcntl(listener, F_GETFL) & O_NONBLOCK);
	close_both(fds);
	close(listener);
}

/* What fails at once, and SO_RCVTIMEO. */
BOTH(accept_fails)
{
	struct timeval time = { .tv_usec = 20000 };
	char byte;
	make_listener();
	note(accept4(listener, NULL, NULL, 1));
	note(accept(-1, NULL, NULL));
	make_pair(SOCK_STREAM, fds);
	note(accept(fds[0], NULL, NULL));
	close_both(fds);
	make_pipe(fds);
	note(accept(fds[0], NULL, NULL));
	close_both(fds);
	note(read(listener, &byte, 1));
	REQUIRE(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	int64_t since = test_now();
	note(accept(listener, NULL, NULL));
	note(test_now() - since >= 20000000);
	REQUIRE(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	note(accept(listener, NULL, NULL));
	close(listener);
}

static void accepts(void *fd)
{
	*(int *)fd = accept(listener, NULL, NULL);
}

/* A connect returns 0 when the connection stands, and leaves the socket blocking. */
BOTH(connect_succeeds)
{
	make_listener();
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	note(connect(fds[1], (struct sockaddr *)&address, sizeof(address)));
	accepts(&fds[0]);
	note(fds[0] >= 0);
	note(connect(fds[1], (struct sockaddr *)&address, sizeof(address)));
	note(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	note(write(fds[1], "hello", 5));
	close_both(fds);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	note(connect(fds[1], (struct sockaddr *)&address, sizeof(address)));
	note(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	close(fds[1]);
	fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
	note(connect(fds[1], (struct sockaddr *)&address, sizeof(address)));
	close(fds[1]);
	close(listener);
}

/* What is refused, by the peer or by the kernel. */
BOTH(connect_fails)
{
	struct sockaddr_un none = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
	make_listener();
	close(listener);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	note(connect(fds[1], (struct sockaddr *)&address, sizeof(address)));
	note(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	note(connect(fds[1], (struct sockaddr *)&address, 3));
	note(connect(fds[1], (struct sockaddr *)&none, sizeof(none)));
	close(fds[1]);
	fds[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	note(connect(fds[1], (struct sockaddr *)&none, sizeof(none)));
	note(connect(-1, (struct sockaddr *)&none, sizeof(none)));
	close(fds[1]);
	make_pipe(fds);
	note(connect(fds[0], (struct sockaddr *)&none, sizeof(none)));
	close_both(fds);
}

static struct sockaddr_un unix_address;
static socklen_t unix_size;

/* A listener of Unix sockets under a name of the kernel's, with room for one connection that nobody has accepted. */
static void make_full_listener(void)
{
	unix_size = sizeof(unix_address);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(bind(listener, (struct sockaddr *)&(struct sockaddr_un){ .sun_family = AF_UNIX },
		     sizeof(sa_family_t)) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&unix_address, &unix_size) == 0 && listen(listener, 0) == 0);
	fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(connect(fds[0], (struct sockaddr *)&unix_address, unix_size) == 0);
}

static void makes_room(void *unused)
{
	close(accept(listener, NULL, NULL));
}

/* A full backlog of a Unix listener: connect waits for room, up to SO_SNDTIMEO. */
BOTH(connect_to_full)
{
	struct timeval time = { .tv_usec = 20000 };
	make_full_listener();
	fds[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0);
	note(connect(fds[1], (struct sockaddr *)&unix_address, unix_size));
	time.tv_usec = 0;
	REQUIRE(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0);
	peer_starts(makes_room, NULL);
	note(connect(fds[1], (struct sockaddr *)&unix_address, unix_size));
	peer_ends();
	close_both(fds);
	close(listener);
}

/* ---- close from elsewhere ---- */

static int other;

static void closes_and_writes(void *unused)
{
	REQUIRE(close(fds[0]) == 0);
	other = open("/dev/null", O_RDWR); /* gets the number */
	REQUIRE(write(fds[1], "hello", 5) == 5);
}

/* A call that waits goes on with the file that it waits for, whatever its number is now. */
static void read_closed(void)
{
	char bytes[16] = { 0 };
	int before = fds[0];
	peer_starts(closes_and_writes, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	note_bytes(bytes, sizeof(bytes));
	note(other == before);
	note(read(fds[0], bytes, sizeof(bytes)));
	note(write(fds[1], "x", 1)); /* nobody has it open any more */
	close(fds[1]);
	close(other);
}

BOTH(close_pipe)
{
	make_pipe(fds);
	read_closed();
}

BOTH(close_socket)
{
	make_pair(SOCK_STREAM, fds);
	read_closed();
}

static void replaces_and_writes(void *unused)
{
	other = open("/dev/null", O_RDWR);
	REQUIRE(dup2(other, fds[0]) == fds[0]);
	REQUIRE(write(fds[1], "hello", 5) == 5);
}

/* The same for a number to which another descriptor is duplicated. */
BOTH(replaced)
{
	char bytes[16] = { 0 };
	make_pair(SOCK_STREAM, fds);
	peer_starts(replaces_and_writes, NULL);
	note(read(fds[0], bytes, sizeof(bytes)));
	peer_ends();
	note(read(fds[0], bytes, sizeof(bytes)));
	note(write(fds[1], "x", 1));
	close_both(fds);
	close(other);
}

static void shuts_down(void *unused)
{
	REQUIRE(shutdown(fds[0], SHUT_RD) == 0);
}

/* shutdown(2) ends a read, also of the own end. */
BOTH(shut_down)
{
	char byte;
	make_pair(SOCK_STREAM, fds);
	peer_starts(shuts_down, NULL);
	note(read(fds[0], &byte, 1));
	peer_ends();
	close_both(fds);
}
