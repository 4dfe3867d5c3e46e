/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The runtime's own descriptors: 3 and up, close-on-exec, and none is left open on failure. */
#include "base/descriptor.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: the standard descriptors are its own to close. */
static void child_lift(void)
{
	struct rlimit few = { 3, 3 };
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	REQUIRE(open("/dev/null", O_RDONLY | O_CLOEXEC) == 0);
	int high = descriptor_lift(0);
	REQUIRE(high > 2 && fcntl(high, F_GETFD) == FD_CLOEXEC && fcntl(0, F_GETFD) < 0);
	REQUIRE(descriptor_lift(high) == high && fcntl(high, F_GETFD) == FD_CLOEXEC);
	close(high);
	REQUIRE(open("/dev/null", O_RDONLY | O_CLOEXEC) == 0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
	REQUIRE(descriptor_lift(0) == -1 && (errno == EMFILE || errno == EINVAL));
	REQUIRE(fcntl(0, F_GETFD) < 0);
	errno = ENFILE;
	REQUIRE(descriptor_lift(-1) == -1 && errno == ENFILE); /* what failed before has its own reason */
	_exit(0);
}

TEST(lift)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_lift();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* In a child, whose table of descriptors is its own. How many are in it is in /proc/self/status. */
static void child_presize(void)
{
	struct rlimit limit;
	char line[256];
	unsigned size = 0, next = (unsigned)dup(0);
	close((int)next);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	descriptors_presize(0);
	FILE *status = fopen("/proc/self/status", "re");
	REQUIRE(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "FDSize: %u", &size);
	fclose(status);
	REQUIRE(size >= (limit.rlim_cur < 16384 ? limit.rlim_cur : 16384));
	REQUIRE(dup(0) == (int)next); /* none is left open */
	_exit(0);
}

TEST(presize)
{
	int status;
	test_need_kernel("qemu-user has a table of its own");
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		child_presize();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
