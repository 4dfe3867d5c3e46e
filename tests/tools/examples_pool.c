/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The examples of child processes, signals, files, computing and names as a user runs them. */
#include "scratch.h"
#include "service.h"
#include "tool.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct service service;
static struct tool tool;
static char program[4096];

static void choose(const char *name)
{
	snprintf(program, sizeof(program), "%s", test_build_path(name));
	tool_program = program;
}

static int setup(void **state)
{
	(void)state;
	scratch_make();
	tool = (struct tool){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tool_free(&tool);
	service_kill(&service);
	scratch_remove();
	return 0;
}

static void write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
}

/* ---- jobs ---- */

static int old_input = -1;

/* The tool's standard input is a file with that text, or a pipe whose writing end is answered. */
static int input_begin(const char *text)
{
	int ends[2];
	old_input = dup(0);
	if (text) {
		write_file(scratch_path("commands"), text, strlen(text));
		ends[0] = open(scratch_path("commands"), O_RDONLY | O_CLOEXEC);
		ends[1] = -1;
	} else {
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	}
	assert_int_equal(dup2(ends[0], 0), 0);
	close(ends[0]);
	return ends[1];
}

static void input_end(void)
{
	if (old_input >= 0)
		dup2(old_input, 0);
	else
		close(0);
	close(old_input);
}

static void run_jobs(const char *commands, const char *option, const char *value)
{
	choose("examples/jobs");
	input_begin(commands);
	if (option)
		tool_run(&tool, false, option, value, NULL);
	else
		tool_run(&tool, false, NULL);
	input_end();
}

/* Each command with how it ended and what it wrote, both outputs together. */
static void test_jobs(void **state)
{
	(void)state;
	run_jobs("echo one\n\nexit 3\necho two >&2; kill -9 $$\ncat", NULL, NULL);
	tool_expect(&tool, 1, "[ok] echo one\none\n");
	tool_expect(&tool, 1, "[exit 3] exit 3\n");
	tool_expect(&tool, 1, "[signal 9] echo two >&2; kill -9 $$\ntwo\n");
	tool_expect(&tool, 1, "[ok] cat\n"); /* its input is empty; the last line has no end */
	tool_free(&tool);
	run_jobs("true\n", NULL, NULL);
	tool_expect(&tool, 0, "[ok] true\n");
	tool_free(&tool);
	run_jobs("", NULL, NULL);
	tool_expect(&tool, 0, "");
	assert_int_equal(tool.out_size, 0);
}

/* More than a pipe holds is kept together, while others run. */
static void test_jobs_output(void **state)
{
	unsigned lines = 0;
	(void)state;
	run_jobs("seq 100000\nseq 100000\nseq 100000\n", "-j", "3");
	assert_int_equal(tool.code, 0);
	for (const char *p = tool.out; (p = strstr(p, "[ok] seq 100000\n1\n2\n3\n")); p++)
		lines++;
	assert_int_equal(lines, 3);
}

/* -j 1: one after the other, in order. */
static void test_jobs_one(void **state)
{
	(void)state;
	run_jobs("echo a; sleep 0.05\necho b\necho c\n", "-j", "1");
	assert_string_equal(tool.out, "[ok] echo a; sleep 0.05\na\n[ok] echo b\nb\n[ok] echo c\nc\n");
}

/* What takes too long is killed with all that it started. */
static void test_jobs_timeout(void **state)
{
	char command[512], text[32];
	(void)state;
	snprintf(command, sizeof(command), "echo $$ >%s; sleep 1000 & sleep 1000\n", scratch_path("group"));
	run_jobs(command, "-t", "1");
	tool_expect(&tool, 1, "[timeout] echo");
	int fd = open(scratch_path("group"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	int64_t deadline = test_now() + INT64_C(10000000000);
	while (kill(-atoi(text), 0) == 0) /* until init has reaped the orphan */
		assert_true(test_now() < deadline);
	assert_int_equal(errno, ESRCH);
}

/* A signal ends what runs, also while more commands could come, and nothing more is started. */
static void check_interrupted(int signal)
{
	choose("examples/jobs");
	int input = input_begin(NULL);
	const char *const arguments[] = { NULL };
	tool_start(&tool, false, arguments);
	input_end();
	dprintf(input, "touch %s; sleep 1000\n", scratch_path("started"));
	while (access(scratch_path("started"), F_OK) != 0)
		assert_int_equal(kill(tool.pid, 0), 0);
	kill(tool.pid, signal);
	tool_finish(&tool);
	close(input);
	tool_expect(&tool, 1, "[signal 15] touch");
	tool_free(&tool);
	tool = (struct tool){ 0 };
	assert_int_equal(unlink(scratch_path("started")), 0);
}

static void test_jobs_interrupted(void **state)
{
	(void)state;
	check_interrupted(SIGTERM);
	check_interrupted(SIGINT);
}

static void test_usage(void **state)
{
	(void)state;
	choose("examples/jobs");
	tool_run(&tool, false, "-j", "0", NULL);
	tool_expect(&tool, 2, "usage: jobs");
	tool_free(&tool);
	tool_run(&tool, false, "what", NULL);
	tool_expect(&tool, 2, "usage: jobs");
	tool_free(&tool);
	choose("examples/sums");
	tool_run(&tool, false, NULL);
	tool_expect(&tool, 2, "usage: sums");
	tool_free(&tool);
	choose("examples/fetch");
	tool_run(&tool, false, NULL);
	tool_expect(&tool, 2, "usage: fetch");
}

/* ---- sums ---- */

static uint64_t sum_of(const char *bytes, size_t n)
{
	uint64_t sum = 14695981039346656037u;
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 1099511628211u;
	return sum;
}

static void expect_sum(const char *name, const char *bytes, size_t n)
{
	char line[512];
	snprintf(line, sizeof(line), "%016llx %zu %s\n", (unsigned long long)sum_of(bytes, n), n, scratch_path(name));
	assert_non_null(strstr(tool.out, line));
}

/* Every file once, empty and large ones, in directories of directories; no links; nothing else. */
static void test_sums(void **state)
{
	enum { LARGE = 300001, FILES = 200 };
	char *large = malloc(LARGE), name[64];
	unsigned lines = 0;
	(void)state;
	assert_int_equal(mkdir(scratch_path("a"), 0700), 0);
	assert_int_equal(mkdir(scratch_path("a/b"), 0700), 0);
	assert_int_equal(mkdir(scratch_path("empty"), 0700), 0);
	for (unsigned i = 0; i < LARGE; i++)
		large[i] = (char)(i * 2654435761u >> 13);
	write_file(scratch_path("large"), large, LARGE);
	write_file(scratch_path("a/nothing"), "", 0);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "a/b/file-%u", i);
		write_file(scratch_path(name), name, strlen(name));
	}
	assert_int_equal(symlink("/etc", scratch_path("link")), 0);
	choose("examples/sums");
	tool_run(&tool, false, scratch_path("."), NULL);
	assert_int_equal(tool.code, 0);
	expect_sum("./large", large, LARGE);
	expect_sum("./a/nothing", "", 0);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "./a/b/file-%u", i);
		expect_sum(name, name + 2, strlen(name) - 2);
	}
	for (const char *p = tool.out; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, FILES + 2);
	free(large);
}

static void test_sums_missing(void **state)
{
	(void)state;
	choose("examples/sums");
	tool_run(&tool, false, scratch_path("missing"), NULL);
	tool_expect(&tool, 1, "missing: No such file or directory");
}

/* ---- fetch ---- */

static void start_httpd(void)
{
	char path[4096];
	char *argv[] = { path, "0", NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/httpd"));
	service_start(&service, 0, argv);
}

/* From localhost by its name, whatever its first address is, and by its address; several at once. */
static void test_fetch(void **state)
{
	char by_name[64], by_address[64];
	unsigned answers = 0;
	(void)state;
	start_httpd();
	snprintf(by_name, sizeof(by_name), "localhost:%u", service.port);
	snprintf(by_address, sizeof(by_address), "127.0.0.1:%u/", service.port);
	choose("examples/fetch");
	tool_run(&tool, false, by_name, by_address, by_name, NULL);
	assert_int_equal(tool.code, 0);
	for (const char *p = tool.out; (p = strstr(p, "HTTP/1.1 200 ")); p++)
		answers++;
	assert_int_equal(answers, 3);
	assert_non_null(strstr(tool.out, "hello"));
}

static void test_fetch_errors(void **state)
{
	(void)state;
	choose("examples/fetch");
	tool_run(&tool, false, "127.0.0.1:1", "no port", "127.0.0.256:80", NULL);
	tool_expect(&tool, 1, "fetch: 127.0.0.1:1: Connection refused\n");
	tool_expect(&tool, 1, "fetch: no port: Invalid argument\n");
	tool_expect(&tool, 1, "fetch: 127.0.0.256:80: Invalid argument\n");
}

#define WITH_FIXTURE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(test_jobs),         WITH_FIXTURE(test_jobs_output),      WITH_FIXTURE(test_jobs_one),
		WITH_FIXTURE(test_jobs_timeout), WITH_FIXTURE(test_jobs_interrupted), WITH_FIXTURE(test_usage),
		WITH_FIXTURE(test_sums),         WITH_FIXTURE(test_sums_missing),     WITH_FIXTURE(test_fetch),
		WITH_FIXTURE(test_fetch_errors),
	};
	return cmocka_run_group_tests_name("tools/examples_pool", tests, NULL, NULL);
}
