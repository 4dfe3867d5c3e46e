/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The buffered reader: bytes, delimiters and lines, however the stream is cut; what a failure leaves. */
#include "tests/unit/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

/* A reader of a pipe with a buffer of `size` bytes, and its other end. */
static struct sley_reader reader;
static int input;

static void open_reader(size_t size)
{
	int ends[2];
	REQUIRE(sley_pipe(ends) == 0);
	REQUIRE(sley_reader_init(&reader, ends[0], NULL, size) == 0);
	input = ends[1];
}

static void give(const char *text)
{
	REQUIRE(write(input, text, strlen(text)) == (ssize_t)strlen(text));
}

static void end_input(void)
{
	REQUIRE(sley_close(input) == 0);
}

static void close_reader(void)
{
	int fd = reader.fd;
	sley_reader_fini(&reader);
	sley_reader_fini(&reader);
	REQUIRE(sley_close(fd) == 0);
}

/* ---- bytes ---- */

/* Read, peek, skip and read exactly, below and above the size of the buffer and at the end of the stream. */
TASK_TEST(bytes, 1)
{
	char bytes[100];
	const char *there;
	open_reader(8);
	REQUIRE(sley_reader_buffered(&reader) == 0);
	REQUIRE(sley_reader_read(&reader, bytes, 4, 0) == -ETIMEDOUT);
	give("abcdefghijklm");
	REQUIRE(sley_reader_read(&reader, bytes, 3, SOON) == 3 && memcmp(bytes, "abc", 3) == 0);
	REQUIRE(sley_reader_buffered(&reader) == 5); /* one system call filled it */
	REQUIRE(sley_reader_peek(&reader, &there, 2, SOON) == 5 && memcmp(there, "defgh", 5) == 0);
	REQUIRE(sley_reader_peek(&reader, &there, 8, SOON) == 8 && memcmp(there, "defghijk", 8) == 0);
	REQUIRE(sley_reader_peek(&reader, &there, 9, SOON) == -ENOBUFS);
	REQUIRE(sley_reader_read(&reader, bytes, 100, SOON) == 8);                                /* what is buffered */
	REQUIRE(sley_reader_read(&reader, bytes, 100, SOON) == 2 && memcmp(bytes, "lm", 2) == 0); /* past the buffer */
	REQUIRE(sley_reader_buffered(&reader) == 0);
	give("0123456789");
	REQUIRE(sley_reader_skip(&reader, 4, SOON) == 4);
	REQUIRE(sley_reader_read_full(&reader, bytes, 6, SOON) == 6 && memcmp(bytes, "456789", 6) == 0);
	REQUIRE(sley_reader_read_full(&reader, bytes, 0, SOON) == 0 && sley_reader_read(&reader, bytes, 0, SOON) == 0);
	REQUIRE(sley_reader_skip(&reader, 0, SOON) == 0);
	/* larger than the buffer */
	give("the quick brown fox jumps");
	REQUIRE(sley_reader_peek(&reader, &there, 1, SOON) == 8);
	REQUIRE(sley_reader_read_full(&reader, bytes, 20, SOON) == 20 &&
		memcmp(bytes, "the quick brown fox ", 20) == 0);
	end_input();
	REQUIRE(sley_reader_peek(&reader, &there, 8, SOON) == 5 && memcmp(there, "jumps", 5) == 0); /* the end */
	REQUIRE(sley_reader_skip(&reader, 100, SOON) == 5);
	REQUIRE(sley_reader_read(&reader, bytes, 4, SOON) == 0 && sley_reader_read_full(&reader, bytes, 4, SOON) == 0);
	REQUIRE(sley_reader_skip(&reader, 1, SOON) == 0 && sley_reader_peek(&reader, &there, 1, SOON) == 0);
	close_reader();
}

/* A deadline takes nothing away: the same call goes on later. */
TASK_TEST(retry, 1)
{
	char bytes[100], *line;
	const char *there;
	open_reader(16);
	give("abc");
	REQUIRE(sley_reader_read_full(&reader, bytes, 6, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	REQUIRE(sley_reader_peek(&reader, &there, 4, 0) == -ETIMEDOUT);
	REQUIRE(sley_reader_until(&reader, ';', &there, 0) == -ETIMEDOUT);
	REQUIRE(sley_reader_line(&reader, &line, NULL, 0) == -ETIMEDOUT);
	give("def;gh\n");
	REQUIRE(sley_reader_read_full(&reader, bytes, 6, SOON) == 6 && memcmp(bytes, "abcdef", 6) == 0);
	REQUIRE(sley_reader_until(&reader, ';', &there, SOON) == 1 && *there == ';');
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == 1 && strcmp(line, "gh") == 0);
	end_input();
	close_reader();
}

/* ---- delimiters and lines ---- */

/* Lines with both ends, empty ones, too long ones and a last one without an end; fields. */
TASK_TEST(lines, 1)
{
	char *line;
	const char *field;
	size_t n;
	open_reader(10);
	give("one\ntwo\r\n\n\r\nwith \r in\nx,yy,\n");
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 3 && strcmp(line, "one") == 0);
	line[0] = 'X'; /* it is the caller's until the next call */
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 3 && strcmp(line, "two") == 0);
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 0 && strcmp(line, "") == 0);
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 0 && strcmp(line, "") == 0);
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == 1 &&
		strcmp(line, "with \r in") == 0); /* 10 with its "\n" */
	REQUIRE(sley_reader_until(&reader, ',', &field, SOON) == 2 && memcmp(field, "x,", 2) == 0);
	REQUIRE(sley_reader_until(&reader, ',', &field, SOON) == 3 && memcmp(field, "yy,", 3) == 0);
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == 1 && strcmp(line, "") == 0);
	/* one that does not fit stays, and can be taken in parts */
	give("0123456789\nlast");
	REQUIRE(sley_reader_until(&reader, '\n', (const char **)&line, SOON) == -ENOBUFS);
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == -ENOBUFS);
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == -ENOBUFS);
	REQUIRE(sley_reader_skip(&reader, 1, SOON) == 1);
	REQUIRE(sley_reader_line(&reader, &line, NULL, SOON) == 1 && strcmp(line, "123456789") == 0);
	end_input();
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 4 && strcmp(line, "last") == 0);
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 0 && sley_reader_until(&reader, ',', &field, SOON) == 0);
	close_reader();

	open_reader(4); /* the last line takes all but the byte for its NUL */
	give("abc");
	end_input();
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 3 && strcmp(line, "abc") == 0);
	close_reader();
	open_reader(4);
	give("ab\r");
	end_input();
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 1 && n == 3 && strcmp(line, "ab\r") == 0);
	close_reader();
	open_reader(4);
	give("abcd");
	end_input();
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == -ENOBUFS);
	REQUIRE(sley_reader_until(&reader, 'd', &field, SOON) == 4);
	REQUIRE(sley_reader_line(&reader, &line, &n, SOON) == 0);
	close_reader();
}

/* ---- however it is cut ---- */

#define LINES 300

/* Line i is i % 40 letters. The stream is written in pieces of `part` bytes. */
struct writing {
	int fd;
	size_t part;
};

static void write_lines(void *arg)
{
	struct writing *w = arg;
	static const char end[2][3] = { "\n", "\r\n" };
	char *text = malloc(LINES * 50);
	size_t n = 0;
	for (int i = 0; i < LINES; i++)
		n += (size_t)sprintf(text + n, "%.*s%s", i % 40, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
				     end[i % 2]);
	for (size_t done = 0; done < n; done += w->part) {
		size_t part = MIN(w->part, n - done);
		REQUIRE(sley_write_full(w->fd, text + done, part, SLEY_NEVER) == (ssize_t)part);
		if (done % 7 == 0)
			sley_yield();
	}
	REQUIRE(sley_close(w->fd) == 0);
	free(text);
}

/* Lines from pieces of every size, through buffers that just hold the longest and larger ones, on the stack and not. */
TASK_TEST(cut, 1, 2)
{
	static const size_t parts[] = { 1, 3, 41, 42, 1000 }, sizes[] = { 42, 43, 100, 0 };
	struct writing *w = calloc(1, sizeof(*w));
	char buffer[100]; /* the task's own stack is as good as any */
	for (size_t p = 0; p < ARRAY_SIZE(parts) * ARRAY_SIZE(sizes); p++) {
		size_t size = sizes[p % ARRAY_SIZE(sizes)], n;
		struct sley_reader r;
		int ends[2];
		char *line;
		REQUIRE(sley_pipe(ends) == 0);
		*w = (struct writing){ ends[1], parts[p / ARRAY_SIZE(sizes)] };
		REQUIRE(sley_reader_init(&r, ends[0], size ? buffer : NULL, size) == 0);
		sley_task task = sley_spawn(write_lines, w);
		for (int i = 0; i < LINES; i++) {
			REQUIRE(sley_reader_line(&r, &line, &n, SOON) == 1 && n == (size_t)(i % 40) &&
				strlen(line) == n);
			REQUIRE(strncmp(line, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", n) == 0);
		}
		REQUIRE(sley_reader_line(&r, &line, &n, SOON) == 0 && sley_join(task, SOON) == 0);
		sley_reader_fini(&r);
		REQUIRE(sley_close(ends[0]) == 0);
	}
	free(w);
}

/* ---- bad input ---- */

static int main_bad(void *arg)
{
	struct sley_reader r;
	char byte, *line;
	const char *there;
	REQUIRE(sley_reader_init(&r, 0, &byte, 0) == -EINVAL && sley_reader_init(&r, 0, NULL, SIZE_MAX) == -EINVAL);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* whose malloc() ends the process */
	REQUIRE(sley_reader_init(&r, 0, NULL, SSIZE_MAX) == -ENOMEM);
	sley_reader_fini(&r);
#endif
	REQUIRE(sley_reader_init(NULL, 0, &byte, 1) == -EFAULT && sley_reader_buffered(NULL) == 0);
	sley_reader_fini(NULL);
	REQUIRE(sley_reader_init(&r, -1, &byte, 1) == 0);
	REQUIRE(sley_reader_read(NULL, &byte, 1, SOON) == -EFAULT && sley_reader_read(&r, NULL, 1, SOON) == -EFAULT);
	REQUIRE(sley_reader_read_full(NULL, &byte, 1, SOON) == -EFAULT &&
		sley_reader_read_full(&r, NULL, 1, SOON) == -EFAULT);
	REQUIRE(sley_reader_peek(NULL, &there, 1, SOON) == -EFAULT && sley_reader_peek(&r, NULL, 1, SOON) == -EFAULT);
	REQUIRE(sley_reader_until(NULL, 'x', &there, SOON) == -EFAULT &&
		sley_reader_until(&r, 'x', NULL, SOON) == -EFAULT);
	REQUIRE(sley_reader_line(NULL, &line, NULL, SOON) == -EFAULT &&
		sley_reader_line(&r, NULL, NULL, SOON) == -EFAULT);
	REQUIRE(sley_reader_skip(NULL, 1, SOON) == -EFAULT);
	REQUIRE(sley_reader_read(&r, &byte, 1, SOON) == -EBADF && sley_reader_until(&r, 'x', &there, SOON) == -EBADF);
	REQUIRE(sley_reader_read(&r, &byte, SIZE_MAX, SOON) == -EINVAL);
	REQUIRE(sley_reader_read_full(&r, &byte, SIZE_MAX, SOON) == -EINVAL &&
		sley_reader_skip(&r, SIZE_MAX, SOON) == -EINVAL);
	REQUIRE(sley_reader_peek(&r, &there, SIZE_MAX, SOON) == -ENOBUFS);
	sley_reader_fini(&r);
	REQUIRE(sley_reader_read(&r, &byte, 1, SOON) == -EBADF); /* after the end */
	return 0;
}

/* Sizes that are none; a descriptor that is none; a reader that is over. */
TEST(bad)
{
	struct sley_reader r;
	char byte;
	assert_int_equal(sley_reader_init(&r, 0, NULL, 0), 0);
	assert_int_equal(sley_reader_read(&r, &byte, 1, SLEY_NEVER), -EDEADLK);
	sley_reader_fini(&r);
	run(main_bad, 1);
}
