/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Pipes, and descriptors of every kind that epoll takes: as foreign ones and taken over. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"

/* ---- kinds of files that are readable when something has happened ---- */

static char directory[64];
static pid_t child;

static int open_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static void fire_eventfd(int fd)
{
	uint64_t one = 1;
	REQUIRE(write(fd, &one, sizeof(one)) == sizeof(one));
}

static int open_timerfd(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static void fire_timerfd(int fd)
{
	const struct itimerspec now = { .it_value.tv_nsec = 1 };
	REQUIRE(timerfd_settime(fd, 0, &now, NULL) == 0);
}

static int open_inotify(void)
{
	int fd = inotify_init1(IN_CLOEXEC);
	REQUIRE(inotify_add_watch(fd, directory, IN_CREATE | IN_DELETE) > 0);
	return fd;
}

static void fire_inotify(int fd)
{
	char name[sizeof(directory) + 10];
	snprintf(name, sizeof(name), "%s/file", directory);
	if (unlink(name) != 0)
		close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int open_signalfd(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void fire_signalfd(int fd)
{
	kill(getpid(), SIGUSR2); /* main() has blocked it in all threads */
}

static int open_pidfd(void)
{
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	return (int)syscall(SYS_pidfd_open, child, 0);
}

static void fire_pidfd(int fd)
{
	kill(child, SIGKILL);
}

static const struct file {
	const char *name;
	int (*open)(void);
	void (*fire)(int fd);
	size_t size; /* that a read gives at least; 0: it cannot be read, but polled */
} files[] = {
	{ "eventfd", open_eventfd, fire_eventfd, 8 },
	{ "timerfd", open_timerfd, fire_timerfd, 8 },
	{ "inotify", open_inotify, fire_inotify, sizeof(struct inotify_event) },
	{ "signalfd", open_signalfd, fire_signalfd, sizeof(struct signalfd_siginfo) },
	{ "pidfd", open_pidfd, fire_pidfd, 0 },
};

struct reading {
	int fd;
	size_t size;
	ssize_t result;
};

static ssize_t read_file(int fd, size_t size, sley_time deadline)
{
	char bytes[4096];
	if (size == 0)
		return sley_poll(fd, POLLIN, deadline);
	ssize_t n = sley_read(fd, bytes, sizeof(bytes), deadline);
	return n >= (ssize_t)size ? (ssize_t)size : n;
}

static void reader(void *arg)
{
	struct reading *r = arg;
	r->result = read_file(r->fd, r->size, SLEY_NEVER);
}

static void check_file(const struct file *file, bool own)
{
	struct reading *r = calloc(1, sizeof(*r));
	ssize_t expected = file->size ? (ssize_t)file->size : POLLIN;
	r->fd = file->open();
	r->size = file->size;
	REQUIRE(r->fd >= 0);
	if (own)
		REQUIRE(sley_own(r->fd) == 0);
	REQUIRE(read_file(r->fd, r->size, 0) == -ETIMEDOUT);
	REQUIRE(read_file(r->fd, r->size, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	for (int i = 0; i < (file->size ? 3 : 1); i++) {
		sley_task task = sley_spawn(reader, r);
		await_state(task, SLEY_TASK_WAITING, file->size ? SLEY_WAIT_READ : SLEY_WAIT_POLL);
		REQUIRE(read_file(r->fd, r->size, SOON) == -EBUSY);
		file->fire(r->fd);
		REQUIRE(sley_join(task, SOON) == 0 && r->result == expected);
		if (file->size == 0)
			continue;
		file->fire(r->fd);
		REQUIRE(sley_poll(r->fd, POLLIN, SOON) == POLLIN);
		REQUIRE(read_file(r->fd, r->size, 0) == expected);
		REQUIRE(read_file(r->fd, r->size, 0) == -ETIMEDOUT);
	}
	sley_task task = 0;
	if (file->size) {
		task = sley_spawn(reader, r);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	}
	REQUIRE(sley_close(r->fd) == 0);
	REQUIRE(task == 0 || (sley_join(task, SOON) == 0 && r->result == -EBADF));
	if (child > 0)
		REQUIRE(waitpid(child, NULL, 0) == child);
	child = 0;
	free(r);
}

static int main_files(void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		check_file(&files[i], false);
		check_file(&files[i], true);
	}
	return 0;
}

/*
 * eventfd, timerfd, inotify, signalfd and pidfd, blocking ones as foreign descriptors and taken over: read or polled at
 * once, later, by a second task and while they are closed.
 */
TEST(files)
{
	snprintf(directory, sizeof(directory), "/tmp/sley-test-XXXXXX");
	REQUIRE(mkdtemp(directory));
	run(main_files, 1);
	run(main_files, 2);
	char name[sizeof(directory) + 10];
	snprintf(name, sizeof(name), "%s/file", directory);
	unlink(name);
	rmdir(directory);
}

/* ---- eventfd as a semaphore, and full ---- */

struct counting {
	int fd;
	ssize_t result;
};

static void add_much(void *arg)
{
	struct counting *c = arg;
	uint64_t much = UINT64_MAX - 1;
	c->result = sley_write(c->fd, &much, sizeof(much), SLEY_NEVER);
}

/* A write that an eventfd has no room for waits for a read. */
TASK_TEST(full, 1, 2)
{
	struct counting *c = calloc(1, sizeof(*c));
	uint64_t value = 1;
	for (int own = 0; own < 2; own++) {
		c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* a foreign one that blocks would block the thread */
		REQUIRE(!own || sley_own(c->fd) == 0);
		REQUIRE(sley_write(c->fd, &value, sizeof(value), 0) == sizeof(value));
		sley_task task = sley_spawn(add_much, c);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
		REQUIRE(sley_read(c->fd, &value, sizeof(value), 0) == sizeof(value) && value == 1);
		REQUIRE(sley_join(task, SOON) == 0 && c->result == sizeof(value));
		REQUIRE(sley_read(c->fd, &value, sizeof(value), 0) == sizeof(value) && value == UINT64_MAX - 1);
		value = 1;
		REQUIRE(sley_close(c->fd) == 0);
	}
	free(c);
}

/* ---- own ---- */

static int main_own(void *arg)
{
	int ends[2], other;
	REQUIRE(sley_own(-1) == -EBADF && sley_own(INT_MAX) == -EBADF && sley_own(900000) == -EBADF);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(sley_own(file) == -ENOTSUP && sley_own(root) == -ENOTSUP);
	REQUIRE(!(fcntl(file, F_GETFL) & O_NONBLOCK)); /* as it was */
	REQUIRE(sley_close(file) == 0 && sley_close(root) == 0);

	REQUIRE(pipe(ends) == 0);
	other = dup(ends[0]);
	REQUIRE(sley_own(ends[0]) == 0);
	REQUIRE(fcntl(ends[0], F_GETFL) & O_NONBLOCK && fcntl(other, F_GETFL) & O_NONBLOCK);
	REQUIRE(sley_own(ends[0]) == 0); /* once more is not needed, but no harm */
	REQUIRE(write(ends[1], "ab", 2) == 2);
	char byte;
	REQUIRE(sley_read(ends[0], &byte, 1, SOON) == 1 && byte == 'a');
	REQUIRE(sley_read(ends[0], &byte, 1, SOON) == 1 && byte == 'b');
	REQUIRE(sley_read(ends[0], &byte, 1, 0) == -ETIMEDOUT);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(other) == 0 && sley_close(ends[1]) == 0);
	return 0;
}

/* What can be taken over and what cannot; the mode of what cannot stays. */
TEST(own)
{
	assert_int_equal(sley_own(0), -ENOTCONN);
	run(main_own, 1);
}

/* ---- pipes ---- */

static int main_pipe(void *arg)
{
	int ends[2];
	char bytes[100];
	REQUIRE(sley_pipe(NULL) == -EFAULT);
	REQUIRE(sley_pipe(ends) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(fcntl(ends[i], F_GETFD) & FD_CLOEXEC && fcntl(ends[i], F_GETFL) & O_NONBLOCK);
	for (int i = 0; i < 10; i++) {
		REQUIRE(sley_write_full(ends[1], "some bytes", 10, SOON) == 10);
		REQUIRE(sley_read(ends[0], bytes, 4, SOON) == 4 && sley_read(ends[0], bytes, 100, SOON) == 6);
		REQUIRE(sley_read(ends[0], bytes, 100, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	}
	REQUIRE(sley_write_full(ends[1], "last", 4, SOON) == 4);
	REQUIRE(sley_close(ends[1]) == 0);
	REQUIRE(sley_read(ends[0], bytes, 100, SOON) == 4);
	REQUIRE(sley_read(ends[0], bytes, 100, SOON) == 0 && sley_read(ends[0], bytes, 100, SOON) == 0);
	REQUIRE(sley_close(ends[0]) == 0);
	return 0;
}

/* A pipe's ends are own descriptors; short reads, the end of the stream. */
TEST(pipe)
{
	int ends[2];
	assert_int_equal(sley_pipe(ends), -ENOTCONN);
	run(main_pipe, 1);
	run(main_pipe, 2);
}

/* Without descriptors none is left behind, and fd is as it was. */
TASK_TEST(no_descriptors, 1)
{
	struct rlimit old, low;
	int ends[2] = { -7, -7 };
	int next = dup(2);
	close(next);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = (rlim_t)next + 1;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
	REQUIRE(sley_pipe(ends) == -EMFILE && sley_socketpair(SOCK_STREAM, ends) == -EMFILE);
	REQUIRE(ends[0] == -7 && ends[1] == -7);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	REQUIRE(sley_pipe(ends) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- SIGPIPE ---- */

static unsigned signals;

static void count_signal(int signal)
{
	fetch_add(&signals, 1, relaxed);
}

static void expect_epipe(int fd, bool socket)
{
	const struct iovec v[] = { { (char *)"ab", 2 }, { (char *)"cd", 2 } };
	const struct msghdr message = { .msg_iov = (struct iovec *)v, .msg_iovlen = 2 };
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), ends[2];
	REQUIRE(sley_pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	REQUIRE(sley_write(fd, "x", 1, SOON) == -EPIPE);
	REQUIRE(sley_write_full(fd, "x", 1, SOON) == -EPIPE);
	REQUIRE(sley_writev(fd, v, 2, SOON) == -EPIPE);
	REQUIRE(sley_sendfile(fd, file, NULL, 1000, SOON) == -EPIPE);
	REQUIRE(sley_splice(ends[0], NULL, fd, NULL, 1, 0, SOON) == -EPIPE);
	if (socket) {
		REQUIRE(sley_send(fd, "x", 1, 0, SOON) == -EPIPE);
		REQUIRE(sley_sendto(fd, "x", 1, 0, NULL, 0, SOON) == -EPIPE);
		REQUIRE(sley_sendmsg(fd, &message, 0, SOON) == -EPIPE);
	}
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0 && sley_close(file) == 0);
	REQUIRE(sley_close(fd) == 0);
}

static int main_sigpipe(void *arg)
{
	int ends[2];
	for (int own = 0; own < 2; own++) {
		REQUIRE(pipe(ends) == 0);
		REQUIRE(!own || sley_own(ends[1]) == 0);
		REQUIRE(sley_close(ends[0]) == 0);
		expect_epipe(ends[1], false);
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		REQUIRE(!own || sley_own(ends[1]) == 0);
		REQUIRE(sley_close(ends[0]) == 0);
		expect_epipe(ends[1], true);
	}
	REQUIRE(sley_pipe(ends) == 0 && sley_close(ends[0]) == 0);
	expect_epipe(ends[1], false);
	sigset_t pending, blocked;
	REQUIRE(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
	REQUIRE(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGPIPE));
	return 0;
}

/* No write, on any kind of descriptor, raises SIGPIPE, or leaves it pending or blocked. */
TEST(sigpipe)
{
	const struct sigaction action = { .sa_handler = count_signal };
	struct sigaction old;
	sigaction(SIGPIPE, &action, &old);
	run(main_sigpipe, 1);
	run(main_sigpipe, 2);
	sigaction(SIGPIPE, &old, NULL);
	assert_int_equal(signals, 0);
}

int main(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return tests_main(NULL, NULL);
}
