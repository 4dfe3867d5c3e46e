/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_run() from outside: options, results, errors, one run after the other, abandoned tasks, forks, and the dump. */
#include "runtime/runtime.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "region/region.h"
#include "stack/slot.h"

#define MIB (1u << 20)

/* ---- options ---- */

static int resolve(struct sley_options *options, struct sley_options *result)
{
	char text[1024];
	capture_begin();
	int error = options_resolve(options, result);
	capture_end(text, sizeof(text));
	if (error && options->size == sizeof(*options) && !(options->flags >> 31))
		assert_int_equal(occurrences(text, "sley: "), 1); /* it says which option, and what it may be */
	return error;
}

/* Each option's limits: the last value that is taken, and the first that is not. */
TEST(limits)
{
	struct sley_options result, o = { .size = sizeof(o) };
	o.workers = 256;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.workers, 256);
	o.workers = 257;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.workers = 0;
	o.max_tasks = (1u << 24) - 2;
	assert_int_equal(resolve(&o, &result), 0);
	o.max_tasks++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.max_tasks = 0;
	o.stack_size = 16 << 10;
	assert_int_equal(resolve(&o, &result), 0);
	o.stack_size--;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.stack_size = 1u << 30;
	assert_int_equal(resolve(&o, &result), 0);
	o.stack_size++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.stack_size = (16 << 10) + 1;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.stack_size, 20 << 10); /* whole pages */
	o.stack_size = 0;
	o.flags = 1u << 31;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.flags = SLEY_RUN_DUMP_ON_SIGQUIT;
	assert_int_equal(resolve(&o, &result), 0);
	o.size--;
	assert_int_equal(resolve(&o, &result), -EINVAL);
}

/* The same for the pools of offloaded calls. */
TEST(offload_limits)
{
	struct sley_options result, o = { .size = sizeof(o) };
	o.offload_threads = 1u << 14;
	o.compute_threads = 1024;
	o.name_threads = 1024;
	o.offload_queue = 1u << 20;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.offload_threads, 1 << 14);
	assert_int_equal(result.compute_threads, 1024);
	assert_int_equal(result.name_threads, 1024);
	assert_int_equal(result.offload_queue, 1 << 20);
	o.offload_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_threads = (unsigned)-1;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_threads = 1;
	o.compute_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.compute_threads = 1;
	o.name_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.name_threads = 1;
	o.offload_queue++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_queue = 1;
	assert_int_equal(resolve(&o, &result), 0);
	setenv("SLEY_OFFLOAD_THREADS", "7", 1);
	setenv("SLEY_COMPUTE_THREADS", "8", 1);
	setenv("SLEY_OFFLOAD_QUEUE", "9K", 1);
	setenv("SLEY_NAME_THREADS", "10", 1);
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.offload_threads, 7);
	assert_int_equal(result.compute_threads, 8);
	assert_int_equal(result.name_threads, 10);
	assert_int_equal(result.offload_queue, 9 << 10);
	setenv("SLEY_OFFLOAD_QUEUE", "-1", 1);
	assert_int_equal(resolve(&o, &result), -EINVAL);
	unsetenv("SLEY_OFFLOAD_THREADS");
	unsetenv("SLEY_COMPUTE_THREADS");
	unsetenv("SLEY_OFFLOAD_QUEUE");
	unsetenv("SLEY_NAME_THREADS");
}

/* Zero and null mean the documented defaults. */
TEST(defaults)
{
	struct sley_options result, zero = { .size = sizeof(zero) };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(options_resolve(i ? &zero : NULL, &result), 0);
		assert_int_equal(result.max_tasks, 1 << 21);
		assert_int_equal(result.stack_slots, 4096);
		assert_int_equal(result.stack_size, 256 << 10);
		assert_int_equal(result.flags, 0);
		assert_int_equal(result.offload_threads, 256);
		assert_int_equal(result.name_threads, 256);
		assert_int_equal(result.offload_queue, 1024);
		assert_true(result.compute_threads >= 1 && result.compute_threads <= 1024);
		assert_true(result.workers >= 1 && result.workers <= 256);
		assert_string_equal(result.name, program_invocation_short_name);
	}
}

/* The environment overrides; numbers have a K, M or G; anything else is -EINVAL and says which variable. */
TEST(environment)
{
	static const char *const bad[] = {
		"x", "-1", "4x", "1KK", " 4", "0x10", "99999999999999999999999", "18446744073709551615G", "+4"
	};
	struct sley_options result, o = { .size = sizeof(o), .workers = 3, .name = "given", .stack_size = MIB };
	char text[1024];
	setenv("SLEY_WORKERS", "5", 1);
	setenv("SLEY_STACK_SIZE", "64K", 1);
	setenv("SLEY_STACK_SLOTS", "99", 1);
	setenv("SLEY_MAX_TASKS", "1M", 1);
	setenv("SLEY_NAME", "by-environment", 1);
	assert_int_equal(options_resolve(&o, &result), 0);
	assert_int_equal(result.workers, 5);
	assert_int_equal(result.stack_size, 64 << 10);
	assert_int_equal(result.stack_slots, 99);
	assert_int_equal(result.max_tasks, MIB);
	assert_string_equal(result.name, "by-environment");
	setenv("SLEY_WORKERS", "", 1); /* as if it were not there */
	unsetenv("SLEY_NAME");
	assert_int_equal(options_resolve(&o, &result), 0);
	assert_int_equal(result.workers, 3);
	assert_string_equal(result.name, "given");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("SLEY_WORKERS", bad[i], 1);
		capture_begin();
		int error = options_resolve(&o, &result);
		capture_end(text, sizeof(text));
		assert_int_equal(error, -EINVAL);
		assert_int_equal(occurrences(text, "\n"), 1);
		assert_non_null(strcasestr(text, "workers"));
	}
	setenv("SLEY_WORKERS", "257", 1);
	assert_int_equal(resolve(&o, &result), -EINVAL);
	unsetenv("SLEY_WORKERS");
	unsetenv("SLEY_STACK_SIZE");
	unsetenv("SLEY_STACK_SLOTS");
	unsetenv("SLEY_MAX_TASKS");
}

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

/* ---- dump ---- */

static void wait_for_group(void *arg)
{
	sley_group_wait(&group, SLEY_NEVER);
}

static unsigned line_of_waiter;

static int main_dump(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "the-waiter" };
	char text[8192], expected[256];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	REQUIRE(sley_group_add(&group, 1) == 0);
	line_of_waiter = __LINE__ + 1;
	sley_task task = sley_spawn_with(&options, wait_for_group, NULL, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	const struct sley_region_task *record = record_of(task);
	while (SLEY_TASK_DEEPEST(load(&record->parent_deepest, relaxed)) == 0)
		sley_yield(); /* it leaves its stack, whose size is noted then, a moment after it says that it waits */
	REQUIRE(sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	REQUIRE(n > 0);
	text[n] = '\0';
	REQUIRE(occurrences(text, "\n") == 2 + 2); /* two workers, two tasks */
	REQUIRE(occurrences(text, "worker 0 ") == 1 && occurrences(text, "worker 1 ") == 1);
	snprintf(expected, sizeof(expected), "task %lld the-waiter waiting for group ", (long long)task);
	REQUIRE(strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), "spawned at %s:%u as wait_for_group\n", __FILE__, line_of_waiter);
	REQUIRE(strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), ", stack %u live, %u KiB deepest, spawned",
		 load(&record->live16, relaxed) * 16u, SLEY_TASK_DEEPEST(load(&record->parent_deepest, relaxed)) * 4);
	REQUIRE(load(&record->live16, relaxed) > 0 && strstr(text, expected) != NULL);
	snprintf(expected, sizeof(expected), "task %lld main running", (long long)sley_self());
	REQUIRE(strstr(text, expected) != NULL);
	close(fd);
	REQUIRE(sley_dump(-1) == -EBADF);
	int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
	REQUIRE(sley_dump(read_only) == -EBADF);
	close(read_only);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	REQUIRE(full < 0 || sley_dump(full) == -ENOSPC);
	close(full);
	REQUIRE(sley_group_done(&group) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/* A name that is to steer the terminal, and to make lines of its own, is shown as its bytes. */
TASK_TEST(dump_name, 1)
{
	char text[2048];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	sley_set_name("\33[31m\nfake 9\33]0");
	REQUIRE(sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	REQUIRE(n > 0);
	text[n] = '\0';
	REQUIRE(occurrences(text, "\n") == 1 + 1); /* a worker, a task */
	REQUIRE(occurrences(text, " \\x1b[31m\\x0afake 9\\x1b]0 running") == 1 && !strchr(text, '\33'));
	close(fd);
}

/* A line per worker and per task with what the header promises; the error of write(2) comes back. */
TEST(dump)
{
	assert_int_equal(sley_dump(2), -ENOTCONN);
	run(main_dump, 2);
}

static int main_quit(void *captured)
{
	char text[4096] = "";
	sley_time deadline = SOON;
	REQUIRE(kill(getpid(), SIGQUIT) == 0);
	while (!strstr(text, " main ")) {
		REQUIRE(sley_now() < deadline);
		ssize_t n = pread(*(int *)captured, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		sley_sleep(sley_in(SLEY_MS(1)));
	}
	return 0;
}

/* With the flag, SIGQUIT prints the dump on stderr instead of ending the process; the old handler comes back. */
TEST(quit)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .flags = SLEY_RUN_DUMP_ON_SIGQUIT };
	struct sigaction now;
	int file = memfd_create("stderr", MFD_CLOEXEC), old = dup(2);
	fflush(stderr);
	dup2(file, 2);
	run_with(main_quit, &file, &o);
	dup2(old, 2);
	close(old);
	close(file);
	assert_int_equal(sigaction(SIGQUIT, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
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
