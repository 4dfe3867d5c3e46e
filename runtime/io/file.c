/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Open files: reading, writing, and the other calls on a descriptor.
 *
 * A transfer tries RWF_NOWAIT first, on the caller's own buffers: cached bytes cost one system call and no other
 * thread. If the result is EAGAIN, or the file cannot tell (EOPNOTSUPP), the transfer goes to the pool in parts of PART
 * bytes, with a copy each way. Rejected: to let the thread use the caller's buffer if it lies on the heap. The caller
 * may free it as soon as its deadline has ended the call.
 */
#include <sley/file.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "io/nowait.h"
#include "io/request.h"
#include "run/worker.h"

#define PART ((size_t)256 << 10) /* large enough for the disk; bounds the memory of a full pool and its queue */

#define POSITION ((off_t)-1) /* the file's own position, as for preadv2(2) */

struct file_transfer {
	int fd;
	enum direction direction;
	off_t offset;             /* position of the next byte, or POSITION */
	const struct iovec *part; /* buffer of the next byte */
	int parts;                /* buffers left, including `part` */
	size_t skip;              /* bytes of `part` that are done */
	bool blind;               /* the file cannot tell whether it would block */
};

/* ---- buffers ---- */

/* Moves to the next buffer that has bytes left. Returns the number of these bytes; 0: no buffer is left. */
static size_t next_buffer(struct file_transfer *t)
{
	while (t->parts > 0 && t->skip == t->part->iov_len) {
		t->part++;
		t->parts--;
		t->skip = 0;
	}
	return t->parts > 0 ? t->part->iov_len - t->skip : 0;
}

/* Advances by n bytes. If `data` is not null, copies them from it to the buffers or from the buffers to it. */
static void advance(struct file_transfer *t, size_t n, char *data)
{
	if (t->offset != POSITION)
		t->offset += (off_t)n;
	while (n > 0) {
		size_t some = MIN(next_buffer(t), n);
		char *place = (char *)t->part->iov_base + t->skip;
		if (data && t->direction == READING)
			memcpy(place, data, some);
		else if (data)
			memcpy(data, place, some);
		data = data ? data + some : NULL;
		t->skip += some;
		n -= some;
	}
}

/* ---- one step ---- */

/*
 * Transfers as much of the n remaining bytes as possible without blocking: from all buffers if n is small, else from
 * the next buffer.
 */
static ssize_t step_now(struct file_transfer *t, size_t n)
{
	size_t first = next_buffer(t);
	struct iovec cut = { (char *)t->part->iov_base + t->skip, MIN(first, PART) };
	const struct iovec *v = n <= PART && t->skip == 0 ? t->part : &cut;
	int count = v == &cut ? 1 : t->parts;
	ssize_t done = t->direction == READING ? nowait_readv(t->fd, v, count, t->offset)
					       : nowait_writev(t->fd, v, count, t->offset);
	if (done > 0)
		advance(t, (size_t)done, NULL);
	return done;
}

static ssize_t run_read(struct request *r)
{
	return negative_errno(r->offset == POSITION ? read(r->fd, r->data, r->n)
						    : pread(r->fd, r->data, r->n, r->offset));
}

static ssize_t run_write(struct request *r)
{
	return negative_errno(r->offset == POSITION ? write(r->fd, r->data, r->n)
						    : pwrite(r->fd, r->data, r->n, r->offset));
}

/* Transfers up to PART bytes of all buffers on the pool. *whole: the transfer was complete. */
static ssize_t step_pooled(struct file_transfer *t, size_t n, sley_time deadline, const void *pc, bool *whole)
{
	bool reading = t->direction == READING;
	const struct pool_wait wait = { reading ? SLEY_WAIT_READ : SLEY_WAIT_WRITE, (uint64_t)t->fd, pc };
	struct request *request;
	n = MIN(n, PART);
	ssize_t result = request_new(&request, reading ? run_read : run_write, t->fd, n);
	if (result)
		return result;
	request->offset = t->offset;
	struct file_transfer copy = *t;
	if (!reading)
		advance(&copy, n, request->data);
	result = request_make(&request, &wait, deadline);
	if (result)
		return result;
	result = request->result;
	if (result > 0)
		advance(t, (size_t)result, reading ? request->data : NULL);
	*whole = result == (ssize_t)n;
	request_free(request);
	return result;
}

/*
 * Returns whether the call must go to the pool: it would block, or the file does not support RWF_NOWAIT, or perhaps
 * does not. -EINVAL may have either cause.
 */
static bool must_block(struct file_transfer *t, ssize_t n)
{
	if (n == -EOPNOTSUPP || n == -EINVAL)
		t->blind = true;
	return n == -EAGAIN || t->blind;
}

/* Transfers n bytes. Returns the count, or the error that came before the first byte. */
static ssize_t transfer_bytes(struct file_transfer *t, size_t n, sley_time deadline, const void *pc)
{
	size_t done = 0;
	bool whole = true;
	while (done < n && whole) {
		ssize_t step = t->blind ? -EOPNOTSUPP : step_now(t, n - done);
		if (step < 0 && must_block(t, step))
			step = step_pooled(t, n - done, deadline, pc, &whole);
		else if (step > 0)
			worker_spend(pc);
		if (step == 0)
			break;
		if (step < 0)
			return done > 0 ? (ssize_t)done : step;
		done += (size_t)step;
	}
	return (ssize_t)done;
}

ssize_t file_transfer(int fd, enum direction direction, void *buffer, size_t n, sley_time deadline, const void *pc)
{
	const struct iovec part = { buffer, n };
	struct file_transfer t = { .fd = fd, .direction = direction, .offset = POSITION, .part = &part, .parts = 1 };
	return transfer_bytes(&t, n, deadline, pc);
}

/* ---- reading and writing ---- */

/* Returns the sum of the lengths, or a negative errno value. */
static ssize_t check_parts(const struct iovec *parts, int count)
{
	size_t sum = 0;
	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	if (!parts && count > 0)
		return -EFAULT;
	for (int i = 0; i < count; i++) {
		if (!parts[i].iov_base && parts[i].iov_len > 0)
			return -EFAULT;
		if (__builtin_add_overflow(sum, parts[i].iov_len, &sum) || sum > SSIZE_MAX)
			return -EINVAL;
	}
	return (ssize_t)sum;
}

static ssize_t positioned(int fd, enum direction direction, const struct iovec *parts, int count, off_t offset,
			  sley_time deadline, const void *pc)
{
	struct file_transfer t = { .fd = fd, .direction = direction, .offset = offset, .part = parts, .parts = count };
	off_t end;
	if (!task_self())
		return outside_error();
	ssize_t n = check_parts(parts, count);
	if (n < 0)
		return n;
	if (offset < 0 || __builtin_add_overflow(offset, n, &end))
		return -EINVAL;
	int saved = errno;
	n = transfer_bytes(&t, (size_t)n, deadline, pc);
	sanitizer_transferred(parts, (size_t)count, n, direction == READING);
	*sley_errno_location() = saved;
	return n;
}

#define CALLER __builtin_return_address(0)

ssize_t sley_pread(int fd, void *buffer, size_t n, off_t offset, sley_time deadline)
{
	const struct iovec part = { buffer, n };
	return positioned(fd, READING, &part, 1, offset, deadline, CALLER);
}

ssize_t sley_pwrite(int fd, const void *buffer, size_t n, off_t offset, sley_time deadline)
{
	const struct iovec part = { (void *)(uintptr_t)buffer, n };
	return positioned(fd, WRITING, &part, 1, offset, deadline, CALLER);
}

ssize_t sley_preadv(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline)
{
	return positioned(fd, READING, parts, count, offset, deadline, CALLER);
}

ssize_t sley_pwritev(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline)
{
	return positioned(fd, WRITING, parts, count, offset, deadline, CALLER);
}

/* ---- the rest ---- */

static ssize_t run_fsync(struct request *r)
{
	return negative_errno(fsync(r->fd));
}

static ssize_t run_fdatasync(struct request *r)
{
	return negative_errno(fdatasync(r->fd));
}

static ssize_t run_ftruncate(struct request *r)
{
	return negative_errno(ftruncate(r->fd, r->offset));
}

static ssize_t run_fstat(struct request *r)
{
	return negative_errno(fstat(r->fd, &r->stat));
}

/* Makes a request for the descriptor. Rejects -1, which stands for a request without a descriptor. */
static int request_for_fd(struct request **request, ssize_t (*run)(struct request *), int fd)
{
	*request = NULL;
	if (!task_self())
		return outside_error();
	return fd < 0 ? -EBADF : request_new(request, run, fd, 0);
}

int sley_fsync(int fd, sley_time deadline)
{
	struct request *request;
	int error = request_for_fd(&request, run_fsync, fd);
	return error ? error : (int)request_finish(request, &CALL_WAIT(sley_fsync), deadline);
}

int sley_fdatasync(int fd, sley_time deadline)
{
	struct request *request;
	int error = request_for_fd(&request, run_fdatasync, fd);
	return error ? error : (int)request_finish(request, &CALL_WAIT(sley_fdatasync), deadline);
}

int sley_ftruncate(int fd, off_t length, sley_time deadline)
{
	struct request *request;
	int error = request_for_fd(&request, run_ftruncate, fd);
	if (error)
		return error;
	request->offset = length;
	return (int)request_finish(request, &CALL_WAIT(sley_ftruncate), deadline);
}

int sley_fstat(int fd, struct stat *result, sley_time deadline)
{
	struct request *request;
	if (!result)
		return task_self() ? -EFAULT : outside_error();
	int error = request_for_fd(&request, run_fstat, fd);
	return error ? error : request_finish_stat(request, &CALL_WAIT(sley_fstat), deadline, result);
}
