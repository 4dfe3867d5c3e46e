/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * connect(2) and accept(2), for which there is no flag like MSG_DONTWAIT.
 *
 * A blocking stream socket is made non-blocking for one system call, which begins the connection. When the socket is
 * writable, a second call on the blocking socket returns at once what the first one would have returned in the end. Only
 * connect(2) is made on such a socket, so nobody else sees the change, unless it is asked for at that moment.
 *
 * A listener is shared, so its mode is never changed: it is asked by poll(2), and accept(2) follows. Between the two
 * another acceptor may be faster, and the call would block its thread. Of the tasks of this process one at a time does
 * both, so this happens with other processes and plain threads alone.
 */
#include "posix/posix.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/compiler.h"

/* ---- connect ---- */

/* The first call. EINPROGRESS: the connection is on its way. */
static int connect_first(int fd, const struct sockaddr *address, socklen_t size)
{
	int mode = fcntl(fd, F_GETFL);
	if (mode < 0 || fcntl(fd, F_SETFL, mode | O_NONBLOCK) != 0)
		return -1;
	int result = NEXT(connect)(fd, address, size), error = errno;
	fcntl(fd, F_SETFL, mode);
	errno = error == EALREADY ? EINPROGRESS : error;
	return result;
}

/* The backlog of a Unix listener is full, and nothing tells when it has room. */
static bool wait_for_room(struct posix_call *call)
{
	sley_time pause = sley_in(NS_PER_MS);
	if (sley_now() < call->deadline && posix_sleep_until(MIN(pause, call->deadline), call->pc))
		return true;
	if (sley_now() >= call->deadline)
		errno = EAGAIN;
	return false;
}

static bool has_one_step(int fd)
{
	int type = 0, saved = errno;
	socklen_t size = sizeof(type);
	bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type == SOCK_DGRAM || type == SOCK_RAW;
	errno = saved;
	return is;
}

int posix_connect(int fd, const struct sockaddr *address, socklen_t size, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLOUT, pc);
	int result, saved = errno;
	if (has_one_step(fd) || !posix_is_blocking(&call)) {
		errno = saved;
		return NEXT(connect)(fd, address, size);
	}
	do
		result = connect_first(call.fd, address, size);
	while (result != 0 && errno == EAGAIN && wait_for_room(&call));
	if (result != 0 && errno == EINPROGRESS) {
		if (posix_wait(&call)) {
			errno = saved;
			result = NEXT(connect)(call.fd, address, size);
		} else if (errno == EAGAIN) {
			errno = EINPROGRESS; /* SO_SNDTIMEO, see socket(7) */
		}
	}
	posix_end(&call);
	return result;
}

/* ---- accept ---- */

#define TURNS 64

/* Held from the look to the call, which does not block in between: so the locks are not of sley. */
static pthread_mutex_t turns[TURNS] = { [0 ... TURNS - 1] = PTHREAD_MUTEX_INITIALIZER };

static int accept_in_turn(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	struct pollfd listener = { .fd = fd, .events = POLLIN };
	pthread_mutex_t *turn = &turns[(unsigned)fd % TURNS];
	int result = -1, error = EAGAIN;
	if (NEXT(pthread_mutex_trylock)(turn) != 0) {
		errno = EAGAIN;
		return -1;
	}
	if (NEXT(poll)(&listener, 1, 0) != 0) {
		result = NEXT(accept4)(fd, address, size, flags);
		error = errno;
	}
	NEXT(pthread_mutex_unlock)(turn);
	errno = error;
	return result;
}

/* Another descriptor, and wrong flags, are refused at once. */
static bool may_accept(int fd, int flags)
{
	int listens = 0;
	socklen_t size = sizeof(listens);
	return !(flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

int posix_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLIN, pc);
	int result, saved = errno;
	if (!may_accept(fd, flags) || !posix_is_blocking(&call)) {
		errno = saved;
		return NEXT(accept4)(fd, address, size, flags);
	}
	do
		result = accept_in_turn(call.fd, address, size, flags);
	while (result < 0 && errno == EAGAIN && posix_wait(&call));
	if (result >= 0)
		errno = saved;
	posix_end(&call);
	return result;
}

int posix_accept(int fd, struct sockaddr *address, socklen_t *size, const void *pc)
{
	return posix_accept4(fd, address, size, 0, pc);
}
