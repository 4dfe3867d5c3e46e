/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Sockets: TCP, UDP, Unix stream and datagram, and all other kinds that socket(2) makes. The rules of sley/io.h for
 * descriptors apply here too. Sockets made by these calls are non-blocking, close-on-exec and have no Nagle's delay.
 *
 * Addresses are text: "127.0.0.1:8080", "[::1]:8080", ":8080" or "unix:/path". To listen, ":8080" is any address of
 * IPv6 and IPv4, or of the only one of them that the host has, whatever net.ipv6.bindv6only is. To dial, it is this
 * host. ("[::]:8080" is IPv6; that setting decides whether it includes IPv4.) With port 0 the kernel chooses (call
 * getsockname). Only sley_dial() accepts host names. Other calls return -EINVAL: resolve the name first (sley/name.h).
 * Some calls take a struct sockaddr of any family instead.
 */
#ifndef SLEY_SOCKET_H
#define SLEY_SOCKET_H

#include <sys/socket.h>

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- streams ---- */

/*
 * Makes a listening stream socket. Sets SO_REUSEADDR. backlog 0: SOMAXCONN. Returns the descriptor; -EINVAL: no address
 * of the forms above; else an error of socket(2), bind(2) or listen(2), as -EADDRINUSE. Any thread.
 */
SLEY_API int sley_listen(const char *address, int backlog);

/*
 * Accepts the next connection of a listener. Returns the descriptor. Connections that failed in the queue are skipped.
 * Several tasks may accept from one listener: they wait in the order in which they came, and a close ends all their waits.
 * If no descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM), connections stay queued and the call
 * retries, first after 1 ms, finally every 100 ms; a line on stderr says so once in a run. If this lasts until the
 * deadline, the call returns that error, not -ETIMEDOUT; if the deadline has passed already, it returns the error at
 * once. So with SLEY_NEVER every error is about the listener (-EBADF: closed), and a loop may end at it. A blocking
 * foreign listener that is shared with other processes may block the thread: sley_own() it.
 */
SLEY_API int sley_accept(int listener, sley_time deadline);

/*
 * As sley_accept(), and stores the peer's address in *peer, which has *size bytes. *size becomes the size of the
 * address, which is larger if the address was cut. With a null peer it is sley_accept(). Returns the descriptor.
 * -EFAULT: a peer without a size.
 */
SLEY_API int sley_accept_from(int listener, struct sockaddr *peer, socklen_t *size, sley_time deadline);

/*
 * Connects a stream socket. Returns the descriptor. A name such as "localhost:8080" or "example.com:https" is passed
 * to sley_dial_host(), with its errors; a name of digits and dots alone is a wrong address. -EAGAIN: the backlog of a
 * Unix listener is full; no event tells when it has room again. -ECONNREFUSED also: no socket listens on a port of this
 * host, and the kernel gave that port to the new socket, which then connected to itself.
 */
SLEY_API int sley_dial(const char *address, sley_time deadline);

/*
 * Shuts down one direction of a connection, or both: SHUT_WR (the peer reads the end of the stream), SHUT_RD or
 * SHUT_RDWR. Tasks that wait for the socket repeat their system call and return its result. Returns 0, -ENOTCONN,
 * -ENOTSOCK, -EINVAL. Any thread.
 */
SLEY_API int sley_shutdown(int fd, int how);

/* ---- datagrams ---- */

/*
 * Makes a datagram socket bound to the address. Receive with sley_recvfrom(), answer with sley_sendto(). Sets no other
 * option. Returns the descriptor. -EINVAL: no address of the forms above; else an error of socket(2) or bind(2). Any
 * thread.
 */
SLEY_API int sley_packet_listen(const char *address);

/*
 * Makes a datagram socket that sends to the address and receives only from it, by sley_send() and sley_recv(). A Unix
 * socket gets a name from the kernel, so that it can be answered. Does not wait. Returns the descriptor. -EINVAL: no
 * address of the forms above; else an error of socket(2) or connect(2). Any thread.
 */
SLEY_API int sley_packet_dial(const char *address);

/* ---- any kind ---- */

/*
 * Makes a socket of any kind, as socket(2). SOCK_NONBLOCK and SOCK_CLOEXEC need not be given. Returns the descriptor.
 * Errors as of socket(2). Any thread.
 */
SLEY_API int sley_socket(int domain, int type, int protocol);

/*
 * Makes a pair of connected Unix sockets, of type SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. Returns 0; -EFAULT: fd is
 * null. Any thread.
 */
SLEY_API int sley_socketpair(int type, int fd[2]);

/*
 * Connects a socket of any kind, own or foreign, to an address of its family. Returns 0. After -ETIMEDOUT or -ECANCELED
 * of the wait, the same call may be repeated and waits on. After any other failure, the only use of the socket is to
 * close it. -EAGAIN and -ECONNREFUSED: as sley_dial(); -EISCONN; -ENOTSOCK; -EAFNOSUPPORT.
 */
SLEY_API int sley_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline);

/*
 * Receive and send, as recv(2), recvfrom(2), recvmsg(2), send(2), sendto(2) and sendmsg(2), with their flags. They make
 * the task wait, not the thread. Return the count. The differences:
 *   - With MSG_DONTWAIT, MSG_OOB (receiving) or MSG_ERRQUEUE they do not wait, as in the kernel: -EAGAIN.
 *   - sley_recvmsg() makes received descriptors close-on-exec; they are foreign (sley_own()).
 *   - With MSG_WAITALL a stream socket is read until all bytes are there: n, as sley_read_full(). It returns fewer
 *     bytes at the end of the stream, and when descriptors or credentials came with the last of them. A failure after a
 *     part returns the error, and the part is lost. On other sockets, and in calls that do not wait, the flag has no
 *     effect; with MSG_PEEK it is -EINVAL.
 *   - A send to a stream sends as many bytes as fit, as sley_write(); use sley_write_full() to send all.
 *   - With MSG_FASTOPEN, if the data cannot go with the SYN, they wait for the connection and send then.
 *   - MSG_ZEROCOPY is -EINVAL: see sley_send_zerocopy().
 * They make the system call even for no bytes, so empty datagrams can be sent and received. -EAGAIN from a send with an
 * address: the queue of a Unix datagram socket is full, and no event tells when it has room again; a connected socket
 * waits for it. -ENOTSOCK; -EMSGSIZE: too large for a datagram, or more than IOV_MAX buffers; -ECONNREFUSED: the result
 * of an earlier datagram.
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
 * Sends n bytes on an own TCP or UDP socket, as sley_write_full(), but the kernel reads them in place (MSG_ZEROCOPY),
 * also after the call. Until sley_zerocopy_wait() has returned, the bytes must not be changed or freed, whatever this
 * call returns. Returns n; -EINVAL: a foreign descriptor, or no socket; -EOPNOTSUPP: a Unix socket, or a kernel before
 * 4.14; -EFAULT: a buffer on a copying stack.
 *
 * It pays for large pieces on a network device that can gather. Over loopback, and over devices between containers, the
 * kernel copies all the same, later and at a higher price. Over loopback it is never faster (bench row `zerocopy`), so
 * no other call uses it by itself. The call sets SO_ZEROCOPY on the socket. From then on the socket's error queue
 * belongs to this call and sley_zerocopy_wait().
 */
SLEY_API ssize_t sley_send_zerocopy(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * Waits until the kernel has released all bytes that were sent by sley_send_zerocopy(). Returns 0; 1: released, but the
 * kernel copied some of them (so zero-copy does not pay on this socket). Waits in the place of a writer: -EBUSY. After
 * -ETIMEDOUT or -ECANCELED the kernel still holds the buffers: call it again (with cancellation masked). The kernel
 * releases them when the peer has acknowledged the bytes, or at once when the connection is given up by sley_connect()
 * to an address of family AF_UNSPEC. Call it before you close the socket: afterwards the release cannot be observed.
 */
SLEY_API int sley_zerocopy_wait(int fd, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
