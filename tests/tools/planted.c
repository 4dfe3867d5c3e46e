/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* asynctop on a real service with planted mistakes, with and without privileges. */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_region.h"
#include "tests/test.h"
#include "tool.h"

struct service {
	pid_t pid;
	int input;
};

static struct service start_service_as(void (*as)(void), const char *tasks, const char *fifo)
{
	int in[2], out[2];
	char line[16] = "";
	struct service s;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s.pid = fork();
	if (s.pid == 0) {
		if (as)
			as();
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
	return start_service_as(NULL, tasks, fifo);
}

static void stop_service(struct service *s)
{
	close(s->input);
	fake_stop(s->pid);
}

/* A real service with parked tasks: all are counted, the place where tasks wait is the planted line. */
static void test_real_tasks(void **state)
{
	struct service s = start_service("150000", NULL); /* their records are in three parts */
	unsigned line = test_source_line("tests/tools/planted.planted.c", "PLANTED: where a task waits for ever");
	char want[128];
	struct tool t;
	tool_run(&t, false, "--json", "-d", "1", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"service\":\"planted\"");
	tool_expect(&t, 0, "\"tasks_total\":150004");
	snprintf(want, sizeof(want),
		 "\"kind\":\"sleep\",\"location\":{\"file\":\"tests/tools/planted.planted.c\",\"line\":%u,"
		 "\"function\":\"stay\"",
		 line);
	tool_expect(&t, 0, want);
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "0.1", "-F", "name=polite", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"tasks_matched\":1,");
	tool_expect(&t, 0, "\"name\":\"polite\"");
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
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "nanosleep({0.02 s}, NULL), called in block at tests/tools/planted.planted.c:%u;",
		 blocks);
	if (strstr(t.out, want) == NULL)
		snprintf(want, sizeof(want),
			 "clock_nanosleep(CLOCK_REALTIME, 0, {0.02 s}, NULL), called in block at "
			 "tests/tools/planted.planted.c:%u;",
			 blocks);
	tool_expect(&t, 0, want);
	tool_expect(&t, 0, "sley_sleep() would have parked the task");
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "1", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"bpf\":{\"state\":\"active\"");
	snprintf(want, sizeof(want), "\"line\":%u,\"function\":\"block\"", blocks);
	tool_expect(&t, 0, want);
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
	tool_expect(&t, 0, "\"stuck\" (spawned at planted.planted.c:");
	snprintf(want, sizeof(want), "<%s>, 0x", fifo);
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "called in stick at tests/tools/planted.planted.c:%u;", sticks);
	tool_expect(&t, 0, want);
	tool_expect(&t, 0, " for at least ");
	tool_expect(&t, 0, "so far in read(");
	tool_expect(&t, 0, "sley_read() would have parked the task");
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
	s = start_service_as(geteuid() == 0 ? test_become_nobody : NULL, "10", fifo);
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
		s = start_service_as(test_become_nobody, "10", NULL);
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
	tool_expect(&t, 0, "\"culprit\"");
	tool_expect(&t, 0, "called in block at tests/tools/planted.planted.c:");
	tool_free(&t);
}

/* The next child of this process has a clock of its own; restore_clock() ends that. */
static int move_clock(void)
{
	static const char offset[] = "monotonic 1000000 0\n";
	int own = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC), fd;
	if (own < 0 || unshare(CLONE_NEWTIME) != 0)
		test_skip("there are no time namespaces here");
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, offset, sizeof(offset) - 1), sizeof(offset) - 1);
	close(fd);
	return own;
}

static void restore_clock(int own)
{
	assert_int_equal(setns(own, CLONE_NEWTIME), 0);
	close(own);
}

/* A process in a time namespace: it answers the request for times, and times of tasks and blocks are what they are. */
static void test_time_namespace(void **state)
{
	struct service s;
	struct tool t;
	int own;
	test_need_root();
	own = move_clock();
	s = start_service("10", NULL);
	restore_clock(own);
	tool_run(&t, false, "--json", "-d", "1.5", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"times\":{\"state\":\"active\"");
	if (strstr(t.out, "\"bpf\":{\"state\":\"active\"") != NULL)
		tool_expect(&t, 0, "\"function\":\"block\"");
	tool_free(&t);
	tool_run(&t, false, "-b", "-d", "1", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "polite");
	if (strstr(t.out, "11d13h") != NULL) /* a million seconds */
		fail_msg("a time is off by the offset:\n%s", t.out);
	tool_free(&t);
	stop_service(&s);
}

#define GROUPS 400

static void join_groups(void)
{
	gid_t groups[GROUPS];
	for (unsigned i = 0; i < GROUPS; i++)
		groups[i] = 4000000000u + i;
	if (setgroups(GROUPS, groups) != 0)
		_exit(1);
}

static size_t size_of_status(pid_t pid)
{
	static char text[1 << 16];
	char path[32];
	FILE *file;
	size_t n;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	return n;
}

/* A process in so many groups that their list fills /proc/PID/status: the numbers after it are found all the same. */
static void test_many_groups(void **state)
{
	struct service s;
	struct tool t;
	test_need_root();
	s = start_service_as(join_groups, "10", NULL);
	assert_true(size_of_status(s.pid) > 4096);
	tool_run(&t, false, "--json", "-d", "1", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"name\":\"polite\"");
	if (strstr(t.out, "\"bpf\":{\"state\":\"active\"") != NULL)
		tool_expect(&t, 0, "\"function\":\"block\"");
	tool_free(&t);
	stop_service(&s);
}

/* Reads reports up to the next line that begins with `begin`. Fails if one says that something was lost. */
static void read_reports(FILE *reports, const char *begin)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	while (!found && getline(&line, &room, reports) > 0) {
		if (strncmp(line, "lost:", 5) == 0)
			fail_msg("nothing was lost, and yet it says %s", line);
		found = strncmp(line, begin, strlen(begin)) == 0;
	}
	free(line);
	if (!found)
		fail_msg("no line of the reports begins with \"%s\"", begin);
}

static void run_others(void)
{
	char *argv[] = { "/bin/true", NULL }, output[16];
	for (int i = 0; i < 3; i++) {
		struct service other = start_service("10", NULL);
		assert_int_equal(test_run(argv, output, sizeof(output)), 0);
		stop_service(&other);
	}
}

/* Processes end, and the watched one itself: their threads are switched out last when their memory is gone. No loss is told. */
static void test_ends(void **state)
{
	const char *args[] = { "-b", "-d", "0.3", "-n", "0", "-p", NULL, NULL };
	char ended[64];
	struct service s;
	struct tool t;
	FILE *reports;
	test_need_root();
	s = start_service("10", NULL);
	tool_run(&t, false, "-b", "-d", "0.3", "-p", tool_number(s.pid), NULL);
	if (strstr(t.out, "blocking calls: ") != NULL) {
		stop_service(&s);
		test_skip("eBPF cannot be used here");
	}
	tool_free(&t);
	args[6] = tool_number(s.pid);
	snprintf(ended, sizeof(ended), "planted, process %d (ended)", (int)s.pid);
	tool_start(&t, false, args);
	reports = fdopen(dup(t.out_fd), "r");
	read_reports(reports, "in ");
	run_others();
	read_reports(reports, "in ");
	read_reports(reports, "in ");
	stop_service(&s);
	read_reports(reports, ended);
	read_reports(reports, "tasks");
	fclose(reports);
	tool_finish(&t);
	tool_expect(&t, 3, "has ended");
	tool_free(&t);
}

#define TICK_SECONDS 0.05

/* A tick costs little CPU with a million parked tasks. On a busy machine caches are shared: the cheapest of some ticks counts. */
static void test_million(void **state)
{
	struct service s;
	struct tool t;
	double least = 1, cpus, interval;
	unsigned ticks = 0;
	s = start_service("1000000", NULL);
	tool_run(&t, false, "--json", "-d", "1", "-n", "6", "-p", tool_number(s.pid), NULL);
	tool_expect(&t, 0, "\"tasks_total\":1000004");
	for (const char *at = t.out; (at = strstr(at, "\"tool_cpu\":")) != NULL; at++) {
		const char *before = at;
		assert_int_equal(sscanf(at, "\"tool_cpu\":%lf", &cpus), 1);
		while (before > t.out && strncmp(before, "\"interval_ns\":", 14) != 0)
			before--;
		assert_int_equal(sscanf(before, "\"interval_ns\":%lf", &interval), 1);
		if (interval == 0)
			continue; /* the first has none before it */
		ticks++;
		if (cpus * interval / 1e9 < least)
			least = cpus * interval / 1e9;
	}
	assert_int_equal(ticks, 5);
	print_message("%.1f ms of CPU a tick\n", least * 1e3);
	if (least > TICK_SECONDS)
		fail_msg("a tick takes %.1f ms of CPU at least", least * 1e3);
	tool_free(&t);
	stop_service(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_tasks),     cmocka_unit_test(test_real_blockers),
		cmocka_unit_test(test_stuck_before),   cmocka_unit_test(test_with_capabilities),
		cmocka_unit_test(test_time_namespace), cmocka_unit_test(test_many_groups),
		cmocka_unit_test(test_ends),
	};
	const struct CMUnitTest deep_tests[] = { cmocka_unit_test(test_million) }; /* of make check-deep alone */
	const char *deep = getenv("SLEY_CHECK_DEEP");
	int failed;
	setenv("LC_ALL", "C.UTF-8", 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (deep && strcmp(deep, "1") == 0)
		failed += cmocka_run_group_tests(deep_tests, NULL, NULL);
	return failed;
}
