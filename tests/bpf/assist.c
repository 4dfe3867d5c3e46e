/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that block their threads in a file system: fsync and page faults, and the end of a run with such a task. */
#include "tests/unit/assist/kind.h"
#include "tests/unit/assist/sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "tests/bpf/slowfs.h"

static struct slowfs fs;
static int file;

/* Call it on the test's own stack. */
static void mount_it(unsigned unused)
{
	test_need_root();
	if (!slowfs_start(&fs, 0))
		test_skip("FUSE does not work here");
	file = open(fs.file, O_RDONLY | O_CLOEXEC);
	REQUIRE(file >= 0);
}

static void unmount_it(void)
{
	REQUIRE(close(file) == 0);
	slowfs_stop(&fs);
}

static void answer(void)
{
	slowfs_release(&fs);
}

/* ---- fsync ---- */

static void fsync_open(unsigned n)
{
	mount_it(n);
	slowfs_hold(&fs);
}

static void fsync_block(unsigned i)
{
	REQUIRE(fsync(file) == 0);
}

static const struct kind fsyncs = { fsync_open, unmount_it, fsync_block, answer };
KIND_TESTS(fsyncs)

/* ---- cold pages of a mapping ---- */

static volatile char *pages;

static void fault_open(unsigned n)
{
	size_t size = SLOWFS_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	mount_it(n);
	pages = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	REQUIRE(pages != MAP_FAILED && madvise((void *)pages, size, MADV_RANDOM) == 0); /* no page is read ahead */
	slowfs_hold(&fs);
}

static void fault_close(void)
{
	REQUIRE(munmap((void *)pages, SLOWFS_PAGES * (size_t)sysconf(_SC_PAGESIZE)) == 0);
	unmount_it();
}

static void fault_block(unsigned i)
{
	REQUIRE(pages[i * (size_t)sysconf(_SC_PAGESIZE)] == SLOWFS_BYTE);
}

static const struct kind faults = { fault_open, fault_close, fault_block, answer };
KIND_TESTS(faults)

/* ---- the end ---- */

#define WAITED "sley: the run is over, but sley_run() has waited "

static void fsync_once(void *unused)
{
	source_enter();
	(void)fsync(file);
	source_leave();
}

/* Returns when a task is in a call that the file system does not answer. */
static int main_ends(void *unused)
{
	sley_time deadline = SOON;
	source_await();
	REQUIRE(sley_spawn(fsync_once, NULL) > 0);
	while (!fs.hold->asked) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

static void *answer_when_told(void *unused)
{
	char text[1000];
	ssize_t n;
	do {
		sched_yield();
		n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
	} while (!strchr(text, '\n'));
	slowfs_release(&fs);
	return NULL;
}

static void end_silently(void)
{
	char text[1000];
	pthread_t thread;
	mount_it(0);
	slowfs_hold(&fs);
	capture_begin();
	REQUIRE(pthread_create(&thread, NULL, answer_when_told, NULL) == 0);
	run(main_ends, 2);
	REQUIRE(pthread_join(thread, NULL) == 0);
	capture_end(text, sizeof(text));
	unmount_it();
	assert_said(text, WAITED "1", 1); /* so many and some more ms */
	assert_said(text, " as fsync_once, ", 1);
	assert_said(text, ", in fsync(). It returns when that task ends or waits in a call of sley. ", 1);
}

/* A file system that does not answer when main has returned: sley_run() names the task and the call, and waits on. */
SOURCE_TEST(silent_at_end)
{
	end_silently();
}

/* The same when nothing looks for blocked threads. */
TEST(silent_at_end_off)
{
	source_use(NULL);
	end_silently();
}

/* ---- exit() ---- */

#define FILE_VARIABLE "SLEY_TEST_FILE"
#define EXIT_CODE     3

static void say(void)
{
	REQUIRE(write(STDOUT_FILENO, "x", 1) == 1);
}

static void await_order(void)
{
	char byte;
	REQUIRE(read(STDIN_FILENO, &byte, 1) == 1);
}

/* Asks the file system, and then exits, when the parent says so. */
static int main_exits(void *unused)
{
	say();
	await_order();
	REQUIRE(sley_spawn(fsync_once, NULL) > 0);
	await_order();
	exit(EXIT_CODE);
}

static int scenario_exit(void)
{
	file = open(getenv(FILE_VARIABLE), O_RDONLY | O_CLOEXEC);
	REQUIRE(file >= 0 && atexit(say) == 0);
	return sley_run(main_exits, NULL, NULL, NULL);
}

/* The process in which main exits; it asks and is told by these pipes. */
static pid_t start_exit(int to[2], int from[2])
{
	REQUIRE(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	pid_t pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		setenv(FILE_VARIABLE, fs.file, 1);
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		scenario_exec("exit");
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	return pid;
}

static char state_of_thread(pid_t pid, const char *thread)
{
	char path[80], line[512];
	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, thread);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	return n > 0 ? strrchr(line, ')')[2] : 'X';
}

/* The threads of a process that have not ended. */
static unsigned threads_left(pid_t pid)
{
	char path[40];
	struct dirent *entry;
	unsigned n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *directory = opendir(path);
	REQUIRE(directory != NULL);
	while ((entry = readdir(directory))) {
		char state = entry->d_name[0] == '.' ? 'X' : state_of_thread(pid, entry->d_name);
		n += state != 'Z' && state != 'X';
	}
	closedir(directory);
	return n;
}

/*
 * exit() while the file system does not answer: the handlers run, and all threads end but the one in the call. That one the
 * kernel cannot kill, so the process is there until the answer is.
 */
TEST(exit_is_not_held_up)
{
	int to[2], from[2], status;
	char byte;
	mount_it(0);
	source_use("tick");
	pid_t pid = start_exit(to, from);
	REQUIRE(read(from[0], &byte, 1) == 1);
	slowfs_hold(&fs);
	REQUIRE(write(to[1], "x", 1) == 1);
	while (!fs.hold->asked)
		sched_yield();
	REQUIRE(write(to[1], "x", 1) == 1 && read(from[0], &byte, 1) == 1);
	while (threads_left(pid) > 1)
		sched_yield();
	slowfs_release(&fs);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	unmount_it();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE);
	close(to[1]);
	close(from[0]);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = { { "exit", scenario_exit }, { NULL, NULL } };
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
