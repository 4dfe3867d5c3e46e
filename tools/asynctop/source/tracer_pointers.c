/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pointer arguments that the programs read at the moment of the block, because the memory may hold something else when
 * a reader comes: paths, addresses, times, futex words. Never the data of a transfer.
 */
#include "source/tracer_private.h"

#include <sys/syscall.h>

#define STRING  0
#define ADDRESS 112 /* struct sockaddr_un, rounded up */
#define TIME    16
#define WORD    8
#define POLLED  64 /* the first eight descriptors */

static const struct {
	unsigned short call;
	uint8_t code;
} pointer_arguments[] = {
#ifdef __x86_64__
	{ SYS_open, POINTER_ARG(0, STRING) },          { SYS_stat, POINTER_ARG(0, STRING) },
	{ SYS_lstat, POINTER_ARG(0, STRING) },         { SYS_access, POINTER_ARG(0, STRING) },
	{ SYS_rename, POINTER_ARG(0, STRING) },        { SYS_mkdir, POINTER_ARG(0, STRING) },
	{ SYS_rmdir, POINTER_ARG(0, STRING) },         { SYS_creat, POINTER_ARG(0, STRING) },
	{ SYS_link, POINTER_ARG(0, STRING) },          { SYS_unlink, POINTER_ARG(0, STRING) },
	{ SYS_symlink, POINTER_ARG(0, STRING) },       { SYS_readlink, POINTER_ARG(0, STRING) },
	{ SYS_chmod, POINTER_ARG(0, STRING) },         { SYS_chown, POINTER_ARG(0, STRING) },
	{ SYS_poll, POINTER_ARG(0, POLLED) },
#endif
	{ SYS_execve, POINTER_ARG(0, STRING) },        { SYS_truncate, POINTER_ARG(0, STRING) },
	{ SYS_chdir, POINTER_ARG(0, STRING) },         { SYS_statfs, POINTER_ARG(0, STRING) },
	{ SYS_getxattr, POINTER_ARG(0, STRING) },      { SYS_setxattr, POINTER_ARG(0, STRING) },
	{ SYS_openat, POINTER_ARG(1, STRING) },        { SYS_openat2, POINTER_ARG(1, STRING) },
	{ SYS_mkdirat, POINTER_ARG(1, STRING) },       { SYS_newfstatat, POINTER_ARG(1, STRING) },
	{ SYS_statx, POINTER_ARG(1, STRING) },         { SYS_unlinkat, POINTER_ARG(1, STRING) },
	{ SYS_renameat2, POINTER_ARG(1, STRING) },     { SYS_linkat, POINTER_ARG(1, STRING) },
	{ SYS_readlinkat, POINTER_ARG(1, STRING) },    { SYS_fchmodat, POINTER_ARG(1, STRING) },
	{ SYS_fchownat, POINTER_ARG(1, STRING) },      { SYS_faccessat, POINTER_ARG(1, STRING) },
	{ SYS_faccessat2, POINTER_ARG(1, STRING) },    { SYS_execveat, POINTER_ARG(1, STRING) },
	{ SYS_connect, POINTER_ARG(1, ADDRESS) },      { SYS_sendto, POINTER_ARG(4, ADDRESS) },
	{ SYS_ppoll, POINTER_ARG(0, POLLED) },         { SYS_nanosleep, POINTER_ARG(0, TIME) },
	{ SYS_clock_nanosleep, POINTER_ARG(2, TIME) }, { SYS_futex, POINTER_ARG(0, WORD) },
};

void tracer_fill_pointer_args(uint8_t codes[POINTER_ARG_CALLS])
{
	for (size_t i = 0; i < sizeof(pointer_arguments) / sizeof(pointer_arguments[0]); i++)
		if (pointer_arguments[i].call < POINTER_ARG_CALLS)
			codes[pointer_arguments[i].call] = pointer_arguments[i].code;
}
