/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"

bool cgroup_make(struct cgroup *cgroup, const char *root)
{
	snprintf(cgroup->directory, sizeof(cgroup->directory), "%s/sley-test-%d", root, getpid());
	return mkdir(cgroup->directory, 0755) == 0;
}

void cgroup_remove(const struct cgroup *cgroup)
{
	for (int64_t give_up = test_now() + 10000000000; rmdir(cgroup->directory) != 0 && errno == EBUSY; sched_yield())
		REQUIRE(test_now() < give_up);
}

bool cgroup_enter(const struct cgroup *cgroup, pid_t pid)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", pid);
	return cgroup_put(cgroup, "cgroup.procs", number);
}

static int open_file(const struct cgroup *cgroup, const char *name, int how)
{
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", cgroup->directory, name);
	return open(path, how | O_CLOEXEC);
}

bool cgroup_put(const struct cgroup *cgroup, const char *file, const char *text)
{
	int fd = open_file(cgroup, file, O_WRONLY);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return written;
}

static void get(const struct cgroup *cgroup, const char *file, char *text, size_t size)
{
	int fd = open_file(cgroup, file, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

bool cgroup_has(const struct cgroup *cgroup, const char *file, const char *text)
{
	char all[512];
	get(cgroup, file, all, sizeof(all));
	return strstr(all, text) != NULL;
}

long cgroup_number(const struct cgroup *cgroup, const char *file, const char *word)
{
	char all[512];
	get(cgroup, file, all, sizeof(all));
	const char *at = strstr(all, word);
	return at ? atol(at + strlen(word)) : -1;
}
