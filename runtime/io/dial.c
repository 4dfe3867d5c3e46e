/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Dialing: connects a socket to an address, or to a host by name as RFC 8305 says, in one task.
 *
 * An attempt is a non-blocking connect. During the first delay the task waits for the first attempt alone, and usually
 * no other attempt is needed. After it, the attempts under way are put into an epoll set of their own. The task waits
 * for the descriptor of that set until an attempt is decided or the next one is due. Rejected: a task for each attempt,
 * which must be cancelled and joined before the call may return.
 */
#include "io/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "io/address.h"
#include "io/addresses.h"
#include "io/name.h"
#include "io/socket.h"
#include "io/system.h"
#include "reactor/reactor.h"
#include "run/park.h"
#include "run/worker.h"

#define ATTEMPTS_MOST 16

int64_t dial_attempt_delay = 250 * NS_PER_MS;

struct dial {
	const struct addrinfo *order[ATTEMPTS_MOST];
	int fds[ATTEMPTS_MOST]; /* of the attempts under way; -1: not under way */
	size_t count, next;     /* number of addresses; index of the next to try */
	unsigned open;          /* attempts under way in the epoll set */
	int epoll;              /* -1: not needed yet */
	int error;              /* of the first attempt that failed */
	int64_t due;            /* time of the next attempt */
	sley_time deadline;
	const void *pc;
};

/*
 * The result of a step if the dial is not over. Any other result is a connected descriptor, or the error of the call.
 */
#define UNDECIDED (-EINPROGRESS)

/* ---- attempts ---- */

/* Attempt i has failed: the next one is due. */
static int attempt_failed(struct dial *d, size_t i, int error)
{
	if (d->fds[i] >= 0)
		reactor_close_fd(d->fds[i]);
	d->fds[i] = -1;
	if (d->error == 0 || d->error == -EAFNOSUPPORT) /* the lack of a family says nothing about the other */
		d->error = error;
	d->due = 0;
	return UNDECIDED;
}

/* Adds attempt i to the epoll set. */
static int join_set(struct dial *d, size_t i)
{
	if (d->epoll < 0 && (d->epoll = descriptor_lift(epoll_create1(EPOLL_CLOEXEC))) < 0)
		return -errno;
	struct epoll_event event = { .events = EPOLLOUT, .data.u64 = i };
	if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->fds[i], &event) != 0)
		return -errno;
	d->open++;
	return UNDECIDED;
}

/* The first attempt: the task waits for it alone, until the next attempt is due. */
static int attempt_alone(struct dial *d)
{
	const struct addrinfo *address = d->order[0];
	sley_time until = d->count > 1 ? MIN(d->due, d->deadline) : d->deadline;
	int error = socket_connect(d->fds[0], address->ai_addr, address->ai_addrlen, until, d->pc);
	if (error == 0)
		return d->fds[0];
	if (error == -ECANCELED)
		return error;
	if (error != -ETIMEDOUT || clock_now() < until) /* or the kernel's own timeout */
		return attempt_failed(d, 0, error);
	return until == d->deadline ? error : join_set(d, 0);
}

/* Checks the state of an attempt. */
static int attempt_look(struct dial *d, size_t i)
{
	ssize_t error = sys_connect(d->fds[i], d->order[i]->ai_addr, d->order[i]->ai_addrlen);
	if (error == 0 || error == -EISCONN)
		return socket_is_own_peer(d->fds[i], d->order[i]->ai_addr) ? attempt_failed(d, i, -ECONNREFUSED)
									   : d->fds[i];
	return error == -EALREADY || error == -EINPROGRESS || error == -EINTR ? UNDECIDED
									      : attempt_failed(d, i, (int)error);
}

static int attempt_next(struct dial *d)
{
	size_t i = d->next++;
	d->due = clock_now() + load(&dial_attempt_delay, relaxed);
	d->fds[i] = socket_new(d->order[i]->ai_family, SOCK_STREAM, 0, 0);
	if (d->fds[i] < 0)
		return attempt_failed(d, i, d->fds[i]);
	if (i == 0)
		return attempt_alone(d);
	int result = attempt_look(d, i);
	return result == UNDECIDED && d->fds[i] >= 0 ? join_set(d, i) : result;
}

/* ---- the race ---- */

/* Waits until an attempt may be decided. UNDECIDED also means that the next attempt is due. */
static int wait_for_any(struct dial *d)
{
	struct hold hold = { 0 };
	sley_time until = d->next < d->count ? MIN(d->due, d->deadline) : d->deadline;
	int error = reactor_wait(d->epoll, READING, SLEY_WAIT_DIAL, until, d->pc, &hold);
	reactor_let_go(d->epoll, &hold);
	return error == 0 || (error == -ETIMEDOUT && until < d->deadline) ? UNDECIDED : error;
}

static int look_at_all(struct dial *d)
{
	struct epoll_event events[ATTEMPTS_MOST];
	int result = UNDECIDED, n = epoll_wait(d->epoll, events, ATTEMPTS_MOST, 0);
	for (int e = 0; e < n && result == UNDECIDED; e++) {
		size_t i = (size_t)events[e].data.u64;
		result = attempt_look(d, i);
		if (d->fds[i] < 0)
			d->open--;
	}
	return result;
}

static int race(struct dial *d)
{
	int result = UNDECIDED;
	while (result == UNDECIDED) {
		if (d->next < d->count && (d->open == 0 || clock_now() >= d->due)) {
			result = attempt_next(d);
		} else if (d->open == 0) {
			result = d->error;
		} else {
			result = wait_for_any(d);
			if (result == UNDECIDED)
				result = look_at_all(d);
		}
	}
	return result;
}

/* Closes all sockets except the winner. */
static void clean_up(struct dial *d, int winner)
{
	for (size_t i = 0; i < d->next; i++) {
		if (d->fds[i] >= 0 && d->fds[i] != winner)
			reactor_close_fd(d->fds[i]);
	}
	if (d->epoll >= 0)
		reactor_close_fd(d->epoll);
	if (winner >= 0)
		reactor_maybe_more(winner, WRITING);
}

static int dial_any(const struct addrinfo *addresses, sley_time deadline, const void *pc)
{
	struct dial d = { .epoll = -1, .deadline = wait_deadline(task_self(), deadline), .pc = pc };
	d.count = addresses_interleave(addresses, d.order, ATTEMPTS_MOST);
	int saved = errno, result = d.count > 0 ? race(&d) : -ENOENT;
	clean_up(&d, result);
	*sley_errno_location() = saved;
	return result;
}

/* ---- the calls ---- */

/* A port number is checked here, a service name by the resolver. */
static bool is_service(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return *text && (text[digits] || (digits <= 5 && atoi(text) <= 65535));
}

static int dial_host(const char *host, const char *service, sley_time deadline, const void *pc)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	struct addrinfo *addresses = NULL;
	int result = is_service(service) && *host ? name_check(host, service) : -EINVAL;
	if (result == 0)
		result = name_resolve(host, service, &hints, &addresses, deadline, pc);
	if (result == 0)
		result = dial_any(addresses, deadline, pc);
	sley_resolve_free(addresses);
	return result;
}

int sley_dial_host(const char *host, const char *service, sley_time deadline)
{
	if (!task_self())
		return outside_error();
	if (!host || !service)
		return -EINVAL;
	return dial_host(host, service, deadline, __builtin_return_address(0));
}

/*
 * Returns whether the text may be a host name. Text with colons or brackets is a wrong IPv6 address. Text of digits and
 * dots alone is a wrong IPv4 address.
 */
static bool is_name(const char *host)
{
	return *host && !strpbrk(host, ":[]/") && host[strspn(host, "0123456789.")];
}

/* Dials "host:service", for sley_dial() with text that is no address. */
static int dial_name(const char *text, sley_time deadline, const void *pc)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	if (!colon)
		return -EINVAL;
	int saved = errno;
	char *host = strdup(text);
	*sley_errno_location() = saved;
	if (!host)
		return -ENOMEM;
	host[colon - text] = '\0';
	int result = is_name(host) ? dial_host(host, host + (colon - text) + 1, deadline, pc) : -EINVAL;
	free(host);
	return result;
}

/* ---- by address ---- */

struct direct {
	sley_time deadline;
	const void *pc;
};

static int dial_address(const struct address *address, void *with)
{
	const struct direct *d = with;
	int fd = socket_new(address->any.sa_family, SOCK_STREAM, 0, 0);
	if (fd < 0)
		return fd;
	int error = socket_connect(fd, &address->any, address->size, d->deadline, d->pc);
	return error ? socket_abandon(fd, error) : fd;
}

int sley_dial(const char *text, sley_time deadline)
{
	struct address address;
	if (!task_self())
		return outside_error();
	if (address_parse(&address, text) != 0)
		return dial_name(text, deadline, __builtin_return_address(0));
	struct direct with = { deadline, __builtin_return_address(0) };
	int saved = errno;
	int fd = socket_for(&address, dial_address, &with);
	*sley_errno_location() = saved;
	return fd;
}
