/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sentinels, by what the process may do, what it does to its threads, and what they may do to it. */
#include "tests/unit/assist/armed.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAS_RSEQ 1
#else
#define HAS_RSEQ 0
#endif

#include "assist/sentinel.h"
#include "base/atomic.h"
#include "region/region.h"
#include "tests/unit/refuse.h"

/* ---- the threads ---- */

#define BIT(signal)      (1ull << ((signal)-1))
#define STANDARD_SIGNALS (BIT(32) - 1 - BIT(SIGKILL) - BIT(SIGSTOP))

/* By the thread's file in /proc. */
static bool blocks_all_signals(pid_t thread)
{
	char path[64], line[256];
	unsigned long long blocked = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", thread);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "SigBlk: %llx", &blocked) != 1)
		;
	if (file)
		fclose(file);
	return (blocked & STANDARD_SIGNALS) == STANDARD_SIGNALS;
}

/* The CPU of a sentinel, by its name; -1: the thread is none. */
static int cpu_of_name(pid_t thread)
{
	char path[64], line[32];
	int cpu = -1;
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", thread);
	FILE *file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file) && sscanf(line, "sley-idle-%d", &cpu) != 1)
		cpu = -1;
	if (file)
		fclose(file);
	return cpu;
}

static bool is_settled(pid_t thread, int cpu)
{
	cpu_set_t set;
	return sched_getscheduler(thread) == SCHED_IDLE && sched_getaffinity(thread, sizeof(set), &set) == 0 &&
	       CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set) && blocks_all_signals(thread);
}

/* How many sentinels are as they should be. */
static unsigned settled_sentinels(void)
{
	struct dirent *entry;
	unsigned n = 0;
	DIR *directory = opendir("/proc/self/task");
	REQUIRE(directory != NULL);
	while ((entry = readdir(directory))) {
		pid_t thread = atoi(entry->d_name);
		int cpu = thread > 0 ? cpu_of_name(thread) : -1;
		n += cpu >= 0 && is_settled(thread, cpu);
	}
	closedir(directory);
	return n;
}

static int main_threads(void *unused)
{
	sley_time end = SOON;
	make_sentinels();
	while (settled_sentinels() != sentinels_count()) {
		REQUIRE(sley_now() < end);
		sley_yield();
	}
	return 0;
}

/* Each sentinel is bound to the CPU in its name, gives way to all normal threads, and takes no signal. */
TEST(threads)
{
	test_need_kernel("qemu-user has signal masks of its own");
	run(main_threads, 1);
	run(main_threads, 2);
}

/* ---- what the process may do, and what it does to its threads ---- */

/* Binds the process to its last CPU: a word that is never written names the first one. */
static void use_last_cpu(void)
{
	cpu_set_t all, last;
	int cpu = CPU_SETSIZE - 1;
	REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(cpu, &all))
		cpu--;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	REQUIRE(sched_setaffinity(0, sizeof(last), &last) == 0);
}

static int main_blocks(void *unused)
{
	make_sentinels();
	for (int round = 0; round < 20; round++)
		block_all();
	return 0;
}

/* Sentinels find what blocks: in debug builds alone, so the tests of this need these. */
static int scenario_sentinels(void)
{
	use_last_cpu();
	run(main_blocks, 1);
	run(main_blocks, 2);
#if RACE_POINTS
	run_on_one_cpu(main_alone, 1);
	run_on_one_cpu(main_alone, 2);
#endif
	return 0;
}

static bool at_work(enum sley_block_source source)
{
	return load(&region.header->sources, relaxed) >> source & 1;
}

static int main_without_policy(void *unused)
{
	for (int round = 0; round < 100; round++) {
		block_all();
		REQUIRE(!at_work(SLEY_SOURCE_IDLE) && at_work(SLEY_SOURCE_TICK));
	}
	return 0;
}

static int scenario_no_policy(void)
{
	refuse(&(struct call){ "sched_setscheduler", SYS_sched_setscheduler, 0, 0 }, EPERM);
	run(main_without_policy, 1);
	run(main_without_policy, 2);
	return 0;
}

static void assert_scenario(const char *name)
{
	char text[1000];
	int status = scenario_run(name, text, sizeof(text));
	if (status != 0)
		print_error("%s", text);
	assert_int_equal(status, 0);
}

/* A filter refuses the policy of sentinels: the region never says that they are at work, and the tick finds all blocks. */
TEST(policy_refused)
{
	test_need_kernel("qemu-user has no filters");
	assert_scenario("no_policy");
}

#if HAS_RSEQ

static int scenario_no_rseq(void)
{
	REQUIRE(__rseq_size == 0);
	return scenario_sentinels();
}

static int scenario_refused_rseq(void)
{
	refuse(&(struct call){ "rseq", SYS_rseq, 0, 0 }, ENOSYS);
	scenario_exec("no_rseq");
	return 1;
}

/* A filter refuses rseq(2) to the process: sentinels find blocks without it. */
TEST(rseq_refused)
{
	test_need_kernel("qemu-user has no filters");
	assert_scenario("refused_rseq");
}

/* The user has told glibc to register no thread for rseq(2): sentinels find blocks without it. */
TEST(rseq_off)
{
	setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
	assert_scenario("no_rseq");
	unsetenv("GLIBC_TUNABLES");
}

/* A sanitizer has an allocator of its own. */
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)

static unsigned overwrites; /* atomic: malloc() does, and has done so often, plus 1 */
extern void *__libc_malloc(size_t);

/* Like TCMalloc: in the area that glibc has registered, where the kernel stores the CPU, it keeps half of a pointer. */
void *malloc(size_t n)
{
	if (load(&overwrites, relaxed) > 0 && __rseq_size > 0) {
		struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
		store(&area->cpu_id_start, 0x80007f12, relaxed);
		fetch_add(&overwrites, 1, relaxed);
	}
	return __libc_malloc(n);
}

static int scenario_overwritten(void)
{
	if (__rseq_size == 0)
		return CANNOT;
	store(&overwrites, 1, relaxed);
	int status = scenario_sentinels();
	REQUIRE(load(&overwrites, relaxed) > 1);
	return status;
}

/* The service's allocator uses the threads' rseq areas for itself, also those of the runtime's threads. */
TEST(rseq_overwritten)
{
	char text[1000];
	int status = scenario_run("overwritten", text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("no thread is registered here");
	if (status != 0)
		print_error("%s", text);
	assert_int_equal(status, 0);
}

#define OVERWRITTEN { "overwritten", scenario_overwritten },
#else
#define OVERWRITTEN
#endif
#endif

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ "no_policy", scenario_no_policy },
#if HAS_RSEQ
		{ "no_rseq", scenario_no_rseq },
		{ "refused_rseq", scenario_refused_rseq },
		OVERWRITTEN
#endif
		{ NULL, NULL },
	};
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
