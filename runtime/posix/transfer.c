/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * read(2), write(2) and their vectors. A socket is tried with MSG_DONTWAIT, another file with RWF_NOWAIT. A file that does
 * not know that flag is asked by poll(2) first, and gets at most PIPE_BUF bytes at a time: as many as a pipe that counts as
 * ready takes without blocking.
 */
#include "posix/posix.h"

#include <limits.h>
#include <unistd.h>

#include "posix/part.h"

/* Whether the descriptor is ready, for a file that may block. Sets errno to EAGAIN if not. */
static bool may_try(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	if (NEXT(poll)(&p, 1, 0) != 0)
		return true; /* an error too: the call has it again */
	errno = EAGAIN;
	return false;
}

/* Whether a try with RWF_NOWAIT failed because the file or the kernel does not know that. */
static bool is_unknown(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EPERM;
}

/* ---- reading ---- */

static ssize_t file_read(int fd, const struct iovec *vector, int count)
{
	ssize_t n = preadv2(fd, vector, count, -1, RWF_NOWAIT);
	if (n >= 0 || !is_unknown(errno))
		return n;
	return may_try(fd, POLLIN) ? NEXT(readv)(fd, vector, count) : -1;
}

static ssize_t read_now(int fd, const struct iovec *vector, int count)
{
	enum posix_kind kind = posix_kind(fd);
	if (kind == POSIX_UNKNOWN || kind == POSIX_SOCKET) {
		struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count };
		ssize_t n = NEXT(recvmsg)(fd, &message, MSG_DONTWAIT);
		if (n >= 0 || errno != ENOTSOCK) {
			if (unlikely(kind == POSIX_UNKNOWN))
				posix_kind_learn(fd);
			return n;
		}
		kind = posix_kind_learn(fd);
	}
	return kind == POSIX_FILE ? NEXT(readv)(fd, vector, count) : file_read(fd, vector, count);
}

ssize_t posix_readv(int fd, const struct iovec *vector, int count, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLIN, pc);
	ssize_t n;
	if (count <= 0 || count > IOV_MAX || part_size(vector, count) == 0) /* returns at once */
		return NEXT(readv)(fd, vector, count);
	do
		n = read_now(call.fd, vector, count);
	while (n < 0 && errno == EAGAIN && posix_wait(&call));
	posix_end(&call);
	return n;
}

ssize_t posix_read(int fd, void *buffer, size_t n, const void *pc)
{
	if (n == 0 || posix_kind(fd) == POSIX_FILE)
		return NEXT(read)(fd, buffer, n);
	return posix_readv(fd, &(struct iovec){ buffer, n }, 1, pc);
}

/* ---- writing ---- */

static ssize_t file_write(int fd, struct part *part, size_t *asked)
{
	const struct iovec *vector;
	int count = part_next(part, SIZE_MAX, &vector);
	ssize_t n = pwritev2(fd, vector, count, -1, RWF_NOWAIT);
	*asked = part_size(vector, count);
	if (n >= 0 || !is_unknown(errno))
		return n;
	if (!may_try(fd, POLLOUT))
		return -1;
	if (*asked > PIPE_BUF)
		count = part_next(part, PIPE_BUF, &vector);
	*asked = part_size(vector, count);
	return NEXT(writev)(fd, vector, count);
}

static ssize_t socket_write(int fd, struct part *part, size_t *asked, bool again)
{
	const struct iovec *vector;
	int count = part_next(part, SIZE_MAX, &vector);
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count };
	*asked = SIZE_MAX; /* less than all: there was no room */
	/* an error behind a part is told by the next call, and only that raises SIGPIPE */
	return NEXT(sendmsg)(fd, &message, MSG_DONTWAIT | (again ? MSG_NOSIGNAL : 0));
}

/* One try. `asked`: fewer bytes than these are a result of the file's own, and not for want of room. */
static ssize_t write_now(int fd, struct part *part, size_t *asked, bool again)
{
	enum posix_kind kind = posix_kind(fd);
	if (kind == POSIX_UNKNOWN || kind == POSIX_SOCKET) {
		ssize_t n = socket_write(fd, part, asked, again);
		if (n >= 0 || errno != ENOTSOCK) {
			if (unlikely(kind == POSIX_UNKNOWN))
				posix_kind_learn(fd);
			return n;
		}
		kind = posix_kind_learn(fd);
	}
	if (kind == POSIX_FILE) {
		const struct iovec *vector;
		int count = part_next(part, SIZE_MAX, &vector);
		*asked = 0;
		return NEXT(writev)(fd, vector, count);
	}
	ssize_t n = file_write(fd, part, asked);
	if (kind == POSIX_PIPE)
		*asked = SIZE_MAX;
	return n;
}

ssize_t posix_writev(int fd, const struct iovec *vector, int count, const void *pc)
{
	struct posix_call call = POSIX_CALL(fd, POLLOUT, pc);
	size_t size = count > 0 && count <= IOV_MAX ? part_size(vector, count) : 0, done = 0, asked;
	struct part part = { .vector = vector, .count = count };
	if (size == 0)
		return NEXT(writev)(fd, vector, count);
	for (;;) {
		ssize_t n = write_now(call.fd, &part, &asked, done > 0);
		if (n < 0 && (errno != EAGAIN || !posix_wait(&call)))
			break;
		if (n < 0)
			continue;
		done += (size_t)n;
		if (done >= size || n == 0 || (asked != SIZE_MAX && (size_t)n < asked) || asked == 0 ||
		    !posix_is_blocking(&call))
			break;
		part_skip(&part, (size_t)n);
	}
	posix_end(&call);
	return done > 0 ? (ssize_t)done : -1;
}

ssize_t posix_write(int fd, const void *buffer, size_t n, const void *pc)
{
	if (n == 0 || posix_kind(fd) == POSIX_FILE)
		return NEXT(write)(fd, buffer, n);
	return posix_writev(fd, &(struct iovec){ (void *)(uintptr_t)buffer, n }, 1, pc);
}
