/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Waiting for readiness. */
#include <errno.h>
#include <poll.h>

#include "reactor/entry.h"
#include "run/worker.h"

/* Returns the events that hold now, by poll(2) without a wait. */
static int poll_descriptor(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int n;
	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n > 0 && p.revents & POLLNVAL ? -EBADF : p.revents;
}

int sley_poll_at(int fd, int events, sley_time deadline, const void *pc)
{
	if (!task_self())
		return outside_error();
	if (events == 0 || events & ~(POLLIN | POLLOUT))
		return -EINVAL;
	bool reading = events & POLLIN, writing = events & POLLOUT;
	struct hold hold = { 0 };
	int saved = errno, result;
	for (;;) {
		/*
		 * The marks are cleared before the check, as before any try. The check does not consume the events, so
		 * the marks are set again.
		 */
		struct entry *entry = entry_find(fd);
		unsigned flags = entry_flags(entry);
		bool marked[2] = { reading && entry_begin_try(entry, flags, READING),
				   writing && entry_begin_try(entry, flags, WRITING) };
		result = poll_descriptor(fd, events);
		for (int d = READING; result != 0 && d <= WRITING; d++) {
			if (marked[d])
				reactor_maybe_more(fd, (enum direction)d);
		}
		if (result != 0)
			break;
		result = reactor_wait_any(fd, reading, writing, deadline, pc, &hold);
		if (result)
			break;
	}
	reactor_let_go(fd, &hold);
	worker_spend(pc);
	*sley_errno_location() = saved;
	return result;
}

int sley_poll(int fd, int events, sley_time deadline)
{
	return sley_poll_at(fd, events, deadline, __builtin_return_address(0));
}
