/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* read, write and poll, on every kind of descriptor: own sockets, and what others made, blocking or not. */
#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/atomic.h"

/* ---- two ends, one task each ---- */

#define TOTAL ((size_t)test_scale(1 << 20))

struct end {
	int fd;
	size_t part;
};

static void write_pattern(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[5000];
	size_t done = 0;
	while (done < TOTAL) {
		size_t n = e->part < TOTAL - done ? e->part : TOTAL - done;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)((done + i) * 31 >> 3);
		if (e->part % 2) {
			REQUIRE(sley_write_full(e->fd, bytes, n, SLEY_NEVER) == (ssize_t)n);
			done += n;
		} else {
			ssize_t w = sley_write(e->fd, bytes, n, SLEY_NEVER);
			REQUIRE(w > 0 && (size_t)w <= n);
			done += (size_t)w;
		}
	}
	REQUIRE(sley_close(e->fd) == 0);
}

static void read_pattern(void *arg)
{
	struct end *e = arg;
	unsigned char bytes[5000];
	size_t done = 0;
	ssize_t n;
	while ((n = sley_read(e->fd, bytes, e->part, SLEY_NEVER)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			REQUIRE(bytes[i] == (unsigned char)((done + (size_t)i) * 31 >> 3));
		done += (size_t)n;
	}
	REQUIRE(n == 0 && done == TOTAL);
	REQUIRE(sley_close(e->fd) == 0);
}

static void transfer(int from, int to, size_t write_part, size_t read_part)
{
	struct end *ends = calloc(2, sizeof(*ends));
	ends[0] = (struct end){ to, write_part };
	ends[1] = (struct end){ from, read_part };
	sley_task tasks[] = { sley_spawn(write_pattern, &ends[0]), sley_spawn(read_pattern, &ends[1]) };
	REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
	free(ends);
}

/* Foreign pipes and sockets, blocking and not: every byte comes through, and the only worker is never blocked. */
TASK_TEST(transfer, 1, 2)
{
	static const size_t parts[][2] = { { 1000, 333 }, { 333, 5000 }, { 4999, 4999 } };
	int fd[2];
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		REQUIRE(pipe(fd) == 0); /* blocking: a read or write too early would stop the one thread for ever */
		transfer(fd[0], fd[1], parts[i][0], parts[i][1]);
		REQUIRE(pipe2(fd, O_NONBLOCK) == 0);
		transfer(fd[0], fd[1], parts[i][0], parts[i][1]);
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
		transfer(fd[0], fd[1], parts[i][0], parts[i][1]);
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
		transfer(fd[0], fd[1], parts[i][0], parts[i][1]);
	}
}

/* ---- own stream sockets ---- */

static int listener;
static char address[64];

static void listen_at(bool tcp)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);
	snprintf(address, sizeof(address), "unix:/tmp/sley-test-io-%d", getpid());
	unlink(address + 5);
	listener = sley_listen(tcp ? "127.0.0.1:0" : address, 0);
	REQUIRE(listener >= 0);
	if (tcp) {
		REQUIRE(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
		snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(name.sin_port));
	}
}

static void stop_listening(void)
{
	REQUIRE(sley_close(listener) == 0);
	if (address[0] == 'u')
		unlink(address + 5);
}

static void own_pair(int fd[2])
{
	fd[0] = sley_dial(address, SOON);
	fd[1] = sley_accept(listener, SOON);
	REQUIRE(fd[0] >= 0 && fd[1] >= 0);
}

static void check_own(bool tcp)
{
	int fd[2];
	char bytes[10];
	listen_at(tcp);
	own_pair(fd);
	transfer(fd[0], fd[1], 333, 5000);
	own_pair(fd);
	transfer(fd[0], fd[1], 4999, 1000);
	own_pair(fd);
	REQUIRE(sley_write(fd[0], "abc", 3, SOON) == 3);
	REQUIRE(shutdown(fd[0], SHUT_WR) == 0);
	REQUIRE(sley_read_full(fd[1], bytes, sizeof(bytes), SOON) == 3); /* fewer: the end */
	REQUIRE(sley_read_full(fd[1], bytes, sizeof(bytes), SOON) == 0);
	REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), SOON) == 0);
	REQUIRE(sley_close(fd[0]) == 0);
	if (tcp) /* the first write is answered with a reset, which its result cannot tell */
		REQUIRE(sley_write(fd[1], "x", 1, SOON) == 1 && sley_poll(fd[1], POLLIN, SOON) & POLLERR);
	REQUIRE(sley_write(fd[1], "x", 1, SOON) == -EPIPE && sley_write_full(fd[1], "x", 1, SOON) == -EPIPE);
	REQUIRE(sley_close(fd[1]) == 0);
	stop_listening();
}

/* Own sockets: all bytes; read_full stops at the end of the stream; a gone peer is -EPIPE and no signal. */
TASK_TEST(own, 1, 2)
{
	check_own(false);
	check_own(true);
}

/* A call that finds its work ready succeeds even if the deadline has passed. */
TASK_TEST(passed_deadline, 1, 2)
{
	int fd[2];
	char bytes[100];
	listen_at(true);
	for (int i = 0; i < 100; i++) {
		own_pair(fd);
		REQUIRE(sley_write(fd[0], "ab", 2, SOON) == 2);
		REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), SOON) == 2);
		REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), 0) == -ETIMEDOUT);
		REQUIRE(sley_write(fd[0], "cd", 2, SOON) == 2);
		REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), 0) == 2); /* it is there: no wait, no -ETIMEDOUT */
		REQUIRE(sley_write(fd[0], "ef", 2, SOON) == 2);
		REQUIRE(sley_poll(fd[1], POLLIN, 0) == POLLIN);
		REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), sley_now() - 1) == 2);
		REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
	}
	stop_listening();
}

/* ---- other files ---- */

static void type_line(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_write_full(*(int *)arg, "line\n", 5, SLEY_NEVER) == 5);
}

/* A blocking eventfd: reads, writes, deadlines. */
TASK_TEST(eventfd, 1)
{
	uint64_t value = 5;
	int fd = eventfd(0, EFD_CLOEXEC); /* blocking */
	REQUIRE(fd >= 0);
	REQUIRE(sley_read(fd, &value, sizeof(value), 0) == -ETIMEDOUT);
	REQUIRE(sley_read(fd, &value, sizeof(value), sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_write(fd, &value, sizeof(value), SOON) == sizeof(value));
	value = 0;
	REQUIRE(sley_read(fd, &value, sizeof(value), SOON) == sizeof(value) && value == 5);
	value = UINT64_MAX - 1;
	REQUIRE(sley_write(fd, &value, sizeof(value), SOON) == sizeof(value));
	REQUIRE(sley_poll(fd, POLLOUT, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* full */
	REQUIRE(sley_close(fd) == 0);
}

/* A blocking timerfd. */
TASK_TEST(timerfd, 1)
{
	struct itimerspec soon = { .it_value.tv_nsec = 2000000 };
	uint64_t expired = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); /* blocking */
	REQUIRE(fd >= 0 && timerfd_settime(fd, 0, &soon, NULL) == 0);
	REQUIRE(sley_read(fd, &expired, sizeof(expired), SOON) == sizeof(expired) && expired == 1);
	REQUIRE(sley_close(fd) == 0);
}

/* A terminal and its other side, blocking. */
TASK_TEST(tty, 1)
{
	char name[64], line[100];
	int *terminal = malloc(sizeof(*terminal));
	*terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(*terminal >= 0 && grantpt(*terminal) == 0 && unlockpt(*terminal) == 0);
	REQUIRE(ptsname_r(*terminal, name, sizeof(name)) == 0);
	int tty = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(tty >= 0);
	REQUIRE(sley_read(tty, line, sizeof(line), sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	sley_task task = sley_spawn(type_line, terminal);
	REQUIRE(sley_read(tty, line, sizeof(line), SOON) == 5 && memcmp(line, "line\n", 5) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_write_full(tty, "answer\n", 7, SOON) == 7);
	REQUIRE(sley_read(*terminal, line, sizeof(line), SOON) > 0);
	REQUIRE(sley_close(tty) == 0 && sley_close(*terminal) == 0);
	free(terminal);
}

/* Datagrams keep their bounds. */
TASK_TEST(datagrams, 1)
{
	char bytes[100];
	int fd[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
	for (int i = 1; i <= 5; i++)
		REQUIRE(sley_write(fd[0], "datagram", (size_t)i, SOON) == i);
	for (int i = 1; i <= 5; i++) /* a short read does not mean that there is no more */
		REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), 0) == i);
	REQUIRE(sley_read(fd[1], bytes, sizeof(bytes), 0) == -ETIMEDOUT);
	REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
}

/* Directories are -EISDIR, what is not open (for that) -EBADF, other events -EINVAL. */
TASK_TEST(refused, 1)
{
	char byte = 0;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	    directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(sley_write(file, &byte, 1, SOON) == -EBADF && sley_write_full(file, &byte, 1, SOON) == -EBADF);
	REQUIRE(sley_read(directory, &byte, 1, SOON) == -EISDIR);
	REQUIRE(sley_poll(file, POLLIN, SOON) == POLLIN); /* always ready, as with poll(2) */
	REQUIRE(sley_close(file) == 0 && sley_close(directory) == 0);
	REQUIRE(sley_read(file, &byte, 1, SOON) == -EBADF);
	REQUIRE(sley_read(-1, &byte, 1, SOON) == -EBADF && sley_write(-1, &byte, 1, SOON) == -EBADF);
	REQUIRE(sley_read(INT32_MAX, &byte, 1, SOON) == -EBADF);
	REQUIRE(sley_poll(-1, POLLIN, SOON) == -EBADF && sley_poll(file, POLLIN, SOON) == -EBADF);
	REQUIRE(sley_read(-1, &byte, 0, SOON) == 0 && sley_write(-1, &byte, 0, SOON) == 0); /* nothing to do */
	int ends[2];
	REQUIRE(pipe(ends) == 0);
	REQUIRE(sley_poll(ends[0], 0, SOON) == -EINVAL && sley_poll(ends[0], POLLPRI, SOON) == -EINVAL);
	REQUIRE(sley_poll(ends[0], POLLIN | POLLHUP, SOON) == -EINVAL);
	REQUIRE(sley_write(ends[0], &byte, 1, sley_in(SLEY_MS(20))) < 0); /* the wrong end */
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* Regular files are read and written at their position, vectors too; and devices that epoll does not take. */
TASK_TEST(regular, 1, 2)
{
	char bytes[10], name[] = "/tmp/sley-test-io-XXXXXX";
	struct iovec v[] = { { bytes, 3 }, { NULL, 0 }, { bytes + 3, 7 } };
	int file = mkostemp(name, O_CLOEXEC), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	REQUIRE(file >= 0 && null >= 0 && unlink(name) == 0);
	REQUIRE(sley_write(file, "abcdef", 6, SOON) == 6 && sley_write_full(file, "gh", 2, SOON) == 2);
	REQUIRE(lseek(file, 0, SEEK_SET) == 0);
	REQUIRE(sley_read(file, bytes, 2, SOON) == 2 && memcmp(bytes, "ab", 2) == 0);
	REQUIRE(sley_readv(file, v, 3, SOON) == 6 && memcmp(bytes, "cdefgh", 6) == 0);
	REQUIRE(sley_read(file, bytes, 10, SOON) == 0 && sley_read_full(file, bytes, 10, SOON) == 0);
	REQUIRE(sley_writev(file, v, 3, SOON) == 10 && lseek(file, 0, SEEK_CUR) == 18);
	/* memory that is read from a disk, or a device that cannot tell: by the pool */
	REQUIRE(sley_write_full(null, bytes, 10, SOON) == 10 && sley_writev(null, v, 3, SOON) == 10);
	REQUIRE(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0 && lseek(file, 6, SEEK_SET) == 6);
	REQUIRE(sley_read_full(file, bytes, 10, SOON) == 10 && memcmp(bytes, "gh", 2) == 0);
	REQUIRE(sley_close(file) == 0 && sley_close(null) == 0);
}

/* ---- poll ---- */

static void write_byte(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(write(*(int *)arg, "x", 1) == 1);
}

/* What holds, now or after a wait, for own and foreign sockets; looking takes nothing away. */
TASK_TEST(poll, 1, 2)
{
	char byte;
	int fd[2], *peer = malloc(sizeof(*peer));
	listen_at(false);
	for (int own = 0; own < 2; own++) {
		if (own)
			own_pair(fd);
		else
			REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
		REQUIRE(sley_poll(fd[0], POLLIN, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
		REQUIRE(sley_poll(fd[0], POLLOUT, 0) == POLLOUT);
		REQUIRE(sley_poll(fd[0], POLLIN | POLLOUT, SOON) == POLLOUT);
		*peer = fd[1];
		sley_task task = sley_spawn(write_byte, peer);
		REQUIRE(sley_poll(fd[0], POLLIN, SOON) == POLLIN);
		REQUIRE(sley_poll(fd[0], POLLIN | POLLOUT, SOON) == (POLLIN | POLLOUT));
		REQUIRE(sley_poll(fd[0], POLLIN, 0) == POLLIN); /* looking uses nothing up */
		REQUIRE(sley_read(fd[0], &byte, 1, 0) == 1);
		REQUIRE(sley_poll(fd[0], POLLIN, 0) == -ETIMEDOUT);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(sley_close(fd[1]) == 0);
		REQUIRE(sley_poll(fd[0], POLLIN, SOON) == (POLLIN | POLLHUP)); /* asked for or not */
		REQUIRE(sley_close(fd[0]) == 0);
	}
	stop_listening();
	free(peer);
}

static int main_short(void *arg)
{
	sley_time least = SLEY_NEVER;
	char byte;
	int fd[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	for (int i = 0; i < 50; i++) {
		sley_time begin = sley_now();
		REQUIRE(sley_read(fd[0], &byte, 1, begin + SLEY_US(100)) == -ETIMEDOUT);
		sley_time took = sley_now() - begin;
		REQUIRE(took >= SLEY_US(100));
		least = took < least ? took : least;
	}
	REQUIRE(least < SLEY_MS(1));
	REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
	return 0;
}

/* A deadline of a tenth of a millisecond is kept: the best of 50 takes less than one. */
TEST(short)
{
	test_need_kernel("qemu-user has no epoll_pwait2");
	run(main_short, 1);
}

/* ---- errno, signals, outside ---- */

static void interrupt(int signal)
{
}

static unsigned interrupting;

static void *send_signals(void *target)
{
	while (load(&interrupting, acquire)) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		usleep(100);
	}
	return NULL;
}

/* Signals that interrupt system calls are not seen in results. */
TASK_TEST(signals, 1)
{
	struct sigaction action = { .sa_handler = interrupt }; /* no SA_RESTART */
	pthread_t self = pthread_self(), thread;
	int fd[2];
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
	interrupting = 1;
	REQUIRE(pthread_create(&thread, NULL, send_signals, &self) == 0);
	for (int i = 0; i < 5; i++) {
		REQUIRE(pipe(fd) == 0);
		transfer(fd[0], fd[1], 4999, 1000);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	}
	store(&interrupting, 0, release);
	pthread_join(thread, NULL);
}

/* errno is not set by any of these calls. */
TASK_TEST(errno, 1)
{
	char byte;
	int fd[2];
	listen_at(false);
	errno = 4711;
	REQUIRE(sley_accept(listener, 0) == -ETIMEDOUT);
	REQUIRE(sley_listen(address, 0) == -EADDRINUSE);
	REQUIRE(sley_dial("127.0.0.1:1", SOON) == -ECONNREFUSED);
	own_pair(fd);
	REQUIRE(sley_read(fd[0], &byte, 1, 0) == -ETIMEDOUT);
	REQUIRE(sley_read(-1, &byte, 1, 0) == -EBADF);
	REQUIRE(sley_poll(-1, POLLIN, 0) == -EBADF);
	REQUIRE(sley_close(-1) == -EBADF);
	REQUIRE(sley_close(fd[0]) == 0);
	REQUIRE(sley_write(fd[1], "x", 1, 0) == -EPIPE);
	REQUIRE(sley_close(fd[1]) == 0);
	stop_listening();
	REQUIRE(errno == 4711);
}

/* Outside of a task each of them is -EDEADLK. */
TEST_FIRST(outside)
{
	char byte = 0;
	assert_int_equal(sley_read(0, &byte, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_write(1, &byte, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_read_full(0, &byte, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_write_full(1, &byte, 1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_poll(0, POLLIN, SLEY_NEVER), -EDEADLK);
}

static void reads_on(void *fd)
{
	char bytes[2];
	REQUIRE(sley_cancel(sley_self()) == 0);
	REQUIRE(sley_read_full(*(int *)fd, bytes, 2, SLEY_NEVER) == -ECANCELED);
}

/* Bytes that are there in parts: between two of these the deadline and a cancellation are seen. */
TASK_TEST(parts, 1)
{
	static int fd[2];
	char bytes[2];
	REQUIRE(sley_socketpair(SOCK_SEQPACKET, fd) == 0);
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_write(fd[1], "x", 1, SOON) == 1);
	REQUIRE(sley_read_full(fd[0], bytes, 1, 0) == 1);
	REQUIRE(sley_read_full(fd[0], bytes, 2, 0) == -ETIMEDOUT);
	REQUIRE(sley_join(sley_spawn(reads_on, fd), SOON) == 0);
	REQUIRE(sley_read_full(fd[0], bytes, 2, SOON) == 2);
	REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
}

/* ---- on behalf of a caller ---- */

static const char place_of_poll, place_of_sleep;

static void waits_elsewhere(void *fd)
{
	REQUIRE(sley_poll_at(*(int *)fd, POLLIN, SOON, &place_of_poll) == POLLIN);
	REQUIRE(sley_sleep_at(SLEY_NEVER, &place_of_sleep) == -ECANCELED);
}

/* The place of a wait that tools show is the given one. */
TASK_TEST(place, 1)
{
	static int fds[2];
	REQUIRE(sley_pipe(fds) == 0);
	sley_task task = sley_spawn(waits_elsewhere, fds);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_POLL);
	REQUIRE(load(&record_of(task)->wait_pc, relaxed) == (uintptr_t)&place_of_poll);
	REQUIRE(sley_write(fds[1], "x", 1, SOON) == 1);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(load(&record_of(task)->wait_pc, relaxed) == (uintptr_t)&place_of_sleep);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(sley_close(fds[0]) == 0 && sley_close(fds[1]) == 0);
}
