/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Sending without a copy (MSG_ZEROCOPY): the kernel reads the caller's pages until the peer has acknowledged them, and
 * reports this in the socket's error queue. Each sending system call has a number; the reports have ranges of numbers.
 * As a task only waits for all of them together, it is enough to count them.
 *
 * The error queue raises EPOLLERR, which the reactor treats as an event for the writer (FD_ZEROCOPY). A task that waits
 * for the release waits in the direction of writing, so a second writer gets -EBUSY as usual. The event of a report may
 * have come before the last send, which cleared its mark. So the queue is always read before a wait.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <time.h>

#include <linux/errqueue.h> /* needs time.h before it */

#include "io/operation.h"
#include "io/system.h"
#include "run/park.h"
#include "run/report.h"
#include "run/worker.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef ENOTSUPP
#define ENOTSUPP 524 /* the kernel's error for SO_ZEROCOPY on a socket without it */
#endif

/* ---- notifications ---- */

static void note_release(struct unreleased *u, const struct cmsghdr *c)
{
	bool ip = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		  (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
	const struct sock_extended_err *error = (const void *)CMSG_DATA(c);
	if (!ip || error->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		return;
	uint32_t n = error->ee_data - error->ee_info + 1;
	fetch_add(&u->released, n, relaxed); /* relaxed: the kernel has ordered its last read before the report */
	if (error->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		fetch_add(&u->copied, n, relaxed);
}

/* Takes all reports in the queue. A separate function, as it needs some stack. */
NOINLINE static void take_notifications(int fd)
{
	struct unreleased *u = reactor_unreleased(fd);
	for (;;) {
		union {
			struct cmsghdr header;
			char bytes[256];
		} control;
		struct msghdr message = { .msg_control = control.bytes, .msg_controllen = sizeof(control) };
		ssize_t n = sys_recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
			note_release(u, c);
	}
}

static bool all_released(int fd)
{
	const struct unreleased *u = reactor_unreleased(fd);
	return load(&u->sent, relaxed) == load(&u->released, relaxed);
}

/* ---- sending ---- */

struct zerocopy {
	struct operation op;
	const char *bytes;
};

static ssize_t zerocopy_send(struct operation *op, unsigned flags)
{
	struct zerocopy *z = CONTAINER_OF(op, struct zerocopy, op);
	(void)flags;
	ssize_t n = sys_sendto(op->fd, z->bytes, op->n, MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	if (n > 0)
		fetch_add(&reactor_unreleased(op->fd)->sent, 1, relaxed);
	if (n != -ENOBUFS)
		return n;
	/*
	 * The kernel has no memory for more reports. Taking reports gives some back; without any in the queue, one
	 * will come.
	 */
	take_notifications(op->fd);
	if (!all_released(op->fd))
		return -EAGAIN;
	return sys_sendto(op->fd, z->bytes, op->n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static ssize_t send_all(struct zerocopy *z, size_t n)
{
	size_t done = 0;
	while (done < n) {
		z->op.n = MIN(n - done, TRANSFER_MAX);
		ssize_t part = operation_try(&z->op, zerocopy_send);
		if (part < 0)
			return part;
		done += (size_t)part;
		z->bytes += part;
		int error = done < n ? wait_between(z->op.deadline, z->op.pc) : 0;
		if (error)
			return error;
	}
	return (ssize_t)n;
}

/* Returns 0; -EINVAL: a foreign descriptor; -EOPNOTSUPP: a socket without support. */
static int enable(int fd)
{
	int on = 1;
	unsigned flags = reactor_flags(fd);
	if (flags & FD_ZEROCOPY)
		return 0;
	if ((flags & (FD_OWNED | FD_FILE)) != FD_OWNED)
		return fd < 0 ? -EBADF : -EINVAL;
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) != 0)
		return errno == ENOTSUPP || errno == ENOPROTOOPT || errno == EINVAL ? -EOPNOTSUPP : -errno;
	reactor_set_zerocopy(fd);
	return 0;
}

#define ZEROCOPY(...) \
	(struct zerocopy) \
	{ \
		.op = { .fd = fd, \
			.direction = WRITING, \
			.kind = SLEY_WAIT_WRITE, \
			.deadline = deadline, \
			.pc = __builtin_return_address(0) }, \
		__VA_ARGS__ \
	}

ssize_t sley_send_zerocopy(int fd, const void *bytes, size_t n, sley_time deadline)
{
	struct zerocopy z = ZEROCOPY(.bytes = bytes);
	if (!task_self())
		return outside_error();
	if (n > SSIZE_MAX)
		return -EINVAL;
	if (n == 0)
		return 0;
	if (check_shared(bytes, "sley_send_zerocopy", "buffer") ||
	    check_shared((const char *)bytes + n - 1, "sley_send_zerocopy", "buffer"))
		return -EFAULT;
	int saved = errno;
	ssize_t result = enable(fd);
	if (result == 0)
		result = send_all(&z, n);
	operation_end(&z.op, saved);
	return result;
}

/* ---- waiting for the release ---- */

static ssize_t released_now(struct operation *op, unsigned flags)
{
	if (!(flags & FD_ZEROCOPY)) /* nothing was sent without a copy */
		return fcntl(op->fd, F_GETFD) < 0 ? -errno : 0;
	take_notifications(op->fd);
	if (!all_released(op->fd))
		return -EAGAIN;
	return exchange(&reactor_unreleased(op->fd)->copied, 0, relaxed) > 0;
}

int sley_zerocopy_wait(int fd, sley_time deadline)
{
	struct zerocopy z = ZEROCOPY();
	if (!task_self())
		return outside_error();
	if (fd < 0)
		return -EBADF;
	int saved = errno;
	reactor_maybe_more(fd, WRITING); /* the queue is read before any wait: see the top of the file */
	ssize_t result = operation_try(&z.op, released_now);
	reactor_maybe_more(fd, WRITING); /* the room of the socket is unknown now */
	operation_end(&z.op, saved);
	return (int)result;
}
