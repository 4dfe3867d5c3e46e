/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A test program that misbehaves as its argument says, for the runner's own tests. */
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *what;
static const char *path; /* the program's second argument */

static void good(void **state)
{
}

/* The mark that cmocka prints next does not begin its line. */
static void good_that_prints(void **state)
{
	printf("[       OK ] not the running test\n[  FAILED  ] neither\nno end of line");
}

/* Fails if another program is here at the same time. */
static void be_single(void)
{
	assert_int_equal(mkdir(path, 0700), 0);
	usleep(50000);
	assert_int_equal(rmdir(path), 0);
}

static void bad(void **state)
{
	if (strcmp(what, "fail") == 0)
		assert_int_equal(1, 2);
	else if (strcmp(what, "say") == 0)
		fail_msg("it fails for %s", "this");
	else if (strcmp(what, "skip") == 0)
		test_skip("it was asked to");
	else if (strcmp(what, "crash") == 0)
		abort();
	else if (strcmp(what, "require") == 0)
		REQUIRE(what[0] == 'x');
	else if (strcmp(what, "exit") == 0)
		exit(0);
	else if (strcmp(what, "read") == 0)
		assert_true(open(path, O_RDONLY) >= 0); /* a FIFO: waits until somebody writes */
	else if (strcmp(what, "write") == 0)
		assert_true(open(path, O_WRONLY) >= 0);
	else if (strcmp(what, "single") == 0)
		be_single();
}

/* Hangs, and so does a child of it, which says its pid. */
static void hang(void **state)
{
	if (strcmp(what, "hang") != 0)
		return;
	if (fork() != 0) {
		for (;;)
			pause();
	}
	printf("child %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}

/* A child that returns from the test, so that it reports all that follows a second time. */
static void leak_child(void **state)
{
	pid_t child = strcmp(what, "child") == 0 ? fork() : -1;
	if (child > 0)
		waitpid(child, NULL, 0);
}

static int set_up(void **state)
{
	return strcmp(what, "group") == 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(good_that_prints), cmocka_unit_test(bad),
		cmocka_unit_test(hang), cmocka_unit_test(leak_child),
	};
	int failed;
	what = argc > 1 ? argv[1] : "";
	path = argc > 2 ? argv[2] : "";
	if (strcmp(what, "silent") == 0)
		return 0;
	failed = cmocka_run_group_tests(tests, set_up, NULL);
	return strcmp(what, "status") == 0 ? 66 : failed;
}
