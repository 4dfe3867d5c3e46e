/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Buffered reading. The bytes [begin, end) of the buffer are available. A pointer into the buffer that a call has
 * returned lies before `begin`, and is valid until the next call that needs room.
 *
 * Bytes are taken only when a call can return all of its result. So a failed call can be repeated.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "io/io.h"
#include "run/park.h"
#include "task/wait.h"

#define DEFAULT_SIZE ((size_t)8 << 10)
#define CALLER       __builtin_return_address(0)

int sley_reader_init(struct sley_reader *reader, int fd, void *buffer, size_t size)
{
	if (!reader)
		return -EFAULT;
	if ((buffer && size == 0) || size > SSIZE_MAX)
		return -EINVAL;
	*reader = (struct sley_reader){ .fd = fd, .buffer = buffer, .size = size ? size : DEFAULT_SIZE };
	if (!buffer) {
		reader->buffer = malloc(reader->size);
		reader->allocated = 1;
	}
	return reader->buffer ? 0 : -ENOMEM;
}

void sley_reader_fini(struct sley_reader *reader)
{
	if (!reader)
		return;
	if (reader->allocated)
		free(reader->buffer);
	*reader = (struct sley_reader){ .fd = -1 };
}

size_t sley_reader_buffered(const struct sley_reader *reader)
{
	return reader ? reader->end - reader->begin : 0;
}

/* ---- filling ---- */

/*
 * Reads once more. Returns the number of bytes; 0: the end of the stream. The buffer must not be full; if the free room
 * is at its front, the bytes are moved there.
 */
static ssize_t fill(struct sley_reader *r, sley_time deadline, const void *pc)
{
	if (r->begin == r->end) {
		r->begin = r->end = 0;
	} else if (r->end == r->size) {
		memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
		r->end -= r->begin;
		r->begin = 0;
	}
	ssize_t n = io_read(r->fd, r->buffer + r->end, r->size - r->end, deadline, pc);
	if (n > 0)
		r->end += (size_t)n;
	return n;
}

/*
 * Reads until n bytes are available, or the stream ends. n is at most the size of the buffer. Returns the number of
 * available bytes, or an error.
 */
static ssize_t fill_to(struct sley_reader *r, size_t n, sley_time deadline, const void *pc)
{
	while (r->end - r->begin < n) {
		ssize_t more = fill(r, deadline, pc);
		if (more < 0)
			return more;
		if (more == 0)
			break;
		int error = r->end - r->begin < n ? wait_between(deadline, pc) : 0;
		if (error)
			return error;
	}
	return (ssize_t)(r->end - r->begin);
}

static size_t reader_take(struct sley_reader *r, void *bytes, size_t n)
{
	n = MIN(n, r->end - r->begin);
	if (n > 0)
		memcpy(bytes, r->buffer + r->begin, n);
	r->begin += n;
	return n;
}

/* ---- bytes ---- */

ssize_t sley_reader_read(struct sley_reader *r, void *bytes, size_t n, sley_time deadline)
{
	if (!r || (!bytes && n > 0))
		return -EFAULT;
	if (n > SSIZE_MAX)
		return -EINVAL;
	if (r->begin == r->end && n >= r->size)
		return io_read(r->fd, bytes, n, deadline, CALLER);
	if (r->begin == r->end && n > 0) {
		ssize_t more = fill(r, deadline, CALLER);
		if (more <= 0)
			return more;
	}
	return (ssize_t)reader_take(r, bytes, n);
}

/* Reads more than the size of the buffer: the buffered bytes, then the rest directly. */
static ssize_t read_much(struct sley_reader *r, void *bytes, size_t n, sley_time deadline, const void *pc)
{
	size_t done = reader_take(r, bytes, n);
	ssize_t rest = io_read_full(r->fd, (char *)bytes + done, n - done, deadline, pc);
	return rest < 0 ? rest : (ssize_t)done + rest;
}

ssize_t sley_reader_read_full(struct sley_reader *r, void *bytes, size_t n, sley_time deadline)
{
	if (!r || (!bytes && n > 0))
		return -EFAULT;
	if (n > SSIZE_MAX)
		return -EINVAL;
	if (n > r->size)
		return read_much(r, bytes, n, deadline, CALLER);
	ssize_t there = fill_to(r, n, deadline, CALLER);
	return there < 0 ? there : (ssize_t)reader_take(r, bytes, n);
}

ssize_t sley_reader_peek(struct sley_reader *r, const char **bytes, size_t n, sley_time deadline)
{
	if (!r || !bytes)
		return -EFAULT;
	if (n > r->size)
		return -ENOBUFS;
	if (r->begin > 0 && n > r->size - r->begin) { /* the bytes have to be contiguous */
		memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
		r->end -= r->begin;
		r->begin = 0;
	}
	ssize_t there = fill_to(r, n, deadline, CALLER);
	*bytes = r->buffer + r->begin;
	return there;
}

ssize_t sley_reader_skip(struct sley_reader *r, size_t n, sley_time deadline)
{
	size_t done = 0;
	if (!r)
		return -EFAULT;
	if (n > SSIZE_MAX)
		return -EINVAL;
	for (;;) {
		size_t some = MIN(n - done, r->end - r->begin);
		r->begin += some;
		done += some;
		if (done == n)
			return (ssize_t)n;
		ssize_t more = fill(r, deadline, CALLER);
		if (more == 0)
			return (ssize_t)done;
		if (more > 0 && r->end - r->begin < n - done)
			more = wait_between(deadline, CALLER);
		if (more < 0)
			return more;
	}
}

/* ---- up to a delimiter ---- */

/* As sley_reader_until(). */
static ssize_t until(struct sley_reader *r, char delimiter, char **bytes, sley_time deadline, const void *pc)
{
	size_t n, seen = 0; /* bytes from `begin` on that contain no delimiter */
	for (;;) {
		char *start = r->buffer + r->begin, *found = NULL;
		n = r->end - r->begin;
		if (n > seen)
			found = memchr(start + seen, delimiter, n - seen);
		if (found) {
			n = (size_t)(found - start) + 1;
			break;
		}
		if (n == r->size)
			return -ENOBUFS;
		ssize_t more = n > 0 && seen > 0 ? wait_between(deadline, pc) : 0;
		seen = n;
		if (more == 0)
			more = fill(r, deadline, pc);
		if (more < 0)
			return more;
		if (more == 0)
			break;
	}
	*bytes = r->buffer + r->begin;
	r->begin += n;
	return (ssize_t)n;
}

ssize_t sley_reader_until(struct sley_reader *r, char delimiter, const char **bytes, sley_time deadline)
{
	char *found;
	if (!r || !bytes)
		return -EFAULT;
	ssize_t n = until(r, delimiter, &found, deadline, CALLER);
	if (n >= 0)
		*bytes = found;
	return n;
}

int sley_reader_line(struct sley_reader *r, char **line, size_t *length, sley_time deadline)
{
	char *text;
	if (!r || !line)
		return -EFAULT;
	ssize_t n = until(r, '\n', &text, deadline, CALLER);
	if (n <= 0)
		return (int)n;
	if (text[n - 1] == '\n')
		n -= n > 1 && text[n - 2] == '\r' ? 2 : 1;
	/*
	 * In the place of the "\n". Without "\n" the stream has ended, and there is room: its end was read into free
	 * space.
	 */
	text[n] = '\0';
	*line = text;
	if (length)
		*length = (size_t)n;
	return 1;
}
