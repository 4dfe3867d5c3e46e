/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The calls under names of their own. Unlike those of libc they are waits wherever they come from. */
#include "posix/posix.h"

#include <sley/posix.h>
#include <unistd.h>

#include "base/clock.h"

#define CALLER     __builtin_return_address(0)
#define STRIP(...) __VA_ARGS__

#define OWN(type, name, params, args) \
	type sley_posix_##name params \
	{ \
		const void *pc = CALLER; \
		return sley_self() > 0 && !posix_holds_lock() ? posix_##name(STRIP args, pc) : NEXT(name) args; \
	}

OWN(ssize_t, read, (int fd, void *buffer, size_t n), (fd, buffer, n))
OWN(ssize_t, write, (int fd, const void *buffer, size_t n), (fd, buffer, n))
OWN(ssize_t, readv, (int fd, const struct iovec *vector, int count), (fd, vector, count))
OWN(ssize_t, writev, (int fd, const struct iovec *vector, int count), (fd, vector, count))

OWN(ssize_t, recv, (int fd, void *buffer, size_t n, int flags), (fd, buffer, n, flags))
OWN(ssize_t, recvfrom, (int fd, void *buffer, size_t n, int flags, struct sockaddr *address, socklen_t *size),
    (fd, buffer, n, flags, address, size))
OWN(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
OWN(int, recvmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout),
    (fd, messages, n, flags, timeout))
OWN(ssize_t, send, (int fd, const void *buffer, size_t n, int flags), (fd, buffer, n, flags))
OWN(ssize_t, sendto, (int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address, socklen_t size),
    (fd, buffer, n, flags, address, size))
OWN(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
OWN(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags), (fd, messages, n, flags))

OWN(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
OWN(int, accept, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
OWN(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags))

OWN(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
OWN(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask),
    (fds, n, timeout, mask))
OWN(int, select, (int n, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout),
    (n, read, write, except, timeout))
OWN(int, pselect,
    (int n, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout, const sigset_t *mask),
    (n, read, write, except, timeout, mask))
OWN(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int timeout), (epoll, events, most, timeout))

OWN(int, getaddrinfo, (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result),
    (host, service, hints, result))
OWN(struct hostent *, gethostbyname, (const char *name), (name))

OWN(unsigned, sleep, (unsigned seconds), (seconds))
OWN(int, usleep, (unsigned us), (us))
OWN(int, nanosleep, (const struct timespec *duration, struct timespec *rest), (duration, rest))
OWN(int, clock_nanosleep, (int clock, int flags, const struct timespec *time, struct timespec *rest),
    (clock, flags, time, rest))

int sley_posix_deadline(sley_time until)
{
	int error = posix_set_deadline(until);
	if (error)
		errno = -error;
	return error ? -1 : 0;
}

sley_time sley_posix_until(const struct timespec *realtime)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	/* a thread that is preempted here gets a later deadline, never an earlier one */
	sley_wide_ rest = ((sley_wide_)realtime->tv_sec - now.tv_sec) * NS_PER_SEC + realtime->tv_nsec - now.tv_nsec;
	return sley_in(rest > INT64_MAX ? INT64_MAX : rest < INT64_MIN ? INT64_MIN : (sley_time)rest);
}
