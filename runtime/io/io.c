/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reading, writing and polling descriptors.
 *
 * An owned descriptor is a non-blocking socket: try, and wait when it says EAGAIN. Of a foreign one nothing is known,
 * not even that it is the file that had this number a moment ago. If it is a socket, MSG_DONTWAIT keeps the thread from
 * blocking. Otherwise its readiness is waited for first, and then the call must not block either: RWF_NOWAIT where the
 * file has it; else read() after EPOLLIN, and writes of at most PIPE_BUF bytes after EPOLLOUT, which a pipe then
 * takes whole.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "reactor/reactor.h"
#include "sched/worker.h"

struct operation {
	int fd;
	enum direction direction;
	void *buffer;
	size_t n;
	sley_time deadline;
	const void *pc;
	bool ready;     /* a foreign descriptor was seen ready since the last attempt */
	bool no_socket; /* it answered ENOTSOCK */
	struct hold hold;
};

static ssize_t negative_errno(ssize_t n)
{
	return n >= 0 ? n : -errno;
}

/*
 * Not recv() and send(): in a process with threads these turn cancellation on and off around the call, four locked
 * instructions a request, and a thread cancelled there would take a task's stack with it. The sanitizers need them: they
 * look at the buffers, and take what one task sends for ordered before what another receives.
 */
#if defined(SLEY_TSAN) || defined(SLEY_ASAN)
#define sys_recv recv
#define sys_send send
#else
#define sys_recv(fd, buffer, n, flags) syscall(SYS_recvfrom, fd, buffer, n, flags, NULL, NULL)
#define sys_send(fd, buffer, n, flags) syscall(SYS_sendto, fd, buffer, n, flags, NULL, 0)
#endif

/* A socket, owned or not. */
static ssize_t socket_now(const struct operation *op)
{
	if (op->direction == READING)
		return negative_errno(sys_recv(op->fd, op->buffer, op->n, MSG_DONTWAIT));
	return negative_errno(sys_send(op->fd, op->buffer, op->n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* Any other file, once epoll has said that it is ready. */
static ssize_t file_now(const struct operation *op)
{
	struct iovec v = { op->buffer, op->n };
	ssize_t n = negative_errno(op->direction == READING ? preadv2(op->fd, &v, 1, -1, RWF_NOWAIT)
							    : pwritev2(op->fd, &v, 1, -1, RWF_NOWAIT));
	if (n != -EOPNOTSUPP && n != -EINVAL && n != -ENOSYS)
		return n;
	if (op->direction == READING)
		return negative_errno(read(op->fd, op->buffer, op->n));
	return negative_errno(write(op->fd, op->buffer, op->n < PIPE_BUF ? op->n : PIPE_BUF));
}

static ssize_t foreign_now(struct operation *op)
{
	if (!op->no_socket) {
		ssize_t n = socket_now(op);
		if (n != -ENOTSOCK)
			return n;
		op->no_socket = true;
	}
	if (!op->ready)
		return -EAGAIN;
	op->ready = false;
	return file_now(op);
}

static ssize_t owned_now(const struct operation *op, unsigned flags)
{
	/* without the time to wait for the event it is tried all the same: the event may be there, and not collected yet */
	if (!reactor_begin_try(op->fd, op->direction) && (op->deadline == SLEY_NEVER || op->deadline > clock_now()))
		return -EAGAIN;
	ssize_t n = socket_now(op);
	/* all that was asked for: there may be more. A short one has drained a stream, and filled its buffer */
	if (n == (ssize_t)op->n || (n >= 0 && !(flags & FD_STREAM)))
		reactor_maybe_more(op->fd, op->direction);
	return n;
}

/* Until something has been transferred, or cannot be. */
static ssize_t transfer(struct operation *op)
{
	for (;;) {
		unsigned flags = reactor_flags(op->fd);
		ssize_t n = flags & FD_OWNED ? owned_now(op, flags) : foreign_now(op);
		if (n == -EINTR) {
			if (flags & FD_OWNED)
				reactor_maybe_more(op->fd, op->direction);
			continue;
		}
		if (n != -EAGAIN)
			return n;
		int error =
			reactor_wait(op->fd, op->direction, op->direction == READING ? SLEY_WAIT_READ : SLEY_WAIT_WRITE,
				     op->deadline, op->pc, &op->hold);
		if (error)
			return error;
		op->ready = true;
	}
}

/* `full`: until all n bytes are through, or the stream ends. */
static ssize_t run(struct operation op, bool full)
{
	if (!task_self())
		return outside_error();
	if (op.n == 0)
		return 0;
	int saved = errno;
	size_t done = 0, n = op.n;
	ssize_t part;
	do {
		part = transfer(&op);
		if (part <= 0)
			break;
		done += (size_t)part;
		op.buffer = (char *)op.buffer + part;
		op.n -= (size_t)part;
	} while (full && done < n);
	reactor_let_go(op.fd, &op.hold);
	worker_spend(op.pc);
	*sley_errno_location() = saved;
	return part < 0 ? part : (ssize_t)done;
}

#define OPERATION(way, bytes, size) \
	((struct operation){ .fd = fd, \
			     .direction = (way), \
			     .buffer = (void *)(uintptr_t)(bytes), \
			     .n = (size), \
			     .deadline = deadline, \
			     .pc = __builtin_return_address(0) })

ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline)
{
	return run(OPERATION(READING, buffer, n), false);
}

ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline)
{
	return run(OPERATION(WRITING, buffer, n), false);
}

ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline)
{
	return run(OPERATION(READING, buffer, n), true);
}

ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline)
{
	return run(OPERATION(WRITING, buffer, n), true);
}

/* What holds now: poll(2) without waiting. */
static int poll_now(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int n = poll(&p, 1, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0 && p.revents & POLLNVAL ? -EBADF : p.revents;
}

int sley_poll(int fd, int events, sley_time deadline)
{
	if (!task_self())
		return outside_error();
	if (events == 0 || events & ~(POLLIN | POLLOUT))
		return -EINVAL;
	const void *pc = __builtin_return_address(0);
	bool reading = events & POLLIN, writing = events & POLLOUT;
	struct hold hold = { 0 };
	int saved = errno, result;
	for (;;) {
		/* the marks are cleared before the look, as before any try; what it finds is not used up, so they come back */
		bool marked[2] = { reading && reactor_begin_try(fd, READING),
				   writing && reactor_begin_try(fd, WRITING) };
		result = poll_now(fd, events);
		for (int d = READING; result != 0 && d <= WRITING; d++) {
			if (marked[d])
				reactor_maybe_more(fd, (enum direction)d);
		}
		if (result != 0)
			break;
		result = reactor_wait_any(fd, reading, writing, deadline, pc, &hold);
		if (result)
			break;
	}
	reactor_let_go(fd, &hold);
	worker_spend(pc);
	*sley_errno_location() = saved;
	return result;
}
