/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* readv and writev: every byte in its place, however the buffers are cut, and sizes that are none. */
#include "tests/unit/run.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

#define TOTAL ((size_t)test_scale(1 << 19))
#define PARTS 5

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 >> 3);
}

struct end {
	int fd;
	unsigned seed;
};

/* Cuts `bytes` into buffers of some sizes, some of them empty: how many bytes in all. */
static size_t cut(struct iovec v[PARTS], unsigned char *bytes, size_t most, unsigned *seed)
{
	size_t n = 0;
	for (int i = 0; i < PARTS; i++) {
		*seed = *seed * 1103515245 + 12345;
		size_t part = *seed >> 30 ? (*seed >> 16) % (most / PARTS + 1) : 0;
		v[i] = (struct iovec){ bytes + n, part };
		n += part;
	}
	return n;
}

static void write_pattern(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[20000];
	struct iovec v[PARTS];
	size_t done = 0;
	while (done < TOTAL) {
		size_t n = cut(v, bytes, MIN(sizeof(bytes), TOTAL - done + PARTS), &e->seed);
		for (size_t i = 0; i < n; i++)
			bytes[i] = pattern(done + i);
		ssize_t w = sley_writev(e->fd, v, PARTS, SLEY_NEVER);
		REQUIRE(w >= 0 && (size_t)w <= n && (w > 0 || n == 0));
		done += (size_t)w;
	}
	REQUIRE(sley_close(e->fd) == 0);
}

static void read_pattern(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[20000];
	struct iovec v[PARTS];
	size_t done = 0, n;
	ssize_t r;
	do {
		n = cut(v, bytes, sizeof(bytes), &e->seed);
		r = sley_readv(e->fd, v, PARTS, SLEY_NEVER);
		REQUIRE(r >= 0 && (size_t)r <= n);
		for (ssize_t i = 0; i < r; i++)
			REQUIRE(bytes[i] == pattern(done + (size_t)i));
		done += (size_t)r;
	} while (r > 0 || n == 0);
	REQUIRE(done >= TOTAL && sley_close(e->fd) == 0);
}

static void transfer(int ends[2])
{
	struct end *e = calloc(2, sizeof(*e));
	e[0] = (struct end){ ends[0], 1 };
	e[1] = (struct end){ ends[1], 2 };
	sley_task tasks[] = { sley_spawn(read_pattern, &e[0]), sley_spawn(write_pattern, &e[1]) };
	REQUIRE(sley_join(tasks[0], SOON) == 0 && sley_join(tasks[1], SOON) == 0);
	free(e);
}

/* Foreign and own pipes and sockets: empty buffers in between, and transfers that end in the middle of one. */
TASK_TEST(transfer, 1, 2)
{
	int ends[2];
	REQUIRE(pipe(ends) == 0);
	transfer(ends);
	REQUIRE(sley_pipe(ends) == 0);
	transfer(ends);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	transfer(ends);
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	transfer(ends);
}

/* Counts and sizes that overflow, and pointers that are none. */
TASK_TEST(bad, 1)
{
	static struct iovec many[IOV_MAX + 1];
	int ends[2];
	char byte;
	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){ &byte, 0 };
	for (int own = 0; own < 2; own++) {
		REQUIRE(own ? sley_pipe(ends) == 0 : pipe(ends) == 0);
		struct iovec huge[] = { { &byte, SSIZE_MAX }, { &byte, 1 } }, none = { NULL, 10 };
		REQUIRE(sley_readv(ends[0], huge, 2, SOON) == -EINVAL &&
			sley_writev(ends[1], huge, 2, SOON) == -EINVAL);
		huge[1].iov_len = SIZE_MAX;
		REQUIRE(sley_readv(ends[0], huge, 2, SOON) == -EINVAL);
		REQUIRE(sley_readv(ends[0], many, -1, SOON) == -EINVAL &&
			sley_writev(ends[1], many, INT_MIN, SOON) == -EINVAL);
		REQUIRE(sley_readv(ends[0], many, IOV_MAX + 1, SOON) == -EINVAL);
		REQUIRE(sley_writev(ends[1], many, IOV_MAX + 1, SOON) == -EINVAL);
		REQUIRE(sley_readv(ends[0], many, IOV_MAX, SOON) == 0 && sley_writev(ends[1], many, 0, SOON) == 0);
		REQUIRE(sley_readv(-1, NULL, 0, SOON) == 0); /* nothing to do */
		REQUIRE(sley_readv(ends[0], NULL, 1, SOON) == -EFAULT &&
			sley_writev(ends[1], NULL, 1, SOON) == -EFAULT);
		REQUIRE(sley_writev(ends[1], &none, 1, SOON) == -EFAULT &&
			sley_write(ends[1], NULL, 10, SOON) == -EFAULT);
		REQUIRE(sley_read(ends[0], &byte, (size_t)SSIZE_MAX + 1, SOON) == -EINVAL);
		REQUIRE(sley_write(ends[1], &byte, SIZE_MAX, SOON) == -EINVAL);
		REQUIRE(sley_read_full(ends[0], &byte, (size_t)SSIZE_MAX + 1, SOON) == -EINVAL);
		REQUIRE(sley_write_full(ends[1], &byte, SIZE_MAX, SOON) == -EINVAL);
		REQUIRE(write(ends[1], "x", 1) == 1);
		REQUIRE(sley_readv(ends[0], &none, 1, SOON) == -EFAULT &&
			sley_read(ends[0], NULL, 10, SOON) == -EFAULT);
		REQUIRE(sley_read(ends[0], &byte, 1, SOON) == 1 && byte == 'x'); /* that took nothing */
		REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	}
}
