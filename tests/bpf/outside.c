/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The source bpf on the real kernel: runs with SLEY_ASSIST=bpf, in processes of their own that find the library of this
 * build. Where a test says "alone", the tick is switched off once the program watches.
 */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "assist/outside.h"
#include "assist/tick.h"
#include "base/atomic.h"
#include "run/idle.h"
#include "tests/bpf/slowfs.h"

#define ROUNDS 20

/* ---- scenarios: what they block on, and by whom it ends ---- */

struct way {
	void (*prepare)(void);
	void (*block)(void);
	void (*let_go)(
		void); /* null: the block ends by itself, and the task blocks again until the other task has run */
	void (*clear)(void);
};

static void block_nanosleep(void)
{
	const struct timespec while_ = { .tv_nsec = 50 * 1000 * 1000 };
	REQUIRE(nanosleep(&while_, NULL) == 0);
}

static int ends[2];

static void prepare_pipe(void)
{
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
}

static void block_pipe(void)
{
	char byte;
	REQUIRE(read(ends[0], &byte, 1) == 1);
}

static void release_pipe(void)
{
	REQUIRE(write(ends[1], "x", 1) == 1);
}

static void clear_pipe(void)
{
	REQUIRE(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* Two descriptions of one file, of which the first has the lock. */
static void prepare_flock(void)
{
	char path[] = "/tmp/sley-flock-XXXXXX", again[32];
	REQUIRE((ends[0] = mkostemp(path, O_CLOEXEC)) >= 0 && unlink(path) == 0);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", ends[0]);
	REQUIRE((ends[1] = open(again, O_RDWR | O_CLOEXEC)) >= 0 && flock(ends[0], LOCK_EX) == 0);
}

static void block_flock(void)
{
	REQUIRE(flock(ends[1], LOCK_EX) == 0);
}

static void release_flock(void)
{
	REQUIRE(flock(ends[0], LOCK_UN) == 0);
}

static volatile char *pages;
static unsigned page;

/* Pages of the slow file system, each of which is read once. */
static void prepare_fault(void)
{
	int fd = open(getenv("SLOW_FILE"), O_RDONLY | O_CLOEXEC);
	size_t size = SLOWFS_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	if (pages)
		return;
	pages = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(pages != MAP_FAILED && madvise((void *)pages, size, MADV_RANDOM) == 0 && close(fd) == 0);
}

static void block_fault(void)
{
	REQUIRE(page < SLOWFS_PAGES);
	REQUIRE(pages[page++ * (size_t)sysconf(_SC_PAGESIZE)] == SLOWFS_BYTE);
}

/* ---- the run ---- */

static const struct way *way;
static unsigned other_ran; /* atomic */

static void blocker(void *unused)
{
	sley_time deadline = SOON;
	do {
		way->block();
		REQUIRE(sley_now() < deadline);
	} while (!load(&other_ran, acquire));
}

static void other(void *unused)
{
	store(&other_ran, 1, release);
	if (way->let_go)
		way->let_go();
}

/* Waits until the program is loaded. False: this cannot be had here. */
static bool watched(void)
{
	sley_time deadline = SOON;
	while (outside_state() == OUTSIDE_OPENS) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return outside_state() == OUTSIDE_WATCHES;
}

static int main_ways(void *unused)
{
	sley_task tasks[2];
	if (!watched())
		return CANNOT;
	tick_open(false);
	for (int i = 0; i < ROUNDS; i++) {
		if (way->prepare)
			way->prepare();
		store(&other_ran, 0, relaxed);
		REQUIRE((tasks[0] = sley_spawn(blocker, NULL)) > 0 && (tasks[1] = sley_spawn(other, NULL)) > 0);
		REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
		if (way->clear)
			way->clear();
	}
	REQUIRE(counter(SLEY_COUNTER_blocks) >= ROUNDS);
	return 0;
}

static int run_main(int (*main)(void *), unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	int result = -1;
	REQUIRE(sley_run(main, NULL, &options, &result) == 0);
	return result;
}

static int run_way(const struct way *with)
{
	way = with;
	return run_main(main_ways, 1);
}

static int scenario_nanosleep(void)
{
	return run_way(&(struct way){ .block = block_nanosleep });
}

static int scenario_pipe(void)
{
	return run_way(&(struct way){ prepare_pipe, block_pipe, release_pipe, clear_pipe });
}

static int scenario_flock(void)
{
	return run_way(&(struct way){ prepare_flock, block_flock, release_flock, clear_pipe });
}

static int scenario_fault(void)
{
	return run_way(&(struct way){ prepare_fault, block_fault, NULL, NULL });
}

/* ---- a block that does not matter yet ---- */

/* Also a spare, which a page fault of nobody's planting may have called. */
static bool others_sleep(void)
{
	for (unsigned i = 0; i < scheduler.made; i++) {
		unsigned mode = load(&region.workers[i].mode, relaxed);
		if (i != worker_self()->number && mode != SLEY_WORKER_IDLE && mode != SLEY_WORKER_GONE)
			return false;
	}
	return idle_has_poller();
}

static unsigned alone; /* atomic */

static void become_alone(void)
{
	while (!others_sleep())
		cpu_relax();
	store(&alone, 1, release);
}

/* Blocks when another worker waits in the reactor and nothing is queued. */
static void block_alone(void *unused)
{
	become_alone();
	uint64_t blocks = counter(SLEY_COUNTER_blocks), wakes = counter(SLEY_COUNTER_wakes);
	block_nanosleep();
	REQUIRE(counter(SLEY_COUNTER_blocks) == blocks && counter(SLEY_COUNTER_wakes) == wakes);
}

static void block_until_released(void *unused)
{
	become_alone();
	block_pipe();
}

static int main_quiet(void *unused)
{
	sley_task task;
	if (!watched())
		return CANNOT;
	tick_open(false);
	REQUIRE((task = sley_spawn(block_alone, NULL)) > 0 && sley_join(task, SLEY_NEVER) == 0);
	prepare_pipe();
	store(&alone, 0, relaxed);
	REQUIRE((task = sley_spawn(block_until_released, NULL)) > 0);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(50))) == 0);
	await_at_least(&alone, 1);
	while (load(&scheduler.blocked, relaxed) == 0)
		sley_yield();
	release_pipe();
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

static int scenario_quiet(void)
{
	return run_main(main_quiet, 2);
}

/* ---- spares ---- */

#define BLOCKED 16

static int pipes[BLOCKED][2];

static void block_one(void *arg)
{
	char byte;
	int *pair = arg;
	REQUIRE(read(pair[0], &byte, 1) == 1);
}

static int main_spares(void *unused)
{
	sley_task tasks[BLOCKED];
	if (!watched())
		return CANNOT;
	tick_open(false);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BLOCKED; i++)
			REQUIRE(pipe2(pipes[i], O_CLOEXEC) == 0 && (tasks[i] = sley_spawn(block_one, pipes[i])) > 0);
		sley_time deadline = SOON;
		while (load(&scheduler.blocked, relaxed) < BLOCKED) {
			REQUIRE(sley_now() < deadline);
			sley_yield();
		}
		for (int i = 0; i < BLOCKED; i++)
			REQUIRE(write(pipes[i][1], "x", 1) == 1);
		for (int i = 0; i < BLOCKED; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0 && close(pipes[i][0]) == 0 &&
				close(pipes[i][1]) == 0);
	}
	return 0;
}

static int scenario_spares(void)
{
	return run_main(main_spares, 2);
}

/* ---- exec ---- */

static int main_exec(void *unused)
{
	if (!watched())
		return CANNOT;
	scenario_exec("nanosleep");
	return 1;
}

static int scenario_execs(void)
{
	return run_main(main_exec, 2);
}

/* ---- refused ---- */

static bool at_work(enum sley_block_source source)
{
	return load(&region.header->sources, relaxed) >> source & 1;
}

static void pipe_round(void)
{
	sley_task tasks[2];
	prepare_pipe();
	store(&other_ran, 0, relaxed);
	REQUIRE((tasks[0] = sley_spawn(blocker, NULL)) > 0 && (tasks[1] = sley_spawn(other, NULL)) > 0);
	REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
	clear_pipe();
}

static int main_refused(void *unused)
{
	sley_time deadline = SOON;
	REQUIRE(!watched() && outside_state() == OUTSIDE_REFUSED && !at_work(SLEY_SOURCE_BPF));
	while (!at_work(SLEY_SOURCE_IDLE)) {
		pipe_round();
		REQUIRE(sley_now() < deadline);
	}
	return 0;
}

static int run_refused(void)
{
	static const struct way pipe_way = { prepare_pipe, block_pipe, release_pipe, clear_pipe };
	way = &pipe_way;
	return run_main(main_refused, 1);
}

static int scenario_nobody(void)
{
	test_become_nobody();
	return run_refused();
}

static int scenario_no_library(void)
{
	return run_refused();
}

/* ---- helped ---- */

static void await_outside(enum outside_state state)
{
	sley_time deadline = SOON;
	while (outside_state() != state) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Tells the test that the runtime is there, and waits for the helper. */
static void get_helped(void)
{
	REQUIRE(write(STDOUT_FILENO, "r", 1) == 1);
	await_outside(OUTSIDE_HELPED);
}

static int main_helped(void *unused)
{
	get_helped();
	tick_open(false);
	for (int i = 0; i < ROUNDS; i++)
		pipe_round();
	return 0;
}

static int main_left(void *unused)
{
	get_helped();
	REQUIRE(write(STDOUT_FILENO, "k", 1) == 1);
	await_outside(OUTSIDE_NONE);
	pipe_round();
	return 0;
}

static int main_helped_exec(void *unused)
{
	get_helped();
	REQUIRE(write(STDOUT_FILENO, "x", 1) == 1);
	execlp("cat", "cat", NULL); /* until the end of its input */
	return 1;
}

static int run_helped(int (*main)(void *))
{
	static const struct way pipe_way = { prepare_pipe, block_pipe, release_pipe, clear_pipe };
	test_become_nobody();
	way = &pipe_way;
	return run_main(main, 1);
}

static int scenario_helped(void)
{
	return run_helped(main_helped);
}

static int scenario_left(void)
{
	return run_helped(main_left);
}

static int scenario_helped_exec(void)
{
	return run_helped(main_helped_exec);
}

/* ---- a service of nobody's, and its helper ---- */

static struct {
	pid_t pid;
	int input, output; /* ends of the test */
} service;

static void start_service(const char *name)
{
	int input[2], output[2];
	setenv("SLEY_ASSIST", "tick", 1);
	REQUIRE(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	service.pid = fork();
	REQUIRE(service.pid >= 0);
	if (service.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		scenario_exec(name);
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	service.input = input[1];
	service.output = output[0];
}

static void await_word(char word)
{
	char got = 0;
	REQUIRE(read(service.output, &got, 1) == 1 && got == word);
}

static pid_t start_helper(void)
{
	const char *program = test_build_path("asynctop");
	char number[16];
	pid_t helper = fork();
	REQUIRE(helper >= 0);
	if (helper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(number, sizeof(number), "%d", (int)service.pid);
		execl(program, program, "assist", "-p", number, NULL);
		_exit(127);
	}
	return helper;
}

/* The wait(2) status. */
static int ended(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void end_service(void)
{
	close(service.input);
	assert_int_equal(ended(service.pid), 0);
	close(service.output);
}

static int main_can(void *unused)
{
	return watched() ? 0 : CANNOT;
}

static int scenario_can(void)
{
	return run_main(main_can, 1);
}

/* ---- the tests ---- */

static void run_scenario(const char *name)
{
	static char text[4000];
	test_need_root();
	setenv("SLEY_ASSIST", "bpf", 1);
	setenv("LD_LIBRARY_PATH", test_build_path(""), 1);
	int status = scenario_run(name, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("the kernel does not load the program");
	assert_string_equal(text, "");
	assert_int_equal(status, 0);
}

/* A task sleeps in nanosleep, and the task behind it runs meanwhile, by the source bpf alone. */
TEST(nanosleep)
{
	run_scenario("nanosleep");
}

/* A task reads a pipe that the task behind it fills. */
TEST(pipe)
{
	run_scenario("pipe");
}

/* A task waits for a lock of a file that the task behind it has to give. */
TEST(flock)
{
	run_scenario("flock");
}

/* A task touches a page that a file system reads for 50 ms. */
TEST(fault)
{
	struct slowfs fs;
	test_need_root();
	if (!slowfs_start(&fs, 50000))
		test_skip("no FUSE here");
	setenv("SLOW_FILE", fs.file, 1);
	run_scenario("fault");
	slowfs_stop(&fs);
}

/*
 * A block rings only when it matters: not while nothing is queued and the other worker waits in the reactor, but as soon as
 * that one has something to do.
 */
TEST(quiet)
{
	run_scenario("quiet");
}

/* More tasks block than there are workers, in threads that were made after the program was loaded. */
TEST(spares)
{
	run_scenario("spares");
}

/* A process that executes a program while it is watched: the next one is watched like the first one. */
TEST(exec)
{
	run_scenario("exec");
}

/* Without the privilege, and without the library, tick and sentinels do it, and nothing is said. */
TEST(refused)
{
	run_scenario("nobody");
	unsetenv("LD_LIBRARY_PATH");
	char text[1000];
	assert_int_equal(scenario_run("no_library", text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

/* A service that has no privilege is told by a helper that has: that is enough, and is so in each of many blocks. */
TEST(helper)
{
	run_scenario("can");
	start_service("helped");
	await_word('r');
	pid_t helper = start_helper();
	end_service();
	int status = ended(helper);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3); /* the process has ended */
}

/* A helper that is killed is forgotten, and the tick does it. */
TEST(helper_killed)
{
	run_scenario("can");
	start_service("left");
	await_word('r');
	pid_t helper = start_helper();
	await_word('k');
	REQUIRE(kill(helper, SIGKILL) == 0);
	ended(helper);
	end_service();
}

/* A helper that is asked to end gives its lease back, and dies by the signal. */
TEST(helper_stopped)
{
	run_scenario("can");
	start_service("left");
	await_word('r');
	pid_t helper = start_helper();
	await_word('k');
	REQUIRE(kill(helper, SIGTERM) == 0);
	int status = ended(helper);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	end_service();
}

/* The helper ends when the service executes another program. */
TEST(helper_and_exec)
{
	run_scenario("can");
	start_service("helped_exec");
	await_word('r');
	pid_t helper = start_helper();
	await_word('x');
	int status = ended(helper);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	end_service();
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ "nanosleep", scenario_nanosleep },
		{ "pipe", scenario_pipe },
		{ "flock", scenario_flock },
		{ "fault", scenario_fault },
		{ "quiet", scenario_quiet },
		{ "spares", scenario_spares },
		{ "exec", scenario_execs },
		{ "nobody", scenario_nobody },
		{ "no_library", scenario_no_library },
		{ "can", scenario_can },
		{ "helped", scenario_helped },
		{ "left", scenario_left },
		{ "helped_exec", scenario_helped_exec },
		{ NULL, NULL },
	};
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
