/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Files by name: what each call does, its errors, and what becomes of an open() that nobody waits for any more. */
#include "tests/unit/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/jobs.h"

static char directory[] = "/tmp/sley-test-path-XXXXXX";

/* A name in the test's directory, in one of a few buffers. */
static const char *in(const char *name)
{
	static char buffers[4][128];
	static unsigned next;
	char *buffer = buffers[next++ % 4];
	snprintf(buffer, sizeof(buffers[0]), "%s/%s", directory, name);
	return buffer;
}

/* What each call does. */
TASK_TEST(calls, 1, 2)
{
	struct stat stat, link_stat;
	char target[PATH_MAX];
	umask(0);
	int fd = sley_open(in("a"), O_RDWR | O_CREAT | O_EXCL, 0640, SOON);
	REQUIRE(fd >= 0 && fcntl(fd, F_GETFD) & FD_CLOEXEC);
	REQUIRE(sley_open(in("a"), O_RDWR | O_CREAT | O_EXCL, 0600, SOON) == -EEXIST);
	REQUIRE(write(fd, "0123456789", 10) == 10 && sley_close(fd) == 0);
	REQUIRE(sley_stat(in("a"), &stat, SOON) == 0 && stat.st_size == 10 && (stat.st_mode & 0777) == 0640);
	REQUIRE(sley_truncate(in("a"), 4, SOON) == 0 && sley_chmod(in("a"), 0604, SOON) == 0);
	REQUIRE(sley_stat(in("a"), &stat, SOON) == 0 && stat.st_size == 4 && (stat.st_mode & 0777) == 0604);
	REQUIRE(sley_symlink("a", in("s"), SOON) == 0);
	REQUIRE(sley_lstat(in("s"), &link_stat, SOON) == 0 && S_ISLNK(link_stat.st_mode));
	REQUIRE(sley_stat(in("s"), &link_stat, SOON) == 0 && link_stat.st_ino == stat.st_ino);
	REQUIRE(sley_readlink(in("s"), target, sizeof(target), SOON) == 1 && strcmp(target, "a") == 0);
	REQUIRE(sley_link(in("a"), in("b"), SOON) == 0);
	REQUIRE(sley_stat(in("b"), &link_stat, SOON) == 0 && link_stat.st_ino == stat.st_ino &&
		link_stat.st_nlink == 2);
	REQUIRE(sley_rename(in("b"), in("c"), SOON) == 0 && sley_stat(in("b"), &stat, SOON) == -ENOENT);
	REQUIRE(sley_unlink(in("a"), SOON) == 0 && sley_stat(in("s"), &stat, SOON) == -ENOENT);
	REQUIRE(sley_unlink(in("s"), SOON) == 0 && sley_unlink(in("c"), SOON) == 0);
	REQUIRE(sley_mkdir(in("d"), 0711, SOON) == 0 && sley_mkdir(in("d"), 0711, SOON) == -EEXIST);
	REQUIRE(sley_stat(in("d"), &stat, SOON) == 0 && S_ISDIR(stat.st_mode) && (stat.st_mode & 0777) == 0711);
	REQUIRE(sley_unlink(in("d"), SOON) == -EISDIR && sley_rmdir(in("d"), SOON) == 0);
	REQUIRE(sley_rmdir(in("d"), SOON) == -ENOENT);
}

/* The target of a link ends with a NUL, whether it fits or not; the longest that there is, too. */
TASK_TEST(readlink, 1)
{
	char longest[PATH_MAX], target[PATH_MAX + 10];
	memset(longest, 'x', sizeof(longest));
	longest[PATH_MAX - 1] = '\0';
	REQUIRE(sley_symlink("0123456789", in("s"), SOON) == 0);
	for (size_t n = 1; n <= 12; n++) {
		memset(target, '#', sizeof(target));
		ssize_t expected = n > 10 ? 10 : (ssize_t)n - 1;
		REQUIRE(sley_readlink(in("s"), target, n, SOON) == expected);
		REQUIRE(memcmp(target, "0123456789", (size_t)expected) == 0 && target[expected] == '\0');
		REQUIRE(target[n] == '#');
	}
	REQUIRE(sley_readlink(in("s"), target, SIZE_MAX, SOON) == 10); /* no more is touched than there is */
	REQUIRE(sley_readlink(in("s"), target, 0, SOON) == -EINVAL);
	REQUIRE(sley_readlink(in("s"), NULL, 10, SOON) == -EFAULT && sley_readlink(NULL, target, 10, SOON) == -EFAULT);
	REQUIRE(sley_readlink(in("none"), target, 10, SOON) == -ENOENT);
	REQUIRE(sley_readlink(directory, target, 10, SOON) == -EINVAL);
	REQUIRE(sley_unlink(in("s"), SOON) == 0);
	REQUIRE(sley_symlink(longest, in("s"), SOON) == 0);
	REQUIRE(sley_readlink(in("s"), target, sizeof(target), SOON) == PATH_MAX - 1 && strcmp(target, longest) == 0);
	REQUIRE(sley_unlink(in("s"), SOON) == 0);
}

/* All calls with one name, for what is the same for all of them. */
static int each(int call, const char *name, sley_time deadline)
{
	struct stat stat;
	char target[10];
	struct sley_dir_entry *entries;
	switch (call) {
	case 0:
		return sley_open(name, O_RDONLY, 0, deadline);
	case 1:
		return sley_stat(name, &stat, deadline);
	case 2:
		return sley_lstat(name, &stat, deadline);
	case 3:
		return sley_truncate(name, 0, deadline);
	case 4:
		return sley_chmod(name, 0600, deadline);
	case 5:
		return sley_unlink(name, deadline);
	case 6:
		return sley_rename(name, in("other"), deadline);
	case 7:
		return sley_rename(in("none"), name, deadline);
	case 8:
		return sley_link(name, in("other"), deadline);
	case 9:
		return sley_link(in("none"), name, deadline);
	case 10:
		return sley_symlink("target", name, deadline);
	case 11:
		return sley_symlink(name, in("none/none"), deadline);
	case 12:
		return sley_mkdir(name, 0700, deadline);
	case 13:
		return sley_rmdir(name, deadline);
	case 14:
		return (int)sley_readlink(name, target, sizeof(target), deadline);
	case 15:
		return (int)sley_dir_read(name, &entries, deadline);
	}
	return 1;
}

#define CALLS 16

static int main_errors(void *arg)
{
	char name[PATH_MAX + 1];
	struct sley_dir_entry *entries;
	memset(name, '/', sizeof(name));
	name[PATH_MAX] = '\0';
	for (int call = 0; call < CALLS; call++) {
		REQUIRE(each(call, NULL, SOON) == -EFAULT);
		REQUIRE(each(call, name, SOON) == -ENAMETOOLONG);
		REQUIRE(each(call, in("none/none"), SOON) == -ENOENT);
		REQUIRE(each(call, in("file"), 0) == -ETIMEDOUT && access(in("other"), F_OK) != 0);
	}
	REQUIRE(sley_stat(directory, NULL, SOON) == -EFAULT && sley_lstat(directory, NULL, SOON) == -EFAULT);
	REQUIRE(sley_dir_read(directory, NULL, SOON) == -EFAULT);
	REQUIRE(sley_truncate(in("file"), -1, SOON) == -EINVAL);
	REQUIRE(sley_open(in("file/file"), O_RDONLY, 0, SOON) == -ENOTDIR);
	entries = (void *)&entries;
	REQUIRE(sley_dir_read(in("file"), &entries, SOON) == -ENOTDIR && entries == NULL);
	REQUIRE(access(in("file"), F_OK) == 0);
	return 0;
}

/* Null, too long and missing names, and deadlines that have passed: with each call. */
TEST(errors)
{
	int fd = open(in("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	run(main_errors, 1);
	for (int call = 0; call < CALLS; call++)
		assert_int_equal(each(call, in("file"), SOON), -EDEADLK);
	close(fd);
	unlink(in("file"));
}

/* ---- opens that are given up ---- */

static int main_fifo(void *arg)
{
	sley_time deadline = SOON;
	REQUIRE(mkfifo(in("fifo"), 0600) == 0);
	unsigned before = open_descriptors();
	REQUIRE(sley_open(in("fifo"), O_RDONLY, 0, sley_in(SLEY_MS(5))) == -ETIMEDOUT); /* there is no writer */
	int writer;
	while ((writer = open(in("fifo"), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
		if (load(&jobs_of[POOL_BLOCKING].active, acquire) == 0) /* it never began: so be it */
			break;
		REQUIRE(errno == ENXIO && sley_now() < deadline);
		sley_yield();
	}
	while (load(&jobs_of[POOL_BLOCKING].active, acquire) >
	       0) { /* the thread's open goes on, now that there is one */
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	if (writer >= 0)
		close(writer);
	REQUIRE(open_descriptors() == before);
	REQUIRE(unlink(in("fifo")) == 0);
	return 0;
}

/* A descriptor that comes after its call has been given up is closed. */
TEST(open_dropped)
{
	for (int i = 0; i < 5; i++)
		run(main_fifo, 1 + i % 2);
}

/*
 * Deadlines against opens. Whatever wins, in the end no descriptor is left that nobody has.
 */
TASK_TEST(race, 1, 2)
{
	unsigned successes = 0;
	long n = test_scale(3000);
	sley_time deadline = SOON;
	close(sley_open("/dev/null", O_RDONLY, 0, SOON)); /* what is made once is there */
	unsigned before = open_descriptors();
	for (long i = 0; i < n; i++) {
		int fd = sley_open("/dev/null", O_RDONLY, 0, sley_in(SLEY_US(i % 100)));
		REQUIRE(fd >= 0 || fd == -ETIMEDOUT);
		if (fd >= 0) {
			successes++;
			REQUIRE(sley_close(fd) == 0);
		}
	}
	while (load(&jobs_of[POOL_BLOCKING].active, acquire) > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(open_descriptors() == before);
	print_message("%u of %ld succeeded\n", successes, n);
}

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	return rmdir(directory);
}

int main(void)
{
	return tests_main(make_directory, remove_directory);
}
