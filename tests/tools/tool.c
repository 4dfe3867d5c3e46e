/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#define ARGS_MAX 256

const char *tool_program;

void tool_start(struct tool *t, bool nobody, const char *const *args)
{
	const char *argv[ARGS_MAX + 1] = { tool_program ? tool_program : test_build_path("asynctop") };
	int out[2], err[2], n = 1;
	*t = (struct tool){ 0 };
	while (args[n - 1] != NULL && n < ARGS_MAX) {
		argv[n] = args[n - 1];
		n++;
	}
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		if (nobody)
			test_become_nobody();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	t->out_fd = out[0];
	t->err_fd = err[0];
}

/* Appends what can be read; false at the end. */
static bool take(int fd, char **text, size_t *size)
{
	char buffer[65536];
	ssize_t n = read(fd, buffer, sizeof(buffer));
	if (n <= 0)
		return n < 0 && errno == EINTR;
	*text = realloc(*text, *size + (size_t)n + 1);
	assert_non_null(*text);
	memcpy(*text + *size, buffer, (size_t)n);
	*size += (size_t)n;
	(*text)[*size] = '\0';
	return true;
}

static void read_all(struct tool *t)
{
	int64_t end = test_now() + TOOL_SECONDS * 1000000000LL;
	struct pollfd fds[2] = { { t->out_fd, POLLIN, 0 }, { t->err_fd, POLLIN, 0 } };
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = (end - test_now()) / 1000000;
		if (left <= 0 || poll(fds, 2, (int)left) == 0) {
			kill(t->pid, SIGKILL);
			fail_msg("it did not end within %d s", TOOL_SECONDS);
		}
		if (fds[0].revents && !take(t->out_fd, &t->out, &t->out_size))
			fds[0].fd = -1;
		if (fds[1].revents && !take(t->err_fd, &t->err, &t->err_size))
			fds[1].fd = -1;
	}
}

void tool_finish(struct tool *t)
{
	int status;
	t->out = calloc(1, 1);
	t->err = calloc(1, 1);
	read_all(t);
	close(t->out_fd);
	close(t->err_fd);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	t->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void tool_free(struct tool *t)
{
	free(t->out);
	free(t->err);
}

void tool_run(struct tool *t, int nobody, ...)
{
	const char *args[ARGS_MAX] = { NULL };
	va_list list;
	va_start(list, nobody);
	for (int i = 0; i < ARGS_MAX - 1 && (args[i] = va_arg(list, const char *)) != NULL;)
		i++;
	va_end(list);
	tool_start(t, nobody, args);
	tool_finish(t);
}

void tool_expect(const struct tool *t, int code, const char *part)
{
	if (t->code != code || (strstr(t->out, part) == NULL && strstr(t->err, part) == NULL))
		fail_msg("exit code %d and \"%s\" were expected, this came: %d\n%s\n%s", code, part, t->code, t->out,
			 t->err);
}

const char *tool_number(long n)
{
	static char buffers[8][24];
	static unsigned next;
	char *buffer = buffers[next++ % 8];
	snprintf(buffer, sizeof(buffers[0]), "%ld", n);
	return buffer;
}

void tool_assert_harmless(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if ((c < 0x20 && c != '\n') || c == 0x7f)
			fail_msg("byte %zu is 0x%02x, after \"%.40s\"", i, c, bytes + (i > 40 ? i - 40 : 0));
		if (c == 0xc2 && i + 1 < n && (unsigned char)bytes[i + 1] < 0xa0)
			fail_msg("a C1 control character at byte %zu", i);
	}
}

void tool_assert_schema(const char *json)
{
	static const char program[] = "import json, sys, jsonschema\n"
				      "validator = jsonschema.Draft7Validator(json.load(open(sys.argv[1])))\n"
				      "lines = open(sys.argv[2]).read().splitlines()\n"
				      "assert lines, 'no object'\n"
				      "for line in lines:\n"
				      "    for error in validator.iter_errors(json.loads(line)):\n"
				      "        sys.exit('%s: %s' % (list(error.absolute_path), error.message[:400]))\n"
				      "print('valid')\n";
	char file[] = "/tmp/asynctop-json-XXXXXX", output[512];
	char *have[] = { "/usr/bin/python3", "-c", "import jsonschema", NULL };
	char *check[] = { "/usr/bin/python3",
			  "-c",
			  (char *)program,
			  (char *)test_source_path("tests/tools/asynctop.schema.json"),
			  file,
			  NULL };
	int fd, code;
	if (test_run(have, output, sizeof(output)) != 0)
		test_skip("needs /usr/bin/python3 with the package python3-jsonschema");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, json, strlen(json)), strlen(json));
	close(fd);
	code = test_run(check, output, sizeof(output));
	unlink(file);
	assert_int_equal(code, 0);
	assert_string_equal(output, "valid\n");
}
