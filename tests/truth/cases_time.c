/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: waits for a time, a signal, or one of several descriptors. */
#include "service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMES 3

PLANTED(nanosleep, "clock_nanosleep")
{
	for (int i = 0; i < TIMES; i++)
		BLOCK(nanosleep(&pause_time, NULL));
}

PLANTED(usleep, "clock_nanosleep", .unnamed = true)
{
	for (int i = 0; i < TIMES; i++)
		BLOCK(usleep(PAUSE_US));
}

PLANTED(sleep_until, "clock_nanosleep")
{
	for (int i = 0; i < TIMES; i++) {
		int64_t at = sley_now() + PAUSE_US * 1000L;
		struct timespec until = { at / 1000000000, at % 1000000000 };
		BLOCK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
	}
}

PLANTED(raw_nanosleep, "nanosleep")
{
	for (int i = 0; i < TIMES; i++)
		BLOCK(syscall(SYS_nanosleep, &pause_time, NULL));
}

PLANTED(short_ones, "clock_nanosleep")
{
	const struct timespec pause = { .tv_nsec = 100000 };
	for (int i = 0; i < 30; i++)
		BLOCK(nanosleep(&pause, NULL));
}

PLANTED(long_one, "clock_nanosleep")
{
	const struct timespec pause = { .tv_nsec = 300000000 };
	BLOCK(nanosleep(&pause, NULL));
}

/* Others would wait for that long, and asynctop would warn of them. */
PLANTED(longest_one, "clock_nanosleep", .alone = true)
{
	const struct timespec pause = { .tv_sec = 3 };
	BLOCK(nanosleep(&pause, NULL));
}

PLANTED(select_, "select|pselect6")
{
	for (int i = 0; i < TIMES; i++) {
		struct timeval left = { .tv_usec = PAUSE_US };
		BLOCK(select(0, NULL, NULL, NULL, &left));
	}
}

PLANTED(pselect_, "pselect6")
{
	int ends[2];
	make_pipe(ends);
	for (int i = 0; i < TIMES; i++) {
		fd_set set;
		FD_ZERO(&set);
		FD_SET(ends[0], &set);
		BLOCK(pselect(ends[0] + 1, &set, NULL, NULL, &pause_time, NULL));
	}
}

PLANTED(poll_, "poll")
{
	int ends[2];
	struct pollfd p = { .events = POLLIN };
	make_pipe(ends);
	p.fd = ends[0];
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(poll(&p, 1, -1));
		drain(ends[0]);
	}
}

PLANTED(ppoll_, "ppoll")
{
	struct pollfd p = { .fd = -1 };
	for (int i = 0; i < TIMES; i++)
		BLOCK(ppoll(&p, 1, &pause_time, NULL));
}

PLANTED(epoll_wait_, "epoll_wait")
{
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < TIMES; i++)
		BLOCK(epoll_wait(fd, &event, 1, PAUSE_US / 1000));
}

PLANTED(epoll_pwait_, "epoll_pwait|epoll_pwait2")
{
	struct epoll_event event;
	sigset_t none;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	sigemptyset(&none);
	for (int i = 0; i < TIMES; i++)
		BLOCK(epoll_pwait(fd, &event, 1, PAUSE_US / 1000, &none));
}

PLANTED(timerfd, "read")
{
	const struct itimerspec in = { .it_value = { .tv_nsec = PAUSE_US * 1000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	for (int i = 0; i < TIMES; i++) {
		uint64_t n;
		timerfd_settime(fd, 0, &in, NULL);
		BLOCK(if (read(fd, &n, sizeof(n)) != sizeof(n)) not_here("timerfd"));
	}
}

static void add_one(void *fd)
{
	eventfd_write((int)(intptr_t)fd, 1);
}

PLANTED(eventfd_, "read")
{
	int fd = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < TIMES; i++) {
		eventfd_t n;
		later(PAUSE_US, add_one, (void *)(intptr_t)fd);
		BLOCK(eventfd_read(fd, &n));
	}
}

static void take_all(void *fd)
{
	eventfd_t n;
	eventfd_read((int)(intptr_t)fd, &n);
}

PLANTED(eventfd_full, "write")
{
	int fd = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < TIMES; i++) {
		eventfd_write(fd, UINT64_MAX - 1 - i); /* i: what the turn before has written is still there */
		later(PAUSE_US, take_all, (void *)(intptr_t)fd);
		BLOCK(eventfd_write(fd, 1));
		take_all((void *)(intptr_t)fd);
	}
}

static void signal_thread(void *thread)
{
	syscall(SYS_tgkill, getpid(), (int)(intptr_t)thread, SIGUSR1);
}

static void signal_later(void)
{
	later(PAUSE_US, signal_thread, (void *)(intptr_t)syscall(SYS_gettid));
}

/* SIGUSR1 and no other, blocked on this thread. */
static sigset_t block_signal(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return set;
}

PLANTED(sigwait_, "rt_sigtimedwait")
{
	sigset_t set = block_signal();
	for (int i = 0; i < TIMES; i++) {
		int got;
		signal_later();
		BLOCK(sigwait(&set, &got));
	}
}

PLANTED(sigtimedwait_, "rt_sigtimedwait")
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (int i = 0; i < TIMES; i++)
		BLOCK(sigtimedwait(&set, NULL, &pause_time));
}

PLANTED(signalfd_, "read")
{
	sigset_t set = block_signal();
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	for (int i = 0; i < TIMES; i++) {
		struct signalfd_siginfo info;
		signal_later();
		BLOCK(if (read(fd, &info, sizeof(info)) != sizeof(info)) not_here("signalfd"));
	}
}

static void ignore_signal(int number)
{
	(void)number;
}

PLANTED(sigsuspend_, "rt_sigsuspend")
{
	struct sigaction action = { .sa_handler = ignore_signal };
	sigset_t none;
	sigaction(SIGUSR1, &action, NULL);
	block_signal();
	sigfillset(&none);
	sigdelset(&none, SIGUSR1);
	for (int i = 0; i < TIMES; i++) {
		signal_later();
		BLOCK(sigsuspend(&none));
	}
}

static void make_directory(void *path)
{
	if (!mkdtemp(path))
		abort();
}

static void remove_directory(void *path)
{
	rmdir(path);
}

static void remove_file(void *path)
{
	unlink(path);
}

static void create_file(void *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

PLANTED(inotify, "read")
{
	char directory[] = "/tmp/sley-truth-XXXXXX", path[64];
	char event[sizeof(struct inotify_event) + 256];
	int fd = inotify_init1(IN_CLOEXEC);
	on_thread(make_directory, directory);
	snprintf(path, sizeof(path), "%s/file", directory);
	inotify_add_watch(fd, directory, IN_CREATE);
	later(PAUSE_US, create_file, path);
	BLOCK(if (read(fd, event, sizeof(event)) <= 0) not_here("inotify"));
	on_thread(remove_file, path);
	on_thread(remove_directory, directory);
	on_thread(close_it, (void *)(intptr_t)fd);
}
