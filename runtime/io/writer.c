/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Buffered writing. The bytes [begin, end) of the buffer are not written yet. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "io/io.h"
#include "run/park.h"
#include "task/wait.h"

#define DEFAULT_SIZE ((size_t)8 << 10)
#define CALLER       __builtin_return_address(0)

int sley_writer_init(struct sley_writer *writer, int fd, void *buffer, size_t size)
{
	if (!writer)
		return -EFAULT;
	if ((buffer && size == 0) || size > SSIZE_MAX)
		return -EINVAL;
	*writer = (struct sley_writer){ .fd = fd, .buffer = buffer, .size = size ? size : DEFAULT_SIZE };
	if (!buffer) {
		writer->buffer = malloc(writer->size);
		writer->allocated = 1;
	}
	return writer->buffer ? 0 : -ENOMEM;
}

void sley_writer_fini(struct sley_writer *writer)
{
	if (!writer)
		return;
	if (writer->allocated)
		free(writer->buffer);
	*writer = (struct sley_writer){ .fd = -1 };
}

size_t sley_writer_buffered(const struct sley_writer *writer)
{
	return writer ? writer->end - writer->begin : 0;
}

/* ---- common parts ---- */

/* Makes room for n bytes at the end, if the buffer has enough free room in total. Returns whether it has. */
static bool make_room(struct sley_writer *w, size_t n)
{
	size_t used = w->end - w->begin;
	if (n > w->size - used)
		return false;
	if (n > w->size - w->end) {
		memmove(w->buffer, w->buffer + w->begin, used);
		w->begin = 0;
		w->end = used;
	}
	return true;
}

/* Writes some of the buffered bytes and of the n bytes after them. Returns how many of the n bytes were written. */
static ssize_t write_some(struct sley_writer *w, const char *bytes, size_t n, sley_time deadline, const void *pc)
{
	size_t used = w->end - w->begin;
	const struct iovec v[] = { { w->buffer + w->begin, used }, { (void *)(uintptr_t)bytes, n } };
	ssize_t written = io_writev(w->fd, v, n > 0 ? 2 : 1, deadline, pc);
	if (written < 0)
		return written;
	size_t own = MIN((size_t)written, used);
	w->begin += own;
	if (w->begin == w->end)
		w->begin = w->end = 0;
	return written - (ssize_t)own;
}

static int flush(struct sley_writer *w, sley_time deadline, const void *pc)
{
	while (w->begin < w->end) {
		ssize_t n = write_some(w, NULL, 0, deadline, pc);
		if (n == 0 && w->begin < w->end)
			n = wait_between(deadline, pc);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

/* ---- the calls ---- */

ssize_t sley_writer_write(struct sley_writer *w, const void *bytes, size_t n, sley_time deadline)
{
	const char *rest = bytes;
	size_t left = n;
	if (!w || (!bytes && n > 0))
		return -EFAULT;
	if (n > SSIZE_MAX)
		return -EINVAL;
	while (left > 0 && !make_room(w, left)) {
		ssize_t written = write_some(w, rest, left, deadline, CALLER);
		if (written < 0)
			return written;
		rest += written;
		left -= (size_t)written;
		int error = left > 0 && !make_room(w, left) ? wait_between(deadline, CALLER) : 0;
		if (error)
			return error;
	}
	if (left > 0) {
		memcpy(w->buffer + w->end, rest, left);
		w->end += left;
	}
	return (ssize_t)n;
}

int sley_writer_flush(struct sley_writer *w, sley_time deadline)
{
	return w ? flush(w, deadline, CALLER) : -EFAULT;
}

/*
 * Formats into the free room. Returns the length, which may be more than fits. A separate function, so that its frame
 * is not part of a parked stack.
 */
NOINLINE static int format_text(struct sley_writer *w, const char *format, va_list arguments)
{
	va_list again;
	va_copy(again, arguments);
	int n = vsnprintf(w->buffer + w->end, w->size - w->end, format, again);
	va_end(again);
	return n < 0 ? -EINVAL : n;
}

static int print(struct sley_writer *w, sley_time deadline, const void *pc, const char *format, va_list arguments)
{
	int n = format_text(w, format, arguments);
	if (n < 0)
		return n;
	if ((size_t)n >= w->size)
		return -ENOBUFS;
	if ((size_t)n >= w->size - w->end) {
		int error = make_room(w, (size_t)n + 1) ? 0 : flush(w, deadline, pc);
		if (error)
			return error;
		n = format_text(w, format, arguments);
	}
	w->end += (size_t)n;
	return n;
}

int sley_writer_print(struct sley_writer *w, sley_time deadline, const char *format, ...)
{
	if (!w || !format)
		return -EFAULT;
	va_list arguments;
	int saved = errno;
	va_start(arguments, format);
	int n = print(w, deadline, CALLER, format, arguments);
	va_end(arguments);
	*sley_errno_location() = saved;
	return n;
}
