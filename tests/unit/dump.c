/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The dump: what it says of each task and worker, errors of its descriptor, and SIGQUIT. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomic.h"

static struct sley_group group;

static void wait_for_group(void *arg)
{
	sley_group_wait(&group, SLEY_NEVER);
}

static unsigned line_of_waiter;

static int main_dump(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "the-waiter" };
	char text[8192], expected[256];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	REQUIRE(sley_group_add(&group, 1) == 0);
	line_of_waiter = __LINE__ + 1;
	sley_task task = sley_spawn_with(&options, wait_for_group, NULL, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	const struct sley_region_task *record = record_of(task);
	while (SLEY_TASK_DEEPEST(load(&record->parent_deepest, relaxed)) == 0)
		sley_yield(); /* it leaves its stack, whose size is noted then, a moment after it says that it waits */
	REQUIRE(sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	REQUIRE(n > 0);
	text[n] = '\0';
	REQUIRE(occurrences(text, "\n") == 2 + 2); /* two workers, two tasks */
	REQUIRE(occurrences(text, "worker 0 ") == 1 && occurrences(text, "worker 1 ") == 1);
	snprintf(expected, sizeof(expected), "task %lld the-waiter waiting for group ", (long long)task);
	REQUIRE(strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), "spawned at %s:%u as wait_for_group\n", __FILE__, line_of_waiter);
	REQUIRE(strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), ", stack %u live, %u KiB deepest, spawned",
		 load(&record->live16, relaxed) * 16u, SLEY_TASK_DEEPEST(load(&record->parent_deepest, relaxed)) * 4);
	REQUIRE(load(&record->live16, relaxed) > 0 && strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), "task %lld main running", (long long)sley_self());
	REQUIRE(strstr(text, expected) != NULL);
	close(fd);
	REQUIRE(sley_dump(-1) == -EBADF);
	int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
	REQUIRE(sley_dump(read_only) == -EBADF);
	close(read_only);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	REQUIRE(full < 0 || sley_dump(full) == -ENOSPC);
	close(full);
	REQUIRE(sley_group_done(&group) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* A name that is to steer the terminal, and to make lines of its own, is shown as its bytes. */
TASK_TEST(dump_name, 1)
{
	char text[2048];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	sley_set_name("\33[31m\nfake 9\33]0");
	REQUIRE(sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	REQUIRE(n > 0);
	text[n] = '\0';
	REQUIRE(occurrences(text, "\n") == 1 + 1); /* a worker, a task */
	REQUIRE(occurrences(text, " \\x1b[31m\\x0afake 9\\x1b]0 running") == 1 && !strchr(text, '\33'));
	close(fd);
}

/* A line per worker and per task with what the header promises; the error of write(2) comes back. */
TEST(dump)
{
	assert_int_equal(sley_dump(2), -ENOTCONN);
	run(main_dump, 2);
}

static int main_quit(void *captured)
{
	char text[4096] = "";
	sley_time deadline = SOON;
	REQUIRE(kill(getpid(), SIGQUIT) == 0);
	while (!strstr(text, " main ")) {
		REQUIRE(sley_now() < deadline);
		ssize_t n = pread(*(int *)captured, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		sley_sleep(sley_in(SLEY_MS(1)));
	}
	return 0;
}

/* With the flag, SIGQUIT prints the dump on stderr instead of ending the process; the old handler comes back. */
TEST(quit)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .flags = SLEY_RUN_DUMP_ON_SIGQUIT };
	struct sigaction now;
	int file = memfd_create("stderr", MFD_CLOEXEC), old = dup(2);
	fflush(stderr);
	dup2(file, 2);
	run_with(main_quit, &file, &o);
	dup2(old, 2);
	close(old);
	close(file);
	assert_int_equal(sigaction(SIGQUIT, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
}
