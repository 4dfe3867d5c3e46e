/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Version 2 of cgroups has one hierarchy, whose line has number 0 and no controllers; version 1 has one for the controller
 * `cpu`. Both are looked for in their usual places.
 */
#include "source/throttle.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MOST 1024

static bool read_text(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number behind the word at the beginning of a line, or 0. */
static uint64_t number_of(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (; text != NULL; text = strchr(text, '\n') != NULL ? strchr(text, '\n') + 1 : NULL)
		if (strncmp(text, word, n) == 0)
			return strtoull(text + n, NULL, 10);
	return 0;
}

static void add_cgroup(struct throttled *t, uint64_t *most, const char *path, const char *stat)
{
	uint64_t ns = number_of(stat, "throttled_usec ") * 1000 + number_of(stat, "throttled_time ");
	size_t length = strlen(path);
	t->periods += number_of(stat, "nr_throttled ");
	t->ns += ns;
	if (ns <= *most)
		return;
	*most = ns;
	snprintf(t->cgroup, sizeof(t->cgroup), "%s",
		 length < sizeof(t->cgroup) ? path : path + length - sizeof(t->cgroup) + 1);
}

/* The cgroup and all above it: any of them may have a quota. */
static bool read_from(const char *root, char *path, struct throttled *t)
{
	char file[PATH_MOST + 64], stat[1024];
	uint64_t most = 0;
	bool found = false;
	for (;;) {
		char *end;
		snprintf(file, sizeof(file), "%s%s/cpu.stat", root, path);
		if (read_text(AT_FDCWD, file, stat, sizeof(stat))) {
			found = true;
			add_cgroup(t, &most, path, stat);
		}
		end = strrchr(path, '/');
		if (end == NULL || path[0] == '\0')
			return found;
		*end = '\0';
	}
}

/* Whether "cpu,cpuacct" has the controller `cpu`. */
static bool has_cpu(const char *controllers)
{
	size_t n = strcspn(controllers, ",");
	while (n != 3 || strncmp(controllers, "cpu", 3) != 0) {
		if (controllers[n] == '\0')
			return false;
		controllers += n + 1;
		n = strcspn(controllers, ",");
	}
	return true;
}

/* "4:cpu,cpuacct:/path" */
static bool read_line(char *line, struct throttled *t)
{
	char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
	bool old;
	if (path == NULL || strlen(path) >= PATH_MOST || strstr(path, "/..") != NULL)
		return false;
	*path++ = '\0';
	controllers++;
	old = *controllers != '\0';
	if (old && !has_cpu(controllers))
		return false;
	if (strcmp(path, "/") == 0)
		path[0] = '\0';
	return read_from(old ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup", path, t);
}

bool throttle_read(int dir, struct throttled *out)
{
	char text[8192], *rest = text, *line;
	bool found = false;
	*out = (struct throttled){ 0 };
	if (!read_text(dir, "cgroup", text, sizeof(text)))
		return false;
	while (!found && (line = strsep(&rest, "\n")) != NULL)
		found = read_line(line, out);
	return found;
}
