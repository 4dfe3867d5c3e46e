/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What all test programs share: cmocka with the headers that it wants first, tests that register themselves, skips, and a
 * few helpers. The runner (tests/check/run) sets the environment that is read here:
 *
 *   SLEY_BUILD          the build directory; default: build
 *   SLEY_TEST_SCALE     counts are divided by this where tests run under a sanitizer; default: 1
 *   SLEY_TEST_EMULATOR  a program that runs this one, which is another machine's
 *   SLEY_REQUIRE_BPF=1  a skip is a failure: for machines that are known to have everything
 *   SLEY_TEST_FILTER    only the tests whose names match this pattern run: "test_*_idle"
 *
 * cmocka's assertions leave the test by longjmp, so they are good only on the thread and stack that runs the test. In a
 * task, another thread or a forked child use REQUIRE().
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * TEST(name) { ... } is a test that cmocka calls test_NAME. It registers itself: a program runs its tests in the order in
 * which they stand in its file, TEST_FIRST() before all others. TEST_WITH() gives the test a set-up and a tear-down, either
 * of which may be NULL; both and the test share the pointer at `state`. (TASK_TEST() is in tests/unit/run.h.)
 *
 * A test is registered by a constructor, and not by a place in a section: no linker drops a constructor, and no sanitizer
 * puts anything between two of them. The order in which they run is nobody's promise, so the lines give the order.
 */
#define TEST(name)                         TEST_ENTRY(test_##name, __LINE__, NULL, NULL)
#define TEST_FIRST(name)                   TEST_ENTRY(test_##name, 0, NULL, NULL)
#define TEST_WITH(name, set_up, tear_down) TEST_ENTRY(test_##name, __LINE__, set_up, tear_down)

#define TEST_ENTRY(function, line, set_up, tear_down) \
	static void function(void **state); \
	__attribute__((constructor)) static void register_##function(void) \
	{ \
		static struct test entry = { { #function, function, set_up, tear_down, NULL }, line, NULL }; \
		tests_add(&entry); \
	} \
	static void function(void **state)

struct test {
	struct CMUnitTest unit;
	unsigned line;     /* less: runs earlier */
	struct test *next; /* owned by tests_add() */
};

/* Adds a test, which stays where it is, behind those of the same line. */
void tests_add(struct test *test);

/*
 * Runs all registered tests as one group of cmocka's, with a set-up and a tear-down for the group; returns what main()
 * returns. A program whose main() would only call tests_main(NULL, NULL) needs no main().
 */
int tests_main(int (*set_up)(void **state), int (*tear_down)(void **state));

/* Ends the process if the condition is false: an assertion for tasks, threads and children. */
#define REQUIRE(condition) ((condition) ? (void)0 : test_require_failed(#condition, __FILE__, __LINE__))
__attribute__((noreturn)) void test_require_failed(const char *condition, const char *file, int line);

/* Ends the test as one that cannot run here. Only on the test's own stack. */
__attribute__((noreturn)) void test_skip(const char *reason);

/* Skips the test if an emulator runs it (SLEY_TEST_EMULATOR), which does not do what the kernel does: `why`. */
void test_need_kernel(const char *why);

/* Skips the test unless the process is root. */
void test_need_root(void);

/* n, divided by SLEY_TEST_SCALE, but at least 1. */
long test_scale(long n);

/*
 * The absolute path of a file of the build ("asynctop", "examples/httpd") or of the source tree, in one of a few static
 * buffers.
 */
const char *test_build_path(const char *name);
const char *test_source_path(const char *name);

/* The number of the line of a source file ("tests/bpf/x.planted.c") that contains `needle`: there must be exactly one. */
unsigned test_source_line(const char *file, const char *needle);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t test_now(void);

/*
 * Gives up root and every group for good: for use in a child. A program with file capabilities still gets them when it
 * is executed. REQUIRE()s that it worked.
 */
void test_become_nobody(void);

/*
 * Runs a program (argv[0] is its path, or looked up in PATH), with its standard output in `output` (NUL-terminated, cut
 * at `size`) and its standard error in ours. Its exit code, or 128 + the signal that ended it.
 */
int test_run(char *const argv[], char *output, size_t size);

#endif
