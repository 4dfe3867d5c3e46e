/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Waiting for readiness.
 *
 * The wait for several descriptors is one for an epoll instance of the call's own that watches them all. So it needs no
 * place in their entries, other tasks may wait for them too, and the reactor knows of one more foreign descriptor alone.
 * Rejected: to link the task into the entry of each, with wait nodes in memory of the call. Every event of a descriptor
 * would look through a list, for a call that ports of other programs need.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/descriptor.h"
#include "reactor/entry.h"
#include "run/park.h"
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

/* ---- several ---- */

static int poll_all(struct pollfd *fds, size_t n)
{
	int ready;
	do
		ready = poll(fds, n, 0);
	while (ready < 0 && errno == EINTR);
	return ready < 0 ? -errno : ready;
}

/* Returns the events that are wanted of the descriptor of `fds[i]`, by all places up to that one: it may be in several. */
static uint32_t pollv_events(const struct pollfd *fds, size_t i)
{
	uint32_t events = 0;
	for (size_t j = 0; j <= i; j++) {
		if (fds[j].fd == fds[i].fd)
			events |= (unsigned short)fds[j].events;
	}
	return events;
}

/* Watches the descriptors. What is not open, or cannot be polled, is found by poll(2): it does not wait. */
static int watch_all(int epoll, const struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct epoll_event event = { .events = (unsigned short)fds[i].events };
		if (fds[i].fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i].fd, &event) == 0)
			continue;
		event.events = pollv_events(fds, i);
		if (errno == EEXIST && epoll_ctl(epoll, EPOLL_CTL_MOD, fds[i].fd, &event) == 0)
			continue;
		if (errno == ENOMEM || errno == ENOSPC)
			return -ENOMEM;
	}
	return 0;
}

/* Waits for nothing but the deadline or the cancellation. */
static int wait_for_none(sley_time deadline, const void *pc)
{
	wait_begin(task_self(), SLEY_WAIT_POLL, (uint64_t)-1, pc);
	return wait_error(wait_park(task_self(), deadline));
}

/* Returns the result of the call. A wake-up without an event is possible, if another task has taken what was there. */
static int pollv_wait(struct pollfd *fds, size_t n, sley_time deadline, const void *pc)
{
	struct hold hold = { 0 };
	int epoll = descriptor_lift(epoll_create1(EPOLL_CLOEXEC));
	if (epoll < 0)
		return -errno;
	int ready = 0, error = watch_all(epoll, fds, n);
	/* what became ready, or was closed, before it was watched */
	while (error == 0 && (ready = poll_all(fds, n)) == 0)
		error = reactor_wait(epoll, READING, SLEY_WAIT_POLL, deadline, pc, &hold);
	reactor_let_go(epoll, &hold);
	reactor_close_fd(epoll);
	return error ? error : ready;
}

int sley_pollv(struct pollfd *fds, size_t n, sley_time deadline)
{
	const void *pc = __builtin_return_address(0);
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (!fds && n > 0)
		return -EFAULT;
	int saved = errno, result = poll_all(fds, n);
	if (result == 0)
		result = n == 0 || wait_deadline(task, deadline) <= clock_now() ? wait_for_none(deadline, pc)
										: pollv_wait(fds, n, deadline, pc);
	worker_spend(pc);
	*sley_errno_location() = saved;
	return result;
}
