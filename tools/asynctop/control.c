/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Leases on the control page. Only pread and pwrite: a page that was cut short gives an error, not a signal. */
#include "control.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "sley/introspect.h"

int control_open(struct control *c, int fd)
{
	struct sley_control page;

	if (pread(fd, &page, sizeof(page), 0) != (ssize_t)sizeof(page) || page.magic != SLEY_CONTROL_MAGIC ||
	    page.version != SLEY_REGION_VERSION)
		return -1;
	*c = (struct control){ .fd = fd };
	return 0;
}

static int store(struct control *c, const void *value, size_t n, size_t offset)
{
	ssize_t put = pwrite(c->fd, value, n, (off_t)offset);

	return put == (ssize_t)n ? 0 : put < 0 ? -errno : -EIO;
}

int control_renew(struct control *c, int64_t now_ns, int64_t for_ns)
{
	uint32_t level = SLEY_LEVEL_TIMES;
	int status;

	if (c->fd < 0)
		return -EBADF;
	if (for_ns > SLEY_LEASE_MAX_NS)
		for_ns = SLEY_LEASE_MAX_NS;
	c->lease_ns = now_ns + for_ns;
	status = store(c, &level, sizeof(level), offsetof(struct sley_control, level));
	if (status == 0)
		status = store(c, &c->lease_ns, sizeof(c->lease_ns), offsetof(struct sley_control, lease_ns));
	return status;
}

void control_close(struct control *c)
{
	int64_t current, none = 0;

	if (c->fd < 0)
		return;
	if (c->lease_ns != 0 &&
	    pread(c->fd, &current, sizeof(current), offsetof(struct sley_control, lease_ns)) == (ssize_t)sizeof(current) &&
	    current == c->lease_ns)
		(void)store(c, &none, sizeof(none), offsetof(struct sley_control, lease_ns));
	close(c->fd);
	c->fd = -1;
}
