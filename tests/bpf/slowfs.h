/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A FUSE file system with one file, `file`, that takes its time for fsync and for reading a page. */
#ifndef TESTS_BPF_SLOWFS_H
#define TESTS_BPF_SLOWFS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define SLOWFS_PAGES 64
#define SLOWFS_BYTE  'x' /* that the file is full of */

struct slowfs {
	pid_t pid;
	char directory[PATH_MAX];
	char file[PATH_MAX + 8];
};

/* Mounts it; it answers from a process of its own, after `delay_us`. False: FUSE does not work here. Root. */
bool slowfs_start(struct slowfs *, unsigned delay_us);
void slowfs_stop(struct slowfs *);

#endif
