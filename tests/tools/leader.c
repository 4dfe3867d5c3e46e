/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Services whose first thread has ended: all that is seen of others is seen of them. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_region.h"
#include "scratch.h"
#include "source/living.h"
#include "tests/test.h"
#include "tool.h"

static int open_proc(pid_t pid)
{
	char path[32];
	int dir;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(dir >= 0);
	return dir;
}

static void wait_ended(int dir)
{
	int64_t end = test_now() + 30000000000;
	while (!living_ended(dir)) {
		REQUIRE(test_now() < end);
		sched_yield();
	}
}

/* ---- the whole of asynctop ---- */

static struct leaderless {
	pid_t pid;
	int input;            /* at whose end it ends */
	unsigned local, peer; /* ports */
	char socket[100];
} service;

static void start_service(bool nobody)
{
	int in[2], out[2], dir;
	char line[32] = "";
	snprintf(service.socket, sizeof(service.socket), "%s", scratch_path("socket"));
	unlink(service.socket);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	service.pid = fork();
	if (service.pid == 0) {
		if (nobody)
			test_become_nobody();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(test_build_path("tests/tools/leader.planted"), "leader", service.socket, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	service.input = in[1];
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	assert_int_equal(sscanf(line, "%u %u", &service.local, &service.peer), 2);
	close(out[0]);
	dir = open_proc(service.pid);
	wait_ended(dir);
	close(dir);
}

static int stop_service(void **state)
{
	if (service.pid > 0) {
		close(service.input);
		fake_stop(service.pid);
	}
	service.pid = 0;
	return 0;
}

static unsigned line_of(const char *mark)
{
	return test_source_line("tests/tools/leader.planted.c", mark);
}

static void expect_stuck(bool nobody)
{
	char want[300];
	struct tool t;
	tool_run(&t, nobody, "-b", "-d", "1", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "8 tasks");
	snprintf(want, sizeof(want), "\"stuck\" (spawned at leader.planted.c:%u by run)",
		 line_of("LEADER: spawns the stuck"));
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "<unix %s>", service.socket);
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "called in stick at tests/tools/leader.planted.c:%u;", line_of("LEADER: sticks"));
	tool_expect(&t, 0, want);
	tool_free(&t);
}

/* By sampling, without capabilities: tasks, the call with its socket's name, its line. */
static void test_sampled(void **state)
{
	start_service(geteuid() == 0);
	expect_stuck(geteuid() == 0);
}

/* With eBPF, as text: also what blocks again and again. */
static void test_traced(void **state)
{
	char want[300];
	struct tool t;
	test_need_root();
	start_service(false);
	expect_stuck(false);
	tool_run(&t, false, "-b", "-d", "1.5", "-p", tool_number(service.pid), NULL);
	if (strstr(t.out, "blocking calls: ") != NULL)
		test_skip("eBPF cannot be used here");
	tool_expect(&t, 0, "\"receiver\" (spawned at leader.planted.c:");
	snprintf(want, sizeof(want), "<tcp 127.0.0.1:%u to 127.0.0.1:%u>", service.local, service.peer);
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "called in receive at tests/tools/leader.planted.c:%u;",
		 line_of("LEADER: receives"));
	tool_expect(&t, 0, want);
	tool_free(&t);
}

/* It is found among all processes, and JSON has the same. */
static void test_found(void **state)
{
	char want[300];
	struct tool t;
	start_service(false);
	tool_run(&t, false, "--json", "-d", "1.5", NULL);
	snprintf(want, sizeof(want), "\"pid\":%d", (int)service.pid);
	tool_expect(&t, 0, want);
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "1.5", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "\"service\":\"leaderless\"");
	tool_expect(&t, 0, "\"tasks_total\":8");
	snprintf(want, sizeof(want), "\"line\":%u,\"function\":\"stick\"", line_of("LEADER: sticks"));
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "unix %s", service.socket);
	tool_expect(&t, 0, want);
	if (strstr(t.out, "\"bpf\":{\"state\":\"active\"") != NULL) {
		snprintf(want, sizeof(want), "\"line\":%u,\"function\":\"receive\"", line_of("LEADER: receives"));
		tool_expect(&t, 0, want);
		snprintf(want, sizeof(want), "tcp 127.0.0.1:%u to 127.0.0.1:%u", service.local, service.peer);
		tool_expect(&t, 0, want);
	}
	tool_assert_schema(t.out);
	tool_free(&t);
}

/* ---- threads that end meanwhile ---- */

#define THREADS 3

/* A process whose first thread ends; each other one ends when told by its number. */
static struct {
	pid_t pid, tid[THREADS];
	int to[THREADS][2], from[2];
} threads;

static void *thread_main(void *argument)
{
	int i = (int)(intptr_t)argument;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char byte;
	REQUIRE(write(threads.from[1], &(pid_t[]){ i, tid }, 2 * sizeof(tid)) == 2 * sizeof(tid));
	REQUIRE(read(threads.to[i][0], &byte, 1) == 1);
	return NULL;
}

static void threads_start(void)
{
	pid_t said[2];
	REQUIRE(pipe2(threads.from, O_CLOEXEC) == 0);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pipe2(threads.to[i], O_CLOEXEC) == 0);
	threads.pid = fork();
	REQUIRE(threads.pid >= 0);
	if (threads.pid == 0) {
		pthread_t thread;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < THREADS; i++)
			REQUIRE(pthread_create(&thread, NULL, thread_main, (void *)(intptr_t)i) == 0);
		pthread_exit(NULL);
	}
	for (int i = 0; i < THREADS; i++) {
		REQUIRE(read(threads.from[0], said, sizeof(said)) == sizeof(said));
		threads.tid[said[0]] = said[1];
	}
}

/* Ends the thread of this directory, and waits until it has. */
static void end_thread(int dir, pid_t tid)
{
	for (int i = 0; i < THREADS; i++)
		if (threads.tid[i] == tid)
			REQUIRE(write(threads.to[i][1], "", 1) == 1);
	wait_ended(dir);
}

static pid_t thread_of(int dir)
{
	char name[32], path[64], *number;
	ssize_t n;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	n = readlink(name, path, sizeof(path) - 1);
	REQUIRE(n > 0);
	path[n] = '\0';
	number = strrchr(path, '/');
	return number ? (pid_t)atoi(number + 1) : 0;
}

static int looks;

/* Its thread ends during the first two looks. */
static int look(int dir, void *argument)
{
	int fds = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int *alive = argument;
	if (fds >= 0)
		close(fds);
	if (++looks <= 2)
		end_thread(dir, thread_of(dir));
	*alive = !living_ended(dir);
	return looks;
}

static void test_thread_ends(void **state)
{
	int dir, alive = 0;
	threads_start();
	dir = open_proc(threads.pid);
	wait_ended(dir);
	assert_int_equal(living_do(dir, look, &alive), 3);
	assert_true(alive);
	fake_stop(threads.pid);
	looks = 2;
	assert_int_equal(living_do(dir, look, &alive), 3);
	assert_false(alive);
	close(dir);
}

static int setup(void **state)
{
	char directory[200];
	scratch_make();
	snprintf(directory, sizeof(directory), "%s", scratch_path(""));
	return geteuid() == 0 ? chmod(directory, 0777) : 0;
}

static int teardown(void **state)
{
	scratch_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread_ends),
		cmocka_unit_test_teardown(test_sampled, stop_service),
		cmocka_unit_test_teardown(test_traced, stop_service),
		cmocka_unit_test_teardown(test_found, stop_service),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
