/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What a short count says: that there is no more, but not of packets, nor of a buffer that ends before it says. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "tests/unit/reactor/connection.h"

/* ---- packets ---- */

static void read_packets(int in, int out)
{
	char bytes[100];
	sley_time deadline;
	/* wait once, so that the descriptor is registered, and is told of what comes */
	REQUIRE(sley_read(in, bytes, sizeof(bytes), sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		REQUIRE(write(out, "packet", 6) == 6);
	deadline = BEFORE_REARM;
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_read(in, bytes, sizeof(bytes), SOON) == 6);
	REQUIRE(sley_now() < deadline);
	REQUIRE(sley_read(in, bytes, sizeof(bytes), sley_in(SLEY_MS(1))) == -ETIMEDOUT);
}

/* Packets that are there are read without waiting for another event. */
TASK_TEST(packets, 1, 2, 4)
{
	int ends[2];
	REQUIRE(sley_pipe(ends) == 0);
	REQUIRE(fcntl(ends[1], F_SETFL, O_DIRECT | O_NONBLOCK) == 0);
	read_packets(ends[0], ends[1]);
	sley_close(ends[0]);
	sley_close(ends[1]);

	REQUIRE(pipe2(ends, O_DIRECT | O_CLOEXEC) == 0 && sley_own(ends[0]) == 0);
	read_packets(ends[0], ends[1]);
	sley_close(ends[0]);
	close(ends[1]);

	for (int type = 0; type < 2; type++) {
		REQUIRE(sley_socketpair(type ? SOCK_DGRAM : SOCK_SEQPACKET, ends) == 0);
		read_packets(ends[0], ends[1]);
		sley_close(ends[0]);
		sley_close(ends[1]);
	}
}

/* ---- a buffer that is shorter than it says ---- */

#define GOOD_MOST ((size_t)256 << 10)

/* Of twice the bytes that are good. */
static char *bad_buffer(size_t good)
{
	char *memory = mmap(NULL, 2 * good, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(memory != MAP_FAILED && munmap(memory + good, good) == 0);
	return memory;
}

/* Both are own descriptors, and known to epoll. */
static void bad_buffers(int in, int out, size_t good)
{
	static char bytes[GOOD_MOST];
	char *bad = bad_buffer(good);
	size_t sent = 2 * good - 16;
	REQUIRE(sley_read(in, bytes, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_write_full(out, bytes, sent / 2, SOON) == (ssize_t)sent / 2);
	sley_time deadline = BEFORE_REARM;
	ssize_t n = sley_read(in, bad, 2 * good, SOON);
	REQUIRE(n == -EFAULT || (n > 0 && n <= (ssize_t)good));
	for (size_t sum = n > 0 ? (size_t)n : 0; sum < sent; sum += (size_t)n)
		REQUIRE((n = sley_read(in, bytes, sizeof(bytes), SOON)) > 0);
	REQUIRE(sley_now() < deadline);
	REQUIRE(sley_read(in, bytes, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT);

	deadline = BEFORE_REARM;
	REQUIRE(sley_write_full(out, bad, 2 * good, SOON) == -EFAULT);
	REQUIRE(sley_now() < deadline);
	while (sley_read(in, bytes, sizeof(bytes), sley_in(SLEY_MS(5))) > 0)
		;
	munmap(bad, good);
}

/* Fills it, so that it waits to write, and empties it again. */
static void fill(int out, int in)
{
	static char bytes[1 << 16];
	while (sley_write(out, bytes, sizeof(bytes), sley_in(SLEY_MS(1))) > 0)
		;
	while (sley_read(in, bytes, sizeof(bytes), sley_in(SLEY_MS(5))) > 0)
		;
}

static int main_bad_buffers(void *arg)
{
	int ends[2];
	struct connection c = connect_pair();
	REQUIRE(sley_own(c.theirs) == 0);
	fill(c.ours, c.theirs);
	bad_buffers(c.theirs, c.ours,
		    GOOD_MOST); /* more than TCP joins to one part, which is given whole or not at all */
	sley_close(c.ours);
	sley_close(c.theirs);
	REQUIRE(sley_pipe(ends) == 0);
	REQUIRE(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
	fill(ends[1], ends[0]);
	bad_buffers(ends[0], ends[1], GOOD_MOST / 8);
	sley_close(ends[0]);
	sley_close(ends[1]);
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	fill(ends[1], ends[0]);
	bad_buffers(ends[0], ends[1], GOOD_MOST / 8);
	sley_close(ends[0]);
	sley_close(ends[1]);
	return 0;
}

TEST(bad_buffers)
{
	test_need_kernel("qemu-user looks at buffers itself");
	run_each(main_bad_buffers);
}
