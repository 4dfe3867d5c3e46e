/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The executable mappings of a process, and its files, opened for reading even if they were renamed or removed. */
#ifndef ASYNCTOP_SYMBOLS_MAPS_H
#define ASYNCTOP_SYMBOLS_MAPS_H

#include "symbols/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct mapping {
	uint64_t start, end, offset;
	uint64_t inode;
	char path[MODULE_PATH]; /* without " (deleted)", cut if too long; "[vdso]" */
};

/*
 * Reads the executable mappings of files and the vdso. `proc` is a descriptor of /proc/PID. The caller frees *mappings;
 * bytes after a path's end are zero, so that two lists can be compared as memory. 0 or a negative errno.
 */
int maps_read(int proc, struct mapping **mappings, size_t *count);

/* Descriptors through which a process's files are opened. The broker keeps one set per process. */
struct target_files {
	int proc; /* /proc/PID (living.h); answers ESRCH when that is gone, even if the number is used again */
	int root; /* its root directory, -1: not accessible */
	int vdso; /* a copy of the vdso, -1: none */
	struct stat executable;
};

/*
 * A descriptor for reading the ELF file that is mapped there, or -1. First choice is /proc/PID/map_files (exact, works
 * for deleted files and in containers, needs CAP_CHECKPOINT_RESTORE), then /proc/PID/exe, then the path inside
 * the process's root if it still leads to the same inode.
 */
int target_open(const struct target_files *files, const struct mapping *mapping);

/*
 * The `nth` place of separate debug information of the module at `path`: a descriptor, -1 if there is none, and
 * -ENOENT past the last place. Looks into the process's root first, then into our own.
 */
int target_open_debug(const struct target_files *files, const char *path, enum want how, const char *name,
		      unsigned nth);

/* The kernel's vdso as an ELF file in a memfd, or -1. It is the same in every process. */
int vdso_copy(void);

#endif
