/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Leases on the control page. Only pread and pwrite are used: a page that was cut short gives an error, not a signal. A
 * write takes the lock of the page's inode, which the process may hold for ever: so the looker writes (lease.h).
 */
#include "source/control.h"

#include <errno.h>
#include <unistd.h>

#include "sley/introspect.h"
#include "source/look.h"

int control_open(struct control *c, pid_t pid, int fd)
{
	struct sley_control page;
	if (pread(fd, &page, sizeof(page), 0) != (ssize_t)sizeof(page) || page.magic != SLEY_CONTROL_MAGIC ||
	    page.version != SLEY_REGION_VERSION)
		return -1;
	*c = (struct control){ .pid = pid, .fd = fd };
	return 0;
}

int control_renew(struct control *c, int64_t now_ns, int64_t for_ns)
{
	int error;
	if (c->fd < 0)
		return -EBADF;
	if (for_ns > SLEY_LEASE_MAX_NS)
		for_ns = SLEY_LEASE_MAX_NS;
	error = look_lease(c->pid, c->fd, SLEY_LEVEL_TIMES, now_ns + for_ns);
	if (!error) /* else the page still has the lease before, which control_close() then releases */
		c->lease_ns = now_ns + for_ns;
	return error;
}

void control_close(struct control *c)
{
	if (c->fd < 0)
		return;
	if (c->lease_ns != 0)
		(void)look_release(c->pid, c->fd, c->lease_ns);
	close(c->fd);
	c->fd = -1;
}
