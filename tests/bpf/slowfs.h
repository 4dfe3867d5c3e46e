/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A FUSE file system with one file, `file`: one that takes its time for fsync and for reading a page, or one that can be
 * made to answer nothing. Whoever waits for it is released when it is stopped, and when the test ends.
 */
#ifndef TESTS_BPF_SLOWFS_H
#define TESTS_BPF_SLOWFS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define SLOWFS_PAGES 64
#define SLOWFS_BYTE  'x' /* that the file is full of */

struct slowfs {
	pid_t pid;
	struct slowfs_hold {
		volatile int on;    /* it answers nothing */
		volatile int asked; /* a request has come since */
	} * hold;                   /* shared with its process */
	char directory[PATH_MAX];
	char file[PATH_MAX + 8];
};

/* Mounts it; it answers from a process of its own, after `delay_us`. False: FUSE does not work here. Root. */
bool slowfs_start(struct slowfs *, unsigned delay_us);

/*
 * The same, but the file is a copy of the file `source`, executable for all, and it answers at once. `forgetful`: the
 * kernel asks for the file's attributes each time.
 */
bool slowfs_start_copy(struct slowfs *, const char *source, bool forgetful);

/* From here on it answers nothing, until slowfs_release(): neither new requests nor the one at which it is. */
void slowfs_hold(struct slowfs *);
void slowfs_release(struct slowfs *);

void slowfs_stop(struct slowfs *);

#endif
