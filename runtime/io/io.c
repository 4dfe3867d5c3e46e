/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reading and writing descriptors.
 *
 * An owned descriptor is non-blocking: the system call is just tried. A foreign one is first tried as a socket with
 * MSG_DONTWAIT, then as another file with RWF_NOWAIT; neither blocks the thread. If the file does not support
 * RWF_NOWAIT, the task first waits until it is ready. Then read() does not block, nor does a write of at most PIPE_BUF
 * bytes, which a pipe takes whole. A descriptor that epoll does not accept is a regular file or similar: it goes to the
 * pool (file.c).
 */
#include "io/io.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/sanitizer.h"
#include "io/nowait.h"
#include "io/operation.h"
#include "io/request.h"
#include "io/sigpipe.h"
#include "io/system.h"
#include "reactor/entry.h"
#include "run/park.h"
#include "run/worker.h"

struct transfer {
	struct operation op;
	union {
		void *buffer;
		const struct iovec *vector;
	};
	int count;  /* of the vector; 0: a buffer of op.n bytes */
	bool blind; /* a foreign file that does not support RWF_NOWAIT */
};

/* ---- attempts ---- */

static ssize_t socket_now(struct transfer *t)
{
	struct operation *op = &t->op;
	if (t->count == 0 && op->direction == READING)
		return sys_recvfrom(op->fd, t->buffer, op->n, MSG_DONTWAIT, NULL, NULL);
	if (t->count == 0)
		return sys_sendto(op->fd, t->buffer, op->n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)t->vector, .msg_iovlen = (size_t)t->count };
	if (op->direction == READING)
		return sys_recvmsg(op->fd, &message, MSG_DONTWAIT);
	return sys_sendmsg(op->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t file_now(int fd, bool reading, const struct iovec *vector, int count)
{
	return reading ? nowait_readv(fd, vector, count, -1) : nowait_writev_nosignal(fd, vector, count);
}

/*
 * An owned file is non-blocking. Nevertheless the call asks it not to block: its number may have been closed behind our
 * back, and belong to a blocking file now, which would block the thread.
 */
static ssize_t owned_file_now(struct transfer *t, unsigned flags)
{
	struct iovec whole = { t->buffer, t->op.n };
	const struct iovec *vector = t->count ? t->vector : &whole;
	int fd = t->op.fd, count = t->count ? t->count : 1;
	bool reading = t->op.direction == READING;
	if (!(flags & FD_PLAIN)) {
		ssize_t n = file_now(fd, reading, vector, count);
		if (n != -EOPNOTSUPP)
			return n;
		reactor_set_plain(fd);
	}
	if (reading)
		return sys_readv(fd, vector, (long)count);
	return flags & FD_PIPE ? sigpipe_writev(fd, vector, count) : sys_writev(fd, vector, (long)count);
}

static bool is_pipe(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* Writes to a file that does not support RWF_NOWAIT and was seen ready: at most PIPE_BUF bytes, which do not block. */
static ssize_t write_a_little(int fd, const struct iovec *vector, int count)
{
	while (count > 1 && vector->iov_len == 0) {
		vector++;
		count--;
	}
	struct iovec part = { vector->iov_base, MIN(vector->iov_len, PIPE_BUF) };
	int whole = 0;
	for (size_t room = PIPE_BUF; whole < count && vector[whole].iov_len <= room; whole++)
		room -= vector[whole].iov_len;
	if (whole == 0) {
		vector = &part;
		whole = 1;
	}
	return is_pipe(fd) ? sigpipe_writev(fd, vector, whole) : sys_writev(fd, vector, (long)whole);
}

static ssize_t foreign_file_now(struct transfer *t)
{
	struct iovec whole = { t->buffer, t->op.n };
	const struct iovec *vector = t->count ? t->vector : &whole;
	int fd = t->op.fd, count = t->count ? t->count : 1;
	bool reading = t->op.direction == READING;
	if (!t->blind) {
		ssize_t n = file_now(fd, reading, vector, count);
		t->blind = n == -EOPNOTSUPP || n == -EINVAL;
		if (!t->blind)
			return n;
	}
	if (operation_unready(&t->op))
		return -EAGAIN;
	return reading ? sys_readv(fd, vector, (long)count) : write_a_little(fd, vector, count);
}

static ssize_t foreign_now(struct transfer *t)
{
	if (!t->op.no_socket) {
		ssize_t n = socket_now(t);
		if (n != -ENOTSOCK)
			return n;
		t->op.no_socket = true;
	}
	return foreign_file_now(t);
}

static ssize_t transfer_now(struct operation *op, unsigned flags)
{
	struct transfer *t = CONTAINER_OF(op, struct transfer, op);
	if (likely((flags & (FD_OWNED | FD_FILE)) == FD_OWNED))
		return socket_now(t);
	return flags & FD_OWNED ? owned_file_now(t, flags) : foreign_now(t);
}

/* ---- buffers ---- */

#define TRANSFER(way, bytes, size, caller) \
	(&(struct transfer){ .op = { .fd = fd, \
				     .direction = (way), \
				     .kind = (way) == READING ? SLEY_WAIT_READ : SLEY_WAIT_WRITE, \
				     .n = (size), \
				     .deadline = deadline, \
				     .pc = (caller) }, \
			     .buffer = (void *)(uintptr_t)(bytes) })

/* `full`: repeat until all bytes are transferred, or the stream ends. */
static ssize_t run_buffer(struct transfer *t, size_t n, bool full)
{
	size_t done = 0;
	while (done < n) {
		t->op.n = MIN(n - done, TRANSFER_MAX);
		ssize_t part = operation_try(&t->op, transfer_now);
		if (part == -ENOTSUP)
			part = file_transfer(t->op.fd, (enum direction)t->op.direction, t->buffer, n - done,
					     t->op.deadline, t->op.pc);
		if (part < 0)
			return part;
		sanitizer_transferred(&(struct iovec){ t->buffer, t->op.n }, 1, part, t->op.direction == READING);
		done += (size_t)part;
		t->buffer = (char *)t->buffer + part;
		if (part == 0 || !full)
			break;
		int error = done < n ? wait_between(t->op.deadline, t->op.pc) : 0;
		if (error)
			return error;
	}
	return (ssize_t)done;
}

static ssize_t transfer_run(struct transfer *t, bool full)
{
	if (!task_self())
		return outside_error();
	if (t->op.n > SSIZE_MAX)
		return -EINVAL;
	if (t->op.n == 0)
		return 0;
	int saved = errno;
	ssize_t n = run_buffer(t, t->op.n, full);
	operation_end(&t->op, saved);
	return n;
}

#define CALLER __builtin_return_address(0)

/* ---- the short way: a buffer and an owned socket ---- */

/* The entry of a socket for which the calling task may go the short way; null: it goes the long one. */
static ALWAYS_INLINE struct entry *short_way(const struct worker *worker, int fd, size_t n)
{
	struct entry *entry = entry_find(fd);
	bool is_short = likely(worker) && likely(worker->task) && likely(n - 1 < TRANSFER_MAX) &&
			likely((entry_flags(entry) & (FD_OWNED | FD_FILE)) == FD_OWNED);
	return is_short ? entry : NULL;
}

/* Whether the result is none yet: the long way goes on. */
static ALWAYS_INLINE bool is_unsettled(ssize_t result)
{
	return unlikely(result < 0) && (result == -EAGAIN || result == -EINTR || result == -ENOTSOCK);
}

/* The rest of a call that transfers all of its bytes; some, or none, were transferred. */
NOINLINE static ssize_t run_rest(struct transfer *t, size_t done)
{
	int error = done > 0 ? wait_between(t->op.deadline, t->op.pc) : 0;
	if (error)
		return error;
	ssize_t n = transfer_run(t, true);
	return n < 0 ? n : n + (ssize_t)done;
}

/*
 * A try of a write mostly succeeds. So the mark is not cleared before it, and need not be set again. If it fails, the long
 * way clears the mark and tries again.
 */
static ALWAYS_INLINE ssize_t write_short(int fd, const void *buffer, size_t n, sley_time deadline, const void *pc,
					 bool full)
{
	struct worker *worker = worker_self();
	const struct entry *entry = short_way(worker, fd, n);
	size_t done = 0;
	if (likely(entry) && likely(load(&entry->ready[WRITING], relaxed))) {
		ssize_t part = sys_sendto(fd, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		sanitizer_transferred(&(struct iovec){ (void *)(uintptr_t)buffer, n }, 1, part, false);
		if (likely(part == (ssize_t)n) || (!is_unsettled(part) && (part < 0 || !full))) {
			worker_spend_of(worker, pc);
			return part;
		}
		done = part > 0 ? (size_t)part : 0;
	}
	struct transfer *t = TRANSFER(WRITING, (const char *)buffer + done, n - done, pc);
	return full ? run_rest(t, done) : transfer_run(t, false);
}

/* The wait of a read has ended with an error: a last try. */
NOINLINE static ssize_t read_last(struct transfer *t, ssize_t error)
{
	int saved = errno;
	ssize_t n = operation_last(&t->op, transfer_now, error);
	sanitizer_transferred(&(struct iovec){ t->buffer, t->op.n }, 1, n, true);
	operation_end(&t->op, saved);
	return n;
}

/* The bytes of an owned socket after the mark was cleared; sets it again if there may be more. */
static ALWAYS_INLINE ssize_t receive_now(int fd, struct entry *entry, void *buffer, size_t n)
{
	ssize_t part = sys_recvfrom(fd, buffer, n, MSG_DONTWAIT, NULL, NULL);
	if (unlikely(!operation_drained(entry_flags(entry), n, part)) && part != -EAGAIN)
		entry_maybe_more(entry, READING);
	sanitizer_transferred(&(struct iovec){ buffer, n }, 1, part, true);
	return part;
}

/* The transfer goes on after a wait. */
static ALWAYS_INLINE struct transfer *transfer_held(struct transfer *t, struct hold hold)
{
	t->op.hold = hold;
	return t;
}

static ALWAYS_INLINE ssize_t read_short(int fd, void *buffer, size_t n, sley_time deadline, const void *pc)
{
	struct worker *worker = worker_self();
	struct entry *entry = short_way(worker, fd, n);
	struct hold hold = { 0 };
	if (unlikely(!entry))
		return transfer_run(TRANSFER(READING, buffer, n, pc), false);
	if (entry_begin_try(entry, entry_flags(entry), READING)) {
		ssize_t part = receive_now(fd, entry, buffer, n);
		if (likely(!is_unsettled(part))) {
			worker_spend_of(worker, pc);
			return part;
		}
		if (part != -EAGAIN)
			return transfer_run(TRANSFER(READING, buffer, n, pc), false);
	}
	int error = reactor_wait_to_try(fd, READING, SLEY_WAIT_READ, deadline, pc, &hold);
	if (unlikely(error))
		return read_last(transfer_held(TRANSFER(READING, buffer, n, pc), hold), error);
	entry_begin_try(entry, FD_OWNED, READING); /* clears the mark if it was set meanwhile */
	ssize_t part = receive_now(fd, entry, buffer, n);
	if (unlikely(is_unsettled(part)))
		return transfer_run(transfer_held(TRANSFER(READING, buffer, n, pc), hold), false);
	reactor_let_go(fd, &hold);
	return part;
}

ssize_t io_read(int fd, void *buffer, size_t n, sley_time deadline, const void *pc)
{
	return read_short(fd, buffer, n, deadline, pc);
}

ssize_t io_read_full(int fd, void *buffer, size_t n, sley_time deadline, const void *pc)
{
	return transfer_run(TRANSFER(READING, buffer, n, pc), true);
}

ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline)
{
	return read_short(fd, buffer, n, deadline, CALLER);
}

ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline)
{
	return write_short(fd, buffer, n, deadline, CALLER, false);
}

ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline)
{
	return transfer_run(TRANSFER(READING, buffer, n, CALLER), true);
}

ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline)
{
	return write_short(fd, buffer, n, deadline, CALLER, true);
}

/* ---- vectors ---- */

/* Returns the bytes of a vector; -EINVAL: more than a call can return. */
static ssize_t vector_size(const struct iovec *vector, int count)
{
	size_t size = 0;
	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	if (count > 0 && !vector)
		return -EFAULT;
	for (int i = 0; i < count; i++) {
		if (vector[i].iov_len > SSIZE_MAX - size)
			return -EINVAL;
		size += vector[i].iov_len;
	}
	return (ssize_t)size;
}

/* Transfers one buffer at a time. */
static ssize_t file_vector(struct transfer *t)
{
	ssize_t done = 0;
	for (int i = 0; i < t->count; i++) {
		const struct iovec *v = &t->vector[i];
		ssize_t n = file_transfer(t->op.fd, (enum direction)t->op.direction, v->iov_base, v->iov_len,
					  t->op.deadline, t->op.pc);
		if (n < 0)
			return done > 0 ? done : n;
		done += n;
		if ((size_t)n < v->iov_len)
			break;
	}
	return done;
}

static ssize_t run_vector(struct transfer *t, const struct iovec *vector, int count)
{
	if (!task_self())
		return outside_error();
	ssize_t size = vector_size(vector, count);
	if (size <= 0)
		return size;
	t->vector = vector;
	t->count = count;
	t->op.n = MIN((size_t)size, TRANSFER_MAX);
	int saved = errno;
	ssize_t n = operation_try(&t->op, transfer_now);
	if (n == -ENOTSUP)
		n = file_vector(t);
	sanitizer_transferred(vector, (size_t)count, n, t->op.direction == READING);
	operation_end(&t->op, saved);
	return n;
}

ssize_t io_writev(int fd, const struct iovec *vector, int count, sley_time deadline, const void *pc)
{
	return run_vector(TRANSFER(WRITING, NULL, 0, pc), vector, count);
}

ssize_t sley_readv(int fd, const struct iovec *vector, int count, sley_time deadline)
{
	return run_vector(TRANSFER(READING, NULL, 0, CALLER), vector, count);
}

ssize_t sley_writev(int fd, const struct iovec *vector, int count, sley_time deadline)
{
	return run_vector(TRANSFER(WRITING, NULL, 0, CALLER), vector, count);
}
