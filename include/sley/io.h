/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors.
 *
 * Descriptors that these calls make are non-blocking and close-on-exec. The calls also take descriptors made
 * elsewhere, blocking or not: sockets are read and written with MSG_DONTWAIT and everything else that epoll accepts is
 * waited for first, so the thread is not blocked. One task may wait to read and another to write; one more gets
 * -EBUSY. Regular files, which no poller can wait for, get -ENOTSUP: use the thread-blocking call and know that
 * asynctop will show it. All are for tasks, else -EDEADLK.
 *
 * Common errors: -EBADF: not open, or closed meanwhile by sley_close(); -EBUSY: another task waits for the same
 * descriptor and direction; -ENOTSUP: a regular file or directory; -ETIMEDOUT; -ENOMEM; -EMFILE and -ENFILE where a
 * descriptor is made; else what the system call itself answers.
 *
 * Addresses are text: "127.0.0.1:8080", "[::1]:8080", ":8080" (any address) or "unix:/path". Port 0 lets the kernel
 * choose (ask getsockname). Host names are -EINVAL: resolve them first.
 */
#ifndef SLEY_IO_H
#define SLEY_IO_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A listening stream socket. SO_REUSEADDR is set. backlog 0: SOMAXCONN. Also from any thread. */
SLEY_API int sley_listen(const char *address, int backlog);

/* The next connection of a listener: its descriptor. TCP_NODELAY is set on it. -EMFILE leaves the connection queued. */
SLEY_API int sley_accept(int listener, sley_time deadline);

/*
 * Connects a stream socket: its descriptor. TCP_NODELAY is set on it. -EAGAIN: the backlog of a Unix listener is full,
 * which no event tells the end of.
 */
SLEY_API int sley_dial(const char *address, sley_time deadline);

/* Reads what there is, up to n bytes: the count, 0 at the end of the stream (or n == 0). */
SLEY_API ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline);

/* Writes what fits, at least a byte unless n == 0: the count. Never raises SIGPIPE for a socket (-EPIPE). */
SLEY_API ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * The same until all n bytes are through. read_full: n; fewer at the end of the stream. write_full: n. A failure after
 * part of the bytes answers the error; the part's size is lost, so the stream is only good for closing.
 */
SLEY_API ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline);
SLEY_API ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * Waits for POLLIN or POLLOUT or both: the events that hold (POLLERR and POLLHUP too, asked for or not). -EINVAL:
 * others. A regular file is always ready, as with poll(2).
 */
SLEY_API int sley_poll(int fd, int events, sley_time deadline);

/*
 * Closes a descriptor and wakes tasks that wait for it with -EBADF; none of them gets what its number is reused for. A
 * call that is being made but does not wait yet cannot be told apart from a later one. Use it for every descriptor
 * that sley has seen: a plain close() tells the runtime nothing. Any thread. 0 or the negative errno of close(2).
 */
SLEY_API int sley_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
