/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The calls of sley/posix.h, by their macros: what they return, their deadline, and what perror() says. */
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sley.h>
#define SLEY_POSIX_NAMES
#include <sley/posix.h>

static int fds[2];

static void run(int (*main)(void *))
{
	struct sley_options one = { .size = sizeof(one), .workers = 1 };
	int result = -1;
	setenv("SLEY_ASSIST", "off", 1);
	assert_int_equal(sley_run(main, NULL, &one, &result), 0);
	assert_int_equal(result, 0);
}

static void echoes(void *unused)
{
	char bytes[16];
	ssize_t n = read(fds[1], bytes, sizeof(bytes));
	REQUIRE(n > 0 && send(fds[1], bytes, (size_t)n, 0) == n);
	n = recv(fds[1], bytes, sizeof(bytes), 0);
	REQUIRE(n > 0 && write(fds[1], bytes, (size_t)n) == n);
}

static int main_calls(void *unused)
{
	char bytes[16];
	struct iovec vector = { bytes, sizeof(bytes) };
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	sley_task task = sley_spawn(echoes, NULL);
	REQUIRE(task > 0);
	REQUIRE(write(fds[0], "hello", 5) == 5 && readv(fds[0], &vector, 1) == 5);
	REQUIRE(sendto(fds[0], "again", 5, 0, NULL, 0) == 5);
	REQUIRE(recvfrom(fds[0], bytes, sizeof(bytes), 0, NULL, NULL) == 5 && memcmp(bytes, "again", 5) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(usleep(1000) == 0 && sleep(0) == 0 && nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL) == 0);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* In tasks they wait: on one worker the other task answers. */
TEST(calls)
{
	run(main_calls);
}

/* Outside of tasks they are the plain calls. */
TEST(plain)
{
	char bytes[16];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 5);
	assert_int_equal(read(-1, bytes, 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(sley_posix_deadline(0), -1);
	assert_int_equal(errno, EDEADLK);
	close(fds[0]);
	close(fds[1]);
}

/* A time of the other clock is as far away as it is there, also one that has passed, and one that never comes. */
TEST(until)
{
	struct timespec time;
	for (int seconds = -100; seconds <= 100; seconds += 50) {
		sley_time least = sley_in(SLEY_SEC(seconds)), until;
		assert_int_equal(clock_gettime(CLOCK_REALTIME, &time), 0);
		time.tv_sec += seconds;
		until = sley_posix_until(&time);
		assert_true(until >= least - SLEY_MS(1) && until <= sley_in(SLEY_SEC(seconds)) + SLEY_MS(1));
	}
	time.tv_sec = INT64_MAX;
	assert_true(sley_posix_until(&time) == SLEY_NEVER);
	time.tv_sec = INT64_MIN;
	assert_true(sley_posix_until(&time) <= sley_now());
}

/* Sends stderr into a file, and has perror() say something. */
static void perror_says(const char *expected)
{
	char text[256] = { 0 };
	int error = errno, file = memfd_create("stderr", MFD_CLOEXEC), old = dup(STDERR_FILENO);
	REQUIRE(file >= 0 && old >= 0);
	fflush(stderr);
	REQUIRE(dup2(file, STDERR_FILENO) == STDERR_FILENO);
	errno = error;
	perror("call");
	REQUIRE(dup2(old, STDERR_FILENO) == STDERR_FILENO);
	REQUIRE(pread(file, text, sizeof(text) - 1, 0) > 0);
	if (strcmp(text, expected) != 0)
		fprintf(stderr, "perror says %s", text);
	REQUIRE(strcmp(text, expected) == 0);
	close(file);
	close(old);
}

static int main_deadline(void *unused)
{
	char byte;
	struct timespec rest = { 0 };
	REQUIRE(pipe(fds) == 0);
	REQUIRE(sley_posix_deadline(sley_in(SLEY_MS(20))) == 0);
	REQUIRE(read(fds[0], &byte, 1) == -1 && errno == ETIMEDOUT);
	perror_says("call: Connection timed out\n");
	REQUIRE(nanosleep(&(struct timespec){ .tv_sec = 100 }, &rest) == -1 && errno == ETIMEDOUT && rest.tv_sec >= 50);
	REQUIRE(write(fds[1], "x", 1) == 1 && read(fds[0], &byte, 1) == 1); /* what is there needs no wait */
	REQUIRE(sley_posix_deadline(sley_in(SLEY_SEC(100))) == 0);
	REQUIRE(usleep(1000) == 0);
	REQUIRE(sley_posix_deadline(0) == 0);
	REQUIRE(sleep(100) >= 50);
	REQUIRE(sley_posix_deadline(SLEY_NEVER) == 0);
	REQUIRE(usleep(1000) == 0);
	close(fds[0]);
	REQUIRE(read(fds[0], &byte, 1) == -1 && errno == EBADF);
	perror_says("call: Bad file descriptor\n");
	close(fds[1]);
	return 0;
}

/* The deadline of the task ends each wait with ETIMEDOUT, and perror() says what happened. */
TEST(deadline)
{
	run(main_deadline);
}
