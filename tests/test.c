/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/test.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

static struct test *tests; /* in the order in which they run */
static size_t test_count;

void tests_add(struct test *test)
{
	struct test **at = &tests;
	while (*at && (*at)->line <= test->line)
		at = &(*at)->next;
	test->next = *at;
	*at = test;
	test_count++;
}

int tests_main(int (*set_up)(void **state), int (*tear_down)(void **state))
{
	struct CMUnitTest *units = calloc(test_count + 1, sizeof(*units));
	size_t n = 0;
	int failed;
	if (!units)
		return 1;
	for (const struct test *test = tests; test; test = test->next)
		units[n++] = test->unit;
	cmocka_set_test_filter(getenv("SLEY_TEST_FILTER"));
	failed = _cmocka_run_group_tests(program_invocation_short_name, units, n, set_up, tear_down);
	free(units);
	return failed;
}

/* For the programs that have none. */
__attribute__((weak)) int main(void)
{
	return tests_main(NULL, NULL);
}

void test_require_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: REQUIRE(%s) failed\n", file, line, condition);
	abort();
}

void test_skip(const char *reason)
{
	const char *require = getenv("SLEY_REQUIRE_BPF");
	if (require && strcmp(require, "1") == 0)
		fail_msg("would be skipped: %s", reason);
	print_message("skip: %s\n", reason);
	skip();
	abort(); /* skip() does not return, but does not say so */
}

void test_need_kernel(const char *why)
{
	if (getenv("SLEY_TEST_EMULATOR"))
		test_skip(why);
}

void test_need_root(void)
{
	if (geteuid() != 0)
		test_skip("needs root");
}

long test_scale(long n)
{
	const char *text = getenv("SLEY_TEST_SCALE");
	long scale = text ? atol(text) : 1;
	if (scale > 1)
		n /= scale;
	return n > 0 ? n : 1;
}

/* `root`/`name`, made absolute, in one of a few buffers in turn. */
static const char *absolute(const char *root, const char *name)
{
	static char buffers[8][PATH_MAX];
	static unsigned next;
	char *buffer = buffers[next++ % 8];
	char directory[PATH_MAX / 2] = "";
	if (root[0] != '/' && !getcwd(directory, sizeof(directory)))
		fail_msg("getcwd failed");
	snprintf(buffer, PATH_MAX, "%s%s%s/%s", directory, directory[0] ? "/" : "", root, name);
	return buffer;
}

const char *test_build_path(const char *name)
{
	const char *build = getenv("SLEY_BUILD");
	return absolute(build ? build : "build", name);
}

/* The runner and make start tests at the top of the tree. */
const char *test_source_path(const char *name)
{
	return absolute(".", name);
}

unsigned test_source_line(const char *file, const char *needle)
{
	char text[1024];
	unsigned line = 0, found = 0;
	FILE *source = fopen(test_source_path(file), "r");
	if (!source)
		fail_msg("cannot open %s", file);
	while (fgets(text, sizeof(text), source)) {
		line++;
		if (!strstr(text, needle))
			continue;
		if (found)
			fail_msg("%s has '%s' in lines %u and %u", file, needle, found, line);
		found = line;
	}
	fclose(source);
	if (!found)
		fail_msg("%s has no '%s'", file, needle);
	return found;
}

int64_t test_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void test_become_nobody(void)
{
	if (geteuid() == 0)
		REQUIRE(setgroups(0, NULL) == 0);
	REQUIRE(setresgid(NOBODY, NOBODY, NOBODY) == 0);
	REQUIRE(setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

/* Reads to the end, keeps what fits. */
static void drain(int fd, char *output, size_t size)
{
	char rest[4096];
	size_t used = 0;
	ssize_t n;
	while ((n = used + 1 < size ? read(fd, output + used, size - used - 1) : read(fd, rest, sizeof(rest))) > 0)
		if (used + 1 < size)
			used += (size_t)n;
	output[used] = '\0';
}

int test_run(char *const argv[], char *output, size_t size)
{
	int ends[2], status;
	pid_t child;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	drain(ends[0], output, size);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
