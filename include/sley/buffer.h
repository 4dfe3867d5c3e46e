/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Buffered reading and writing of a descriptor: fewer system calls for small pieces, lines and fields. The descriptor
 * stays the caller's; two readers of one would take bytes from each other.
 *
 * Readers and writers belong to one task at a time. They are embedded, and they and their buffers may lie anywhere,
 * on that task's own stack too; such a one no other task may use. A call that has to read or write is for tasks, else
 * -EDEADLK; its errors are those of sley_read() or sley_writev() and those given below. -EFAULT: null where a reader, a
 * writer, or a place for what is found must be.
 */
#ifndef SLEY_BUFFER_H
#define SLEY_BUFFER_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading ---- */

/* The fields are private. */
struct sley_reader {
	int fd;
	int allocated;
	char *buffer;
	size_t size, begin, end;
};

/*
 * Prepares a reader of fd. `buffer` has room for `size` bytes and is the caller's; null: one is allocated (size 0: 8
 * KiB). 0; -EINVAL: a buffer of no bytes, or more than SSIZE_MAX; -ENOMEM. Any thread.
 */
SLEY_API int sley_reader_init(struct sley_reader *, int fd, void *buffer, size_t size);

/* Frees what was allocated. What is buffered is lost. A second time it does nothing. */
SLEY_API void sley_reader_fini(struct sley_reader *);

/* How many bytes are buffered: a read of so many does not wait. */
SLEY_API size_t sley_reader_buffered(const struct sley_reader *);

/* sley_read(): what is buffered, if anything is; else what one system call gives. */
SLEY_API ssize_t sley_reader_read(struct sley_reader *, void *bytes, size_t n, sley_time deadline);

/*
 * sley_read_full(): n; fewer at the end of the stream. If n is not larger than the buffer, a failure loses nothing: the
 * same call again goes on.
 */
SLEY_API ssize_t sley_reader_read_full(struct sley_reader *, void *bytes, size_t n, sley_time deadline);

/*
 * Looks at the next n bytes without taking them: *bytes points to them in the buffer, until the next call. How many
 * there are: at least n, and fewer at the end of the stream alone. -ENOBUFS: n is larger than the buffer. After a
 * failure nothing is lost.
 */
SLEY_API ssize_t sley_reader_peek(struct sley_reader *, const char **bytes, size_t n, sley_time deadline);

/* Takes n bytes away: n; fewer at the end of the stream. After a failure some are gone, and it is not known how many. */
SLEY_API ssize_t sley_reader_skip(struct sley_reader *, size_t n, sley_time deadline);

/*
 * Takes all bytes up to the next `delimiter`, itself included: how many; *bytes points to them in the buffer, until
 * the next call. At the end of the stream: what is left, without a delimiter; then 0. -ENOBUFS: the buffer is full,
 * and there is none in it. After a failure nothing is lost.
 */
SLEY_API ssize_t sley_reader_until(struct sley_reader *, char delimiter, const char **bytes, sley_time deadline);

/*
 * Takes a line: 1, and *line is the text without its "\n" or "\r\n", NUL-terminated, in the buffer until the next
 * call, where it may be changed; *n (if not null) is its length. 0: the end of the stream; a last line without "\n"
 * comes before that. Else as sley_reader_until().
 */
SLEY_API int sley_reader_line(struct sley_reader *, char **line, size_t *n, sley_time deadline);

/* ---- writing ---- */

/* The fields are private. */
struct sley_writer {
	int fd;
	int allocated;
	char *buffer;
	size_t size, begin, end;
};

/* As sley_reader_init(). */
SLEY_API int sley_writer_init(struct sley_writer *, int fd, void *buffer, size_t size);

/*
 * Frees what was allocated. What is buffered is lost: sley_writer_flush() comes first. A second time it does nothing.
 */
SLEY_API void sley_writer_fini(struct sley_writer *);

/* How many bytes are buffered. */
SLEY_API size_t sley_writer_buffered(const struct sley_writer *);

/*
 * Writes n bytes: n. They are buffered if there is room, without a wait; else the buffer and they go out together,
 * and no copy is made of them. After a failure it is not known how much went out: the stream is only good for
 * closing.
 */
SLEY_API ssize_t sley_writer_write(struct sley_writer *, const void *bytes, size_t n, sley_time deadline);

/*
 * The same for a text as of printf(): its length. -ENOBUFS: with its NUL it does not fit the buffer; -EINVAL: a
 * format that cannot be printed. After these the writer is as it was. Formatting takes stack: some 2 KiB, with
 * floating point 10 KiB.
 */
SLEY_API int sley_writer_print(struct sley_writer *, sley_time deadline, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes what is buffered: 0. After a failure the rest is there still: the same call again goes on. */
SLEY_API int sley_writer_flush(struct sley_writer *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
