/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A cgroup of a test's own. The files are those of version 1 or 2, as the hierarchy is. */
#ifndef TESTS_CGROUP_H
#define TESTS_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

struct cgroup {
	char directory[128];
};

/* Makes one in the root of the hierarchy that is mounted there. False: that cannot be. */
bool cgroup_make(struct cgroup *cgroup, const char *root);

/* Waits until no process is in it. */
void cgroup_remove(const struct cgroup *cgroup);

/* Moves the process into it. */
bool cgroup_enter(const struct cgroup *cgroup, pid_t pid);

/* Writes the text to the file. */
bool cgroup_put(const struct cgroup *cgroup, const char *file, const char *text);

/* Whether the file has the text in it. */
bool cgroup_has(const struct cgroup *cgroup, const char *file, const char *text);

/* The number behind the word in the file; -1: there is none. */
long cgroup_number(const struct cgroup *cgroup, const char *file, const char *word);

#endif
