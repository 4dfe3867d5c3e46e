/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what only sockets have. */
#include "tests/stress/matrix_rows_socket.h"

#include <linux/filter.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/dial.h"
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

/* Not by the task that accepts: connect() may not have returned then. */
static void accept_reset(void)
{
	REQUIRE(close(connected) == 0);
}

static int accept_call(sley_time deadline)
{
	int fd = sley_accept(ends[0], deadline);
	if (fd < 0)
		return fd;
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

static int accept_from_call(sley_time deadline)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	int fd = sley_accept_from(ends[0], (struct sockaddr *)&peer, &size, deadline);
	if (fd < 0)
		return fd;
	REQUIRE(peer.ss_family == AF_UNIX && sley_close(fd) == 0);
	return 0;
}

/* ---- connecting ---- */

/*
 * A host that does not answer, and then does at once: a listener whose filter drops whatever arrives. To let one who
 * waits in, a second socket at the listener's address connects to his in turn (a simultaneous open, RFC 9293, 3.5),
 * as his own attempt would be repeated only after a second.
 *
 *      caller                           listener, filtered
 *      SYN_SENT   ---- SYN --------->   dropped
 *                                       second socket
 *      SYN_RECV  <---- SYN ----------   SYN_SENT
 *                 ---- SYN, ACK ---->   ESTABLISHED
 *      ESTABLISHED <-- ACK ----------
 */
static struct sockaddr_in place;
static char place_text[32], port_text[8];
static int silent = -1, meeting = -1;

/* A socket at the place; beside others there. */
static int socket_there(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct linger reset = { .l_onoff = 1 };
	REQUIRE(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0); /* leaves no TIME_WAIT */
	REQUIRE(bind(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
	return fd;
}

static void silence(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
}

static void dial_open(void)
{
	socklen_t size = sizeof(place);
	place = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	silent = socket_there();
	REQUIRE(getsockname(silent, (struct sockaddr *)&place, &size) == 0 && listen(silent, 64) == 0);
	snprintf(port_text, sizeof(port_text), "%u", ntohs(place.sin_port));
	snprintf(place_text, sizeof(place_text), "127.0.0.1:%s", port_text);
	silence(silent);
}

static void dial_end(void)
{
	REQUIRE(close(silent) == 0);
}

/* The port of the one that waits to be let in; 0: nobody does. */
static unsigned waiting_port(void)
{
	char line[256];
	unsigned port = 0, local, remote, state;
	FILE *sockets = fopen("/proc/self/net/tcp", "re");
	REQUIRE(sockets);
	while (port == 0 && fgets(line, sizeof(line), sockets))
		if (sscanf(line, " %*u: %*x:%x %*x:%x %x", &local, &remote, &state) == 3 && state == TCP_SYN_SENT &&
		    remote == ntohs(place.sin_port))
			port = local;
	fclose(sockets);
	return port;
}

/*
 * The socket of a call before may still be seen: since Linux 6.9 another thread's epoll_wait(2) keeps it for a moment
 * after its close(2). It refuses the connection when it is gone.
 */
static void dial_ready(void)
{
	struct sockaddr_in caller = place;
	unsigned port;
	int none = 0;
	while (meeting < 0 && (port = waiting_port()) != 0) {
		caller.sin_port = htons((uint16_t)port);
		meeting = socket_there();
		if (connect(meeting, (struct sockaddr *)&caller, sizeof(caller)) == 0)
			break;
		REQUIRE(errno == ECONNREFUSED && close(meeting) == 0);
		meeting = -1;
	}
	/* only now: its next attempt, a second after the first, must not get in before we have met it */
	REQUIRE(setsockopt(silent, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) == 0);
}

static void dial_reset(void)
{
	if (meeting < 0)
		meeting = accept(silent, NULL, NULL);
	REQUIRE(close(meeting) == 0);
	meeting = -1;
	silence(silent);
}

/* Resets the connection, so that its port is free again. */
static int hang_up(int fd)
{
	struct linger reset = { .l_onoff = 1 };
	if (fd < 0)
		return fd;
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
	return sley_close(fd);
}

static int dial_call(sley_time deadline)
{
	return hang_up(sley_dial(place_text, deadline));
}

static int dial_host_call(sley_time deadline)
{
	return hang_up(sley_dial_host("127.0.0.1", port_text, deadline));
}

/* ---- a host with two addresses: the first never answers, both are dialled at once, and the second is let in ---- */

static int silent_for_ever = -1;
static int64_t old_delay;

static int get_both(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	static struct sockaddr_in first;
	static struct addrinfo list[2];
	socklen_t size = sizeof(first);
	REQUIRE(getsockname(silent_for_ever, (struct sockaddr *)&first, &size) == 0);
	for (int i = 0; i < 2; i++)
		list[i] = (struct addrinfo){ .ai_family = AF_INET,
					     .ai_socktype = SOCK_STREAM,
					     .ai_addr = (void *)(i ? &place : &first),
					     .ai_addrlen = size };
	list[0].ai_next = &list[1];
	*result = list;
	return 0;
}

static void put_both(struct addrinfo *list)
{
}

static void raced_open(void)
{
	place = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	silent_for_ever = socket_there();
	silence(silent_for_ever);
	REQUIRE(listen(silent_for_ever, 1) == 0);
	dial_open();
	REQUIRE(sley_resolver_set(get_both, put_both) == 0);
	old_delay = load(&dial_attempt_delay, relaxed);
	store(&dial_attempt_delay, 0, relaxed);
}

static int raced_call(sley_time deadline)
{
	return hang_up(sley_dial_host("both", "raced", deadline));
}

static void raced_end(void)
{
	store(&dial_attempt_delay, old_delay, relaxed);
	REQUIRE(sley_resolver_set(NULL, NULL) == 0);
	REQUIRE(close(silent_for_ever) == 0);
	dial_end();
}

static int connect_call(sley_time deadline)
{
	int fd = sley_socket(AF_INET, SOCK_STREAM, 0);
	int error = sley_connect(fd, (struct sockaddr *)&place, sizeof(place), deadline);
	REQUIRE(fd >= 0 && hang_up(fd) == 0);
	return error;
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

static int sendto_call(sley_time deadline)
{
	return (int)sley_sendto(ends[0], "7", 1, 0, NULL, 0, deadline);
}

/* ---- without a copy: the kernel releases the bytes when the peer has made room for them ---- */

#define PEER_ROOM 32768 /* bytes; the kernel takes it for twice as much, which it does not exceed */

static char lent[4096];

/*
 * Sends more than the peer will have room for, and then what is lent. A first byte that is not sent yet would not be enough:
 * acknowledgements may be on their way, after which it is.
 */
static void lend(void)
{
	static const char filling[4096];
	int unsent = 0;
	while (unsent < 4 * PEER_ROOM) {
		REQUIRE(send(ends[0], filling, sizeof(filling), MSG_DONTWAIT) > 0);
		REQUIRE(ioctl(ends[0], SIOCOUTQNSD, &unsent) == 0);
	}
	REQUIRE(sley_send_zerocopy(ends[0], lent, sizeof(lent), SLEY_NEVER) == sizeof(lent));
}

static void lend_open(void)
{
	int listener = sley_listen("127.0.0.1:0", 0), most = 1 << 20, room = PEER_ROOM;
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);
	REQUIRE(listener >= 0 && getsockname(listener, (struct sockaddr *)&in, &size) == 0);
	REQUIRE(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0); /* and so of what it accepts */
	ends[0] = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &most, sizeof(most)) == 0);
	REQUIRE(sley_connect(ends[0], (struct sockaddr *)&in, sizeof(in), SLEY_NEVER) == 0);
	ends[1] = accept(listener, NULL, NULL);
	REQUIRE(ends[1] >= 0 && sley_close(listener) == 0);
	lend();
}

/* The peer reads all; nothing is left on its way. */
static void lend_ready(void)
{
	int left = 1;
	while (left > 0) {
		pair_drain();
		REQUIRE(ioctl(ends[0], SIOCOUTQ, &left) == 0);
		sley_yield();
	}
	pair_drain();
}

static void lend_reopen(void)
{
	REQUIRE(close(ends[1]) == 0);
	lend_open();
}

static int zerocopy_wait_call(sley_time deadline)
{
	int result = sley_zerocopy_wait(ends[0], deadline);
	return result == 1 ? 0 : result; /* whether it was copied after all */
}

const struct matrix_row matrix_rows_socket[] = {
	{ "accept", SLEY_WAIT_ACCEPT, accept_open, accept_end, accept_call, accept_ready, accept_reset, accept_close,
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
	{ "accept_from", SLEY_WAIT_ACCEPT, accept_open, accept_end, accept_from_call, accept_ready, accept_reset,
	  accept_close, accept_open, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "sendto", SLEY_WAIT_WRITE, pair_open_full, pair_end, sendto_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "dial", SLEY_WAIT_DIAL, dial_open, dial_end, dial_call, dial_ready, dial_reset, .in_thread = -EDEADLK },
	{ "dial_host", SLEY_WAIT_DIAL, dial_open, dial_end, dial_host_call, dial_ready, dial_reset,
	  .in_thread = -EDEADLK, .always_waits = true },
	{ "dial_host, raced", SLEY_WAIT_DIAL, raced_open, raced_end, raced_call, dial_ready, dial_reset,
	  .in_thread = -EDEADLK, .always_waits = true },
	{ "connect", SLEY_WAIT_DIAL, dial_open, dial_end, connect_call, dial_ready, dial_reset, .in_thread = -EDEADLK },
	{ "zerocopy_wait", SLEY_WAIT_WRITE, lend_open, pair_end, zerocopy_wait_call, lend_ready, lend, pair_close,
	  lend_reopen, .closed = -EBADF, .in_thread = -EDEADLK },
	{ NULL },
};
