/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/nowait.h"

#include <sys/resource.h>

#include "base/atomic.h"
#include "base/missing.h"
#include "io/sigpipe.h"
#include "io/system.h"

static unsigned no_reading, no_writing; /* atomic: the call is missing */

/*
 * Tells a missing call from a failure of the file. Files return EPERM too (a sealed file, to a write), so the call is
 * made on no descriptor: EBADF, unless the call is missing.
 */
static bool reading_is_missing(void)
{
	return is_missing((int)-sys_preadv2(-1, NULL, 0, -1, RWF_NOWAIT));
}

static bool writing_is_missing(void)
{
	return is_missing((int)-sys_pwritev2(-1, NULL, 0, -1, RWF_NOWAIT));
}

ssize_t nowait_readv(int fd, const struct iovec *vector, int count, off_t offset)
{
	if (load(&no_reading, relaxed))
		return -EOPNOTSUPP;
	ssize_t n = sys_preadv2(fd, vector, count, offset, RWF_NOWAIT);
	if (unlikely(n < 0) && is_missing((int)-n) && reading_is_missing()) {
		store(&no_reading, 1, relaxed);
		n = -EOPNOTSUPP;
	}
	return n;
}

static ssize_t write_with(int fd, const struct iovec *vector, int count, off_t offset, int flags)
{
	if (load(&no_writing, relaxed))
		return -EOPNOTSUPP;
	ssize_t n = sys_pwritev2(fd, vector, count, offset, flags);
	if (unlikely(n < 0) && is_missing((int)-n) && writing_is_missing()) {
		store(&no_writing, 1, relaxed);
		n = -EOPNOTSUPP;
	}
	return n;
}

/* Returns whether RLIMIT_FSIZE was set at the first query. A query for each write would cost as much as the write. */
static bool files_are_limited(void)
{
	static unsigned known; /* atomic: 1: not limited, 2: limited */
	struct rlimit limit;
	if (unlikely(load(&known, relaxed) == 0))
		store(&known, getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? 2 : 1, relaxed);
	return load(&known, relaxed) == 2;
}

/* Returns -EOPNOTSUPP if files are limited: then the pool writes, as its threads have SIGXFSZ blocked. */
ssize_t nowait_writev(int fd, const struct iovec *vector, int count, off_t offset)
{
	if (unlikely(files_are_limited()))
		return -EOPNOTSUPP;
	return write_with(fd, vector, count, offset, RWF_NOWAIT);
}

ssize_t nowait_writev_nosignal(int fd, const struct iovec *vector, int count)
{
	return write_with(fd, vector, count, -1, RWF_NOWAIT | RWF_NOSIGNAL);
}
