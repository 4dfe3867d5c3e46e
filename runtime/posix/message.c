/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The calls of sockets that receive and send. Each part is tried with MSG_DONTWAIT. */
#include "posix/posix.h"

#include <limits.h>

#include "posix/part.h"

/* These never wait, or only the kernel can do what they ask for. */
#define RECV_PASSES (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)
#define SEND_PASSES (MSG_DONTWAIT | MSG_ZEROCOPY | MSG_FASTOPEN)

static bool is_stream_socket(int fd)
{
	int type = 0, saved = errno;
	socklen_t size = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
		errno = saved;
	return type == SOCK_STREAM;
}

/* ---- receiving ---- */

static ssize_t message_part(struct posix_call *call, struct msghdr *message, int flags)
{
	ssize_t n;
	do
		n = NEXT(recvmsg)(call->fd, message, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
	while (n < 0 && errno == EAGAIN && posix_wait(call));
	return n;
}

/* Of a stream: until all bytes are there, or it ends. `done` bytes are. */
static ssize_t message_rest(struct posix_call *call, const struct msghdr *message, int flags, size_t done, size_t size)
{
	struct part part = { .vector = message->msg_iov, .count = (int)message->msg_iovlen };
	size_t step = done;
	while (done < size && step > 0 && posix_is_blocking(call)) {
		const struct iovec *vector;
		part_skip(&part, step);
		struct msghdr rest = { .msg_iovlen = (size_t)part_next(&part, SIZE_MAX, &vector) };
		rest.msg_iov = (struct iovec *)(uintptr_t)vector;
		ssize_t n = message_part(call, &rest, flags);
		if (n < 0)
			break;
		step = (size_t)n;
		done += step;
	}
	return (ssize_t)done;
}

ssize_t posix_recvmsg(int fd, struct msghdr *message, int flags, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLIN, pc);
	bool all = flags & MSG_WAITALL;
	if (flags & RECV_PASSES || !message || message->msg_iovlen > IOV_MAX ||
	    (all && (flags & MSG_PEEK || message->msg_control)))
		return NEXT(recvmsg)(fd, message, flags);
	size_t size = all ? part_size(message->msg_iov, (int)message->msg_iovlen) : 0;
	ssize_t n = message_part(&call, message, flags);
	if (n > 0 && (size_t)n < size && is_stream_socket(call.fd))
		n = message_rest(&call, message, flags, (size_t)n, size);
	posix_end(&call);
	return n;
}

ssize_t posix_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *address, socklen_t *size,
		       const void *pc)
{
	struct iovec vector = { buffer, n };
	struct msghdr message = { .msg_name = size ? address : NULL, .msg_iov = &vector, .msg_iovlen = 1 };
	if (flags & RECV_PASSES || n > SSIZE_MAX || (flags & MSG_PEEK && flags & MSG_WAITALL) ||
	    (size && (int)*size < 0) || (address && !size))
		return NEXT(recvfrom)(fd, buffer, n, flags, address, size);
	message.msg_namelen = address ? *size : 0;
	ssize_t got = posix_recvmsg(fd, &message, flags, pc);
	if (got >= 0 && address)
		*size = message.msg_namelen;
	return got;
}

ssize_t posix_recv(int fd, void *buffer, size_t n, int flags, const void *pc)
{
	return posix_recvfrom(fd, buffer, n, flags, NULL, NULL, pc);
}

/* As the kernel does it: the timeout is looked at after each message, and an error behind one is told by the next call. */
int posix_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout, const void *pc)
{
	sley_time begin = sley_now(), limit = SLEY_NEVER;
	unsigned done = 0;
	if (flags & RECV_PASSES ||
	    (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)))
		return NEXT(recvmmsg)(fd, messages, n, flags, timeout);
	if (timeout && timeout->tv_sec < INT64_MAX / 2000000000)
		limit = SLEY_SEC(timeout->tv_sec) + timeout->tv_nsec;
	while (done < n) {
		ssize_t size = posix_recvmsg(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE, pc);
		if (size < 0)
			break;
		messages[done++].msg_len = (unsigned)size;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		sley_time left = limit == SLEY_NEVER ? limit : limit - (sley_now() - begin);
		if (limit != SLEY_NEVER)
			*timeout = (struct timespec){ .tv_sec = left > 0 ? left / 1000000000 : 0,
						      .tv_nsec = left > 0 ? left % 1000000000 : 0 };
		if (left <= 0)
			break;
	}
	return done > 0 || n == 0 ? (int)done : -1;
}

/* ---- sending ---- */

ssize_t posix_sendmsg(int fd, const struct msghdr *message, int flags, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLOUT, pc);
	if (flags & SEND_PASSES || !message || message->msg_iovlen > IOV_MAX)
		return NEXT(sendmsg)(fd, message, flags);
	struct part part = { .vector = message->msg_iov, .count = (int)message->msg_iovlen };
	size_t size = part_size(part.vector, part.count), done = 0;
	struct msghdr rest = *message;
	for (;;) {
		const struct iovec *vector;
		rest.msg_iovlen = (size_t)part_next(&part, SIZE_MAX, &vector);
		rest.msg_iov = (struct iovec *)(uintptr_t)vector;
		/* an error behind a part is told by the next call, and only that raises SIGPIPE */
		ssize_t n = NEXT(sendmsg)(call.fd, &rest, flags | MSG_DONTWAIT | (done > 0 ? MSG_NOSIGNAL : 0));
		if (n < 0 && errno == EAGAIN && posix_wait(&call))
			continue;
		if (n < 0 && done == 0) {
			posix_end(&call);
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
		if (n <= 0 || done >= size || !posix_is_blocking(&call))
			break;
		part_skip(&part, (size_t)n);
		rest.msg_control = NULL; /* went with the first part */
		rest.msg_controllen = 0;
	}
	posix_end(&call);
	return (ssize_t)done;
}

ssize_t posix_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address, socklen_t size,
		     const void *pc)
{
	struct iovec vector = { (void *)(uintptr_t)buffer, n };
	struct msghdr message = { .msg_name = (void *)(uintptr_t)address,
				  .msg_namelen = address ? size : 0,
				  .msg_iov = &vector,
				  .msg_iovlen = 1 };
	if (flags & SEND_PASSES || n > SSIZE_MAX || (int)size < 0)
		return NEXT(sendto)(fd, buffer, n, flags, address, size);
	return posix_sendmsg(fd, &message, flags, pc);
}

ssize_t posix_send(int fd, const void *buffer, size_t n, int flags, const void *pc)
{
	return posix_sendto(fd, buffer, n, flags, NULL, 0, pc);
}

int posix_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, const void *pc)
{
	unsigned done = 0;
	if (flags & SEND_PASSES)
		return NEXT(sendmmsg)(fd, messages, n, flags);
	for (; done < n; done++) {
		ssize_t size = posix_sendmsg(fd, &messages[done].msg_hdr, flags, pc);
		if (size < 0)
			break;
		messages[done].msg_len = (unsigned)size;
	}
	return done > 0 || n == 0 ? (int)done : -1;
}
