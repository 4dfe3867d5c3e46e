/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_run() from outside: results, errors, one run after the other, abandoned tasks, and forks. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- runs ---- */

static int return_argument(void *arg)
{
	return *(int *)arg;
}

/* The argument goes in, what main returned comes out; options and result may be null; many runs, one after the other. */
TEST(results)
{
	for (int i = 0; i < 20; i++) {
		int result = -1, value = i * 7;
		assert_int_equal(sley_run(return_argument, &value, NULL, &result), 0);
		assert_int_equal(result, value);
		assert_int_equal(sley_run(return_argument, &value, NULL, NULL), 0);
	}
}

static void run_again(void *arg)
{
	int value = 0;
	REQUIRE(sley_run(return_argument, &value, NULL, NULL) == -EDEADLK);
}

/* sley_run() inside a task, the first or another: -EDEADLK, and the run goes on. */
TASK_TEST(nested, 2)
{
	REQUIRE(sley_join(sley_spawn(run_again, NULL), SLEY_NEVER) == 0);
	run_again(NULL);
}

static void *run_too(void *error)
{
	int value = 0;
	*(int *)error = sley_run(return_argument, &value, NULL, NULL);
	return NULL;
}

static int main_second_run(void *arg)
{
	pthread_t thread;
	int error = 0;
	REQUIRE(pthread_create(&thread, NULL, run_too, &error) == 0);
	pthread_join(thread, NULL);
	REQUIRE(error == -EBUSY);
	return 0;
}

/* A second run at the same time, from another thread: -EBUSY. Afterwards any thread may run one. */
TEST(second_run)
{
	pthread_t thread;
	int error = -1;
	run(main_second_run, 1);
	assert_int_equal(pthread_create(&thread, NULL, run_too, &error), 0);
	pthread_join(thread, NULL);
	assert_int_equal(error, 0);
}

/* Options that are out of range keep a run from starting. */
TEST(bad_options)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1000 };
	char text[1024];
	int value = 0;
	capture_begin();
	assert_int_equal(sley_run(return_argument, &value, &o, NULL), -EINVAL);
	capture_end(text, sizeof(text));
	o.workers = 1;
	o.size = 3;
	assert_int_equal(sley_run(return_argument, &value, &o, NULL), -EINVAL);
}

static void sleep_for_ever(void *arg)
{
	char frame[500];
	memset(frame, 1, sizeof(frame));
	sley_sleep(SLEY_NEVER);
	REQUIRE(!frame[0]);
}

static void yield_for_ever(void *arg)
{
	for (;;)
		sley_yield();
}

static void never_begun(void *arg)
{
	REQUIRE(!arg);
}

static int main_abandon(void *arg)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	char block[300] = { 0 };
	for (int i = 0; i < 50; i++) {
		REQUIRE(sley_spawn(sleep_for_ever, NULL) > 0);
		REQUIRE(sley_spawn_with(&private, sleep_for_ever, NULL, SLEY_BY_POINTER) > 0);
	}
	REQUIRE(sley_go(yield_for_ever, NULL) == 0);
	for (int i = 0; i < 20; i++)
		sley_yield();
	for (int i = 0; i < 50 && arg; i++)
		REQUIRE(sley_spawn_copy(never_begun, block, sizeof(block)) > 0);
	return 0;
}

static long mapped_pages(void)
{
	long total = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &total), 1);
	fclose(f);
	return total;
}

static int main_return(void *arg)
{
	return 0;
}

/* Tasks that are alive when main returns are abandoned wherever they are; their memory is given back, and a new run works. */
TEST(abandon)
{
	struct sley_options few = { .size = sizeof(few), .workers = 2, .stack_slots = 8 };
	long pages = 0;
	test_need_kernel("/proc/self/statm is qemu's");
	for (int i = 0; i < 30; i++) {
#ifndef SLEY_ASAN
		run_with(main_abandon, NULL, &few);
#endif
		run(main_abandon, 1 + (unsigned)i % 3);
		if (i == 3)
			pages = mapped_pages();
	}
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
	/* one private stack that stayed in each of 26 runs would be more than this; the allocator's own growth is less */
	assert_true(mapped_pages() - pages < 26 * (256 << 10) / 4096);
#endif
	run(main_return, 2);
	(void)pages;
	(void)few;
}

/* ---- no resources: in processes of their own, whose limits are low ---- */

static int run_it(void)
{
	int value = 0;
	return -sley_run(return_argument, &value, NULL, NULL);
}

static void limit(int which, rlim_t most)
{
	struct rlimit low = { most, RLIM_INFINITY };
	getrlimit(which, &low);
	low.rlim_cur = most;
	REQUIRE(setrlimit(which, &low) == 0);
}

/* With every number of free descriptors that is too few: -EMFILE, without a leak; then it works. */
static int scenario_no_descriptors(void)
{
	int next = dup(2), error = 0;
	close(next);
	for (int free = 0; free < 10; free++) {
		limit(RLIMIT_NOFILE, (rlim_t)(next + free));
		error = run_it();
		if (error != EMFILE)
			break;
	}
	limit(RLIMIT_NOFILE, 1000);
	return error || run_it();
}

static int scenario_no_address_space(void)
{
	struct rlimit old;
	getrlimit(RLIMIT_AS, &old);
	limit(RLIMIT_AS, 200u << 20);
	int error = run_it();
	setrlimit(RLIMIT_AS, &old);
	if (run_it() != 0)
		return 1;
	return error;
}

static int scenario_no_threads(void)
{
	struct sley_options o = { .size = sizeof(o), .workers = 4 };
	if (geteuid() == 0)
		test_become_nobody();
	limit(RLIMIT_NPROC, 1);
	int error = -sley_run(main_return, NULL, &o, NULL);
	struct rlimit all;
	getrlimit(RLIMIT_NPROC, &all);
	limit(RLIMIT_NPROC, all.rlim_max);
	return sley_run(main_return, NULL, &o, NULL) != 0 ? 1 : error;
}

/* No descriptors, address space or threads: -EMFILE, -ENOMEM, -EAGAIN; with the limit away the same process can run. */
TEST(no_resources)
{
	char text[4096];
	test_need_kernel("qemu-user does not keep RLIMIT_AS");
	int status = scenario_run("no_descriptors", text, sizeof(text));
	assert_int_equal(status, 0);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they need terabytes, and threads */
	status = scenario_run("no_address_space", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOMEM);
	status = scenario_run("no_threads", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EAGAIN);
#endif
}

/* ---- forks ---- */

static struct sley_mutex mutex;
static struct sley_group group;
static struct sley_chan *chan;

static void nothing(void *arg)
{
}

/* What of all calls does not answer -ECHILD; 0: none. */
static int check_child(void)
{
	char byte = 0;
	int value = 0;
	return sley_run(return_argument, &value, NULL, NULL) != -ECHILD ? 1
	       : sley_spawn(nothing, NULL) != -ECHILD                   ? 2
	       : sley_go(nothing, NULL) != -ECHILD                      ? 3
	       : sley_join(1, SLEY_NEVER) != -ECHILD                    ? 4
	       : sley_sleep(0) != -ECHILD                               ? 5
	       : sley_listen("127.0.0.1:0", 0) != -ECHILD               ? 6
	       : sley_accept(0, SLEY_NEVER) != -ECHILD                  ? 7
	       : sley_dial("127.0.0.1:1", SLEY_NEVER) != -ECHILD        ? 8
	       : sley_read(0, &byte, 1, SLEY_NEVER) != -ECHILD          ? 9
	       : sley_write(1, &byte, 1, SLEY_NEVER) != -ECHILD         ? 10
	       : sley_read_full(0, &byte, 1, SLEY_NEVER) != -ECHILD     ? 11
	       : sley_write_full(1, &byte, 1, SLEY_NEVER) != -ECHILD    ? 12
	       : sley_poll(0, 1, SLEY_NEVER) != -ECHILD                 ? 13
	       : sley_close(0) != -ECHILD                               ? 14
	       : sley_mutex_lock(&mutex, SLEY_NEVER) != -ECHILD         ? 15
	       : sley_mutex_trylock(&mutex) != -ECHILD                  ? 16
	       : sley_mutex_unlock(&mutex) != -ECHILD                   ? 17
	       : sley_group_add(&group, 1) != -ECHILD                   ? 18
	       : sley_group_wait(&group, SLEY_NEVER) != -ECHILD         ? 19
	       : sley_chan_send(chan, &byte, SLEY_NEVER) != -ECHILD     ? 20
	       : sley_chan_recv(chan, &byte, SLEY_NEVER) != -ECHILD     ? 21
	       : sley_chan_try_send(chan, &byte) != -ECHILD             ? 22
	       : sley_chan_try_recv(chan, &byte) != -ECHILD             ? 23
	       : sley_chan_close(chan) != -ECHILD                       ? 24
	       : sley_dump(2) != -ECHILD                                ? 25
	       : sley_offload(nothing, NULL, 0, SLEY_NEVER) != -ECHILD  ? 27
	       : sley_submit(nothing, NULL, 0, SLEY_NEVER) != -ECHILD   ? 28
	       : sley_self() != 0                                       ? 26
									: (sley_yield(), sley_set_name("child"), 0);
}

static int wait_child(pid_t child)
{
	int status;
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	REQUIRE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int main_fork(void *arg)
{
	REQUIRE(sley_chan_new(&chan, 1, 1) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(check_child());
	int failed = wait_child(child);
	REQUIRE(sley_chan_free(chan) == 0);
	sley_task task = sley_spawn(nothing, NULL); /* the parent goes on */
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return failed;
}

/* In a child forked during a run every call answers -ECHILD, and in one forked after it; the parent goes on. */
TEST(fork)
{
	run(main_fork, 2);
	assert_int_equal(sley_chan_new(&chan, 1, 1), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(check_child());
	assert_int_equal(wait_child(child), 0);
	assert_int_equal(sley_chan_free(chan), 0);
	run(main_return, 2);
}

static const struct scenario scenarios[] = {
	{ "no_descriptors", scenario_no_descriptors },
	{ "no_address_space", scenario_no_address_space },
	{ "no_threads", scenario_no_threads },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
