/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* `make demo` finds its planted mistake, finds nothing where there is none, and leaves nothing behind. */
#include "tests/test.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT 65536

static bool is_in_memory(const char *path)
{
	struct statfs fs;
	assert_int_equal(statfs(path, &fs), 0);
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

/* What the demo needs that a machine may not have. */
static void need_demo(void)
{
	test_need_root();
	if (is_in_memory(test_build_path(".")))
		test_skip("the build directory is on a file system in memory");
}

/* Runs it with these settings in its environment: its exit code, and all that it prints. */
static int run_demo(const char *settings, char *output)
{
	char line[8192];
	char *argv[] = { "sh", "-c", line, NULL };
	snprintf(line, sizeof(line), "LIVE= SLEY_BUILD='%s' %s exec tools/demo.sh 2>&1", test_build_path("."),
		 settings);
	return test_run(argv, output, OUTPUT);
}

/* The process id of the demo's httpd, and that it is gone with its log. */
static void check_gone(const char *output)
{
	const char *said = strstr(output, "httpd, process ");
	char log[4096];
	int pid;
	assert_non_null(said);
	assert_int_equal(sscanf(said, "httpd, process %d, serves on %*[0-9.:]; its log is %4095s", &pid, log), 2);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(access(log, F_OK), -1);
}

/* It ends with 0 and has named the task, the call, the file and the line, which is searched in the source here. */
static void test_demo(void **state)
{
	static char output[OUTPUT];
	char place[64];
	need_demo();
	snprintf(place, sizeof(place), "httpd.c:%u", test_source_line("tools/examples/httpd.c", "fsync(log_file)"));
	if (run_demo("SLEY_DEMO_SECONDS=3", output) != 0)
		fail_msg("%s", output);
	assert_non_null(strstr(output, "\nverdicts\n"));
	assert_non_null(strstr(output, "\nwhere tasks give the thread back to the runtime\n"));
	assert_non_null(strstr(strstr(output, "\nverdicts\n"), "\"GET /log\""));
	assert_non_null(strstr(strstr(output, "\nverdicts\n"), "/demo-log."));
	assert_non_null(strstr(strstr(output, "\nverdicts\n"), place));
	assert_non_null(strstr(output, "\ndemo: found: "));
	check_gone(output);
}

/* Without requests for /log nothing blocks: no verdict, and exit code 1. */
static void test_nothing_planted(void **state)
{
	static char output[OUTPUT];
	need_demo();
	assert_int_equal(run_demo("SLEY_DEMO_SECONDS=2 SLEY_DEMO_LOGS=0", output), 1);
	assert_non_null(strstr(output, "demo: not found: "));
	assert_null(strstr(output, "demo: found: "));
	assert_null(strstr(output, "fsync("));
	check_gone(output);
}

/* A log on a file system in memory is refused before anything is started, and the remedy is said. */
static void test_memory_refused(void **state)
{
	static char output[OUTPUT];
	if (access("/dev/shm", W_OK) || !is_in_memory("/dev/shm"))
		test_skip("/dev/shm is not on a file system in memory");
	assert_int_equal(run_demo("SLEY_DEMO_DIR=/dev/shm", output), 1);
	assert_non_null(strstr(output, "tmpfs"));
	assert_non_null(strstr(output, "SLEY_DEMO_DIR"));
	assert_null(strstr(output, "httpd, process"));
}

/* Ended by a signal in the middle, it takes all that it started with it. */
static void test_interrupted(void **state)
{
	static char output[OUTPUT];
	int ends[2], status;
	size_t n = 0;
	ssize_t count;
	pid_t pid;
	need_demo();
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		setenv("SLEY_BUILD", test_build_path("."), 1);
		setenv("SLEY_DEMO_SECONDS", "300", 1);
		setenv("LIVE", "", 1);
		execl("tools/demo.sh", "tools/demo.sh", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (!strstr(output, "asynctop watches") && (count = read(ends[0], output + n, OUTPUT - 1 - n)) > 0)
		n += (size_t)count;
	assert_int_equal(kill(pid, SIGTERM), 0);
	/* the end of the pipe: not only the script, but all that it started and that inherited it has ended */
	while ((count = read(ends[0], output + n, OUTPUT - 1 - n)) > 0)
		n += (size_t)count;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 143);
	check_gone(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demo),
		cmocka_unit_test(test_nothing_planted),
		cmocka_unit_test(test_memory_refused),
		cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
