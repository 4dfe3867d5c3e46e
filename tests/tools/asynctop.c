/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* asynctop as a user runs it, on fake processes: exit codes, privileges, deaths, text and JSON. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_region.h"
#include "tests/test.h"
#include "tool.h"

/* ---- exit codes ---- */

static void test_help_and_version(void **state)
{
	struct tool t;
	tool_run(&t, false, "--help", NULL);
	tool_expect(&t, 0, "usage: asynctop");
	tool_expect(&t, 0, "KEY for tasks");
	tool_free(&t);
	tool_run(&t, false, "--version", NULL);
	tool_expect(&t, 0, "asynctop ");
	tool_free(&t);
}

static void test_usage(void **state)
{
	struct tool t;
	tool_run(&t, false, "--nosuch", NULL);
	tool_expect(&t, 2, "usage: asynctop");
	tool_free(&t);
	tool_run(&t, false, "-s", "nosuch", NULL);
	tool_expect(&t, 2, "no such key");
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
	tool_expect(&t, 3, "there is no such process");
	tool_free(&t);
	tool_run(&t, false, "-p", tool_number(getpid()), NULL);
	tool_expect(&t, 3, "it does not run sley");
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
	tool_expect(&t, 4, "be its user or root");
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
	tool_expect(&t, 5, "another version");
	tool_free(&t);
	fake_stop(pid);
}

static int run_on_full_disk(const char *const *argv)
{
	pid_t tool = fork();
	int status;
	if (tool == 0) {
		dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
		execv(test_build_path("asynctop"), (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(tool, &status, 0), tool);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* An output that cannot be written is an error, not a success: of a report, of the help and of the version. */
static void test_full_disk(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *report[] = { "asynctop", "-b", "-d", "0.05", "-p", tool_number(pid), NULL };
	const char *help[] = { "asynctop", "--help", NULL }, *version[] = { "asynctop", "--version", NULL };
	assert_int_equal(run_on_full_disk(report), 1);
	assert_int_equal(run_on_full_disk(help), 1);
	assert_int_equal(run_on_full_disk(version), 1);
	fake_stop(pid);
}

/* ---- what is shown ---- */

/* The truthful fake as text: every task with its state, wait, object and site. */
static void test_text(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	struct tool t;
	tool_run(&t, false, "-d", "0.3", "-p", tool_number(pid), NULL);
	tool_expect(&t, 0, "fake, process ");
	tool_expect(&t, 0, "2 workers, 5 tasks: 1 running 1 ready 3 waiting");
	tool_expect(&t, 0, "reader");
	tool_expect(&t, 0, "fd 7");
	tool_expect(&t, 0, "app.c:20");
	tool_expect(&t, 0, "for 59m");
	tool_expect(&t, 0, "DEEPEST  OF SITE");
	tool_expect(&t, 0, " 12.0KiB   1.2MiB"); /* three pages */
	tool_expect(&t, 0, "task 16777218");
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
	tool_expect(&t, 0, "\"tasks_total\":5,\"tasks_matched\":5");
	tool_expect(&t, 0,
		    "{\"id\":16777218,\"name\":\"reader\",\"state\":\"waiting\",\"worker\":1,"
		    "\"wait\":{\"kind\":\"read\",\"object\":7}");
	tool_expect(&t, 0,
		    "\"stack_bytes\":640,\"stack_deepest_bytes\":12288,\"site_stack_bytes\":1600,"
		    "\"site_stack_deepest_bytes\":1228800,");
	tool_expect(&t, 0,
		    "\"stack_bytes\":0,\"stack_deepest_bytes\":null,\"site_stack_bytes\":0,"
		    "\"site_stack_deepest_bytes\":null,");
	tool_expect(&t, 0, "\"spawned\":5");
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "-b", "--json", "-d", "0.1", "-p", tool_number(pid),
		 NULL); /* that kind of report, as the help says */
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "--json", "-b", "-d", "0.1", "-p", tool_number(pid), NULL);
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "0.1", "-F", "state=waiting", "-s", "-id", "--rows", "1", "-p",
		 tool_number(pid), NULL);
	tool_expect(&t, 0, "\"tasks_total\":5,\"tasks_matched\":3");
	tool_expect(&t, 0, "\"tasks\":[{\"id\":16777220,\"name\":\"joiner\"");
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
	tool_expect(&t, 0, line);
	snprintf(line, sizeof(line), "fake, process %d:", b);
	tool_expect(&t, 0, line);
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
	tool_expect(&t, 0, "\"times\":{\"state\":\"active\"");
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
	tool_expect(&t, 0, "reader");
	snprintf(want, sizeof(want), "setcap cap_bpf,cap_perfmon=ep %s\n", test_build_path("asynctop"));
	tool_expect(&t, 0, want);
	tool_free(&t);
	tool_run(&t, true, "--json", "-d", "0.3", "-p", tool_number(pid), NULL);
	tool_expect(&t, 0, "\"bpf\":{\"state\":\"denied\"");
	tool_expect(&t, 0, "\"region\":{\"state\":\"active\"");
	tool_assert_schema(t.out);
	tool_free(&t);
	fake_stop(pid);
}

/* ---- deaths ---- */

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

/* Waits until the tool has attached: it asks for a lease then. */
static void await_lease(pid_t pid)
{
	int64_t end = test_now() + TOOL_SECONDS * 1000000000LL;
	while (lease_of(pid) == 0) {
		assert_true(test_now() < end);
		sched_yield();
	}
}

/* Waits until the tool has begun to write. */
static void await_output(const struct tool *t)
{
	struct pollfd p = { .fd = t->out_fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, TOOL_SECONDS * 1000), 1);
}

/* The target dies while it is watched: its last state is printed, then code 3, at once and not after the interval. */
static void test_target_dies(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "100", "-d", "3000", "-p", tool_number(pid), NULL };
	struct tool t;
	tool_start(&t, false, args);
	await_lease(pid);
	fake_stop(pid);
	tool_finish(&t);
	tool_expect(&t, 3, "has ended");
	tool_expect(&t, 3, "(ended): 2 workers, 5 tasks");
	tool_free(&t);
}

/* Without -p, a process that is gone disappears and the others stay. */
static void test_one_of_two_dies(void **state)
{
	pid_t a = fake_start(&(struct fake_options){ 0 }), b = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "-b", "-n", "3", "-d", "0.3", NULL };
	char line[64], *last;
	struct tool t;
	tool_start(&t, false, args);
	await_output(&t);
	fake_stop(a);
	tool_finish(&t);
	assert_int_equal(t.code, 0);
	snprintf(line, sizeof(line), "fake, process %d:", b);
	for (char *at = last = t.out; (at = strstr(at, line)) != NULL; at++)
		last = at;
	assert_ptr_not_equal(last, t.out);
	snprintf(line, sizeof(line), "fake, process %d:", a);
	assert_non_null(strstr(t.out, line));
	assert_null(strstr(last, line));
	tool_free(&t);
	fake_stop(b);
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
	await_lease(pid);
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
	await_output(&t);
	kill(t.pid, SIGTERM);
	tool_finish(&t);
	assert_int_equal(t.code, 128 + SIGTERM);
	assert_int_equal(lease_of(pid), 0);
	tool_free(&t);
	fake_stop(pid);
}

/* Not whether the pipe is full to the byte: a report that is shorter than a page leaves the next no room. */
static bool waits_in_write(pid_t pid)
{
	char path[48], line[16] = "", want[16];
	FILE *call;
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	snprintf(want, sizeof(want), "%d 0x1 ", SYS_write);
	call = fopen(path, "re");
	if (call == NULL || fgets(line, sizeof(line), call) == NULL)
		line[0] = '\0';
	if (call != NULL)
		fclose(call);
	return strncmp(line, want, strlen(want)) == 0;
}

/* A signal ends it in a write, too, that nobody reads. */
static void test_signal_in_write(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	const char *args[] = { "--json", "-n", "0", "-d", "0.05", "-p", tool_number(pid), NULL };
	struct pollfd ended = { .events = POLLIN };
	struct tool t;
	tool_start(&t, false, args);
	assert_true(fcntl(t.out_fd, F_SETPIPE_SZ, 4096) > 0);
	while (!waits_in_write(t.pid))
		sched_yield();
	ended.fd = (int)syscall(SYS_pidfd_open, t.pid, 0);
	assert_true(ended.fd >= 0);
	kill(t.pid, SIGTERM);
	assert_int_equal(poll(&ended, 1, 20000), 1);
	close(ended.fd);
	tool_finish(&t);
	assert_int_equal(t.code, 128 + SIGTERM);
	tool_free(&t);
	fake_stop(pid);
}

/* ---- parts of the task records ---- */

#define FIRST_OF_PART SLEY_REGION_PART_RECORDS

/* A memfd for part 1 with one task, of that name; the header tells of it as the n-th. */
static void publish_part(struct fake *f, uint32_t n, const char *name, bool sealed)
{
	struct sley_region_task task = { .id = fake_id(FIRST_OF_PART), .state = SLEY_TASK_READY, .site = 2 };
	int fd = memfd_create(SLEY_TASKS_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	strcpy(task.name, name);
	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)f->size) == 0);
	REQUIRE(pwrite(fd, &task, sizeof(task), (off_t)(f->header->tasks.offset + FIRST_OF_PART * sizeof(task))) ==
		sizeof(task));
	REQUIRE(!sealed || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	f->live[FIRST_OF_PART / 64] = 1;
	f->header->task_high = FIRST_OF_PART + 1;
	f->header->parts[0] = (uint64_t)n << 32 | ((unsigned)fd + 1);
}

static void has_part(struct fake *f)
{
	publish_part(f, 1, "old", true);
}

/* When it has been read: another memfd. asynctop renews its lease when it begins, and at the end of each look. */
static void replace_part(struct fake *f)
{
	static int64_t lease;
	static unsigned renewals;
	int64_t now = *(volatile int64_t *)&f->control->lease_ns;
	renewals += now != lease;
	lease = now;
	if (f->header->parts[0] >> 32 == 1 && renewals >= 3)
		publish_part(f, 2, "new", true);
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* Records are read from the memfd that their part is in, and from the next one when it was replaced. */
static void test_parts(void **state)
{
	pid_t pid = fake_start(
		&(struct fake_options){ .lie = has_part, .each = replace_part, .task_capacity = 2 * FIRST_OF_PART });
	struct tool t;
	tool_run(&t, false, "--json", "-n", "10", "-d", "0.1", "-p", tool_number(pid), NULL);
	tool_expect(&t, 0, "\"tasks_total\":6");
	tool_expect(&t, 0, "\"name\":\"old\"");
	tool_expect(&t, 0, "\"name\":\"new\"");
	tool_assert_schema(t.out);
	tool_free(&t);
	fake_stop(pid);
}

static void unsealed_part(struct fake *f)
{
	publish_part(f, 1, "lie", false);
}

static void part_elsewhere(struct fake *f)
{
	has_part(f);
	f->header->parts[0] = (unsigned)f->control_fd + 1;
}

static void no_part(struct fake *f)
{
	has_part(f);
	f->header->parts[0] = UINT64_MAX;
}

/* What is not a memfd of that name and size, sealed, is not read: its records count as not valid. */
static void test_bad_parts(void **state)
{
	static fake_lie *const lies[] = { unsealed_part, part_elsewhere, no_part };
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		pid_t pid = fake_start(&(struct fake_options){ .lie = lies[i], .task_capacity = 2 * FIRST_OF_PART });
		struct tool t;
		tool_run(&t, false, "-b", "-d", "0.05", "-p", tool_number(pid), NULL);
		tool_expect(&t, 0, "5 tasks");
		tool_expect(&t, 0, "1 records are not valid");
		tool_free(&t);
		fake_stop(pid);
	}
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
		cmocka_unit_test(test_signal_in_write),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_bad_parts),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
