/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of descriptors of any kind, and of buffered reading and writing. */
#include "tests/stress/matrix_rows_io.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

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

static int reader_call(sley_time deadline)
{
	char buffer[64];
	const char *bytes;
	struct sley_reader reader;

	REQUIRE(sley_reader_init(&reader, ends[0], buffer, sizeof(buffer)) == 0);
	int n = (int)sley_reader_until(&reader, '7', &bytes, deadline);
	sley_reader_fini(&reader);
	return n;
}

static int writev_call(sley_time deadline)
{
	struct iovec part = { (char[]){ '7' }, 1 };

	return (int)sley_writev(ends[0], &part, 1, deadline);
}

const struct matrix_row matrix_rows_io[] = {
	{ "read", SLEY_WAIT_READ, pair_open, pair_end, read_call, pair_give, NULL, pair_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "poll", SLEY_WAIT_POLL, pair_open, pair_end, poll_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = POLLIN, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "write", SLEY_WAIT_WRITE, pair_open_full, pair_end, write_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "readv", SLEY_WAIT_READ, pair_open, pair_end, readv_call, pair_give, NULL, pair_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writev", SLEY_WAIT_WRITE, pair_open_full, pair_end, writev_call, pair_drain, pair_fill, pair_close,
	  pair_reopen_full, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_until", SLEY_WAIT_READ, pair_open, pair_end, reader_call, pair_give, NULL, pair_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ NULL },
};
