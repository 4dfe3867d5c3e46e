/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"

#define TABLE_SIZE 16384u /* descriptors: 130 KiB of kernel memory; growing to twice as many stalls once */

void descriptors_presize(int fd)
{
	struct rlimit limit = { 0 };
	int saved = errno;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 0) {
		int high = fcntl(fd, F_DUPFD_CLOEXEC, (int)MIN(limit.rlim_cur, TABLE_SIZE) - 1);
		if (high >= 0)
			close(high);
	}
	errno = saved;
}

int descriptor_lift(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int error = errno;
	close(fd);
	errno = error;
	return high;
}
