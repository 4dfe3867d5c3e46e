/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Names of Unix sockets: right for every kind, whatever names others give to theirs, in every network namespace. */
#include "source/target_unix.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/test.h"

static uint64_t inode_of(int fd)
{
	struct stat st;
	REQUIRE(fstat(fd, &st) == 0);
	return st.st_ino;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	REQUIRE(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

static int bound(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static void expect_in(int dir, uint64_t inode, const char *name)
{
	struct text out = { 0 };
	bool found = target_unix(&out, dir, inode);
	assert_int_equal(found, name[0] != '\0');
	assert_string_equal(text_string(&out), name);
	text_free(&out);
}

static int self;

static void expect(int fd, const char *name)
{
	expect_in(self, inode_of(fd), name);
}

static int setup(void **state)
{
	scratch_make();
	self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return self < 0;
}

static int teardown(void **state)
{
	close(self);
	scratch_remove();
	return 0;
}

static void test_names(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0sley\0test" };
	char path[200], name[300];
	int pair[2];
	snprintf(path, sizeof(path), "%s", scratch_path("socket"));
	int with_path = bound(path), abstract = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(name, sizeof(name), "unix %s", path);
	expect(with_path, name);

	REQUIRE(bind(abstract, (struct sockaddr *)&address, sizeof(sa_family_t) + 10) == 0);
	expect(abstract, "unix @sley@test");

	int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	expect(client, "unix");
	address = address_of(path);
	REQUIRE(connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
	snprintf(name, sizeof(name), "unix to %s", path);
	expect(client, name);

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	expect(pair[0], "unix");
	int inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	expect(inet, "");
	expect_in(self, UINT64_MAX, "");
	close(inet);
	close(pair[0]);
	close(pair[1]);
	close(client);
	close(abstract);
	close(with_path);
}

/* A path that is a line of /proc/net/unix for another's socket changes nothing. */
static void test_forged(void **state)
{
	char directory[200], path[300];
	int victim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), forged[50];
	snprintf(directory, sizeof(directory), "%s", scratch_path(""));
	REQUIRE(chdir(directory) == 0);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "%d\n0: 0 0 0 0 0 %llu forged", i, (unsigned long long)inode_of(victim));
		forged[i] = bound(path);
	}
	expect(victim, "unix");
	for (int i = 0; i < 50; i++)
		close(forged[i]);
	close(victim);
	REQUIRE(chdir("/") == 0);
}

/* A process in a network namespace of its own: its socket is found there. */
static void test_namespace(void **state)
{
	int ends[2];
	uint64_t inode = 0;
	char path[64], own[64], after[64];
	test_need_root();
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0inside" };
		REQUIRE(unshare(CLONE_NEWNET) == 0);
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 7) == 0);
		inode = inode_of(fd);
		REQUIRE(write(ends[1], &inode, sizeof(inode)) == sizeof(inode));
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &inode, sizeof(inode)), sizeof(inode));
	snprintf(path, sizeof(path), "/proc/%d", child);
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	memset(own, 0, sizeof(own));
	memset(after, 0, sizeof(after));
	REQUIRE(readlink("/proc/thread-self/ns/net", own, sizeof(own) - 1) > 0);
	expect_in(dir, inode, "unix @inside");
	expect_in(self, inode, ""); /* not in ours */
	REQUIRE(readlink("/proc/thread-self/ns/net", after, sizeof(after) - 1) > 0);
	assert_string_equal(after, own); /* and we are where we were */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	expect_in(dir, inode, "");
	close(dir);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namespace, setup, teardown),
	};
	return cmocka_run_group_tests_name("target_unix", tests, NULL, NULL);
}
