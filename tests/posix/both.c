/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/posix/both.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sley.h>
#undef errno
#define errno (*__errno_location())

#define NOTES 200
#define LIMIT 60 /* seconds */

struct noted {
	const char *what;
	long value;
	int error;
};

static struct noted notes[2][NOTES];
static unsigned counts[2];
static const char *running; /* name of the scenario */
static void (*scenario_now)(void);
static int way; /* 0: on a thread, 1: in a task */

bool in_task(void)
{
	return way == 1;
}

long note_as(const char *what, long value)
{
	int error = errno;
	REQUIRE(counts[way] < NOTES);
	notes[way][counts[way]++] = (struct noted){ what, value, value < 0 ? error : 0 };
	errno = error;
	return value;
}

void note_bytes(const void *bytes, size_t n)
{
	const unsigned char *byte = bytes;
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + byte[i];
	note_as("the bytes", (long)sum);
}

/* ---- the peer ---- */

static struct {
	void (*act)(void *arg);
	void *arg;
	pthread_t thread;
	pid_t waiter;
	sley_task task;
} peer;

static bool is_asleep(pid_t tid)
{
	char path[64], text[256], *end;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	REQUIRE(n > 0);
	text[n] = '\0';
	end = strrchr(text, ')');
	REQUIRE(end != NULL);
	return end[2] == 'S';
}

static void *peer_thread(void *unused)
{
	while (!is_asleep(peer.waiter))
		sched_yield();
	peer.act(peer.arg);
	return NULL;
}

void peer_starts(void (*act)(void *arg), void *arg)
{
	peer.act = act;
	peer.arg = arg;
	peer.waiter = gettid();
	if (in_task())
		REQUIRE((peer.task = sley_spawn(act, arg)) > 0);
	else
		REQUIRE(pthread_create(&peer.thread, NULL, peer_thread, NULL) == 0);
}

void peer_ends(void)
{
	if (in_task())
		REQUIRE(sley_join(peer.task, SLEY_NEVER) == 0);
	else
		REQUIRE(pthread_join(peer.thread, NULL) == 0);
}

/* ---- both ways ---- */

static void too_long(int signal)
{
	static const char text[] = " does not end: a call blocks its thread, or waits for ever\n";
	(void)signal;
	if (write(STDERR_FILENO, running, strlen(running)) > 0 && write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		abort();
	_exit(1);
}

/*
 * Tests whose runtime is to find no blocked thread: a spare thread would run the peer of a call that blocks.
 */
__attribute__((constructor)) static void find_no_blocks(void)
{
	setenv("SLEY_ASSIST", "off", 0);
	signal(SIGALRM, too_long);
	signal(SIGPIPE, SIG_IGN);
}

static int task_main(void *unused)
{
	way = 1;
	counts[1] = 0;
	scenario_now();
	return 0;
}

static void *thread_main(void *unused)
{
	way = 0;
	counts[0] = 0;
	scenario_now();
	return NULL;
}

void run_both(const char *name, void (*scenario)(void))
{
	struct sley_options one = { .size = sizeof(one), .workers = 1 };
	pthread_t thread;
	int result = -1;
	running = name;
	scenario_now = scenario;
	alarm(LIMIT);
	assert_int_equal(pthread_create(&thread, NULL, thread_main, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sley_run(task_main, NULL, &one, &result), 0);
	assert_int_equal(result, 0);
	alarm(0);
	for (unsigned i = 0; i < counts[0] && i < counts[1]; i++) {
		const struct noted *kernel = &notes[0][i], *task = &notes[1][i];
		if (kernel->value != task->value || kernel->error != task->error)
			fail_msg("note %u, %s: in a task it is %ld (%s), on a thread %ld (%s)", i, kernel->what,
				 task->value, strerror(task->error), kernel->value, strerror(kernel->error));
	}
	assert_int_equal(counts[0], counts[1]);
	assert_true(counts[0] > 0);
}

/* ---- what scenarios use ---- */

void make_pair(int type, int ends[2])
{
	REQUIRE(socketpair(AF_UNIX, type, 0, ends) == 0);
}

void make_pipe(int ends[2])
{
	REQUIRE(pipe(ends) == 0);
}

void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}
