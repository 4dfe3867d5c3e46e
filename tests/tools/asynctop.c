/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* asynctop as a user runs it, on fake processes and on a real one: exit codes, privileges, deaths, text and JSON. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_region.h"
#include "tests/test.h"
#include "tool.h"

static void expect(const struct tool *t, int code, const char *part)
{
	if (t->code != code || (strstr(t->out, part) == NULL && strstr(t->err, part) == NULL))
		fail_msg("exit code %d and \"%s\" were expected, this came: %d\n%s\n%s", code, part, t->code, t->out, t->err);
}

/* ---- exit codes ---- */

static void test_help_and_version(void **state)
{
	struct tool t;

	tool_run(&t, false, "--help", NULL);
	expect(&t, 0, "usage: asynctop");
	expect(&t, 0, "KEY for tasks");
	tool_free(&t);
	tool_run(&t, false, "--version", NULL);
	expect(&t, 0, "asynctop ");
	tool_free(&t);
}

static void test_usage(void **state)
{
	struct tool t;

	tool_run(&t, false, "--nosuch", NULL);
	expect(&t, 2, "usage: asynctop");
	tool_free(&t);
	tool_run(&t, false, "-s", "nosuch", NULL);
	expect(&t, 2, "no such key");
	tool_free(&t);
}

/* A number that no process has, and a process that has no region. */
static void test_no_target(void **state)
{
	struct tool t;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	tool_run(&t, false, "-p", tool_number(pid), NULL);
	expect(&t, 3, "there is no such process");
	tool_free(&t);
	tool_run(&t, false, "-p", tool_number(getpid()), NULL);
	expect(&t, 3, "it does not run sley");
	tool_free(&t);
}

/* Another user's process: a clear message and code 4. */
static void test_denied(void **state)
{
	struct tool t;
	pid_t pid;

	test_need_root();
	pid = fake_start(&(struct fake_options){ 0 });
	tool_run(&t, true, "-p", tool_number(pid), NULL);
	expect(&t, 4, "be its user or root");
	tool_free(&t);
	fake_stop(pid);
}

static void new_version(struct fake *f)
{
	f->header->version = SLEY_REGION_VERSION + 1;
}

/* With nothing else to show, another version found by the scan ends with its own code, too. */
static void test_version(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .lie = new_version });
	struct tool t;

	tool_run(&t, false, "-p", tool_number(pid), "--json", NULL);
	expect(&t, 5, "another version");
	tool_free(&t);
	fake_stop(pid);
}

/* An output that cannot be written is an error, not a success. */
static void test_full_disk(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	pid_t tool = fork();
	int status;

	if (tool == 0) {
		dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
		execl(test_build_path("asynctop"), "asynctop", "-b", "-d", "0.05", "-p", tool_number(pid), NULL);
		_exit(127);
	}
	waitpid(tool, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	fake_stop(pid);
}

/* ---- what is shown ---- */

/* The truthful fake as text: every task with its state, wait, object and site. */
static void test_text(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	struct tool t;

	tool_run(&t, false, "-d", "0.3", "-p", tool_number(pid), NULL);
	expect(&t, 0, "fake, process ");
	expect(&t, 0, "2 workers, 5 tasks: 1 running 1 ready 3 waiting");
	expect(&t, 0, "reader");
	expect(&t, 0, "fd 7");
	expect(&t, 0, "app.c:20");
	expect(&t, 0, "for 59m");
	expect(&t, 0, "task 16777218");
	tool_assert_harmless(t.out, t.out_size);
	tool_free(&t);
	fake_stop(pid);
}

/* One object for each tick, by the schema; -F, -s and --rows choose the tasks and leave the totals alone. */
static void test_json(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	struct tool t;
	unsigned lines = 0;

	tool_run(&t, false, "--json", "-n", "3", "-d", "0.1", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	for (const char *at = t.out; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 3);
	expect(&t, 0, "\"tasks_total\":5,\"tasks_matched\":5");
	expect(&t, 0, "{\"id\":16777218,\"name\":\"reader\",\"state\":\"waiting\",\"worker\":1,"
		      "\"wait\":{\"kind\":\"read\",\"object\":7}");
	expect(&t, 0, "\"spawned\":5");
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "0.1", "-F", "state=waiting", "-s", "-id", "--rows", "1", "-p", tool_number(pid),
		 NULL);
	expect(&t, 0, "\"tasks_total\":5,\"tasks_matched\":3");
	expect(&t, 0, "\"tasks\":[{\"id\":16777220,\"name\":\"joiner\"");
	assert_null(strstr(t.out, "reader"));
	tool_free(&t);
	fake_stop(pid);
}

/* Without -p, every sley process of the machine is found and shown. */
static void test_finds_processes(void **state)
{
	pid_t a = fake_start(&(struct fake_options){ 0 }), b = fake_start(&(struct fake_options){ 0 });
	char line[64];
	struct tool t;

	tool_run(&t, false, "-b", "-d", "0.05", NULL);
	assert_int_equal(t.code, 0);
	snprintf(line, sizeof(line), "fake, process %d:", a);
	expect(&t, 0, line);
	snprintf(line, sizeof(line), "fake, process %d:", b);
	expect(&t, 0, line);
	tool_free(&t);
	fake_stop(a);
	fake_stop(b);
}

/* The lease puts the level in force, and what is then stamped has a time; what is not has a bound. */
static void test_times(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *second;
	struct tool t;

	tool_run(&t, false, "--json", "-n", "2", "-d", "0.3", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	expect(&t, 0, "\"times\":{\"state\":\"active\"");
	second = strchr(t.out, '\n');
	assert_non_null(second);
	assert_non_null(strstr(second, "\"in_state_ns\":null,\"in_state_min_ns\":"));
	assert_null(strstr(second, "\"in_state_ns\":null,\"in_state_min_ns\":0"));
	tool_free(&t);
	fake_stop(pid);
}

/* ---- privileges ---- */

/* As nobody, on nobody's process: the tasks are shown, and one line says what is missing and how to grant it. */
static void test_without_privilege(void **state)
{
	char want[512];
	struct tool t;
	pid_t pid;

	test_need_root();
	pid = fake_start(&(struct fake_options){ .nobody = true });
	tool_run(&t, true, "-b", "-d", "0.3", "-p", tool_number(pid), NULL);
	expect(&t, 0, "reader");
	snprintf(want, sizeof(want), "setcap cap_bpf,cap_perfmon=ep %s\n", test_build_path("asynctop"));
	expect(&t, 0, want);
	tool_free(&t);
	tool_run(&t, true, "--json", "-d", "0.3", "-p", tool_number(pid), NULL);
	expect(&t, 0, "\"bpf\":{\"state\":\"denied\"");
	expect(&t, 0, "\"region\":{\"state\":\"active\"");
	tool_assert_schema(t.out);
	tool_free(&t);
	fake_stop(pid);
}

/* ---- deaths ---- */

/* The target dies while it is watched: its last state is printed, then code 3, at once and not after the interval. */
static void test_target_dies(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "100", "-d", "30", "-p", tool_number(pid), NULL };
	struct tool t;

	tool_start(&t, false, args);
	nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL); /* it may as well die earlier */
	fake_stop(pid);
	tool_finish(&t);
	assert_int_equal(t.code, 3);
	tool_free(&t);
}

/* Without -p, a process that is gone disappears and the others stay. */
static void test_one_of_two_dies(void **state)
{
	pid_t a = fake_start(&(struct fake_options){ 0 }), b = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "3", "-d", "0.5", NULL };
	char line[64], *last;
	struct tool t;

	tool_start(&t, false, args);
	nanosleep(&(struct timespec){ .tv_nsec = 700000000 }, NULL);
	fake_stop(a);
	tool_finish(&t);
	assert_int_equal(t.code, 0);
	snprintf(line, sizeof(line), "fake, process %d:", b);
	for (char *at = last = t.out; (at = strstr(at, line)) != NULL; at++)
		last = at;
	assert_ptr_not_equal(last, t.out);
	snprintf(line, sizeof(line), "fake, process %d:", a);
	assert_null(strstr(last, line));
	tool_free(&t);
	fake_stop(b);
}

/* Reads the control word of a fake: its descriptor is one of the first. */
static int64_t lease_of(pid_t pid)
{
	char path[64], link[64];
	struct sley_control control;

	for (int fd = 0; fd < 32; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		memset(link, 0, sizeof(link));
		if (readlink(path, link, sizeof(link) - 1) > 0 && strcmp(link, "/memfd:sley-control (deleted)") == 0) {
			int file = open(path, O_RDONLY);

			assert_int_equal(read(file, &control, sizeof(control)), sizeof(control));
			close(file);
			return control.lease_ns;
		}
	}
	fail_msg("process %d has no control page", pid);
	return 0;
}

/* A tool that ends gives its lease back; one that is killed leaves one that is over soon. */
static void test_lease(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "0", "-d", "0.1", "-p", tool_number(pid), NULL };
	struct tool t;

	tool_run(&t, false, "-b", "-d", "0.1", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	tool_free(&t);
	assert_int_equal(lease_of(pid), 0);
	tool_start(&t, false, args);
	while (lease_of(pid) == 0)
		sched_yield();
	kill(t.pid, SIGKILL);
	tool_finish(&t);
	assert_int_equal(t.code, 128 + SIGKILL);
	tool_free(&t);
	assert_true(lease_of(pid) < test_now() + 3000000000LL);
	fake_stop(pid);
}

/* A signal ends it as the shell expects. */
static void test_signal(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "0", "-d", "0.1", "-p", tool_number(pid), NULL };
	struct tool t;

	tool_start(&t, false, args);
	while (lease_of(pid) == 0)
		sched_yield();
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	kill(t.pid, SIGTERM);
	tool_finish(&t);
	assert_int_equal(t.code, 128 + SIGTERM);
	assert_int_equal(lease_of(pid), 0);
	tool_free(&t);
	fake_stop(pid);
}

/* ---- a real service ---- */

struct service {
	pid_t pid;
	int input;
};

static struct service start_service_as(bool nobody, const char *tasks, const char *fifo)
{
	int in[2], out[2];
	char line[16] = "";
	struct service s;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s.pid = fork();
	if (s.pid == 0) {
		if (nobody)
			test_become_nobody();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(test_build_path("tests/tools/planted.planted"), "planted", tasks, fifo, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	assert_int_equal(read(out[0], line, sizeof(line)), 6);
	assert_string_equal(line, "ready\n");
	close(out[0]);
	s.input = in[1];
	return s;
}

static struct service start_service(const char *tasks, const char *fifo)
{
	return start_service_as(false, tasks, fifo);
}

static void stop_service(struct service *s)
{
	close(s->input);
	fake_stop(s->pid);
}

/* A real service with parked tasks: all are counted, the place where tasks wait is the planted line. */
static void test_real_tasks(void **state)
{
	struct service s = start_service("20000", NULL);
	unsigned line = test_source_line("tests/tools/planted.planted.c", "PLANTED: where \"polite\" waits");
	char want[128];
	struct tool t;

	tool_run(&t, false, "--json", "-d", "1", "-p", tool_number(s.pid), NULL);
	expect(&t, 0, "\"service\":\"planted\"");
	expect(&t, 0, "\"tasks_total\":20003");
	snprintf(want, sizeof(want), "\"kind\":\"sleep\",\"location\":{\"file\":\"tests/tools/planted.planted.c\",\"line\":%u,"
		 "\"function\":\"cooperate\"", line);
	expect(&t, 0, want);
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "0.1", "-F", "name=polite", "-p", tool_number(s.pid), NULL);
	expect(&t, 0, "\"tasks_matched\":1,");
	expect(&t, 0, "\"name\":\"polite\"");
	tool_free(&t);
	stop_service(&s);
}

/* With privilege, the verdict names the planted call: task, spawn site, call with its time, line; and one under way. */
static void test_real_blockers(void **state)
{
	unsigned blocks = test_source_line("tests/tools/planted.planted.c", "PLANTED: blocks");
	unsigned spawns = test_source_line("tests/tools/planted.planted.c", "PLANTED: spawns the culprit");
	struct service s;
	char want[256];
	struct tool t;

	test_need_root();
	s = start_service("10", NULL);
	tool_run(&t, false, "-b", "-d", "1.5", "-p", tool_number(s.pid), NULL);
	if (strstr(t.out, "blocking calls: ") != NULL) {
		stop_service(&s);
		test_skip("eBPF cannot be used here");
	}
	snprintf(want, sizeof(want), "\"culprit\" (spawned at planted.planted.c:%u by run) blocked worker ", spawns);
	expect(&t, 0, want);
	snprintf(want, sizeof(want), "nanosleep({0.02 s}, NULL), called in block at tests/tools/planted.planted.c:%u;", blocks);
	if (strstr(t.out, want) == NULL)
		snprintf(want, sizeof(want), "clock_nanosleep(CLOCK_REALTIME, 0, {0.02 s}, NULL), called in block at "
			 "tests/tools/planted.planted.c:%u;", blocks);
	expect(&t, 0, want);
	expect(&t, 0, "sley_sleep() would have parked the task");
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "1", "-p", tool_number(s.pid), NULL);
	expect(&t, 0, "\"bpf\":{\"state\":\"active\"");
	snprintf(want, sizeof(want), "\"line\":%u,\"function\":\"block\"", blocks);
	expect(&t, 0, want);
	tool_assert_schema(t.out);
	tool_free(&t);
	stop_service(&s);
}

static void expect_stuck(const struct service *s, bool nobody, const char *fifo)
{
	unsigned sticks = test_source_line("tests/tools/planted.planted.c", "PLANTED: sticks");
	char want[256];
	struct tool t;

	tool_run(&t, nobody, "-b", "-d", "1", "-p", tool_number(s->pid), NULL);
	expect(&t, 0, "\"stuck\" (spawned at planted.planted.c:");
	snprintf(want, sizeof(want), "<%s>, 0x", fifo);
	expect(&t, 0, want);
	snprintf(want, sizeof(want), "called in stick at tests/tools/planted.planted.c:%u;", sticks);
	expect(&t, 0, want);
	expect(&t, 0, " for at least ");
	expect(&t, 0, "so far in read(");
	expect(&t, 0, "sley_read() would have parked the task");
	tool_free(&t);
}

/*
 * A call that began before asynctop attached, and that never ends, with its line and its file: found with and without
 * capabilities.
 */
static void test_stuck_before(void **state)
{
	char directory[] = "/tmp/asynctop-XXXXXX", fifo[64];
	struct service s;

	assert_non_null(mkdtemp(directory));
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chmod(directory, 0755), 0);
		assert_int_equal(chmod(fifo, 0666), 0);
	}
	s = start_service_as(geteuid() == 0, "10", fifo);
	expect_stuck(&s, geteuid() == 0, fifo);
	expect_stuck(&s, false, fifo);
	stop_service(&s);
	unlink(fifo);
	rmdir(directory);
}

static void copy_file(const char *from, const char *to)
{
	char *cp[] = { "cp", (char *)from, (char *)to, NULL };
	char output[16];

	assert_int_equal(test_run(cp, output, sizeof(output)), 0);
}

/* What the line about missing privilege says to do does it: with the two capabilities on the file, nobody sees blocks. */
static void test_with_capabilities(void **state)
{
	char directory[] = "/tmp/asynctop-XXXXXX", program[64], output[16];
	char *setcap[] = { "/usr/sbin/setcap", "cap_bpf,cap_perfmon=ep", program, NULL };
	struct service s;
	struct tool t;
	int set;

	test_need_root();
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0755), 0);
	snprintf(program, sizeof(program), "%s/asynctop", directory);
	copy_file(test_build_path("asynctop"), program);
	set = test_run(setcap, output, sizeof(output));
	if (set == 0) {
		s = start_service_as(true, "10", NULL);
		tool_program = program;
		tool_run(&t, true, "-b", "-d", "0.5", "-p", tool_number(s.pid), NULL);
		tool_program = NULL;
		stop_service(&s);
	}
	unlink(program);
	rmdir(directory);
	if (set != 0)
		test_skip("setcap does not work on /tmp here");
	if (strstr(t.out, "blocking calls: ") != NULL && strstr(t.out, "not permitted") == NULL)
		test_skip("eBPF cannot be used here");
	expect(&t, 0, "\"culprit\"");
	expect(&t, 0, "called in block at tests/tools/planted.planted.c:");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_no_target),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_finds_processes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_without_privilege),
		cmocka_unit_test(test_target_dies),
		cmocka_unit_test(test_one_of_two_dies),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_real_tasks),
		cmocka_unit_test(test_real_blockers),
		cmocka_unit_test(test_stuck_before),
		cmocka_unit_test(test_with_capabilities),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
