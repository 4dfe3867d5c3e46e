/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The source bpf on the real kernel: runs with SLEY_ASSIST=bpf, in processes of their own that find the library of this
 * build. Where a test says "alone", the tick is switched off once the program watches. helper.c: services that are helped.
 */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "assist/outside.h"
#include "assist/tick.h"
#include "base/atomic.h"
#include "run/idle.h"
#include "tests/bpf/slowfs.h"
#include "tests/bpf/way.h"
#include "tests/unit/gate.h"

#define ROUNDS 20

/* ---- what they block in ---- */

static void block_nanosleep(void)
{
	const struct timespec while_ = { .tv_nsec = 50 * 1000 * 1000 };
	REQUIRE(nanosleep(&while_, NULL) == 0);
}

static int files[2];

/* Two descriptions of one file, of which the first has the lock. */
static void prepare_flock(void)
{
	char path[] = "/tmp/sley-flock-XXXXXX", again[32];
	REQUIRE((files[0] = mkostemp(path, O_CLOEXEC)) >= 0 && unlink(path) == 0);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", files[0]);
	REQUIRE((files[1] = open(again, O_RDWR | O_CLOEXEC)) >= 0 && flock(files[0], LOCK_EX) == 0);
}

static void block_flock(void)
{
	REQUIRE(flock(files[1], LOCK_EX) == 0);
}

static void release_flock(void)
{
	REQUIRE(flock(files[0], LOCK_UN) == 0);
}

static void clear_flock(void)
{
	REQUIRE(close(files[0]) == 0 && close(files[1]) == 0);
}

static volatile char *pages;
static unsigned page;

/* Pages of the slow file system, each of which is read once. */
static void prepare_fault(void)
{
	if (pages)
		return;
	int fd = open(getenv("SLOW_FILE"), O_RDONLY | O_CLOEXEC);
	size_t size = SLOWFS_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	pages = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(pages != MAP_FAILED && madvise((void *)pages, size, MADV_RANDOM) == 0 && close(fd) == 0);
}

static void block_fault(void)
{
	REQUIRE(page < SLOWFS_PAGES);
	REQUIRE(pages[page++ * (size_t)sysconf(_SC_PAGESIZE)] == SLOWFS_BYTE);
}

/* ---- in a round ---- */

static const struct way *way;

static int main_ways(void *unused)
{
	if (!way_watched())
		return CANNOT;
	tick_open(false);
	for (int i = 0; i < ROUNDS; i++)
		way_round(way);
	REQUIRE(counter(SLEY_COUNTER_blocks) >= ROUNDS);
	return 0;
}

static int run_way(const struct way *with)
{
	way = with;
	return way_run(main_ways, 1);
}

static int scenario_nanosleep(void)
{
	return run_way(&(struct way){ .block = block_nanosleep });
}

static int scenario_pipe(void)
{
	return run_way(&way_pipe);
}

static int scenario_flock(void)
{
	return run_way(&(struct way){ prepare_flock, block_flock, release_flock, clear_flock });
}

static int scenario_fault(void)
{
	return run_way(&(struct way){ prepare_fault, block_fault, NULL, NULL });
}

/* ---- a block that does not matter yet ---- */

/* Also a spare, which a page fault of nobody's planting may have called. */
static bool others_sleep(void)
{
	for (unsigned i = 0; i < load(&scheduler.made, acquire); i++) {
		unsigned mode = load(&region.workers[i].mode, relaxed);
		if (i != worker_self()->number && mode != SLEY_WORKER_IDLE && mode != SLEY_WORKER_GONE)
			return false;
	}
	return idle_has_poller();
}

#define BLOCKED 16

static struct gate gates[BLOCKED];
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
	gate_block(&gates[0]);
}

static int main_quiet(void *unused)
{
	sley_task task;
	if (!way_watched())
		return CANNOT;
	tick_open(false);
	REQUIRE((task = sley_spawn(block_alone, NULL)) > 0 && sley_join(task, SLEY_NEVER) == 0);
	gates_open(gates, 1);
	store(&alone, 0, relaxed);
	REQUIRE((task = sley_spawn(block_until_released, NULL)) > 0);
	sley_time deadline = SOON;
	do { /* this task must not run before that one is alone */
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(50))) == 0);
	} while (!load(&alone, acquire));
	while (load(&scheduler.blocked, relaxed) == 0)
		sley_yield();
	gate_let_go(&gates[0]);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	gates_close(gates, 1);
	return 0;
}

static int scenario_quiet(void)
{
	return way_run(main_quiet, 2);
}

/* ---- spares ---- */

static int main_spares(void *unused)
{
	sley_task tasks[BLOCKED];
	if (!way_watched())
		return CANNOT;
	tick_open(false);
	for (int round = 0; round < ROUNDS; round++) {
		gates_open(gates, BLOCKED);
		for (int i = 0; i < BLOCKED; i++)
			REQUIRE((tasks[i] = sley_spawn(gate_block, &gates[i])) > 0);
		sley_time deadline = SOON;
		while (load(&scheduler.blocked, relaxed) < BLOCKED) {
			REQUIRE(sley_now() < deadline);
			sley_yield();
		}
		for (int i = 0; i < BLOCKED; i++)
			gate_let_go(&gates[i]);
		for (int i = 0; i < BLOCKED; i++)
			REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		gates_close(gates, BLOCKED);
	}
	return 0;
}

static int scenario_spares(void)
{
	return way_run(main_spares, 2);
}

/* ---- exec ---- */

static int main_exec(void *unused)
{
	if (!way_watched())
		return CANNOT;
	scenario_exec("nanosleep");
	return 1;
}

static int scenario_execs(void)
{
	return way_run(main_exec, 2);
}

/* ---- refused ---- */

static bool at_work(enum sley_block_source source)
{
	return load(&region.header->sources, relaxed) >> source & 1;
}

static int main_refused(void *unused)
{
	sley_time deadline = SOON;
	REQUIRE(!way_watched() && outside_state() == OUTSIDE_REFUSED && !at_work(SLEY_SOURCE_BPF));
	while (!at_work(SLEY_SOURCE_IDLE)) {
		way_round(&way_pipe);
		REQUIRE(sley_now() < deadline);
	}
	return 0;
}

static int scenario_nobody(void)
{
	test_become_nobody();
	return way_run(main_refused, 1);
}

static int scenario_no_library(void)
{
	return way_run(main_refused, 1);
}

/* ---- the tests ---- */

/* A task sleeps in nanosleep, and the task behind it runs meanwhile, by the source bpf alone. */
TEST(nanosleep)
{
	way_scenario("nanosleep");
}

/* A task reads a pipe that the task behind it fills. */
TEST(pipe)
{
	way_scenario("pipe");
}

/* A task waits for a lock of a file that the task behind it has to give. */
TEST(flock)
{
	way_scenario("flock");
}

/* A task touches a page that a file system reads for 50 ms. */
TEST(fault)
{
	struct slowfs fs;
	test_need_root();
	if (!slowfs_start(&fs, 50000))
		test_skip("no FUSE here");
	setenv("SLOW_FILE", fs.file, 1);
	way_scenario("fault");
	slowfs_stop(&fs);
}

/*
 * A block rings only when it matters: not while nothing is queued and the other worker waits in the reactor, but as soon as
 * that one has something to do.
 */
TEST(quiet)
{
	way_scenario("quiet");
}

/* More tasks block than there are workers, in threads that were made after the program was loaded. */
TEST(spares)
{
	way_scenario("spares");
}

/* A process that executes a program while it is watched: the next one is watched like the first one. */
TEST(exec)
{
	way_scenario("exec");
}

/* Without the privilege, and without the library, tick and sentinels do it, and nothing is said. */
TEST(refused)
{
	way_scenario("nobody");
	unsetenv("LD_LIBRARY_PATH");
	char text[1000];
	assert_int_equal(scenario_run("no_library", text, sizeof(text)), 0);
	assert_string_equal(text, "");
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
		{ NULL, NULL },
	};
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
