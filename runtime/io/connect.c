/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Connecting. Each attempt calls connect(2): the first call begins the connection, and a later call returns its state,
 * as the kernel remembers in the socket that a connection is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "io/address.h"
#include "io/operation.h"
#include "io/socket.h"
#include "io/system.h"
#include "run/worker.h"

struct connect {
	struct operation op;
	const struct sockaddr *address;
	socklen_t size;
	bool again; /* not the first attempt */
};

/* A foreign socket may be blocking. It is made non-blocking during the call. */
static ssize_t connect_foreign(const struct connect *c)
{
	int mode = fcntl(c->op.fd, F_GETFL);
	if (mode < 0)
		return -errno;
	if (mode & O_NONBLOCK)
		return sys_connect(c->op.fd, c->address, c->size);
	fcntl(c->op.fd, F_SETFL, mode | O_NONBLOCK);
	ssize_t error = sys_connect(c->op.fd, c->address, c->size);
	fcntl(c->op.fd, F_SETFL, mode);
	return error;
}

/* Returns whether the address shows that the peer is on this host. */
static bool is_loopback(const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	if (size >= sizeof(*in) && in->sin_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return size >= sizeof(*in6) && in6->sin6_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static ssize_t connect_once(const struct connect *c, unsigned flags)
{
	return flags & FD_OWNED ? sys_connect(c->op.fd, c->address, c->size) : connect_foreign(c);
}

static ssize_t connect_now(struct operation *op, unsigned flags)
{
	struct connect *c = CONTAINER_OF(op, struct connect, op);
	bool again = c->again;
	c->again = true;
	ssize_t error = connect_once(c, flags);
	/* over loopback the handshake completes within the call, which nevertheless returns EINPROGRESS */
	if (error == -EINPROGRESS && !again && is_loopback(c->address, c->size)) {
		again = true;
		error = connect_once(c, flags);
	}
	switch (error) {
	case -EINPROGRESS:
	case -EALREADY:
	case -EINTR:
		return -EAGAIN;
	case -EAGAIN:
		op->at_once = true; /* the backlog of a Unix listener is full, and no event tells when it has room */
		return error;
	case -EISCONN:
		return again ? 0 : error;
	default:
		return error;
	}
}

/*
 * Returns whether a socket is connected to itself. This can happen to a TCP socket dialed to a port of this host
 * without a listener: the kernel may give that port to the socket itself. Its SYN then reaches the socket itself, as
 * the SYN of a peer that dials at the same time.
 */
bool socket_is_own_peer(int fd, const struct sockaddr *to)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer), size = sizeof(int);
	int type = 0, saved = errno;
	/*
	 * The port comes first, at the same place in both families. Usually the ports differ, and the check ends here.
	 */
	bool is = (to->sa_family == AF_INET || to->sa_family == AF_INET6) &&
		  getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
		  ((const struct sockaddr_in *)(const void *)to)->sin_port == ((struct sockaddr_in *)&own)->sin_port &&
		  getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && own_size == peer_size &&
		  memcmp(&own, &peer, own_size) == 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
		  type == SOCK_STREAM;
	errno = saved;
	return is;
}

int socket_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline, const void *pc)
{
	struct connect c = {
		.op = { .fd = fd, .direction = WRITING, .kind = SLEY_WAIT_DIAL, .deadline = deadline, .pc = pc },
		.address = address,
		.size = size,
	};
	if (!task_self())
		return outside_error();
	reactor_maybe_more(fd, WRITING); /* the recorded writability says nothing about the connection */
	int error = (int)operation_run(&c.op, connect_now);
	return error == 0 && socket_is_own_peer(fd, address) ? -ECONNREFUSED : error;
}

int sley_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline)
{
	return socket_connect(fd, address, size, deadline, __builtin_return_address(0));
}

/* Gives a Unix socket a name, so that it can be answered. The kernel chooses one that is in no directory. */
static int name_itself(int fd, const struct address *address)
{
	const struct sockaddr_un none = { .sun_family = AF_UNIX };
	if (address->any.sa_family != AF_UNIX)
		return 0;
	return bind(fd, (const struct sockaddr *)&none, offsetof(struct sockaddr_un, sun_path)) == 0 ? 0 : -errno;
}

static int packet_dial(const struct address *address, void *unused)
{
	(void)unused;
	int fd = socket_new(address->any.sa_family, SOCK_DGRAM, 0, 0);
	if (fd < 0)
		return fd;
	int error = name_itself(fd, address);
	if (error == 0)
		error = connect(fd, &address->any, address->size) == 0 ? 0 : -errno; /* connect(2) sends nothing here */
	return error ? socket_abandon(fd, error) : fd;
}

int sley_packet_dial(const char *text)
{
	return socket_at(text, packet_dial, NULL);
}
