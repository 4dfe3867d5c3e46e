/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * poll(2), select(2), epoll_wait(2) and their kin: made without a timeout, and again after a wait. A call with a signal
 * mask passes through, as the mask is the thread's. An epoll instance is waited for as a descriptor of its own.
 */
#include "posix/posix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"

static sley_time deadline_in(const struct timespec *time)
{
	if (!time || time->tv_sec >= INT64_MAX / NS_PER_SEC)
		return SLEY_NEVER;
	return sley_in(time->tv_sec * NS_PER_SEC + time->tv_nsec);
}

static sley_time deadline_in_ms(int ms)
{
	return ms < 0 ? SLEY_NEVER : sley_in(SLEY_MS(ms));
}

/* ---- poll ---- */

static int poll_until(struct pollfd *fds, nfds_t n, sley_time deadline, bool once, const void *pc)
{
	struct posix_call call = POSIX_CALL(-1, 0, pc);
	for (;;) {
		int ready = NEXT(poll)(fds, n, 0);
		if (ready != 0 || once) {
			posix_end(&call);
			return ready;
		}
		call.waited = true;
		int result = n > 0                             ? posix_wait_any(fds, n, deadline, pc)
			     : posix_sleep_until(deadline, pc) ? -ETIMEDOUT
							       : -1;
		if (result == -1)
			return -1;
		once = result == -ETIMEDOUT;
	}
}

int posix_poll(struct pollfd *fds, nfds_t n, int timeout, const void *pc)
{
	return poll_until(fds, n, deadline_in_ms(timeout), timeout == 0, pc);
}

static struct timespec rest_until(sley_time deadline)
{
	sley_time left = deadline == SLEY_NEVER ? deadline : deadline - sley_now();
	return clock_timespec(left > 0 ? left : 0);
}

int posix_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, const void *pc)
{
	if (mask || posix_time_is_wrong(timeout))
		return NEXT(ppoll)(fds, n, timeout, mask);
	return poll_until(fds, n, deadline_in(timeout), timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0, pc);
}

/* ---- select ---- */

#define WORD_BITS (8 * (int)sizeof(fd_mask))

/* The three sets, and copies of what they were. The kernel reads and writes whole words. */
struct sets {
	fd_set *set[3];
	fd_mask *was[3];
	size_t size; /* of each */
	struct pollfd *fds;
	nfds_t count;
};

static bool in_set(const fd_mask *set, int fd)
{
	return set && set[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

/* In one block of memory, which the caller frees. */
static void *sets_init(struct sets *sets, int n)
{
	static const short events[3] = { POLLIN | POLLRDBAND, POLLOUT, POLLPRI };
	sets->size = ((size_t)n + (size_t)WORD_BITS - 1) / (size_t)WORD_BITS * sizeof(fd_mask);
	char *memory = malloc(3 * sets->size + (size_t)n * sizeof(*sets->fds) + 1);
	if (!memory)
		return NULL;
	sets->fds = (struct pollfd *)(void *)memory;
	for (int i = 0; i < 3; i++) {
		sets->was[i] =
			sets->set[i]
				? (fd_mask *)(void *)(memory + (size_t)n * sizeof(*sets->fds) + (size_t)i * sets->size)
				: NULL;
		if (sets->was[i])
			memcpy(sets->was[i], sets->set[i], sets->size);
	}
	for (int fd = 0; fd < n; fd++) {
		struct pollfd p = { .fd = fd };
		for (int i = 0; i < 3; i++)
			p.events |= in_set(sets->was[i], fd) ? events[i] : 0;
		if (p.events)
			sets->fds[sets->count++] = p;
	}
	return memory;
}

static int select_now(int n, const struct sets *sets)
{
	struct timeval none = { 0 };
	for (int i = 0; i < 3; i++) {
		if (sets->was[i])
			memcpy(sets->set[i], sets->was[i], sets->size);
	}
	return NEXT(select)(n, sets->set[0], sets->set[1], sets->set[2], &none);
}

static int select_until(int n, struct sets *sets, sley_time deadline, const void *pc)
{
	struct posix_call call = POSIX_CALL(-1, 0, pc);
	void *memory = sets_init(sets, n);
	if (!memory)
		return -1;
	int ready, result = 0;
	for (;;) {
		ready = select_now(n, sets);
		if (ready != 0 || result == -ETIMEDOUT)
			break;
		call.waited = true;
		if (sets->count > 0)
			result = posix_wait_any(sets->fds, sets->count, deadline, pc);
		else
			result = posix_sleep_until(deadline, pc) ? -ETIMEDOUT : -1;
		if (result == -1) {
			ready = -1;
			break;
		}
	}
	int saved = errno;
	free(memory);
	errno = saved;
	posix_end(&call);
	return ready;
}

int posix_select(int n, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout, const void *pc)
{
	struct sets sets = { .set = { read, write, except } };
	sley_time deadline = SLEY_NEVER;
	if (n < 0 || (timeout &&
		      (timeout->tv_sec < 0 || timeout->tv_usec < 0 || (timeout->tv_sec == 0 && timeout->tv_usec == 0))))
		return NEXT(select)(n, read, write, except, timeout);
	if (timeout) {
		struct timespec time = { .tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
					 .tv_nsec = timeout->tv_usec % 1000000 * 1000 };
		deadline = deadline_in(&time);
	}
	int result = select_until(n, &sets, deadline, pc);
	if (timeout && deadline != SLEY_NEVER) { /* as Linux does */
		struct timespec rest = rest_until(deadline);
		*timeout = (struct timeval){ .tv_sec = rest.tv_sec, .tv_usec = rest.tv_nsec / 1000 };
	}
	return result;
}

int posix_pselect(int n, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout,
		  const sigset_t *mask, const void *pc)
{
	struct sets sets = { .set = { read, write, except } };
	if (n < 0 || mask || posix_time_is_wrong(timeout) || (timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0))
		return NEXT(pselect)(n, read, write, except, timeout, mask);
	return select_until(n, &sets, deadline_in(timeout), pc);
}

/* ---- epoll ---- */

static int epoll_until(int epoll, struct epoll_event *events, int most, sley_time deadline, bool once, const void *pc)
{
	struct posix_call call = POSIX_CALL(-1, 0, pc);
	const struct pollfd one = { .fd = epoll, .events = POLLIN };
	for (;;) {
		int ready = NEXT(epoll_wait)(epoll, events, most, 0);
		if (ready != 0 || once) {
			posix_end(&call);
			return ready;
		}
		call.waited = true;
		int result = posix_wait_any(&one, 1, deadline, pc);
		if (result == -1)
			return -1;
		once = result == -ETIMEDOUT;
	}
}

int posix_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout, const void *pc)
{
	return epoll_until(epoll, events, most, deadline_in_ms(timeout), timeout == 0, pc);
}

int posix_epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask,
		      const void *pc)
{
	if (mask)
		return NEXT(epoll_pwait)(epoll, events, most, timeout, mask);
	return posix_epoll_wait(epoll, events, most, timeout, pc);
}

int posix_epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
		       const sigset_t *mask, const void *pc)
{
	if (mask || posix_time_is_wrong(timeout))
		return NEXT(epoll_pwait2)(epoll, events, most, timeout, mask);
	return epoll_until(epoll, events, most, deadline_in(timeout),
			   timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0, pc);
}
