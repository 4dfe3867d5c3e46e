/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Only pread and pwrite: a page that was cut short gives an error, not a signal. */
#include "source/lease.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "sley/introspect.h"

static int store(int page, const void *value, size_t n, size_t offset)
{
	ssize_t put = pwrite(page, value, n, (off_t)offset);
	return put == (ssize_t)n ? 0 : put < 0 ? -errno : -EIO;
}

int lease_store(int page, uint32_t level, int64_t lease_ns)
{
	int status = store(page, &level, sizeof(level), offsetof(struct sley_control, level));
	return status ? status : store(page, &lease_ns, sizeof(lease_ns), offsetof(struct sley_control, lease_ns));
}

int lease_release(int page, int64_t lease_ns)
{
	int64_t current, none = 0;
	if (pread(page, &current, sizeof(current), offsetof(struct sley_control, lease_ns)) !=
		    (ssize_t)sizeof(current) ||
	    current != lease_ns)
		return 0;
	return store(page, &none, sizeof(none), offsetof(struct sley_control, lease_ns));
}
