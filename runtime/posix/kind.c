/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What a descriptor is, remembered by its number. The number may have been closed and used again, also by libc itself,
 * whose calls do not come by here. A wrong hint costs time, and never the answer: what is taken for a socket is told by
 * ENOTSOCK, a file in the place of a pipe is ready, and a socket that is taken for a file blocks its thread. Calls that
 * close or make descriptors forget the hint, so the last case needs a number that libc closed and that was made here.
 */
#include "posix/posix.h"

#include <sys/stat.h>

#define KINDS 65536

static uint8_t kinds[KINDS]; /* atomic: enum posix_kind */

enum posix_kind posix_kind(int fd)
{
	return fd >= 0 && fd < KINDS ? (enum posix_kind)load(&kinds[fd], relaxed) : POSIX_UNKNOWN;
}

enum posix_kind posix_kind_learn(int fd)
{
	struct stat status;
	enum posix_kind kind = POSIX_FILE; /* not open: the call that passes through says so */
	int saved = errno;
	if (fstat(fd, &status) == 0) {
		mode_t type = status.st_mode & S_IFMT;
		kind = type == S_IFSOCK                                        ? POSIX_SOCKET
		       : type == S_IFIFO                                       ? POSIX_PIPE
		       : type == S_IFREG || type == S_IFDIR || type == S_IFBLK ? POSIX_FILE
									       : POSIX_OTHER;
		if (fd >= 0 && fd < KINDS)
			store(&kinds[fd], (uint8_t)kind, relaxed);
	}
	errno = saved;
	return kind;
}

void posix_kind_forget(int fd)
{
	if (fd >= 0 && fd < KINDS)
		store(&kinds[fd], POSIX_UNKNOWN, relaxed);
}
