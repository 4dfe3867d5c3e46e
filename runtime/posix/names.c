/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The names of libc. A call of a task is a wait, and all others go on to the next definition: of plain threads, of a
 * worker's own code, from inside of libsley, and of a task that holds a lock of libc.
 */
#include "posix/posix.h"

#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define CALLER     __builtin_return_address(0)
#define STRIP(...) __VA_ARGS__

#define NAME(type, name, params, args) \
	EXPORT type name params \
	{ \
		const void *pc = CALLER; \
		return posix_waits(pc) ? posix_##name(STRIP args, pc) : NEXT(name) args; \
	}

NAME(ssize_t, read, (int fd, void *buffer, size_t n), (fd, buffer, n))
NAME(ssize_t, write, (int fd, const void *buffer, size_t n), (fd, buffer, n))
NAME(ssize_t, readv, (int fd, const struct iovec *vector, int count), (fd, vector, count))
NAME(ssize_t, writev, (int fd, const struct iovec *vector, int count), (fd, vector, count))

NAME(ssize_t, recv, (int fd, void *buffer, size_t n, int flags), (fd, buffer, n, flags))
NAME(ssize_t, recvfrom,
     (int fd, void *restrict buffer, size_t n, int flags, struct sockaddr *restrict address, socklen_t *restrict size),
     (fd, buffer, n, flags, address, size))
NAME(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
NAME(int, recvmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout),
     (fd, messages, n, flags, timeout))
NAME(ssize_t, send, (int fd, const void *buffer, size_t n, int flags), (fd, buffer, n, flags))
NAME(ssize_t, sendto, (int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address, socklen_t size),
     (fd, buffer, n, flags, address, size))
NAME(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
NAME(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags), (fd, messages, n, flags))

NAME(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
NAME(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
NAME(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask),
     (fds, n, timeout, mask))
NAME(int, select,
     (int n, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except, struct timeval *restrict timeout),
     (n, read, write, except, timeout))
NAME(int, pselect,
     (int n, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
      const struct timespec *restrict timeout, const sigset_t *restrict mask),
     (n, read, write, except, timeout, mask))
NAME(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int timeout), (epoll, events, most, timeout))
NAME(int, epoll_pwait, (int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask),
     (epoll, events, most, timeout, mask))
NAME(int, epoll_pwait2,
     (int epoll, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask),
     (epoll, events, most, timeout, mask))

NAME(int, getaddrinfo,
     (const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
      struct addrinfo **restrict result),
     (host, service, hints, result))
NAME(struct hostent *, gethostbyname, (const char *name), (name))
NAME(struct hostent *, gethostbyname2, (const char *name, int family), (name, family))
NAME(int, gethostbyname_r,
     (const char *restrict name, struct hostent *restrict entry, char *restrict buffer, size_t size,
      struct hostent **restrict result, int *restrict h_error),
     (name, entry, buffer, size, result, h_error))
NAME(int, gethostbyname2_r,
     (const char *restrict name, int family, struct hostent *restrict entry, char *restrict buffer, size_t size,
      struct hostent **restrict result, int *restrict h_error),
     (name, family, entry, buffer, size, result, h_error))

NAME(unsigned, sleep, (unsigned seconds), (seconds))
NAME(int, usleep, (useconds_t us), (us))
NAME(int, nanosleep, (const struct timespec *duration, struct timespec *rest), (duration, rest))
NAME(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *rest),
     (clock, flags, time, rest))

/* The number that is made may have been another kind of descriptor's. */
EXPORT int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
	const void *pc = CALLER;
	int made =
		posix_waits(pc) ? posix_accept4(fd, address, size, flags, pc) : NEXT(accept4)(fd, address, size, flags);
	posix_kind_forget(made);
	return made;
}

EXPORT int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict size)
{
	const void *pc = CALLER;
	int made = posix_waits(pc) ? posix_accept(fd, address, size, pc) : NEXT(accept)(fd, address, size);
	posix_kind_forget(made);
	return made;
}

/* ---- what libraries call that were built with _FORTIFY_SOURCE ---- */

/* libc's function ends the process if the buffer is too small. */
#define FORTIFIED(type, checked, name, fits, params, args, checked_args) \
	type checked params; \
	EXPORT type checked params \
	{ \
		const void *pc = CALLER; \
		return (fits) && posix_waits(pc) ? posix_##name(STRIP args, pc) : NEXT(checked) checked_args; \
	}

FORTIFIED(ssize_t, __read_chk, read, n <= size, (int fd, void *buffer, size_t n, size_t size), (fd, buffer, n),
	  (fd, buffer, n, size))
FORTIFIED(ssize_t, __recv_chk, recv, n <= size, (int fd, void *buffer, size_t n, size_t size, int flags),
	  (fd, buffer, n, flags), (fd, buffer, n, size, flags))
FORTIFIED(ssize_t, __recvfrom_chk, recvfrom, n <= size,
	  (int fd, void *restrict buffer, size_t n, size_t size, int flags, struct sockaddr *restrict address,
	   socklen_t *restrict address_size),
	  (fd, buffer, n, flags, address, address_size), (fd, buffer, n, size, flags, address, address_size))

FORTIFIED(int, __poll_chk, poll, n <= size / sizeof(*fds), (struct pollfd * fds, nfds_t n, int timeout, size_t size),
	  (fds, n, timeout), (fds, n, timeout, size))
FORTIFIED(int, __ppoll_chk, ppoll, n <= size / sizeof(*fds),
	  (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size),
	  (fds, n, timeout, mask), (fds, n, timeout, mask, size))

/* ---- other names by which libc exports them ---- */

#define ALIAS(type, other, name, params) \
	type other params; \
	EXPORT type other params __attribute__((alias(#name)));

ALIAS(ssize_t, __read, read, (int fd, void *buffer, size_t n))
ALIAS(ssize_t, __write, write, (int fd, const void *buffer, size_t n))
ALIAS(ssize_t, __send, send, (int fd, const void *buffer, size_t n, int flags))
ALIAS(int, __nanosleep, nanosleep, (const struct timespec *duration, struct timespec *rest))
ALIAS(int, __connect, connect, (int fd, const struct sockaddr *address, socklen_t size))
ALIAS(int, __poll, poll, (struct pollfd * fds, nfds_t n, int timeout))
ALIAS(int, __select, select,
      (int n, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except, struct timeval *restrict timeout))
