/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* poll, select, epoll_wait and their kin: a task gets what the kernel gives a thread. */
#include "tests/posix/both.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MS 1000000L

static int fds[2], others[2];

static void writes(void *unused)
{
	REQUIRE(write(fds[1], "hello", 5) == 5);
}

static void closes(void *unused)
{
	REQUIRE(close(fds[1]) == 0);
}

static void drain(int fd)
{
	char bytes[100];
	REQUIRE(read(fd, bytes, sizeof(bytes)) > 0);
}

/* One descriptor, several, none; each event; and the timeout. */
BOTH(poll_waits)
{
	make_pair(SOCK_STREAM, fds);
	make_pipe(others);
	struct pollfd p[4] = {
		{ fds[0], POLLIN, 0 }, { -5, POLLIN, 77 }, { others[0], POLLIN, 0 }, { fds[0], POLLIN, 0 }
	};
	peer_starts(writes, NULL);
	note(poll(p, 1, -1));
	note(p[0].revents);
	peer_ends();
	drain(fds[0]);
	peer_starts(writes, NULL);
	note(poll(p, 4, 10000));
	peer_ends();
	for (int i = 0; i < 4; i++)
		note(p[i].revents);
	drain(fds[0]);
	int64_t since = test_now();
	note(poll(p, 4, 20));
	note(test_now() - since >= 20 * MS);
	note(poll(p, 1, 20));
	note(poll(p, 1, 0));
	since = test_now();
	note(poll(NULL, 0, 20));
	note(test_now() - since >= 20 * MS);
	p[0].events = POLLIN | POLLOUT;
	note(poll(p, 1, -1));
	note(p[0].revents);
	p[0].events = POLLPRI | POLLRDHUP;
	p[1] = (struct pollfd){ others[1], 0, 0 };
	peer_starts(closes, NULL);
	note(poll(p, 2, -1));
	peer_ends();
	note(p[0].revents);
	close(others[0]);
	note(poll(p + 1, 1, -1));
	note(p[1].revents);
	p[0].fd = 100000;
	note(poll(p, 2, -1));
	note(p[0].revents);
	close(fds[0]);
	close(others[1]);
}

/* The events that libraries ask for besides, and a regular file, which is always ready. */
BOTH(poll_others)
{
	make_pair(SOCK_STREAM, fds);
	int file = open("/proc/self/cmdline", O_RDONLY);
	struct pollfd p[2] = { { fds[0], POLLIN | POLLERR | POLLHUP, 0 }, { file, POLLIN | POLLOUT, 0 } };
	peer_starts(writes, NULL);
	note(poll(p, 1, -1));
	peer_ends();
	note(p[0].revents);
	drain(fds[0]);
	p[0].events = POLLRDNORM | POLLRDBAND | POLLIN | POLLPRI;
	peer_starts(writes, NULL);
	note(poll(p, 1, -1));
	peer_ends();
	note(p[0].revents);
	drain(fds[0]);
	note(poll(p, 2, -1));
	note(p[1].revents);
	close(file);
	close_both(fds);
}

BOTH(ppoll_waits)
{
	sigset_t none;
	sigemptyset(&none);
	make_pair(SOCK_STREAM, fds);
	struct pollfd p = { fds[0], POLLIN, 0 };
	peer_starts(writes, NULL);
	note(ppoll(&p, 1, NULL, NULL));
	peer_ends();
	drain(fds[0]);
	int64_t since = test_now();
	note(ppoll(&p, 1, &(struct timespec){ .tv_nsec = 20 * MS }, NULL));
	note(test_now() - since >= 20 * MS);
	note(ppoll(&p, 1, &(struct timespec){ 0 }, NULL));
	note(ppoll(&p, 1, &(struct timespec){ .tv_nsec = -1 }, NULL));
	note(ppoll(&p, 1, &(struct timespec){ .tv_nsec = MS }, &none)); /* passes through */
	close_both(fds);
}

static long set_of(const fd_set *set)
{
	return FD_ISSET(fds[0], set) + 2 * FD_ISSET(fds[1], set) + 4 * FD_ISSET(others[0], set);
}

static void fill_set(fd_set *set)
{
	FD_ZERO(set);
	FD_SET(fds[0], set);
	FD_SET(others[0], set);
}

/* The sets that are ready, the timeout that is left, and none that is ready. */
BOTH(select_waits)
{
	fd_set read, write, except;
	struct timeval time = { .tv_sec = 100 };
	make_pair(SOCK_STREAM, fds);
	make_pipe(others);
	fill_set(&read);
	peer_starts(writes, NULL);
	note(select(FD_SETSIZE, &read, NULL, NULL, &time));
	peer_ends();
	note(set_of(&read));
	note(time.tv_sec > 0 && time.tv_sec < 100);
	drain(fds[0]);
	fill_set(&read);
	fill_set(&except);
	time = (struct timeval){ .tv_usec = 20000 };
	int64_t since = test_now();
	note(select(others[1] + 1, &read, NULL, &except, &time));
	note(test_now() - since >= 20 * MS);
	note(set_of(&read) + set_of(&except));
	note(time.tv_sec + time.tv_usec);
	fill_set(&read);
	FD_ZERO(&write);
	FD_SET(fds[1], &write);
	note(select(others[1] + 1, &read, &write, NULL, NULL));
	note(set_of(&read));
	note(set_of(&write));
	time = (struct timeval){ .tv_usec = 20000 };
	note(select(0, NULL, NULL, NULL, &time));
	fill_set(&read);
	note(select(others[1] + 1, &read, NULL, NULL, &time));
	note(select(-1, NULL, NULL, NULL, NULL));
	note(select(1, NULL, NULL, NULL, &(struct timeval){ .tv_sec = -1 }));
	fill_set(&read);
	close(others[0]);
	note(select(others[1] + 1, &read, NULL, NULL, NULL));
	close(others[1]);
	FD_ZERO(&read);
	FD_SET(fds[0], &read);
	peer_starts(writes, NULL);
	note(pselect(fds[0] + 1, &read, NULL, NULL, NULL, NULL));
	peer_ends();
	drain(fds[0]);
	FD_SET(fds[0], &read);
	note(pselect(fds[0] + 1, &read, NULL, NULL, &(struct timespec){ .tv_nsec = MS }, NULL));
	close_both(fds);
}

/* An epoll instance: what is ready, how many at once, the timeout. */
BOTH(epoll_waits)
{
	struct epoll_event events[4], event = { .events = EPOLLIN, .data.u32 = 7 };
	int epoll = epoll_create1(0);
	make_pair(SOCK_STREAM, fds);
	make_pipe(others);
	REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event) == 0);
	event.data.u32 = 8;
	REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, others[0], &event) == 0);
	peer_starts(writes, NULL);
	note(epoll_wait(epoll, events, 4, -1));
	peer_ends();
	note(events[0].data.u32);
	note(events[0].events);
	drain(fds[0]);
	int64_t since = test_now();
	note(epoll_wait(epoll, events, 4, 20));
	note(test_now() - since >= 20 * MS);
	note(epoll_wait(epoll, events, 4, 0));
	peer_starts(writes, NULL);
	note(epoll_pwait(epoll, events, 4, -1, NULL));
	peer_ends();
	REQUIRE(write(others[1], "x", 1) == 1);
	note(epoll_pwait2(epoll, events, 1, NULL, NULL));
	note(epoll_pwait2(epoll, events, 4, &(struct timespec){ 0 }, NULL));
	drain(fds[0]);
	drain(others[0]);
	note(epoll_pwait2(epoll, events, 4, &(struct timespec){ .tv_nsec = 10 * MS }, NULL));
	note(epoll_wait(epoll, events, 0, -1));
	note(epoll_wait(fds[0], events, 4, -1));
	note(epoll_wait(-1, events, 4, -1));
	close(epoll);
	close_both(fds);
	close_both(others);
}

static int epoll_of_two;

static void waits_too(void *unused)
{
	struct epoll_event event;
	REQUIRE(epoll_wait(epoll_of_two, &event, 1, -1) == 1);
	drain(fds[0]);
	writes(NULL);
}

/* Two may wait for the same instance. */
BOTH(epoll_of_two_waiters)
{
	struct epoll_event event = { .events = EPOLLIN };
	epoll_of_two = epoll_create1(0);
	make_pair(SOCK_STREAM, fds);
	REQUIRE(epoll_ctl(epoll_of_two, EPOLL_CTL_ADD, fds[0], &event) == 0);
	peer_starts(waits_too, NULL);
	if (in_task())
		usleep(1);
	writes(NULL);
	peer_ends();
	note(epoll_wait(epoll_of_two, &event, 1, -1));
	drain(fds[0]);
	close(epoll_of_two);
	close_both(fds);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);

/* What fortified libraries call. */
BOTH(fortified)
{
	make_pair(SOCK_STREAM, fds);
	struct pollfd p = { fds[0], POLLIN, 0 };
	peer_starts(writes, NULL);
	note(__poll_chk(&p, 1, -1, sizeof(p)));
	peer_ends();
	drain(fds[0]);
	peer_starts(writes, NULL);
	note(__ppoll_chk(&p, 1, NULL, NULL, sizeof(p)));
	peer_ends();
	close_both(fds);
}
