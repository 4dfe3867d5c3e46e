/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Buffered reading and writing of a descriptor: fewer system calls for small pieces, lines and fields. The descriptor
 * remains the caller's. Two readers of one descriptor would take bytes from each other.
 *
 * One task at a time uses a reader or writer. Readers, writers and their buffers are embedded and may lie anywhere. If
 * one lies on a task's copying stack, only that task may use it. A call that has to read or write is for tasks. Others
 * are for any thread.
 *
 * Common errors: -EFAULT: a null reader, a null writer or a null place for a result; -EDEADLK: the call has to read or
 * write, and no task made it; else those of sley_read() and sley_writev().
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
 * Prepares a reader of fd. `buffer` has room for `size` bytes and remains the caller's. If `buffer` is null, the call
 * allocates `size` bytes (0: 8 KiB). Returns 0; -EINVAL: a buffer of no bytes, or of more than SSIZE_MAX; -ENOMEM. Any
 * thread.
 */
SLEY_API int sley_reader_init(struct sley_reader *, int fd, void *buffer, size_t size);

/* Frees an allocated buffer. Buffered bytes are lost. A second call does nothing. Any thread. */
SLEY_API void sley_reader_fini(struct sley_reader *);

/* Counts the buffered bytes. A read of that many does not wait. Returns the count. Any thread. */
SLEY_API size_t sley_reader_buffered(const struct sley_reader *);

/* Reads, as sley_read(). Returns the count of buffered bytes if there are any, else the result of one system call. */
SLEY_API ssize_t sley_reader_read(struct sley_reader *, void *bytes, size_t n, sley_time deadline);

/*
 * Reads n bytes, as sley_read_full(). Returns n, or fewer at the end of the stream. If n is not larger than the buffer,
 * a failure loses no bytes: repeat the same call to continue.
 */
SLEY_API ssize_t sley_reader_read_full(struct sley_reader *, void *bytes, size_t n, sley_time deadline);

/*
 * Looks at the next n bytes without taking them. Sets *bytes to their address in the buffer, valid until the next call.
 * Returns the number of bytes there: at least n, or fewer at the end of the stream. -ENOBUFS: n is larger than the
 * buffer. A failure loses no bytes.
 */
SLEY_API ssize_t sley_reader_peek(struct sley_reader *, const char **bytes, size_t n, sley_time deadline);

/*
 * Discards n bytes. Returns n, or fewer at the end of the stream. After a failure an unknown number of bytes is gone.
 */
SLEY_API ssize_t sley_reader_skip(struct sley_reader *, size_t n, sley_time deadline);

/*
 * Takes all bytes up to and including the next `delimiter`. Sets *bytes to their address in the buffer, valid until the
 * next call. Returns the number of bytes. At the end of the stream it returns the remaining bytes without a delimiter,
 * then 0. -ENOBUFS: the buffer is full and contains no delimiter. A failure loses no bytes.
 */
SLEY_API ssize_t sley_reader_until(struct sley_reader *, char delimiter, const char **bytes, sley_time deadline);

/*
 * Takes a line. Returns 1 and sets *line to the text without its "\n" or "\r\n", NUL-terminated. The text lies in the
 * buffer, may be changed there, and is valid until the next call. *n (if n is not null) is its length. Returns 0 at the
 * end of the stream; a last line without "\n" is returned before that. Errors as sley_reader_until().
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

/*
 * Prepares a writer of fd. `buffer` and `size` are as for sley_reader_init(). Returns 0; -EINVAL: as there; -ENOMEM.
 * Any thread.
 */
SLEY_API int sley_writer_init(struct sley_writer *, int fd, void *buffer, size_t size);

/*
 * Frees an allocated buffer. Buffered bytes are lost: call sley_writer_flush() first. A second call does nothing. Any
 * thread.
 */
SLEY_API void sley_writer_fini(struct sley_writer *);

/* Counts the buffered bytes, which sley_writer_flush() would write. Returns the count. Any thread. */
SLEY_API size_t sley_writer_buffered(const struct sley_writer *);

/*
 * Writes n bytes. Returns n. If there is room, the bytes are buffered and the call does not wait. Else the buffered
 * bytes and these go out together, and these are not copied. After a failure an unknown number of bytes went out: the
 * only use of the stream is to close it.
 */
SLEY_API ssize_t sley_writer_write(struct sley_writer *, const void *bytes, size_t n, sley_time deadline);

/*
 * Writes formatted text, as printf(). Returns its length. -ENOBUFS: the text and its NUL do not fit the buffer;
 * -EINVAL: a format that cannot be printed. After these two errors the writer is unchanged. Formatting needs some 2 KiB
 * of stack, with floating point 10 KiB.
 */
SLEY_API int sley_writer_print(struct sley_writer *, sley_time deadline, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes all buffered bytes. Returns 0. A failure keeps the unwritten bytes: repeat the same call to continue. */
SLEY_API int sley_writer_flush(struct sley_writer *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
