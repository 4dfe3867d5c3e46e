/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Processes whose memory or files never answer: asynctop does not wait for them, says so, can be ended at any time, and
 * shows the others as if nothing were. They run as nobody, on a file system of the test's own.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_region.h"
#include "tests/bpf/slowfs.h"
#include "tests/test.h"
#include "tool.h"

#define MESSAGE  "this process's details are not read because reading its memory blocks"
#define TOO_LONG "because reading others of its user, or it, takes too long"
#define STICKY   "tests/tools/planted.planted"

static struct slowfs fs;

/* Call it on the test's own stack. */
static void need_silence(const char *source, bool forgetful)
{
	test_need_root();
	if (!slowfs_start_copy(&fs, source, forgetful))
		test_skip("FUSE does not work here");
}

/* ---- processes ---- */

/* A page of the file that the kernel does not have. */
static char *silent_page(void)
{
	int fd = open(fs.file, O_RDONLY | O_CLOEXEC);
	char *page;
	REQUIRE(fd >= 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	REQUIRE(page != MAP_FAILED);
	slowfs_hold(&fs);
	return page;
}

/* The calling thread is worker 0, and in a task. */
static void claim(struct fake *f)
{
	f->workers[0].thread = (uint64_t)pthread_self();
	f->workers[0].tid = (uint32_t)gettid();
}

/* Sleeps in pause() for ever with that stack pointer. */
__attribute__((noreturn)) static void sleep_on(char *stack)
{
	__asm__ volatile("mov %0, %%rsp\n"
			 "1: mov %1, %%eax\n"
			 "syscall\n"
			 "jmp 1b"
			 :
			 : "r"(stack), "i"(SYS_pause)
			 : "memory", "rax", "rcx", "r11");
	__builtin_unreachable();
}

/* Its stack is on a page that never comes. */
__attribute__((noreturn)) static void silent_stack(struct fake *f)
{
	char *page = silent_page();
	f->workers[0].stack_top = (uint64_t)page + 4096;
	claim(f);
	sleep_on(page + 2048);
}

static struct {
	int fd;
	char *page;
} transfer;

static void *write_silence(void *unused)
{
	(void)unused;
	REQUIRE(write(transfer.fd, transfer.page, 8) < 0);
	return NULL;
}

/* A write from such a page to a memfd holds the memfd's lock for ever. */
static void lock(int fd)
{
	pthread_t thread;
	transfer.fd = fd;
	transfer.page = silent_page();
	REQUIRE(!pthread_create(&thread, NULL, write_silence, NULL));
	for (;;)
		pause();
}

static void lock_control(struct fake *f)
{
	lock(f->control_fd);
}

/* Where what is written to it would be refused before it is read, the lock is not held: so it is not. */
static void seal_size(struct fake *f)
{
	f->unsealed = true;
	REQUIRE(fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
}

static void lock_region(struct fake *f)
{
	lock(f->fd);
}

static void move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, 100);
	REQUIRE(up >= 0);
	close(*fd);
	*fd = up;
}

/* What it opens later is closed before these. */
static void leave_low_numbers(struct fake *f)
{
	move_up(&f->fd);
	move_up(&f->control_fd);
}

/* Executes a program, and never gets further than the closing of a file. */
static void never_executes(struct fake *f)
{
	claim(f);
	silent_page();
	execl("/bin/true", "true", NULL);
	abort();
}

static void executes_when_watched(struct fake *f)
{
	if (*(volatile int64_t *)&f->control->lease_ns != 0)
		never_executes(f);
}

/* Sleeps for ever with its stack on a page that comes, late. */
static void *slow_stack(void *line)
{
	struct sley_region_worker *w = line;
	w->tid = (uint32_t)gettid();
	w->mode = SLEY_WORKER_TASK;
	sleep_on((char *)w->stack_top - 2048);
	return NULL;
}

#define SLOW_WORKERS 20

/* As many workers as this, whose threads nobody can find by their pointers: they are looked at by way of /proc. */
static void slow_stacks(struct fake *f)
{
	int fd = open(fs.file, O_RDONLY | O_CLOEXEC);
	char *pages = mmap(NULL, SLOWFS_PAGES * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	pthread_t thread;
	REQUIRE(fd >= 0 && pages != MAP_FAILED && !madvise(pages, SLOWFS_PAGES * 4096, MADV_RANDOM));
	for (int i = 0; i < SLOW_WORKERS; i++) {
		f->workers[i] =
			(struct sley_region_worker){ .index = (uint16_t)i,
						     .thread = 64 * (uint64_t)(i + 1),
						     .task = fake_id(0),
						     .site = 1,
						     .stack_top = (uint64_t)pages + (2 * (uint64_t)i + 1) * 4096 };
		REQUIRE(!pthread_create(&thread, NULL, slow_stack, &f->workers[i]));
	}
	f->header->worker_count = SLOW_WORKERS;
}

/* Somebody waits for the file system. */
static void until_asked(void)
{
	for (int64_t end = test_now() + 30000000000; !fs.hold->asked; sched_yield())
		assert_true(test_now() < end);
}

/* A service with a planted mistake, from its own file or a copy of it. It ends with its input. */
struct service {
	pid_t pid;
	int input;
};

static struct service start_service(const char *program)
{
	int in[2], out[2];
	char line[16] = "";
	struct service s;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s.pid = fork();
	if (s.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(program, "planted", "10", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	assert_int_equal(read(out[0], line, sizeof(line)), 6);
	close(out[0]);
	s.input = in[1];
	return s;
}

static void stop_service(struct service *s)
{
	close(s->input);
	fake_stop(s->pid);
}

/* ---- what asynctop says ---- */

/* The report of one process, the caller's to free. */
static char *report_of(const char *json, pid_t pid)
{
	const char *line;
	char key[32];
	snprintf(key, sizeof(key), "\"pid\":%d,", pid);
	line = strstr(json, key);
	if (line == NULL)
		fail_msg("process %d is missing in:\n%s", pid, json);
	return strndup(line, strcspn(line, "\n"));
}

static void assert_message(const struct tool *t, pid_t pid, bool expected)
{
	char *report = report_of(t->out, pid);
	if ((strstr(report, MESSAGE) != NULL) != expected)
		fail_msg("the message is %s in:\n%s", expected ? "missing" : "there", report);
	free(report);
}

/* A service that is fine is shown with the line of its mistake. */
static void assert_whole(const struct tool *t, pid_t pid)
{
	char *report = report_of(t->out, pid), want[64];
	snprintf(want, sizeof(want), "\"line\":%u,\"function\":\"block\"",
		 test_source_line("tests/tools/planted.planted.c", "PLANTED: blocks"));
	if (strstr(report, "\"bpf\":{\"state\":\"active\"") && !strstr(report, want))
		fail_msg("\"%s\" is missing in:\n%s", want, report);
	free(report);
}

/* It is told once, in a report of this process and one that is fine; and it can be ended when it has told. */
static void check_blocked(pid_t pid)
{
	struct service fine = start_service(test_build_path(STICKY));
	const char *const endless[] = { "-b", "-n", "0", "-d", "0.1", "-p", tool_number(pid), NULL };
	char text[65536] = "";
	size_t size = 0;
	struct tool t;
	ssize_t n;
	tool_run(&t, false, "--json", "-d", "0.4", NULL);
	assert_int_equal(t.code, 0);
	assert_message(&t, pid, true);
	assert_message(&t, fine.pid, false);
	assert_whole(&t, fine.pid);
	tool_free(&t);
	stop_service(&fine);
	tool_start(&t, false, endless);
	while (!strstr(text, MESSAGE)) {
		n = read(t.out_fd, text + size, sizeof(text) - 1 - size);
		assert_true(n > 0);
		size += (size_t)n;
	}
	kill(t.pid, SIGTERM);
	tool_finish(&t);
	assert_int_equal(t.code, 128 + SIGTERM);
	tool_free(&t);
}

/* ---- tests ---- */

static void check_fake(fake_lie *silence, bool waits)
{
	pid_t pid;
	need_silence("/bin/true", false);
	pid = fake_start(&(struct fake_options){ .each = silence, .nobody = true });
	while (!fs.hold->on)
		sched_yield();
	if (waits)
		until_asked();
	check_blocked(pid);
	slowfs_stop(&fs);
	fake_stop(pid);
}

static void test_stack(void **state)
{
	check_fake(silent_stack, false);
}

/*
 * Each page comes before its reader would be taken for blocked, and asynctop would wait for them all: but a user's
 * processes may take only so long. Others are shown as ever.
 */
static void test_slow(void **state)
{
	struct service fine;
	struct tool t;
	char *report;
	pid_t pid;
	test_need_root();
	if (!slowfs_start(&fs, 200000))
		test_skip("FUSE does not work here");
	pid = fake_start(&(struct fake_options){ .lie = slow_stacks, .nobody = true });
	fine = start_service(test_build_path(STICKY));
	tool_run(&t, false, "--json", "-n", "2", "-d", "0.2", NULL);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(t.out, TOO_LONG));
	report = report_of(t.out, fine.pid);
	assert_null(strstr(report, TOO_LONG));
	free(report);
	assert_whole(&t, fine.pid);
	tool_free(&t);
	stop_service(&fine);
	fake_stop(pid);
	slowfs_stop(&fs);
}

static void test_control_page(void **state)
{
	check_fake(lock_control, true);
}

/* Not even its descriptors' names are to be had then: it is told as one that is not shown, and the others are. */
static void test_exec(void **state)
{
	struct service fine;
	char want[128];
	struct tool t;
	pid_t pid;
	need_silence("/bin/true", false);
	pid = fake_start(&(struct fake_options){ .lie = leave_low_numbers, .each = never_executes, .nobody = true });
	until_asked();
	fine = start_service(test_build_path(STICKY));
	tool_run(&t, false, "--json", "-d", "0.4", NULL);
	assert_int_equal(t.code, 0);
	snprintf(want, sizeof(want), "process %d is not shown: " MESSAGE, pid);
	assert_non_null(strstr(t.err, want));
	assert_whole(&t, fine.pid);
	tool_free(&t);
	tool_run(&t, false, "-b", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 3);
	assert_non_null(strstr(t.err, MESSAGE));
	tool_free(&t);
	stop_service(&fine);
	slowfs_stop(&fs);
	fake_stop(pid);
}

/* One that was watched before is shown on, as its region is. */
static void test_exec_when_watched(void **state)
{
	struct tool t;
	pid_t pid;
	need_silence("/bin/true", false);
	pid = fake_start(
		&(struct fake_options){ .lie = leave_low_numbers, .each = executes_when_watched, .nobody = true });
	tool_run(&t, false, "--json", "-n", "3", "-d", "0.3", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(t.out, MESSAGE));
	tool_free(&t);
	slowfs_stop(&fs);
	fake_stop(pid);
}

/* Nothing of the region's needs the lock: the process is shown, and read. */
static void test_region(void **state)
{
	struct tool t;
	pid_t pid;
	need_silence("/bin/true", false);
	pid = fake_start(&(struct fake_options){ .lie = seal_size, .each = lock_region, .nobody = true });
	until_asked();
	tool_run(&t, false, "--json", "-d", "0.2", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	assert_message(&t, pid, false);
	assert_non_null(strstr(t.out, "\"name\":\"reader\""));
	tool_free(&t);
	slowfs_stop(&fs);
	fake_stop(pid);
}

/* Lines are to be found in a file that does not answer: for its pages (the reader waits), or at all (the broker). */
static void check_executable(bool forgetful)
{
	struct service s;
	need_silence(test_build_path(STICKY), forgetful);
	s = start_service(fs.file);
	slowfs_hold(&fs);
	check_blocked(s.pid);
	slowfs_stop(&fs);
	stop_service(&s);
}

static void test_executable_pages(void **state)
{
	check_executable(false);
}

static void test_executable_attributes(void **state)
{
	check_executable(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_control_page),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_when_watched),
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_executable_pages),
		cmocka_unit_test(test_executable_attributes),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
