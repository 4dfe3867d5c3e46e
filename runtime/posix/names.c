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

NAME(unsigned, sleep, (unsigned seconds), (seconds))
NAME(int, usleep, (useconds_t us), (us))
NAME(int, nanosleep, (const struct timespec *duration, struct timespec *rest), (duration, rest))
NAME(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *rest),
     (clock, flags, time, rest))

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

/* ---- other names by which libc exports them ---- */

#define ALIAS(type, other, name, params) \
	type other params; \
	EXPORT type other params __attribute__((alias(#name)));

ALIAS(ssize_t, __read, read, (int fd, void *buffer, size_t n))
ALIAS(ssize_t, __write, write, (int fd, const void *buffer, size_t n))
ALIAS(ssize_t, __send, send, (int fd, const void *buffer, size_t n, int flags))
ALIAS(int, __nanosleep, nanosleep, (const struct timespec *duration, struct timespec *rest))
