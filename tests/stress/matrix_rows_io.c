/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of descriptors of any kind, and of buffered reading and writing. */
#include "tests/stress/matrix_rows_io.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/stress/matrix_pair.h"
#include "tests/stress/stress.h"

static int read_call(sley_time deadline)
{
	char here[16];
	ssize_t n = sley_read(ends[0], here, sizeof(here), deadline);
	REQUIRE(n < 0 || here[0] == '7');
	return (int)n;
}

static int poll_call(sley_time deadline)
{
	char here[16];
	int events = sley_poll(ends[0], POLLIN, deadline);
	if (events > 0)
		REQUIRE(recv(ends[0], here, sizeof(here), MSG_DONTWAIT) == 1);
	return events;
}

static int pollv_call(sley_time deadline)
{
	char here[16];
	struct pollfd fds[] = { { .fd = -1 }, { .fd = ends[0], .events = POLLIN } };
	int n = sley_pollv(fds, 2, deadline);
	if (n > 0)
		REQUIRE(fds[1].revents == POLLIN && recv(ends[0], here, sizeof(here), MSG_DONTWAIT) == 1);
	return n;
}

static int select_call(sley_time deadline)
{
	char here[16];
	struct sley_case cases[] = { { .op = SLEY_EVENT }, { .fd = ends[0], .op = SLEY_READABLE } };
	int i = sley_select(cases, 2, deadline);
	if (i == 1 && cases[1].error == 0)
		REQUIRE(recv(ends[0], here, sizeof(here), MSG_DONTWAIT) == 1);
	return i == 1 && cases[1].error ? cases[1].error : i;
}

static int write_call(sley_time deadline)
{
	return (int)sley_write(ends[0], "7", 1, deadline);
}

static int readv_call(sley_time deadline)
{
	char here[2][8];
	struct iovec parts[] = { { here[0], 0 }, { here[1], 8 } };
	return (int)sley_readv(ends[0], parts, 2, deadline);
}

static int writev_call(sley_time deadline)
{
	struct iovec part = { (char[]){ '7' }, 1 };
	return (int)sley_writev(ends[0], &part, 1, deadline);
}

static int read_full_call(sley_time deadline)
{
	char here;
	return (int)sley_read_full(ends[0], &here, 1, deadline);
}

static int write_full_call(sley_time deadline)
{
	return (int)sley_write_full(ends[0], "7", 1, deadline);
}

/* ---- buffered ---- */

#define READER_CALL(name, ...) \
	static int name##_call(sley_time deadline) \
	{ \
		char buffer[64], here[8]; \
		const char *bytes = here; \
		struct sley_reader reader; \
\
		REQUIRE(sley_reader_init(&reader, ends[0], buffer, sizeof(buffer)) == 0); \
		int n = (int)__VA_ARGS__; \
		REQUIRE(n <= 0 || bytes != here || here[0] == '7'); \
		sley_reader_fini(&reader); \
		return n; \
	}

READER_CALL(reader_read, sley_reader_read(&reader, here, sizeof(here), deadline))
READER_CALL(reader_read_full, sley_reader_read_full(&reader, here, 1, deadline))
READER_CALL(reader_peek, sley_reader_peek(&reader, &bytes, 1, deadline))
READER_CALL(reader_skip, (here[0] = '7', sley_reader_skip(&reader, 1, deadline)))
READER_CALL(reader_until, sley_reader_until(&reader, '7', &bytes, deadline))

/* A reader of its own for each call, so what one of them has of a line must not be lost: the line comes whole. */
static void line_give(void)
{
	REQUIRE(send(ends[1], "7\n", 2, MSG_DONTWAIT) == 2);
}

READER_CALL(reader_line, sley_reader_line(&reader, (char **)&bytes, NULL, deadline))

#define WRITER_CALL(name, ...) \
	static int name##_call(sley_time deadline) \
	{ \
		char buffer[8]; \
		struct sley_writer writer; \
\
		REQUIRE(sley_writer_init(&writer, ends[0], buffer, sizeof(buffer)) == 0); \
		REQUIRE(sley_writer_write(&writer, "1234567", 7, SLEY_NEVER) == 7); \
		int n = (int)__VA_ARGS__; \
		sley_writer_fini(&writer); \
		return n; \
	}

/* Seven bytes are buffered, and there is room for one more. */
WRITER_CALL(writer_write, sley_writer_write(&writer, "89", 2, deadline))
WRITER_CALL(writer_print, sley_writer_print(&writer, deadline, "%d", 8765))
WRITER_CALL(writer_flush, sley_writer_flush(&writer, deadline))

/* ---- from descriptor to descriptor ---- */

static int file = -1;

static void sendfile_open(void)
{
	pair_open_full();
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	REQUIRE(file >= 0);
}

static void sendfile_end(void)
{
	pair_end();
	REQUIRE(sley_close(file) == 0);
}

static int sendfile_call(sley_time deadline)
{
	off_t begin = 0;
	return (int)sley_sendfile(ends[0], file, &begin, 1, deadline);
}

static int pipe_ends[2];

static void splice_in_open(void)
{
	pair_open();
	REQUIRE(sley_pipe(pipe_ends) == 0);
}

static void splice_end(void)
{
	pair_end();
	REQUIRE(sley_close(pipe_ends[0]) == 0 && sley_close(pipe_ends[1]) == 0);
}

static int splice_in_call(sley_time deadline)
{
	char here;
	int n = (int)sley_splice(ends[0], NULL, pipe_ends[1], NULL, 1, 0, deadline);
	if (n > 0)
		REQUIRE(read(pipe_ends[0], &here, 1) == 1 && here == '7');
	return n;
}

static void splice_out_open(void)
{
	pair_open_full();
	REQUIRE(sley_pipe(pipe_ends) == 0 && write(pipe_ends[1], "7", 1) == 1);
}

static void splice_out_reset(void)
{
	REQUIRE(write(pipe_ends[1], "7", 1) == 1);
	pair_fill();
}

static int splice_out_call(sley_time deadline)
{
	return (int)sley_splice(pipe_ends[0], NULL, ends[0], NULL, 1, 0, deadline);
}

const struct matrix_row matrix_rows_io[] = {
	{ "read", SLEY_WAIT_READ, pair_open, pair_end, read_call, pair_give, NULL, pair_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "poll", SLEY_WAIT_POLL, pair_open, pair_end, poll_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = POLLIN, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "pollv", SLEY_WAIT_POLL, pair_open, pair_end, pollv_call, pair_give, .done = 1, .in_thread = -EDEADLK },
	{ "select, descriptor", SLEY_WAIT_SELECT, pair_open, pair_end, select_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "write", SLEY_WAIT_WRITE, pair_open_full, pair_end, write_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "readv", SLEY_WAIT_READ, pair_open, pair_end, readv_call, pair_give, NULL, pair_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writev", SLEY_WAIT_WRITE, pair_open_full, pair_end, writev_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_until", SLEY_WAIT_READ, pair_open, pair_end, reader_until_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "read_full", SLEY_WAIT_READ, pair_open, pair_end, read_full_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_read", SLEY_WAIT_READ, pair_open, pair_end, reader_read_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_read_full", SLEY_WAIT_READ, pair_open, pair_end, reader_read_full_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_peek", SLEY_WAIT_READ, pair_open, pair_end, reader_peek_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_skip", SLEY_WAIT_READ, pair_open, pair_end, reader_skip_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_line", SLEY_WAIT_READ, pair_open, pair_end, reader_line_call, line_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "write_full", SLEY_WAIT_WRITE, pair_open_full, pair_end, write_full_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writer_write", SLEY_WAIT_WRITE, pair_open_full, pair_end, writer_write_call, pair_drain, pair_fill,
	  pair_close, pair_reopen_full, .done = 2, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writer_print", SLEY_WAIT_WRITE, pair_open_full, pair_end, writer_print_call, pair_drain, pair_fill,
	  pair_close, pair_reopen_full, .done = 4, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writer_flush", SLEY_WAIT_WRITE, pair_open_full, pair_end, writer_flush_call, pair_drain, pair_fill,
	  pair_close, pair_reopen_full, .done = 0, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "sendfile", SLEY_WAIT_WRITE, sendfile_open, sendfile_end, sendfile_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "splice, in", SLEY_WAIT_READ, splice_in_open, splice_end, splice_in_call, pair_give, NULL, pair_close,
	  pair_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "splice, out", SLEY_WAIT_WRITE, splice_out_open, splice_end, splice_out_call, pair_drain, splice_out_reset,
	  pair_close, pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ NULL },
};
