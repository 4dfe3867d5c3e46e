/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls: their names, and their arguments as a person would write them. Pure: the record holds the memory behind
 * a pointer argument; the caller names descriptors.
 */
#ifndef ASYNCTOP_SYSCALLS_H
#define ASYNCTOP_SYSCALLS_H

#include "common/text.h"
#include "events.h"

/* block_record.syscall of a task that computed for long; and in its flags: registers and stack are of user mode */
#define SYSCALL_COMPUTING (-2)
#define BLOCK_COMPUTES    0x80000000u

/* The kind of remedy for a blocking call: rows of the table in model/verdict.c. */
enum remedy {
	REMEDY_HAND,
	REMEDY_READ,
	REMEDY_WRITE,
	REMEDY_PREAD,
	REMEDY_PWRITE,
	REMEDY_OPEN,
	REMEDY_CLOSE,
	REMEDY_FILE,
	REMEDY_POLL,
	REMEDY_SLEEP,
	REMEDY_LOCK,
	REMEDY_DIAL,
	REMEDY_ACCEPT,
	REMEDY_COPY,
	REMEDY_SYNC,
	REMEDY_FLOCK,
	REMEDY_CHILD,
	REMEDY_SIGNAL,
	REMEDY_MEMORY,
	REMEDY_RANDOM,
	REMEDY_YIELD,
	REMEDY_FAULT,
	REMEDY_COMPUTE,
	REMEDY_COUNT,
};

#define SYSCALL_ARGS     6
#define SYSCALL_NAME_MAX 32

/* "fsync", "page fault", "computing", or "syscall 999" where the number has no name here. Returns `out` or a constant. */
const char *syscall_name(int number, char out[SYSCALL_NAME_MAX]);

enum remedy syscall_remedy(int number);

/* The index of the argument with the call's descriptor, or -1. */
int syscall_descriptor(int number);

/* The index of the argument with decoded memory, if the record has it, or -1. */
int syscall_kept(int number);

/*
 * Argument `i` as text, appended to `out`: false when the call has no argument i. A path, an address or a time is
 * decoded from the record's memory when it is the argument that was kept, and printed as a pointer otherwise.
 */
bool syscall_arg(struct text *out, const struct block_record *r, unsigned i);

#endif
