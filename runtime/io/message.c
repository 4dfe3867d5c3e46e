/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sending and receiving on sockets: with flags, addresses, several buffers and control data. */
#include <limits.h>

#include "base/sanitizer.h"
#include "io/operation.h"
#include "io/system.h"
#include "run/worker.h"

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
	/* MSG_WAITALL; 0: without */
	size_t whole; /* bytes asked for */
	size_t done;
	int gathered; /* msg_flags of the bytes that are done */
};

/* With these flags the kernel does not wait, whether or not the socket is blocking. */
#define RECV_AT_ONCE (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

/* With these flags a short result does not mean that there is no more. */
#define RECV_UNTOLD (MSG_PEEK | MSG_TRUNC | MSG_OOB | MSG_ERRQUEUE)

/* ---- attempts ---- */

static ssize_t recv_once(struct message *m)
{
	if (m->vectored)
		return sys_recvmsg(m->op.fd, m->header, m->flags);
	return sys_recvfrom(m->op.fd, m->buffer, m->n, m->flags, m->from, m->from_size);
}

/* Sets `rest` to the buffers behind the bytes that are done: the rest of one buffer (`cut`), or all that follow. */
static void set_rest(const struct message *m, struct msghdr *rest, struct iovec *cut)
{
	size_t skip = m->done;
	*rest = *m->header;
	while (rest->msg_iovlen > 0 && skip >= rest->msg_iov->iov_len) {
		skip -= rest->msg_iov->iov_len;
		rest->msg_iov++;
		rest->msg_iovlen--;
	}
	if (skip == 0)
		return;
	*cut = (struct iovec){ (char *)rest->msg_iov->iov_base + skip, rest->msg_iov->iov_len - skip };
	rest->msg_iov = cut;
	rest->msg_iovlen = 1;
}

/*
 * Returns whether descriptors or credentials came. Further bytes might come with other ones, so these must be returned
 * first.
 */
static bool has_passed(struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_CREDENTIALS))
			return true;
	}
	return false;
}

/* Receives once more, for the rest. *last: this was the last time. Then the header is updated with what came last. */
static ssize_t recv_rest(struct message *m, bool *last)
{
	struct msghdr rest;
	struct iovec cut;
	if (!m->vectored)
		return sys_recvfrom(m->op.fd, (char *)m->buffer + m->done, m->n - m->done, m->flags, m->from,
				    m->from_size);
	set_rest(m, &rest, &cut);
	ssize_t n = sys_recvmsg(m->op.fd, &rest, m->flags);
	if (n < 0)
		return n;
	m->gathered |= rest.msg_flags;
	*last = n == 0 || m->done + (size_t)n >= m->whole || has_passed(&rest);
	if (*last) {
		m->header->msg_namelen = rest.msg_namelen;
		m->header->msg_controllen = rest.msg_controllen;
		m->header->msg_flags = m->gathered;
	}
	return n;
}

static bool is_stream(int fd)
{
	int type = 0, saved = errno;
	socklen_t size = sizeof(type);
	bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
	errno = saved;
	return is;
}

/* MSG_WAITALL: receives available bytes until all are there, the stream ends, or none is available. */
static ssize_t recv_all(struct message *m)
{
	bool last = false;
	while (!last) {
		ssize_t n = recv_rest(m, &last);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		m->done += (size_t)n;
		last |= n == 0 || m->done >= m->whole;
	}
	return (ssize_t)m->done;
}

static ssize_t message_recv(struct operation *op, unsigned flags)
{
	struct message *m = CONTAINER_OF(op, struct message, op);
	(void)flags;
	return m->whole > 0 ? recv_all(m) : recv_once(m);
}

/*
 * Returns whether the message is sent to a Unix socket by its name. If the queue of that socket is full, no event tells
 * when it has room: the sending socket is always ready to write.
 */
static bool is_named_unix(const struct sockaddr *to, socklen_t size)
{
	return to && size >= sizeof(to->sa_family) && to->sa_family == AF_UNIX;
}

static ssize_t message_send(struct operation *op, unsigned flags)
{
	struct message *m = CONTAINER_OF(op, struct message, op);
	(void)flags;
	ssize_t n = m->vectored ? sys_sendmsg(op->fd, m->header, m->flags)
				: sys_sendto(op->fd, m->buffer, m->n, m->flags, m->to, m->to_size);
	if (n == -EAGAIN && is_named_unix(m->to, m->to_size))
		op->at_once = true;
	if (n == -EINPROGRESS && m->flags & MSG_FASTOPEN) { /* no data could go with the SYN: sent once connected */
		m->flags &= ~MSG_FASTOPEN;
		m->to = NULL;
		return -EAGAIN;
	}
	return n;
}

/* With MSG_TRUNC a stream discards its bytes, and the buffer may be null. */
static ssize_t message_run(struct message *m, attempt *attempt)
{
	ssize_t n = operation_run(&m->op, attempt);
	const struct iovec whole = { m->buffer, m->n };
	const struct iovec *vector = m->vectored ? m->header->msg_iov : &whole;
	if (!(m->flags & MSG_TRUNC))
		sanitizer_transferred(vector, m->vectored ? m->header->msg_iovlen : 1, n, m->op.direction == READING);
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
	if (m->n > SSIZE_MAX || (m->flags & MSG_WAITALL && m->flags & MSG_PEEK))
		return -EINVAL;
	m->op.at_once = m->flags & RECV_AT_ONCE;
	if (m->flags & MSG_WAITALL && !m->op.at_once && is_stream(m->op.fd))
		m->whole = m->n;
	m->op.n = m->flags & RECV_UNTOLD ? 0 : MIN(m->n, TRANSFER_MAX);
	m->flags |= MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
	return message_run(m, message_recv);
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

/* Returns the bytes of a message's buffers; 0: unknown, as the header is wrong, which the kernel reports. */
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
	if (m->flags & MSG_FASTOPEN && task_self())
		reactor_maybe_more(m->op.fd, WRITING); /* the recorded writability says nothing about this send */
	m->flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
	return message_run(m, message_send);
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
