/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sockets made by sley: the reactor owns them from the start. */
#include "io/socket.h"

#include <netinet/tcp.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/race.h"
#include "io/address.h"
#include "io/operation.h"
#include "io/system.h"
#include "reactor/turn.h"
#include "run/park.h"
#include "run/worker.h"

/* ---- making ---- */

unsigned socket_flags(int domain, int type, int protocol)
{
	bool tcp = (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM &&
		   (protocol == 0 || protocol == IPPROTO_TCP);
	return tcp ? FD_STREAM : 0;
}

void socket_set(int fd, int level, int option)
{
	int on = 1;
	setsockopt(fd, level, option, &on, sizeof(on));
}

int socket_abandon(int fd, int error)
{
	reactor_close_fd(fd);
	return error;
}

int socket_new(int domain, int type, int protocol, unsigned more_flags)
{
	unsigned flags = socket_flags(domain, type, protocol);
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	if (flags & FD_STREAM)
		socket_set(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it from their listener */
	int error = reactor_own(fd, flags | more_flags);
	return error ? socket_abandon(fd, error) : fd;
}

int sley_socket(int domain, int type, int protocol)
{
	int error = scheduler_error();
	if (error)
		return error;
	if (type & (SOCK_NONBLOCK | SOCK_CLOEXEC))
		type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC); /* set by socket_new() */
	int saved = errno;
	int fd = socket_new(domain, type, protocol, 0);
	errno = saved;
	return fd;
}

int sley_socketpair(int type, int fd[2])
{
	int error = scheduler_error();
	if (error)
		return error;
	if (!fd)
		return -EFAULT;
	int ends[2], saved = errno;
	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
		error = -errno;
		errno = saved;
		return error;
	}
	for (int i = 0; i < 2 && error == 0; i++)
		error = reactor_own(ends[i], 0);
	for (int i = 0; i < 2; i++) {
		if (error)
			reactor_close_fd(ends[i]);
		else
			fd[i] = ends[i];
	}
	errno = saved;
	return error;
}

/* ---- listening ---- */

int socket_for(struct address *address, socket_make *make, void *with)
{
	int fd = make(address, with);
	bool absent = fd == -EAFNOSUPPORT || fd == -EPROTONOSUPPORT || fd == -EADDRNOTAVAIL || fd == -EPERM ||
		      fd == -EACCES || fd == -ENETUNREACH || fd == -ECONNREFUSED;
	if (!absent || !address->unbound)
		return fd;
	address_to_in(address);
	return make(address, with);
}

int socket_at(const char *text, socket_make *make, void *with)
{
	struct address address;
	int error = scheduler_error();
	if (error == 0)
		error = address_parse(&address, text);
	if (error)
		return error;
	int saved = errno;
	int fd = socket_for(&address, make, with);
	errno = saved;
	return fd;
}

/* Makes ":port" accept IPv4 too, whatever net.ipv6.bindv6only is. */
static void take_both(int fd, const struct address *address)
{
	int off = 0;
	if (address->unbound)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
}

static int listen_on(const struct address *address, void *with)
{
	int backlog = *(const int *)with;
	int fd = socket_new(address->any.sa_family, SOCK_STREAM, 0, FD_LISTENER);
	if (fd < 0)
		return fd;
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR);
	take_both(fd, address);
	if (bind(fd, &address->any, address->size) != 0 || listen(fd, backlog > 0 ? backlog : SOMAXCONN) != 0)
		return socket_abandon(fd, -errno);
	return fd;
}

int sley_listen(const char *text, int backlog)
{
	return socket_at(text, listen_on, &backlog);
}

static int packet_listen_on(const struct address *address, void *unused)
{
	(void)unused;
	int fd = socket_new(address->any.sa_family, SOCK_DGRAM, 0, 0);
	if (fd >= 0)
		take_both(fd, address);
	if (fd >= 0 && bind(fd, &address->any, address->size) != 0)
		return socket_abandon(fd, -errno);
	return fd;
}

int sley_packet_listen(const char *text)
{
	return socket_at(text, packet_listen_on, NULL);
}

/* ---- accepting ---- */

#define PAUSE_LEAST NS_PER_MS /* time between attempts during a shortage */
#define PAUSE_MOST  (100 * NS_PER_MS)

struct accept {
	struct operation op;
	struct sockaddr *peer; /* the caller's, or null */
	socklen_t *size;
	struct turn turn;
};

/*
 * Returns the reactor's flags of a new connection. Unless the listener is known to be TCP, asks the kernel for the
 * protocol, which costs a system call. Sets TCP_NODELAY unless the connection inherits it.
 */
static unsigned connection_flags(int fd, unsigned listener, sa_family_t family)
{
	int protocol = IPPROTO_TCP;
	socklen_t size = sizeof(protocol);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (!(listener & FD_LISTENER))
		socket_set(fd, IPPROTO_TCP, TCP_NODELAY);
	if (!(listener & FD_STREAM) && getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
		return 0;
	return socket_flags(family, SOCK_STREAM, protocol);
}

/*
 * Returns whether the error belongs to a connection that failed in the queue: accept(2) passes such an error on. Then
 * the next connection is tried.
 */
static bool is_gone(int error)
{
	switch (error) {
	case -ECONNABORTED:
	case -ECONNRESET:
	case -EINTR:
	case -EPROTO:
	case -ENOPROTOOPT:
	case -ENONET:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

/* Returns a registered descriptor, or a negative errno value. */
static ssize_t accept_now(struct operation *op, unsigned flags)
{
	struct accept *a = CONTAINER_OF(op, struct accept, op);
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	if (!(flags & FD_OWNED) && operation_unready(op)) /* it may be blocking */
		return -EAGAIN;
	int fd = (int)sys_accept4(op->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	RACE_POINT(accept_tried);
	if (is_gone(fd))
		return flags & FD_OWNED ? -EINTR : -EAGAIN;
	if (fd < 0)
		return fd;
	int error = reactor_own(fd, connection_flags(fd, flags, peer.ss_family));
	if (error)
		return socket_abandon(fd, error);
	if (a->peer) {
		memcpy(a->peer, &peer, MIN(*a->size, size));
		*a->size = size;
	}
	return fd;
}

static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* Reports the shortage once per run. */
static void complain_of(int error, int listener)
{
	static unsigned told; /* atomic: the number of the run */
	const char *remedy = "Free memory of the system, or raise its limits for sockets";
	if (error == -EMFILE)
		remedy =
			"Raise the process's limit of open files (ulimit -n), or close descriptors that are not needed";
	else if (error == -ENFILE)
		remedy = "Raise the system's limit of open files (sysctl fs.file-max)";
	if (exchange(&told, scheduler.run, relaxed) != scheduler.run)
		complain(
			"sley_accept() on descriptor %d cannot take connections now: %s. They stay in the listener's queue, and "
			"the call tries again until it succeeds. %s",
			listener, strerror(-error), remedy);
}

/* Waits for its turn before each try: see reactor/turn.h. */
static int accept_in_line(struct accept *a)
{
	for (bool busy = false;; busy = true) {
		int error = 0;
		if (unlikely(turn_is_wanted(busy)))
			error = turn_wait(a->op.fd, &a->turn, busy, a->op.deadline, a->op.pc, &a->op.hold);
		if (error)
			return error;
		int fd = (int)operation_run(&a->op, accept_now);
		if (fd != -EBUSY)
			return fd;
	}
}

/*
 * Retries during a shortage. It ends when other code closes descriptors or frees memory, and no event tells of that.
 * The connection stays queued, and the listener ready. So a service that just repeats the call would burn its CPU, and
 * a service that takes the error for the end would stop.
 */
static int accept_patiently(struct accept *a)
{
	sley_time deadline = a->op.deadline;
	for (int64_t pause = PAUSE_LEAST;; pause = MIN(2 * pause, PAUSE_MOST)) {
		int fd = accept_in_line(a);
		if (!is_shortage(fd) || wait_deadline(task_self(), deadline) <= clock_now())
			return fd;
		a->op.hold = (struct hold){ 0 };
		complain_of(fd, a->op.fd);
		int error = sley_sleep(MIN(sley_in(pause), deadline));
		if (error)
			return error == -ETIMEDOUT ? fd : error;
	}
}

static int run_accept(struct accept *a)
{
	if (!task_self())
		return outside_error();
	int fd = accept_patiently(a);
	turn_pass(a->op.fd, &a->turn);
	return fd;
}

#define ACCEPT(...) \
	(&(struct accept){ .op = { .fd = listener, \
				   .direction = READING, \
				   .kind = SLEY_WAIT_ACCEPT, \
				   .deadline = deadline, \
				   .pc = __builtin_return_address(0) }, \
			   __VA_ARGS__ })

int sley_accept(int listener, sley_time deadline)
{
	return run_accept(ACCEPT());
}

int sley_accept_from(int listener, struct sockaddr *peer, socklen_t *size, sley_time deadline)
{
	if (peer && !size)
		return -EFAULT;
	return run_accept(ACCEPT(.peer = peer, .size = size));
}

/* ---- half close ---- */

int sley_shutdown(int fd, int how)
{
	int error = scheduler_error();
	if (error)
		return error;
	int saved = errno;
	error = shutdown(fd, how) == 0 ? 0 : -errno;
	errno = saved;
	return error;
}
