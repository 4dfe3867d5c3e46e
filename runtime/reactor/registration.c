/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "reactor/registration.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/race.h"
#include "run/queue.h"
#include "run/worker.h"

#define EDGES ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI) | (uint32_t)EPOLLET)

struct reactor reactor;

/* ---- with the entry's lock held ---- */

static uint32_t wanted(const struct entry *entry)
{
	if (entry->flags & FD_OWNED)
		return EDGES;
	return (entry->waiter[READING] ? (uint32_t)EPOLLIN | EPOLLRDHUP : 0) |
	       (entry->waiter[WRITING] ? (uint32_t)EPOLLOUT : 0) | (uint32_t)EPOLLONESHOT;
}

int entry_register(int fd, struct entry *entry)
{
	struct epoll_event event = {
		.events = wanted(entry),
		.data.u64 = (uint64_t)entry_generation(entry) << 32 | (uint32_t)fd,
	};
	int saved = errno, error = 0;
	int operation = entry->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(reactor.epoll, operation, fd, &event) != 0) {
		error = -errno;
		if (error == -ENOENT)
			error = epoll_ctl(reactor.epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
		else if (error == -EEXIST)
			error = epoll_ctl(reactor.epoll, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
	}
	errno = saved;
	if (error == 0)
		entry->added = 1;
	return error == -EPERM ? -ENOTSUP : error == -ENOSPC ? -ENOMEM : error;
}

uint32_t entry_retire(struct entry *entry, struct task *woken[2])
{
	for (int d = READING; d <= WRITING; d++) {
		if (entry->waiter[d] && wait_claim(entry->waiter[d], CLAIM_CLOSED))
			woken[d] = entry->waiter[d];
		store(&entry->waiter[d], NULL, relaxed);
	}
	store(&entry->flags, 0, relaxed);
	return entry_next_generation(entry);
}

/* ---- without it ---- */

void entry_deregister(int fd)
{
	int saved = errno;
	epoll_ctl(reactor.epoll, EPOLL_CTL_DEL, fd, NULL);
	errno = saved;
}

void entry_ready(struct task *const woken[2])
{
	for (int d = READING; d <= WRITING; d++) {
		if (woken[d])
			task_ready(woken[d]);
	}
}

bool entry_rearm(int fd, struct entry *entry, int64_t since)
{
	struct task *woken[2] = { NULL, NULL };
	bool called = false;
	lock_take(&entry->lock);
	if ((entry->waiter[READING] || entry->waiter[WRITING]) && entry->since <= since) {
		called = true;
		if (entry_register(fd, entry) != 0) /* it is not open any more */
			entry_retire(entry, woken);
	}
	lock_drop(&entry->lock);
	entry_ready(woken);
	return called;
}

/* ---- closing ---- */

/*
 * On close(2), the kernel sends the rest of a lingering socket before it returns, for up to the SO_LINGER time,
 * regardless of O_NONBLOCK. Without the option it sends the rest afterwards. A linger of 0 s, which aborts, stays.
 */
static void end_linger(int fd)
{
	static const struct linger off;
	struct linger linger = { 0 };
	socklen_t size = sizeof(linger);
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff && linger.l_linger > 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

int entry_close(int fd, struct entry *entry, unsigned flags, bool added)
{
	int saved = errno;
	RACE_POINT(closing);
	if (added)
		entry_deregister(fd);
	if (!(flags & FD_FILE))
		end_linger(fd);
	int result = close(fd) == 0 ? 0 : -errno;
	errno = saved;
	/* re-registers a wait that began after the others were ended, and before close(2): it would get no event */
	if (entry)
		entry_rearm(fd, entry, INT64_MAX);
	return result;
}

/* Called when the last call that held a closed descriptor has let go. */
static void close_late(int fd, struct entry *entry)
{
	lock_take(&entry->lock);
	bool ours = entry->closing;
	entry->closing = 0;
	lock_drop(&entry->lock);
	if (ours)
		entry_close(fd, entry, 0, true);
}

void entry_let_go(int fd, struct entry *entry, struct hold *hold)
{
	if (!hold->held)
		return;
	hold->held = false;
	uint64_t life = fetch_sub(&entry->life, 1, acq_rel);
	if (unlikely((uint32_t)(life >> 32) != hold->generation) && (uint32_t)life == 1)
		close_late(fd, entry);
}
