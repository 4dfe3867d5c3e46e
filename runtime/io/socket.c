/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sockets that sley makes: listen, accept, dial, close. They are owned by the reactor from the start. */
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "io/address.h"
#include "reactor/reactor.h"
#include "sched/worker.h"

static void set_option(int fd, int level, int option)
{
	int on = 1;
	setsockopt(fd, level, option, &on, sizeof(on)); /* fails only where it makes no sense, as on a Unix socket */
}

/* A fresh stream socket for the address, or a negative errno value. */
static int stream_socket(const struct address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (address->any.sa_family != AF_UNIX)
		set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* a listener's is inherited by what it accepts */
	return fd;
}

/* What a connection is to the reactor; see there about Unix sockets. */
static unsigned stream_flags(sa_family_t family)
{
	return family == AF_UNIX ? 0 : FD_STREAM;
}

/* Closes what could not be finished; returns the error. */
static int abandon(int fd, int error)
{
	reactor_close_fd(fd);
	return error;
}

static int listen_on(const struct address *address, int backlog)
{
	int fd = stream_socket(address);
	if (fd < 0)
		return fd;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (bind(fd, &address->any, address->size) != 0 || listen(fd, backlog > 0 ? backlog : SOMAXCONN) != 0)
		return abandon(fd, -errno);
	int error = reactor_own(fd, 0);
	return error ? abandon(fd, error) : fd;
}

int sley_listen(const char *text, int backlog)
{
	struct address address;
	int error = scheduler_error();
	if (error == 0)
		error = address_parse(&address, text);
	if (error)
		return error;
	int saved = errno;
	int fd = listen_on(&address, backlog);
	errno = saved;
	return fd;
}

/* One attempt: a registered descriptor, or a negative errno value. */
static int accept_now(int listener, bool inherits)
{
	struct sockaddr peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, &peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!inherits)
		set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	int error = reactor_own(fd, stream_flags(peer.sa_family));
	return error ? abandon(fd, error) : fd;
}

int sley_accept(int listener, sley_time deadline)
{
	if (!task_self())
		return outside_error();
	const void *pc = __builtin_return_address(0);
	bool owned = reactor_flags(listener) & FD_OWNED;
	struct hold hold = { 0 };
	int saved = errno, result;
	for (;;) {
		/* a foreign listener may be a blocking one: wait first */
		if (owned && reactor_begin_try(listener, READING))
			result = accept_now(listener, true);
		else
			result = -EAGAIN;
		/* more may be queued, but for EAGAIN; ECONNABORTED is one that gave up while it was queued */
		if (result != -EAGAIN)
			reactor_maybe_more(listener, READING);
		if (result == -ECONNABORTED || result == -EINTR)
			continue;
		if (result != -EAGAIN)
			break;
		result = reactor_wait(listener, READING, SLEY_WAIT_ACCEPT, deadline, pc, &hold);
		if (result)
			break;
		if (!owned) {
			result = accept_now(listener, false);
			if (result != -EAGAIN && result != -ECONNABORTED)
				break;
		}
	}
	reactor_let_go(listener, &hold);
	worker_spend(pc);
	*sley_errno_location() = saved;
	return result;
}

/* Waits for a connect that is under way. */
static int finish_connect(int fd, sley_time deadline, const void *pc, struct hold *hold)
{
	int error = 0;
	socklen_t size = sizeof(error);
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);
	for (;;) {
		reactor_begin_try(fd, WRITING);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			return -errno;
		if (error)
			return -error;
		if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0)
			return 0;
		int result = reactor_wait(fd, WRITING, SLEY_WAIT_DIAL, deadline, pc, hold);
		if (result)
			return result;
	}
}

static int dial(const struct address *address, sley_time deadline, const void *pc)
{
	int fd = stream_socket(address);
	if (fd < 0)
		return fd;
	int error = connect(fd, &address->any, address->size) == 0 ? 0 : -errno;
	if (error && error != -EINPROGRESS)
		return abandon(fd, error);
	bool pending = error != 0;
	struct hold hold = { 0 };
	error = reactor_own(fd, stream_flags(address->any.sa_family));
	if (error == 0 && pending)
		error = finish_connect(fd, deadline, pc, &hold);
	reactor_let_go(fd, &hold);
	if (error)
		return abandon(fd, error);
	reactor_maybe_more(fd, WRITING);
	return fd;
}

int sley_dial(const char *text, sley_time deadline)
{
	struct address address;
	if (!task_self())
		return outside_error();
	int error = address_parse(&address, text);
	if (error)
		return error;
	int saved = errno;
	int fd = dial(&address, deadline, __builtin_return_address(0));
	*sley_errno_location() = saved;
	return fd;
}

int sley_close(int fd)
{
	int error = scheduler_error();
	return error ? error : reactor_close_fd(fd);
}
