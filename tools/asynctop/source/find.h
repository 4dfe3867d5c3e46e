/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The looker's part of process.h: it reads the links of a process's descriptors, and opens their files. Reading a link
 * waits for an exec that is under way (Linux 6.18). `dir` is a descriptor of /proc/PID.
 *
 * A hostile process can make such a link lead to a FIFO or a FUSE file in its mount namespace, on which open or stat
 * would hang. So a link is opened with O_PATH, which asks no file system that an unprivileged user can mount. It is
 * taken only if its mount is the kernel's internal one for memfds, that of a memfd of our own.
 */
#ifndef ASYNCTOP_PROCESS_FIND_H
#define ASYNCTOP_PROCESS_FIND_H

#include "source/process.h"

/* A descriptor of a process. */
struct found {
	enum process_status status;
	int fd;        /* -1: none; the caller's to close */
	char link[32]; /* "fd/N" */
	char why[192]; /* as of struct process */
};

/* 1: it holds a descriptor named as the region is; 0: not; -EACCES. */
int find_named(int dir);

/* Its region. `own_pid`: the number of the process in its own pid namespace. */
void find_region(int dir, long own_pid, struct found *);

/* Its control page: a memfd of that name, not yet looked into. fd -1: 0, or a negative errno of opening it. */
int find_control(int dir, int *fd);

/*
 * Opens descriptor `number` if it is a memfd with a part of the task records; -1: it is not. Its contents are
 * unchecked.
 */
int find_part(int dir, int number);

/* Whether the link still leads to the region with that inode: after an exec to none, or to that of the new program. */
bool find_current(int dir, const char *link, uint64_t inode);

/* The number after `key` in /proc/self/fdinfo/FD; with several numbers, the last. -1: none. */
long find_fdinfo(int fd, const char *key);

#endif
