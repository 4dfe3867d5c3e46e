/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_run() where something is missing that a process usually has, each in a process of its own. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/check.h"

/* ---- standard descriptors ---- */

#define HIGHEST 100

/* The open ones of 3 and up are close-on-exec: how many there are. */
static unsigned private_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 3; fd < HIGHEST; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0)
			continue;
		REQUIRE(flags & FD_CLOEXEC);
		n++;
	}
	return n;
}

static void echo(void *arg)
{
	const int *fd = arg;
	char c;

	REQUIRE(sley_read(*fd, &c, 1, SOON) == 1);
	REQUIRE(sley_write(*fd, &c, 1, SOON) == 1);
}

static void by_pointer(void *arg)
{
}

/* Makes sley complain. */
static void complained(void *arg)
{
	int local;

	REQUIRE(sley_go(by_pointer, &local) == -EFAULT);
}

/* What a daemon does: the numbers become its log, then /dev/null. Events come all the same, and the log has no line of ours. */
static int main_daemon(void *arg)
{
	static int pair[2];
	struct stat status;
	char c = 'x';
	sigset_t set;
	int log = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	for (int fd = 0; fd < 3; fd++)
		REQUIRE(dup2(log, fd) == fd);
	sley_task task = sley_spawn(complained, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	complain("something is wrong");
	REQUIRE(fstat(log, &status) == 0 && status.st_size == 0);
	close(log);
	log = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		REQUIRE(dup2(log, fd) == fd);
	close(log);

	REQUIRE(sley_socketpair(SOCK_STREAM, pair) == 0);
	task = sley_spawn(echo, &pair[1]);
	sley_sleep(sley_in(SLEY_MS(2)));
	REQUIRE(sley_write(pair[0], &c, 1, SOON) == 1);
	REQUIRE(sley_read(pair[0], &c, 1, SOON) == 1);
	REQUIRE(sley_join(task, SOON) == 0);
	sley_close(pair[0]);
	sley_close(pair[1]);

	/* those that calls make for the service are its own standard descriptors no more than the others */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	int signals = sley_signal_open(&set);
	REQUIRE(signals > 2);
	sley_close(signals);
	struct sley_process process;
	static const char *const argv[] = { "true", NULL };
	REQUIRE(sley_process_spawn(&process, argv, NULL, SOON) == 0 && process.pidfd > 2);
	REQUIRE(sley_process_wait(&process, NULL, SOON) == 0);
	sley_process_close(&process);
	return 0;
}

static int scenario_closed(void)
{
	sigset_t set;
	struct sley_options o = { .size = sizeof(o), .workers = 2, .signals = &set };
	int result = -1;

	for (int fd = 3; fd < HIGHEST; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* inherited ones */
	unsigned before = private_descriptors();

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sley_run(main_daemon, NULL, &o, &result) != 0 || result != 0)
		return 1;
	/* the region's two stay for the process's life */
	return private_descriptors() == before + 2 && fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0 ? 0 : 2;
}

/* Started with 0, 1 and 2 closed. */
static void test_closed(void **state)
{
	char text[4096];

	test_need_kernel("qemu-user has descriptors of its own");
	assert_int_equal(scenario_run("closed", text, sizeof(text)), 0);
}

static const struct scenario scenarios[] = {
	{ "closed", scenario_closed },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
	};

	scenario_main(argc, argv, scenarios);
	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
