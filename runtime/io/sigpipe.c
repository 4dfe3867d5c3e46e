/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/sigpipe.h"

#include "base/atomic.h"
#include "base/missing.h"
#include "base/raised.h"
#include "io/system.h"

ssize_t sigpipe_writev(int fd, const struct iovec *vector, int count)
{
	static unsigned missing; /* atomic: the kernel, qemu or a filter does not support the flag or the call */
	if (!load(&missing, relaxed)) {
		ssize_t n = sys_pwritev2(fd, vector, count, -1, RWF_NOSIGNAL);
		if (n != -EOPNOTSUPP && (n >= 0 || !is_missing((int)-n))) /* pipes return neither */
			return n;
		store(&missing, 1, relaxed);
	}
	struct raised raised;
	raised_begin(&raised);
	return raised_end(&raised, sys_writev(fd, vector, (long)count));
}
