/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Waits. A task is pinned to its thread meanwhile: the library that called may have state in thread-locals, or their
 * addresses in registers.
 *
 * One descriptor is waited for by sley_poll(). It refuses a second waiter for the same direction, other events, and
 * descriptors beyond its table, which poll(2) does not. For these, and for several descriptors, an epoll instance of the
 * call's own is made, and sley_poll() waits for that one. If it cannot be made, the task looks again and again.
 */
#include "posix/posix.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

#define VAIN_MOST 8 /* waits in a row that were vain, until the task pauses before it tries again */
#define PAUSE     NS_PER_MS
#define BUDGET    128 /* calls without a wait, until the task yields */

/* ---- who calls ---- */

static struct {
	uintptr_t begin, size; /* the code of libsley; set before a run */
} libsley;

static int find_libsley(struct dl_phdr_info *info, size_t size, void *unused)
{
	uintptr_t function = (uintptr_t)sley_self;
	(void)size, (void)unused;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
		if (segment->p_type != PT_LOAD || function - begin >= segment->p_memsz)
			continue;
		libsley.begin = begin;
		libsley.size = segment->p_memsz;
		if (info->dlpi_name[0])
			return 1;
		fprintf(stderr,
			"sley: libsley-posix has no effect: the program contains libsley.a. Link it with libsley.so\n");
		libsley.begin = 0;
		libsley.size = UINTPTR_MAX;
		return 1;
	}
	return 0;
}

__attribute__((constructor)) static void posix_open(void)
{
	dl_iterate_phdr(find_libsley, NULL);
}

NOINLINE bool posix_may_wait(const void *pc)
{
	return (uintptr_t)pc - libsley.begin >= libsley.size && !posix_holds_lock();
}

/* The earlier of a call's deadline and the task's. */
static sley_time earlier(sley_time deadline)
{
	sley_time own = posix_deadline();
	return MIN(own, deadline);
}

/* ---- the end of a wait ---- */

/* The errno of a wait that failed. A deadline that is not the call's own is the task's. */
static int wait_errno(int error, sley_time deadline)
{
	if (error == -ETIMEDOUT && deadline != SLEY_NEVER && sley_now() >= deadline)
		return EAGAIN;
	return -error;
}

bool posix_sleep_until(sley_time until, const void *pc)
{
	int pinned = sley_pin(1);
	sley_time end = earlier(until);
	int error = sley_sleep_at(end, pc);
	sley_pin(pinned);
	if (error == 0 && end < until && sley_now() < until)
		error = -ETIMEDOUT;
	if (error)
		errno = -error;
	return error == 0;
}

/* ---- waiting for descriptors ---- */

/* Adds the descriptor, or the events to those that it was added with. False: it is ready, or closed. */
static bool epoll_watch(int epoll, const struct pollfd *fds, unsigned long i)
{
	struct epoll_event event = { .events = (uint16_t)fds[i].events, .data.fd = fds[i].fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i].fd, &event) == 0)
		return true;
	if (errno != EEXIST)
		return false;
	for (unsigned long k = 0; k < i; k++) {
		if (fds[k].fd == fds[i].fd)
			event.events |= (uint16_t)fds[k].events;
	}
	return epoll_ctl(epoll, EPOLL_CTL_MOD, fds[i].fd, &event) == 0;
}

/* As sley_poll_at(), for any descriptors. */
static int wait_apart(const struct pollfd *fds, unsigned long n, sley_time deadline, const void *pc)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	sley_time pause = sley_in(PAUSE);
	bool all = epoll >= 0;
	for (unsigned long i = 0; all && i < n; i++)
		all = fds[i].fd < 0 || epoll_watch(epoll, fds, i);
	int result = all ? sley_poll_at(epoll, POLLIN, deadline, pc) : 0;
	if (epoll >= 0)
		sley_close(epoll);
	if (!all || (result < 0 && result != -ETIMEDOUT && result != -ECANCELED))
		result = sley_sleep_at(deadline < pause ? deadline : pause, pc);
	return result;
}

static int wait_pinned(const struct pollfd *fds, unsigned long n, sley_time deadline, const void *pc)
{
	int result = -EBUSY, pinned = sley_pin(1);
	deadline = earlier(deadline);
	int events = n == 1 ? fds->events & ~(POLLERR | POLLHUP | POLLNVAL) : 0; /* told unasked */
	if (events != 0 && fds->fd >= 0 && !(events & ~(POLLIN | POLLOUT)))
		result = sley_poll_at(fds->fd, events, deadline, pc);
	if (result < 0 && result != -ETIMEDOUT && result != -ECANCELED)
		result = wait_apart(fds, n, deadline, pc);
	sley_pin(pinned);
	return result;
}

int posix_wait_any(const struct pollfd *fds, unsigned long n, sley_time deadline, const void *pc)
{
	int result = wait_pinned(fds, n, deadline, pc);
	if (result >= 0)
		return 0;
	errno = wait_errno(result, deadline);
	return errno == EAGAIN ? -ETIMEDOUT : -1;
}

/* ---- a call ---- */

static sley_time socket_deadline(int fd, short events)
{
	struct timeval time = { 0 };
	socklen_t size = sizeof(time);
	int saved = errno;
	if (getsockopt(fd, SOL_SOCKET, events == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO, &time, &size) != 0)
		errno = saved; /* it is no socket */
	if (time.tv_sec == 0 && time.tv_usec == 0)
		return SLEY_NEVER;
	return sley_in(time.tv_sec < INT64_MAX / NS_PER_SEC - 1 ? SLEY_SEC(time.tv_sec) + SLEY_US(time.tv_usec)
								: SLEY_NEVER);
}

bool posix_is_blocking(struct posix_call *call)
{
	if (call->known)
		return true;
	int mode = fcntl(call->fd, F_GETFL);
	if (mode < 0)
		return false;
	if (mode & O_NONBLOCK) {
		errno = EAGAIN;
		return false;
	}
	call->deadline = socket_deadline(call->fd, call->events);
	call->known = true;
	return true;
}

bool posix_wait(struct posix_call *call)
{
	const struct pollfd one = { .fd = call->fd, .events = call->events };
	if (!posix_is_blocking(call))
		return false;
	call->waited = true;
	if (call->vain++ >= VAIN_MOST) {
		sley_time pause = sley_in(PAUSE);
		return posix_sleep_until(MIN(call->deadline, pause), call->pc);
	}
	struct posix_task *state = posix_keep_begin(call->fd);
	int result = posix_wait_any(&one, 1, call->deadline, call->pc), error = errno;
	int kept = posix_keep_end(state);
	if (kept >= 0) { /* a duplicate is the call's own, so nobody closes that */
		call->fd = kept;
		call->kept = true;
	}
	errno = error;
	return result == 0;
}

void posix_end(struct posix_call *call)
{
	static __thread unsigned spent;
	int saved = errno;
	if (unlikely(call->kept))
		NEXT(close)(call->fd);
	if (!call->waited && unlikely(++spent >= BUDGET)) {
		int pinned = sley_pin(1);
		spent = 0;
		sley_yield();
		sley_pin(pinned);
	}
	errno = saved;
}
