/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Directories, read whole. */
#include "tests/unit/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 3000

static char directory[] = "/tmp/sley-test-directory-XXXXXX";
static int at = -1; /* it, open */

/* Name number i: of up to 255 bytes. */
static void name_of(unsigned i, char name[256])
{
	memset(name, 'x', 255);
	snprintf(name, 256, "%u-", i);
	name[strlen(name)] = 'x';
	name[i % 250 < 10 ? 10 : i % 250 + 5] = '\0';
}

static int main_empty(void *arg)
{
	struct sley_dir_entry *entries = (void *)directory;
	REQUIRE(sley_dir_read(directory, &entries, SOON) == 0);
	REQUIRE(entries == NULL);
	free(entries);
	return 0;
}

static int main_many(void *arg)
{
	struct sley_dir_entry *entries;
	bool *seen = calloc(MANY, sizeof(*seen));
	char name[256];
	struct stat stat;
	ssize_t n = sley_dir_read(directory, &entries, SOON);
	REQUIRE(n == MANY);
	for (ssize_t i = 0; i < n; i++) {
		unsigned number = (unsigned)atoi(entries[i].name);
		REQUIRE(number < MANY && !seen[number]);
		seen[number] = true;
		name_of(number, name);
		REQUIRE(strcmp(entries[i].name, name) == 0);
		unsigned char type = number % 100 ? DT_REG : DT_DIR;
		REQUIRE(entries[i].type == type || entries[i].type == DT_UNKNOWN);
		if (number % 50 == 0)
			REQUIRE(fstatat(at, name, &stat, 0) == 0 && stat.st_ino == entries[i].inode);
	}
	free(entries);
	free(seen);
	return 0;
}

static void read_it(void *arg)
{
	struct sley_dir_entry *entries;
	for (unsigned i = 0; i < 5; i++) {
		ssize_t n = sley_dir_read(directory, &entries, i % 2 ? SOON : sley_in(SLEY_US(300)));
		REQUIRE(n == MANY || n == -ETIMEDOUT);
		REQUIRE((entries == NULL) == (n < 0));
		free(entries);
	}
}

static int main_at_once(void *arg)
{
	sley_task tasks[8];
	for (unsigned i = 0; i < 8; i++)
		tasks[i] = sley_spawn(read_it, NULL);
	for (unsigned i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	return 0;
}

/* No entries, many, with names of all lengths; several tasks at once, some of which give up (nothing is leaked). */
TEST(read)
{
	char name[256];
	run(main_empty, 1);
	for (unsigned i = 0; i < MANY; i++) {
		name_of(i, name);
		if (i % 100)
			assert_true(close(openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == 0);
		else
			assert_int_equal(mkdirat(at, name, 0700), 0);
	}
	run(main_many, 1);
	run(main_many, 2);
	run(main_at_once, 2);
	for (unsigned i = 0; i < MANY; i++) {
		name_of(i, name);
		assert_int_equal(unlinkat(at, name, i % 100 ? 0 : AT_REMOVEDIR), 0);
	}
}

/* "." and ".." are left out, and nothing else. */
TASK_TEST(dots, 1)
{
	struct sley_dir_entry *entries;
	bool found = false;
	ssize_t n = sley_dir_read("/proc/self", &entries, SOON);
	REQUIRE(n > 10);
	for (ssize_t i = 0; i < n; i++) {
		REQUIRE(strcmp(entries[i].name, ".") != 0 && strcmp(entries[i].name, "..") != 0);
		found |= strcmp(entries[i].name, "status") == 0;
	}
	REQUIRE(found);
	free(entries);
}

static int make_directory(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return at >= 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	close(at);
	return rmdir(directory);
}

int main(void)
{
	return tests_main(make_directory, remove_directory);
}
