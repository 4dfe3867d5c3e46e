/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The examples of futures and streams as a user runs them. */
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define TEXT 8192

/* Runs `examples/NAME ARGUMENTS`: its exit code, and all that it prints. */
static int run(const char *name, const char *arguments, char *text)
{
	char line[TEXT];
	char *argv[] = { "sh", "-c", line, NULL };
	snprintf(line, sizeof(line), "exec 2>&1; exec %s %s", test_build_path(name), arguments);
	return test_run(argv, text, TEXT);
}

static void expect(const char *name, const char *arguments, int code, const char *expected)
{
	char text[TEXT];
	assert_int_equal(run(name, arguments, text), code);
	assert_string_equal(text, expected);
}

/* The first, all of them in order with those that cannot be reached or are too late, the best. */
static void test_futures(void **state)
{
	expect("examples/futures", "300 1 0 60000", 0,
	       "first: shop 1, 49.99\n"
	       "shop 0: 14.99\n"
	       "shop 1: 49.99\n"
	       "shop 2: No route to host\n"
	       "shop 3: Connection timed out\n"
	       "best: shop 0, 14.99\n");
	expect("examples/futures", "0 0", 1, "shop 0: No route to host\nshop 1: No route to host\n");
}

/* In order; as many as are wanted, or as there are; none. */
static void test_pipeline(void **state)
{
	char text[TEXT];
	expect("examples/pipeline", "1 5", 0, "2\n3\n5\n7\n11\n");
	expect("examples/pipeline", "4294967280 5", 0, "4294967291\n");
	expect("examples/pipeline", "4294967292 5", 0, "");
	expect("examples/pipeline", "10 0", 0, "");
	assert_int_equal(run("examples/pipeline", "1 1000", text), 0);
	assert_int_equal(strlen(text), 4 * 2 + 21 * 3 + 143 * 4 + 832 * 5);
	assert_non_null(strstr(text, "\n7907\n7919\n"));
	expect("examples/pipeline", "1 10 >/dev/full", 1, "pipeline: Input/output error\n");
}

static void test_usage(void **state)
{
	static const char *const bad[][2] = {
		{ "examples/futures", "" },       { "examples/futures", "x" },
		{ "examples/futures", "1 -1" },   { "examples/futures", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17" },
		{ "examples/pipeline", "" },      { "examples/pipeline", "1" },
		{ "examples/pipeline", "1 2 3" }, { "examples/pipeline", "-1 2" },
		{ "examples/pipeline", "1 x" },   { "examples/pipeline", "1 4294967296" },
	};
	char text[TEXT];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(run(bad[i][0], bad[i][1], text), 2);
		assert_non_null(strstr(text, "usage: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_futures),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_usage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
