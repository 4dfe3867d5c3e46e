/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Ground truth: asynctop's picture of a service with planted mistakes of every kind, against what the service has measured
 * itself. The service is in tests/truth/, and so is what compares the two.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/bpf/planted.h"
#include "tests/bpf/slowfs.h"
#include "tests/test.h"

#define SLOW_US     20000
#define PATIENCE_NS 60000000000

/* How the service is built and run. */
struct variant {
	const char *compiler;
	const char *library;
	const char *flags;
	const char *assist;
};

static const struct variant plain = { "gcc", "libsley.a", "-O2", "off" };
static const struct variant handed = { "gcc", "libsley.a", "-O2", "idle" };

struct run {
	struct slowfs slow;
	pid_t service, tool;
	int orders;
	FILE *answers;
	char json[PATH_MAX], truth[PATH_MAX], program[PATH_MAX];
};

/* ---- the service ---- */

static void build(struct run *run, const struct variant *v)
{
	char output[4096], command[4 * PATH_MAX];
	char *argv[] = { "/bin/sh", "-c", command, NULL };
	snprintf(run->program, sizeof(run->program), "%s", scratch_path("service"));
	snprintf(
		command, sizeof(command),
		"cd '%s' && %s -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror %s -g -Iinclude -o '%s' tests/truth/*.c '%s' "
		"-pthread -lresolv -lutil -lrt",
		test_source_path("."), v->compiler, v->flags, run->program, test_build_path(v->library));
	if (test_run(argv, output, sizeof(output)))
		fail_msg("the service cannot be built: %s", output);
}

static void run_service(const struct run *run, const struct variant *v, unsigned workers, int input, int output)
{
	char number[16];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	snprintf(number, sizeof(number), "%u", workers);
	setenv("SLEY_ASSIST", v->assist, 1);
	execl(run->program, "service", number, run->slow.pid ? run->slow.file : NULL, NULL);
	_exit(127);
}

static void expect_answer(struct run *run, const char *format, int *number)
{
	struct pollfd answer = { .fd = fileno(run->answers), .events = POLLIN };
	char line[64] = "";
	assert_int_equal(poll(&answer, 1, PATIENCE_NS / 1000000), 1);
	if (!fgets(line, sizeof(line), run->answers))
		fail_msg("the service has ended");
	if (number ? sscanf(line, format, number) != 1 : strcmp(line, format) != 0)
		fail_msg("the service says: %s", line);
}

static void order(const struct run *run, const char *line)
{
	assert_int_equal(write(run->orders, line, strlen(line)), strlen(line));
}

/* Waits until the thread sleeps in read(). */
static void until_reading(pid_t pid, int tid)
{
	int64_t end = test_now() + PATIENCE_NS;
	char path[64], text[64];
	long number;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	do {
		FILE *file = fopen(path, "re");
		assert_non_null(file);
		if (!fgets(text, sizeof(text), file) || sscanf(text, "%ld", &number) != 1)
			number = -1; /* it runs */
		fclose(file);
		assert_true(test_now() < end);
	} while (number != SYS_read);
}

static void start_service(struct run *run, const struct variant *v, unsigned workers)
{
	int input[2], output[2], early;
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	run->service = fork();
	assert_true(run->service >= 0);
	if (run->service == 0)
		run_service(run, v, workers, input[0], output[1]);
	close(input[0]);
	close(output[1]);
	run->orders = input[1];
	run->answers = fdopen(output[0], "re");
	expect_answer(run, "early\t%d", &early);
	until_reading(run->service, early);
}

/* ---- asynctop ---- */

static void start_tool(struct run *run)
{
	char pid[16];
	int out = open(run->json, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(out >= 0);
	snprintf(pid, sizeof(pid), "%d", run->service);
	run->tool = fork();
	assert_true(run->tool >= 0);
	if (run->tool == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out, STDOUT_FILENO);
		execl(test_build_path("asynctop"), "asynctop", "--json", "-p", pid, "-d", "0.5", "-n", "0", "--rows",
		      "1000", NULL);
		_exit(127);
	}
	close(out);
}

static unsigned ticks(const struct run *run)
{
	static char text[1 << 16];
	FILE *file = fopen(run->json, "re");
	unsigned lines = 0;
	size_t n;
	assert_non_null(file);
	while ((n = fread(text, 1, sizeof(text), file)) > 0)
		for (size_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	fclose(file);
	return lines;
}

/* Waits for so many lines from now on. */
static void until_ticks(const struct run *run, unsigned more)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int64_t end = test_now() + PATIENCE_NS;
	unsigned before = ticks(run);
	while (ticks(run) < before + more) {
		assert_int_equal(waitpid(run->tool, NULL, WNOHANG), 0);
		assert_true(test_now() < end);
		nanosleep(&pause, NULL);
	}
}

static void stop_tool(struct run *run)
{
	kill(run->tool, SIGTERM);
	assert_int_equal(waitpid(run->tool, NULL, 0), run->tool);
}

/* ---- both ---- */

static void keep_truth(struct run *run)
{
	FILE *file = fopen(run->truth, "we");
	char line[1024];
	int status;
	assert_non_null(file);
	while (fgets(line, sizeof(line), run->answers))
		fputs(line, file);
	fclose(run->answers);
	assert_int_equal(fclose(file), 0);
	close(run->orders);
	assert_int_equal(waitpid(run->service, &status, 0), run->service);
	assert_int_equal(status, 0);
}

/* Fails with the first difference. */
static void compare(const struct run *run)
{
	static char output[65536];
	char *wrong;
	char *argv[] = { "/usr/bin/python3", (char *)test_source_path("tests/truth/compare.py"), (char *)run->truth,
			 (char *)run->json, NULL };
	int code = test_run(argv, output, sizeof(output));
	fputs(output, stderr);
	wrong = strstr(output, "wrong: ");
	if (code)
		fail_msg("%.*s", (int)strcspn(wrong ? wrong : output, "\n"), wrong ? wrong : output);
}

static void need_all(void)
{
	test_need_root();
	if (access("/usr/bin/python3", X_OK) != 0)
		test_skip("needs /usr/bin/python3");
	tracer_close(planted_tracer(NULL));
	scratch_make();
}

/* asynctop's last line. The caller frees it. */
static char *last_line(const struct run *run)
{
	FILE *file = fopen(run->json, "re");
	char *line = NULL, *last = NULL;
	size_t room = 0;
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		free(last);
		last = strdup(line);
	}
	free(line);
	fclose(file);
	assert_non_null(last);
	return last;
}

static void until_said(struct planted *planted, const char *begin)
{
	const char *line;
	do {
		line = planted_answer(planted);
		assert_true(*line);
	} while (strncmp(line, begin, strlen(begin)) != 0);
}

/* Waits until the places of all rows are known, or cannot be: a busy machine takes long to read a program's lines. */
static void until_settled(const struct run *run)
{
	int64_t end = test_now() + PATIENCE_NS;
	char output[4096];
	char *argv[] = { "/usr/bin/python3", (char *)test_source_path("tests/truth/compare.py"), "--settled",
			 (char *)run->json, NULL };
	while (test_run(argv, output, sizeof(output)) && test_now() < end)
		until_ticks(run, 1);
}

/* Three ticks after the last block: a tick may be under way at that moment, and the next one asks for the places. */
static void check(const struct variant *v, unsigned workers)
{
	struct run run = { 0 };
	need_all();
	snprintf(run.json, sizeof(run.json), "%s", scratch_path("json"));
	snprintf(run.truth, sizeof(run.truth), "%s", scratch_path("truth"));
	build(&run, v);
	if (!slowfs_start(&run.slow, SLOW_US))
		run.slow.pid = 0;
	start_service(&run, v, workers);
	start_tool(&run);
	until_ticks(&run, 1);
	order(&run, "go\n");
	expect_answer(&run, "done\n", NULL);
	until_ticks(&run, 3);
	until_settled(&run);
	stop_tool(&run);
	order(&run, "end\n");
	keep_truth(&run);
	if (run.slow.pid)
		slowfs_stop(&run.slow);
	compare(&run);
}

static int remove_scratch(void **state)
{
	scratch_remove();
	return 0;
}

#define TRUTH(name) TEST_WITH(name, NULL, remove_scratch)

/* After an exec into another program that runs sley, its tasks are shown, and not those of the program before. */
TRUTH(exec)
{
	struct run run = { 0 };
	struct planted planted;
	char *text;
	need_all();
	snprintf(run.json, sizeof(run.json), "%s", scratch_path("json"));
	planted_start_named(&planted, "blocks", "exec", "1", NULL);
	run.service = planted.pid;
	start_tool(&run);
	until_ticks(&run, 1);
	planted_order(&planted);
	until_said(&planted, "ready");
	until_ticks(&run, 3);
	planted_order(&planted);
	until_said(&planted, "calls");
	until_ticks(&run, 3);
	stop_tool(&run);
	text = last_line(&run);
	assert_non_null(strstr(text, "\"syscall\":\"clock_nanosleep\""));
	assert_non_null(strstr(text, "plant_nanosleep"));
	assert_non_null(strstr(text, "\"ended\":false"));
	free(text);
	planted_stop(&planted, true);
}

/* One worker: all blocks come one after another, and each delays all the others. */
TRUTH(one_worker)
{
	check(&plain, 1);
}

/* Several at once. */
TRUTH(two_workers)
{
	check(&plain, 2);
}

/* More workers than processors. */
TRUTH(eight_workers)
{
	check(&plain, 8);
}

/* Workers that are blocked are replaced by spares, many of which are new. */
TRUTH(handed_over)
{
	check(&handed, 2);
}

/* Tests of make check-deep alone. */
#define DEEP_TRUTH(name) \
	static void test_##name(void **state); \
	__attribute__((constructor)) static void register_##name(void) \
	{ \
		static struct test entry = { { "test_" #name, test_##name, NULL, remove_scratch, NULL }, \
					     __LINE__, \
					     NULL }; \
		const char *deep = getenv("SLEY_CHECK_DEEP"); \
		if (deep && strcmp(deep, "1") == 0) \
			tests_add(&entry); \
	} \
	static void test_##name(void **state)

/* Many times more workers than processors. */
DEEP_TRUTH(many_workers)
{
	check(&plain, 32);
}

/* The service's objects are clang's, beside gcc's library. */
DEEP_TRUTH(clang)
{
	struct variant v = plain;
	v.compiler = "clang";
	check(&v, 2);
}

/* Without optimisation. */
DEEP_TRUTH(unoptimised)
{
	struct variant v = plain;
	v.flags = "-O0";
	check(&v, 2);
}

/* With the library that puts functions of its own before libc's locks. */
DEEP_TRUTH(debug_library)
{
	struct variant v = plain;
	v.library = "libsley-debug.a";
	check(&v, 2);
}
