/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sending and receiving on sockets: with flags, addresses, several buffers and control data. */
#include <limits.h>

#include "io/operation.h"
#include "io/system.h"
#include "sched/worker.h"

struct message {
	struct operation op;
	int flags;
	bool vectored;
	union {
		void *buffer;
		struct msghdr *header; /* `vectored` */
	};
	size_t n; /* of the buffer */
	union {
		struct sockaddr *from;
		const struct sockaddr *to;
	};
	union {
		socklen_t *from_size;
		socklen_t to_size;
	};
};

/* With these the kernel does not wait, whatever the socket is. */
#define RECV_AT_ONCE (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

/* With these a short answer does not tell that there is no more. */
#define RECV_UNTOLD (MSG_PEEK | MSG_TRUNC | MSG_OOB | MSG_ERRQUEUE)

/* ---- attempts ---- */

static ssize_t recv_now(struct operation *op, unsigned flags)
{
	struct message *m = CONTAINER_OF(op, struct message, op);
	(void)flags;
	if (m->vectored)
		return sys_recvmsg(op->fd, m->header, m->flags);
	return sys_recvfrom(op->fd, m->buffer, m->n, m->flags, m->from, m->from_size);
}

/*
 * Whether it is sent to a Unix socket by its name. If that one's queue is full, no event tells when it is not any more:
 * the socket it is sent on is ready to write all the time.
 */
static bool is_named_unix(const struct sockaddr *to, socklen_t size)
{
	return to && size >= sizeof(to->sa_family) && to->sa_family == AF_UNIX;
}

static ssize_t send_now(struct operation *op, unsigned flags)
{
	struct message *m = CONTAINER_OF(op, struct message, op);
	(void)flags;
	ssize_t n = m->vectored ? sys_sendmsg(op->fd, m->header, m->flags)
				: sys_sendto(op->fd, m->buffer, m->n, m->flags, m->to, m->to_size);
	if (n == -EAGAIN && is_named_unix(m->to, m->to_size))
		op->at_once = true;
	return n;
}

/* ---- receiving ---- */

#define MESSAGE(way, ...) \
	(&(struct message){ .op = { .fd = fd, \
				    .direction = (way), \
				    .kind = (way) == READING ? SLEY_WAIT_READ : SLEY_WAIT_WRITE, \
				    .deadline = deadline, \
				    .pc = __builtin_return_address(0) }, \
			    .flags = flags, \
			    __VA_ARGS__ })

static ssize_t run_recv(struct message *m)
{
	if (m->n > SSIZE_MAX)
		return -EINVAL;
	m->op.at_once = m->flags & RECV_AT_ONCE;
	m->op.n = m->flags & RECV_UNTOLD ? 0 : MIN(m->n, TRANSFER_MAX);
	m->flags |= MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
	return operation_run(&m->op, recv_now);
}

ssize_t sley_recv(int fd, void *buffer, size_t n, int flags, sley_time deadline)
{
	return run_recv(MESSAGE(READING, .buffer = buffer, .n = n));
}

ssize_t sley_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *from, socklen_t *size,
		      sley_time deadline)
{
	return run_recv(MESSAGE(READING, .buffer = buffer, .n = n, .from = from, .from_size = size));
}

/* The bytes of a message's buffers; 0: not to be told, and the kernel says what is wrong. */
static size_t header_size(const struct msghdr *header)
{
	size_t size = 0;
	if (!header->msg_iov || header->msg_iovlen > IOV_MAX)
		return 0;
	for (size_t i = 0; i < header->msg_iovlen; i++) {
		if (header->msg_iov[i].iov_len > TRANSFER_MAX - size)
			return 0;
		size += header->msg_iov[i].iov_len;
	}
	return size;
}

ssize_t sley_recvmsg(int fd, struct msghdr *message, int flags, sley_time deadline)
{
	if (!message)
		return -EFAULT;
	return run_recv(MESSAGE(READING, .vectored = true, .header = message, .n = header_size(message)));
}

/* ---- sending ---- */

static ssize_t run_send(struct message *m)
{
	if (m->n > SSIZE_MAX || m->flags & MSG_ZEROCOPY)
		return -EINVAL;
	m->op.at_once = m->flags & MSG_DONTWAIT;
	m->op.n = MIN(m->n, TRANSFER_MAX);
	m->flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
	return operation_run(&m->op, send_now);
}

ssize_t sley_send(int fd, const void *buffer, size_t n, int flags, sley_time deadline)
{
	return run_send(MESSAGE(WRITING, .buffer = (void *)(uintptr_t)buffer, .n = n));
}

ssize_t sley_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to, socklen_t size,
		    sley_time deadline)
{
	return run_send(MESSAGE(WRITING, .buffer = (void *)(uintptr_t)buffer, .n = n, .to = to, .to_size = size));
}

ssize_t sley_sendmsg(int fd, const struct msghdr *message, int flags, sley_time deadline)
{
	if (!message)
		return -EFAULT;
	return run_send(MESSAGE(WRITING, .vectored = true, .header = (struct msghdr *)(uintptr_t)message,
				.n = header_size(message), .to = message->msg_name, .to_size = message->msg_namelen));
}
