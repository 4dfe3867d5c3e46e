/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The buffered writer: what it keeps, what goes out together, and what a failure leaves. */
#include "tests/unit/run.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#include "base/compiler.h"

/* What has come out of `fd` and was not read yet. */
static const char *output(int fd)
{
	static char text[200];
	ssize_t n = sley_read(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* What fits is kept; what does not goes out with it in one system call; texts are whole. */
TASK_TEST(write, 1)
{
	struct sley_writer w;
	char buffer[8];
	int ends[2];
	REQUIRE(sley_socketpair(SOCK_SEQPACKET, ends) == 0); /* a read gives what one system call wrote */
	REQUIRE(sley_writer_init(&w, ends[1], buffer, sizeof(buffer)) == 0);
	REQUIRE(sley_writer_flush(&w, SOON) == 0 && strcmp(output(ends[0]), "") == 0);
	REQUIRE(sley_writer_write(&w, "abc", 3, 0) == 3 && sley_writer_write(&w, "defgh", 5, 0) == 5);
	REQUIRE(sley_writer_buffered(&w) == 8 && strcmp(output(ends[0]), "") == 0);
	REQUIRE(sley_writer_write(&w, NULL, 0, SOON) == 0);
	REQUIRE(sley_writer_write(&w, "i", 1, SOON) == 1); /* both in one */
	REQUIRE(strcmp(output(ends[0]), "abcdefghi") == 0 && sley_writer_buffered(&w) == 0);
	REQUIRE(sley_writer_write(&w, "xy", 2, SOON) == 2 && sley_writer_flush(&w, SOON) == 0);
	REQUIRE(strcmp(output(ends[0]), "xy") == 0);
	REQUIRE(sley_writer_write(&w, "more than fits it", 17, SOON) == 17);
	REQUIRE(strcmp(output(ends[0]), "more than fits it") == 0 && sley_writer_buffered(&w) == 0);
	/* texts */
	REQUIRE(sley_writer_print(&w, SOON, "%lc", (wint_t)0x7fffffff) == -EINVAL && sley_writer_buffered(&w) == 0);
	REQUIRE(sley_writer_print(&w, SOON, "%d-%s", 12, "abc") == 6 && sley_writer_buffered(&w) == 6);
	REQUIRE(sley_writer_print(&w, SOON, "%s", "z") == 1 && sley_writer_buffered(&w) == 7);
	REQUIRE(sley_writer_print(&w, SOON, "%s", "1234567") == 7); /* no room beside the others: these go out */
	REQUIRE(strcmp(output(ends[0]), "12-abcz") == 0 && sley_writer_buffered(&w) == 7);
	REQUIRE(sley_writer_print(&w, SOON, "%s", "12345678") == -ENOBUFS && sley_writer_buffered(&w) == 7);
	REQUIRE(sley_writer_print(&w, SOON, "%s", "") == 0);
	REQUIRE(sley_writer_flush(&w, SOON) == 0 && strcmp(output(ends[0]), "1234567") == 0);
	sley_writer_fini(&w);
	sley_writer_fini(&w);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- a stream that is full ---- */

#define TOTAL ((size_t)test_scale(1 << 20))

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 >> 3);
}

static void check_pattern(void *arg)
{
	unsigned char bytes[5000];
	size_t done = 0;
	ssize_t n;
	while ((n = sley_read(*(int *)arg, bytes, sizeof(bytes), SLEY_NEVER)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			REQUIRE(bytes[i] == pattern(done + (size_t)i));
		done += (size_t)n;
	}
	REQUIRE(n == 0 && done == TOTAL);
}

static void check_pieces(int ends[2], size_t size)
{
	struct sley_writer w;
	unsigned char bytes[3000];
	unsigned seed = (unsigned)size;
	int *fd = malloc(sizeof(*fd));
	*fd = ends[0];
	sley_task task = sley_spawn(check_pattern, fd);
	REQUIRE(sley_writer_init(&w, ends[1], NULL, size) == 0);
	for (size_t done = 0; done < TOTAL;) {
		seed = seed * 1103515245 + 12345;
		size_t n = MIN((seed >> 16) % (seed >> 31 ? sizeof(bytes) : 20), TOTAL - done);
		for (size_t i = 0; i < n; i++)
			bytes[i] = pattern(done + i);
		REQUIRE(sley_writer_write(&w, bytes, n, SOON) == (ssize_t)n);
		done += n;
	}
	REQUIRE(sley_writer_flush(&w, SOON) == 0);
	sley_writer_fini(&w);
	REQUIRE(sley_close(ends[1]) == 0 && sley_join(task, SOON) == 0 && sley_close(ends[0]) == 0);
	free(fd);
}

/* Small and large pieces through buffers of all sizes into streams that are full now and then: every byte in order. */
TASK_TEST(pieces, 1, 2)
{
	static const size_t sizes[] = { 1, 100, 4096, 0 };
	int ends[2];
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		REQUIRE(sley_pipe(ends) == 0);
		check_pieces(ends, sizes[i]);
		REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
		check_pieces(ends, sizes[i]);
	}
}

/* A flush that met its deadline goes on later; a gone reader is -EPIPE. */
TASK_TEST(retry, 1)
{
	struct sley_writer w;
	static char flood[4096], all[1 << 20];
	size_t sent = 0, got = 0;
	int ends[2];
	ssize_t n;
	REQUIRE(sley_pipe(ends) == 0);
	while ((n = write(ends[1], flood, sizeof(flood))) > 0)
		sent += (size_t)n;
	REQUIRE(sley_writer_init(&w, ends[1], NULL, 0) == 0);
	REQUIRE(sley_writer_write(&w, "the rest", 8, 0) == 8);
	REQUIRE(sley_writer_flush(&w, 0) == -ETIMEDOUT && sley_writer_flush(&w, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	REQUIRE(sley_writer_buffered(&w) == 8);
	REQUIRE(sley_writer_print(&w, 0, "%s", "!") == 1); /* there is room: no wait */
	while (got < sent)
		got += (size_t)read(ends[0], all + got, sizeof(all) - got);
	REQUIRE(sley_writer_flush(&w, SOON) == 0 && sley_writer_buffered(&w) == 0);
	REQUIRE(strcmp(output(ends[0]), "the rest!") == 0);
	REQUIRE(sley_close(ends[0]) == 0);
	REQUIRE(sley_writer_write(&w, "x", 1, SOON) == 1 && sley_writer_flush(&w, SOON) == -EPIPE);
	sley_writer_fini(&w);
	REQUIRE(sley_close(ends[1]) == 0);
}

/* ---- bad input ---- */

static int main_bad(void *arg)
{
	struct sley_writer w;
	char byte;
	REQUIRE(sley_writer_init(&w, 0, &byte, 0) == -EINVAL && sley_writer_init(&w, 0, NULL, SIZE_MAX) == -EINVAL);
	REQUIRE(sley_writer_init(NULL, 0, &byte, 1) == -EFAULT && sley_writer_buffered(NULL) == 0);
	sley_writer_fini(NULL);
	REQUIRE(sley_writer_init(&w, -1, &byte, 1) == 0);
	REQUIRE(sley_writer_write(NULL, "x", 1, SOON) == -EFAULT && sley_writer_write(&w, NULL, 1, SOON) == -EFAULT);
	REQUIRE(sley_writer_print(NULL, SOON, "x") == -EFAULT && sley_writer_flush(NULL, SOON) == -EFAULT);
	REQUIRE(sley_writer_write(&w, "x", 1, SOON) == 1 && sley_writer_flush(&w, SOON) == -EBADF);
	REQUIRE(sley_writer_write(&w, "x", SIZE_MAX, SOON) == -EINVAL &&
		sley_writer_write(&w, "xy", 2, SOON) == -EBADF);
	sley_writer_fini(&w);
	REQUIRE(sley_writer_flush(&w, SOON) == 0 && sley_writer_write(&w, "x", 1, SOON) == -EBADF);
	return 0;
}

/* Sizes that are none; a descriptor that is none; a writer that is over. */
TEST(bad)
{
	struct sley_writer w;
	assert_int_equal(sley_writer_init(&w, 1, NULL, 0), 0);
	assert_int_equal(sley_writer_write(&w, "x", 1, SLEY_NEVER), 1);
	assert_int_equal(sley_writer_flush(&w, SLEY_NEVER), -EDEADLK);
	sley_writer_fini(&w);
	run(main_bad, 1);
}
