/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "region/region.h"
#include "run/worker.h"

/*
 * Many tests keep a thread in a call so that their tasks do not run meanwhile, so the runtime is to find no blocked thread
 * here, unless the environment says otherwise. Tests of that set it; those of stress, tools and examples have the default.
 */
__attribute__((constructor)) static void find_no_blocks(void)
{
	setenv("SLEY_ASSIST", "off", 0);
}

void run_with(int (*main)(void *), void *arg, const struct sley_options *options)
{
	int result = -1;
	assert_int_equal(sley_run(main, arg, options, &result), 0);
	assert_int_equal(result, 0);
}

void run(int (*main)(void *), unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	run_with(main, NULL, &options);
}

void run_each(int (*main)(void *))
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		run(main, workers);
}

void run_all(int (*main)(void *))
{
	struct sley_options few = { .size = sizeof(few), .stack_slots = 2 };
	run_each(main);
#ifndef SLEY_ASAN
	for (few.workers = 1; few.workers <= 2; few.workers++)
		run_with(main, NULL, &few);
#else
	(void)few;
#endif
}

void run_tight(int (*main)(void *))
{
	struct sley_options one = { .size = sizeof(one), .workers = 1, .stack_slots = 1 };
	run_all(main);
#ifndef SLEY_ASAN
	run_with(main, NULL, &one);
#else
	(void)one;
#endif
}

void run_ways(int (*main)(void *), const int *ways, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ways[i] == EVERY_WAY)
			run_all(main);
		else
			run(main, (unsigned)ways[i]);
	}
}

uint64_t counter(enum sley_counter which)
{
	uint64_t sum = 0;
	for (unsigned row = 0; row <= load(&region.header->worker_count, acquire); row++)
		sum += load(&region_counters(row)[which], relaxed);
	return sum;
}

unsigned live_tasks(void)
{
	unsigned n = 0;
	for (uint32_t word = 0; word < region.header->live.capacity; word++)
		for (uint64_t bits = load(&region.live[word], acquire); bits; bits &= bits - 1)
			n += load(&region.tasks[word * 64 + (unsigned)__builtin_ctzll(bits)].id, acquire) != 0;
	return n;
}

const struct sley_region_task *record_of(sley_task task)
{
	return &region.tasks[((uint64_t)task & SLEY_TASK_INDEX_MASK) - 1];
}

enum sley_task_state state_of(sley_task task)
{
	return (enum sley_task_state)load(&record_of(task)->state, relaxed);
}

static bool is_in(sley_task task, enum sley_task_state state, enum sley_wait_kind kind)
{
	return state_of(task) == state &&
	       (kind == SLEY_WAIT_NONE || load(&record_of(task)->wait_kind, relaxed) == kind);
}

void await_state(sley_task task, enum sley_task_state state, enum sley_wait_kind kind)
{
	sley_time deadline = SOON;
	while (!is_in(task, state, kind)) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

void await_state_or_end(sley_task task, enum sley_task_state state, enum sley_wait_kind kind)
{
	sley_time deadline = SOON;
	while (!is_in(task, state, kind) && state_of(task) != SLEY_TASK_ENDED) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

void await_at_least(const unsigned *word, unsigned n)
{
	sley_time deadline = SOON;
	while (load(word, acquire) < n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

void await_live(unsigned n)
{
	sley_time deadline = SOON;
	while (live_tasks() != n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* A worker stores its mode when it has joined the idle list and found nothing, and when it has left the list. */
static unsigned asleep(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < load(&scheduler.made, acquire); i++)
		n += worker_awake(i) != worker_get(i) && load(&region.workers[i].mode, relaxed) == SLEY_WORKER_IDLE;
	return n;
}

void await_asleep(unsigned n)
{
	sley_time deadline = SOON;
	while (asleep() < n) {
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
}

unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;
	REQUIRE(dir != NULL);
	while ((entry = readdir(dir))) {
		char target[16];
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		n += size > 0 && (size < 6 || memcmp(target, "/proc/", 6) != 0);
	}
	closedir(dir);
	return n;
}

int socketpair_at(int number)
{
	sley_time deadline = SOON;
	int ends[2];
	while (sley_socketpair(SOCK_STREAM, ends) == 0 && ends[0] != number && ends[1] != number) {
		REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
		REQUIRE(sley_now() < deadline);
	}
	return ends[ends[0] == number];
}

static int captured = -1, original = -1;

void capture_begin(void)
{
	fflush(stderr);
	original = dup(STDERR_FILENO);
	captured = memfd_create("stderr", MFD_CLOEXEC);
	REQUIRE(original >= 0 && captured >= 0);
	REQUIRE(dup2(captured, STDERR_FILENO) == STDERR_FILENO);
}

void capture_peek(char *text, size_t size)
{
	ssize_t n = pread(captured, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
}

void capture_end(char *text, size_t size)
{
	fflush(stderr);
	REQUIRE(dup2(original, STDERR_FILENO) == STDERR_FILENO);
	capture_peek(text, size);
	close(captured);
	close(original);
}

unsigned occurrences(const char *text, const char *needle)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, needle)); p += strlen(needle))
		n++;
	return n;
}

void scenario_main(int argc, char **argv, const struct scenario *scenarios)
{
	if (argc != 3 || strcmp(argv[1], "--scenario") != 0)
		return;
	for (; scenarios->name; scenarios++) {
		if (strcmp(scenarios->name, argv[2]) == 0)
			exit(scenarios->main());
	}
	fprintf(stderr, "no scenario is called %s\n", argv[2]);
	exit(127);
}

void scenario_exec(const char *name)
{
	const char *emulator = getenv("SLEY_TEST_EMULATOR");
	if (emulator) /* the kernel does not start another machine's program */
		execl(emulator, emulator, program_invocation_name, "--scenario", name, NULL);
	else
		execl("/proc/self/exe", program_invocation_name, "--scenario", name, NULL);
}

int scenario_run(const char *name, char *text, size_t size)
{
	int ends[2], status;
	size_t used = 0;
	ssize_t n;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		scenario_exec(name);
		_exit(127);
	}
	close(ends[1]);
	char rest[512];
	while ((n = read(ends[0], rest, sizeof(rest))) > 0) {
		size_t keep = (size_t)n < size - 1 - used ? (size_t)n : size - 1 - used;
		memcpy(text + used, rest, keep);
		used += keep;
	}
	text[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

void assert_segv(int status)
{
#if defined(SLEY_ASAN) || defined(SLEY_TSAN)
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
#endif
}

void assert_said(const char *text, const char *needle, unsigned times)
{
	if (occurrences(text, needle) != times)
		fail_msg("'%s' is there %u times, not %u, in:\n%s", needle, occurrences(text, needle), times, text);
}

/* ---- networks ---- */

bool own_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	if (unshare(CLONE_NEWNET) != 0)
		return false;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return up;
}

bool own_network_set(const char *file, const char *value)
{
	char path[100];
	snprintf(path, sizeof(path), "/proc/sys/net/%s", file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	if (fd >= 0)
		close(fd);
	return written;
}

void scenario_needs_network(const char *name)
{
	char text[1000];
	test_need_kernel("it has no networks of one's own");
	int status = scenario_run(name, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("no network of one's own can be made here, or none with these settings");
	if (status != 0)
		print_error("%s", text);
	assert_int_equal(status, 0);
}
