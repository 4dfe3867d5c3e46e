/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Sockets: TCP, UDP, Unix stream and datagram, and whatever else socket(2) makes. What sley/io.h says of descriptors
 * holds here too. Sockets that these calls make are non-blocking, close-on-exec and have no Nagle's delay.
 *
 * Addresses are text: "127.0.0.1:8080", "[::1]:8080", ":8080" or "unix:/path". ":8080" is any
 * address of IPv6 and IPv4, of the one that the host has if it lacks the other, whatever net.ipv6.bindv6only says; dialed,
 * it is this host ("[::]:8080" is IPv6's, with IPv4 or not as that setting says). Port 0 lets the kernel
 * choose (ask getsockname). Host names are for sley_dial() alone; elsewhere -EINVAL: resolve them first
 * (sley/name.h). Or addresses are a struct sockaddr, of any family.
 */
#ifndef SLEY_SOCKET_H
#define SLEY_SOCKET_H

#include <sys/socket.h>

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- streams ---- */

/* A listening stream socket. SO_REUSEADDR is set. backlog 0: SOMAXCONN. Any thread. */
SLEY_API int sley_listen(const char *address, int backlog);

/*
 * The next connection of a listener: its descriptor. Connections that failed while they were queued are passed over. Where
 * no descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM), connections stay queued and it tries again, after 1 ms
 * at first and 100 ms at last, until there is; a line on stderr says so once in a run. It answers that error, and not
 * -ETIMEDOUT, if there is none by the deadline: with a deadline that has passed, at once. So with SLEY_NEVER an error is
 * the listener's (-EBADF: closed), and a loop may end at it. A foreign listener that is
 * blocking and shared with other processes may block the thread: sley_own() it.
 */
SLEY_API int sley_accept(int listener, sley_time deadline);

/*
 * The same, and the peer's address in *peer, of which *size bytes are there; *size becomes what it has, which is more
 * if it was cut. A null peer is sley_accept(). -EFAULT: a peer without a size.
 */
SLEY_API int sley_accept_from(int listener, struct sockaddr *peer, socklen_t *size, sley_time deadline);

/*
 * Connects a stream socket: its descriptor. Also by name: "localhost:8080", "example.com:https" is what
 * sley_dial_host() does, with its errors; a name of digits and dots alone is a wrong address. -EAGAIN: the backlog of
 * a Unix listener is full, which no event tells the end of. -ECONNREFUSED also: nobody listens on a port of this host, and
 * the kernel gave it to the new socket itself, which is then connected to itself.
 */
SLEY_API int sley_dial(const char *address, sley_time deadline);

/*
 * Ends one direction of a connection: SHUT_WR (the peer reads the end of the stream), SHUT_RD or SHUT_RDWR. Tasks
 * that wait for it go on with what the kernel says now. 0, -ENOTCONN, -ENOTSOCK, -EINVAL. Any thread.
 */
SLEY_API int sley_shutdown(int fd, int how);

/* ---- datagrams ---- */

/*
 * A datagram socket that is bound to the address: receives by sley_recvfrom(), answers by sley_sendto(). No other
 * option is set. Any thread.
 */
SLEY_API int sley_packet_listen(const char *address);

/*
 * A datagram socket that sends to the address and receives from nowhere else, by sley_send() and sley_recv(). A Unix
 * one gets a name from the kernel, so that it can be answered. Does not wait. Any thread.
 */
SLEY_API int sley_packet_dial(const char *address);

/* ---- any kind ---- */

/* socket(2), whose errors it has; SOCK_NONBLOCK and SOCK_CLOEXEC need not be given. Any thread. */
SLEY_API int sley_socket(int domain, int type, int protocol);

/*
 * A pair of connected Unix sockets, type SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. 0. Any thread. -EFAULT: fd is
 * null.
 */
SLEY_API int sley_socketpair(int type, int fd[2]);

/*
 * Connects a socket of any kind, own or foreign, to an address of its family. 0. After a failure it is only good for
 * closing, but for -ETIMEDOUT and -ECANCELED of the wait: the same call again goes on waiting. -EAGAIN and
 * -ECONNREFUSED: as sley_dial(); -EISCONN; -ENOTSOCK; -EAFNOSUPPORT.
 */
SLEY_API int sley_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline);

/*
 * recv(2), recvfrom(2) and recvmsg(2), send(2), sendto(2) and sendmsg(2): waiting the task instead of the thread, and
 * with their flags, but
 *   - with MSG_DONTWAIT, MSG_OOB (receiving) or MSG_ERRQUEUE they do not wait, as the kernel's do not: -EAGAIN;
 *   - sley_recvmsg() makes the descriptors that it receives close-on-exec; they are foreign (sley_own());
 *   - with MSG_WAITALL a stream socket is waited for until all bytes are there: n, as sley_read_full(); fewer at its end,
 *     and with descriptors or credentials that came with the last of them. A failure after part of the bytes answers the
 *     error, and the part is lost. Elsewhere, and where they do not wait, it has no effect; with MSG_PEEK it is -EINVAL;
 *   - sending to a stream takes what fits, as sley_write() does, not all: sley_write_full() is for that;
 *   - with MSG_FASTOPEN, where the data cannot go with the SYN, they wait for the connection and send then;
 *   - MSG_ZEROCOPY is -EINVAL: see sley_send_zerocopy().
 * They make the system call even for no bytes: so datagrams without any are sent and received. -EAGAIN from a sending
 * call with an address: the queue of a Unix datagram socket is full, which no event tells the end of; connected ones
 * wait for it. -ENOTSOCK; -EMSGSIZE: too large for a datagram, or more than IOV_MAX buffers; -ECONNREFUSED: of an
 * earlier datagram.
 */
SLEY_API ssize_t sley_recv(int fd, void *buffer, size_t n, int flags, sley_time deadline);
SLEY_API ssize_t sley_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *from, socklen_t *size,
			       sley_time deadline);
SLEY_API ssize_t sley_recvmsg(int fd, struct msghdr *message, int flags, sley_time deadline);
SLEY_API ssize_t sley_send(int fd, const void *buffer, size_t n, int flags, sley_time deadline);
SLEY_API ssize_t sley_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to, socklen_t size,
			     sley_time deadline);
SLEY_API ssize_t sley_sendmsg(int fd, const struct msghdr *message, int flags, sley_time deadline);

/* ---- without a copy ---- */

/*
 * Sends n bytes on an own TCP or UDP socket as sley_write_full() does, but lets the kernel read them where they are
 * (MSG_ZEROCOPY), after the call too: until sley_zerocopy_wait() has returned they must neither be changed nor freed,
 * whatever this call answers. n; -EINVAL: a foreign descriptor, or no socket; -EOPNOTSUPP: a Unix socket, or a kernel
 * before 4.14; -EFAULT: a buffer on a copying stack.
 *
 * Worth it for large pieces on a network device that can gather. Over loopback, and over devices between containers,
 * the kernel copies all the same, later and at a higher price. Over loopback it wins at no size (bench row `zerocopy`),
 * which is why no other call does it by itself. SO_ZEROCOPY is set on the socket, whose error queue belongs to these
 * two calls from then on.
 */
SLEY_API ssize_t sley_send_zerocopy(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * Waits until the kernel has released all that was sent so: 0; or 1: it has, but made a copy of some of it (a hint
 * not to do it on this socket). Waits in the place of a writer: -EBUSY. After -ETIMEDOUT or -ECANCELED the buffers
 * are the kernel's still: call it again (with cancellation masked). They come back when the peer has acknowledged the
 * bytes; or at once when the connection is given up by sley_connect() to an address of family AF_UNSPEC. Before
 * closing: afterwards nobody can tell.
 */
SLEY_API int sley_zerocopy_wait(int fd, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
