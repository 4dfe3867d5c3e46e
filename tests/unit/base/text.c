/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Names are shown as they are; what could steer a terminal or make a line of its own is shown as its bytes. */
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static void expect(const char *text, const char *expected)
{
	char out[256];
	size_t n = text_clean(out, sizeof(out) - 1, text, strlen(text));
	out[n] = '\0';
	assert_string_equal(out, expected);
}

TEST(plain)
{
	expect("", "");
	expect("GET /log ~ \\x1b", "GET /log ~ \\x1b");
	expect("f\xc3\xbcr \xe2\x82\xac \xf0\x9f\x98\x80", "f\xc3\xbcr \xe2\x82\xac \xf0\x9f\x98\x80");
}

TEST(controls)
{
	expect("a\nb\r\tc\x7f", "a\\x0ab\\x0d\\x09c\\x7f");
	expect("\33[31m", "\\x1b[31m");
	expect("\xc2\x9b"
	       "31m",
	       "\\xc2\\x9b"
	       "31m"); /* CSI as one character */
}

TEST(direction)
{
	expect("a\xe2\x80\xae"
	       "b",
	       "a\\xe2\\x80\\xaeb"); /* from right to left */
	expect("a\xe2\x80\x8b\xef\xbb\xbf", "a\\xe2\\x80\\x8b\\xef\\xbb\\xbf");
	expect("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* a line separator */
}

/* Not UTF-8: a lone byte, a cut sequence, one that is longer than it must be, a surrogate, one that is too large. */
TEST(broken)
{
	expect("\xff\x9b", "\\xff\\x9b");
	expect("\xe2\x82", "\\xe2\\x82");
	expect("\xe2\x82z", "\\xe2\\x82z");
	expect("\xc0\x8a", "\\xc0\\x8a");
	expect("\xe0\x80\x8a", "\\xe0\\x80\\x8a");
	expect("\xed\xa0\x80", "\\xed\\xa0\\x80");
	expect("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

/* Nothing is written beyond the end, and no character in parts. */
TEST(room)
{
	char out[8] = "_______";
	assert_int_equal(text_clean(out, 3, "ab\n", 3), 2);
	assert_int_equal(text_clean(out, 2, "a\xc3\xbc", 3), 1);
	assert_string_equal(out, "ab_____");
	assert_int_equal(text_clean(out, 7, "\n\n", 2), 4);
	assert_string_equal(out, "\\x0a___");
	assert_int_equal(text_clean(out, 0, "a", 1), 0);
}

TEST(line)
{
	char line[4000], got[4096];
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(text_write_line(ends[1], "a\nb", 3), 0);
	ssize_t n = read(ends[0], got, sizeof(got));
	assert_int_equal(n, 7);
	assert_memory_equal(got, "a\\x0ab\n", 7);

	memset(line, 'x', sizeof(line)); /* longer than a line may be: it is cut, and ends */
	assert_int_equal(text_write_line(ends[1], line, sizeof(line)), 0);
	n = read(ends[0], got, sizeof(got));
	assert_true(n > 500 && got[n - 1] == '\n' && memchr(got, '\n', (size_t)n) == got + n - 1);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(text_write_line(ends[1], "a", 1), -EBADF);
}
