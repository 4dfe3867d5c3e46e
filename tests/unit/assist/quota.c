/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Services whose cgroup may have a tenth of a CPU: the kernel throttles their threads, which is no block. */
#include "tests/unit/assist/sources.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assist/tick.h"
#include "base/atomic.h"
#include "run/block_site.h"
#include "run/worker.h"
#include "tests/cgroup.h"
#include "tests/unit/gate.h"

#define WORKERS   2u
#define THROTTLES 20
#define YIELDERS  3

/* ---- the cgroup ---- */

static struct {
	struct cgroup cgroup;
	char home[4096]; /* the file by which the process comes back to its own */
	bool old;        /* of version 1 */
} quota;

/* Whether the list of controllers, "cpu,cpuacct", has the one that throttles, or if not old, is empty. */
static bool is_hierarchy(char *controllers)
{
	if (!quota.old)
		return *controllers == '\0';
	for (char *name = strtok(controllers, ","); name; name = strtok(NULL, ",")) {
		if (strcmp(name, "cpu") == 0)
			return true;
	}
	return false;
}

/* "4:cpu,cpuacct:/path" */
static bool find_home(const char *root)
{
	char line[4000];
	bool found = false;
	FILE *file = fopen("/proc/self/cgroup", "re");
	while (!found && file && fgets(line, sizeof(line), file)) {
		char *rest = line, *path;
		strsep(&rest, ":");
		char *controllers = strsep(&rest, ":");
		path = strsep(&rest, "\n");
		if (!path || !is_hierarchy(controllers))
			continue;
		snprintf(quota.home, sizeof(quota.home), "%s%s/cgroup.procs", root, path);
		found = access(quota.home, W_OK) == 0;
	}
	if (file)
		fclose(file);
	return found;
}

static bool limit(bool on)
{
	if (!quota.old)
		return cgroup_put(&quota.cgroup, "cpu.max", on ? "2000 20000" : "max 20000");
	return cgroup_put(&quota.cgroup, "cpu.cfs_period_us", "20000") &&
	       cgroup_put(&quota.cgroup, "cpu.cfs_quota_us", on ? "2000" : "-1");
}

static long throttles(void)
{
	return cgroup_number(&quota.cgroup, "cpu.stat", "nr_throttled ");
}

static bool open_at(const char *root, bool old)
{
	quota.old = old;
	if (!find_home(root) || !cgroup_make(&quota.cgroup, root))
		return false;
	if (limit(false) && throttles() >= 0 && cgroup_enter(&quota.cgroup, getpid()))
		return true;
	cgroup_remove(&quota.cgroup);
	return false;
}

static void quota_open(void)
{
	test_need_root();
	test_need_kernel("the emulator would be throttled, and not its threads alone");
	if (!open_at("/sys/fs/cgroup/cpu", true) && !open_at("/sys/fs/cgroup", false))
		test_skip("no cgroup with a CPU quota can be made here");
}

static void quota_close(void)
{
	FILE *file = fopen(quota.home, "we");
	REQUIRE(file && fprintf(file, "%d", getpid()) > 0 && fclose(file) == 0);
	cgroup_remove(&quota.cgroup);
}

/* ---- the run ---- */

static unsigned over, computes_on, throttled; /* atomic; computes_on: number of the worker, plus 1 */
static struct gate gates[WORKERS];

static void compute(void *unused)
{
	store(&computes_on, worker_self()->number + 1, release);
	while (!load(&over, acquire))
		cpu_relax();
}

static void yield(void *unused)
{
	while (!load(&over, acquire))
		sley_yield();
}

/* A plain thread, as it is in the kernel all the time. */
static void *count_throttles(void *unused)
{
	long before = throttles();
	while (throttles() < before + THROTTLES)
		usleep(1000);
	store(&throttled, 1, release);
	return unused;
}

/* All sites count as seen to block, with no time to confirm: so each source looks at each dispatch. */
static void open_sites(void)
{
	for (unsigned i = 0; i < SLEY_REGION_SITES; i++)
		store(&block_site_gates[i], BLOCK_SITE_SECONDS, relaxed);
}

static void begin_tasks(sley_task *tasks)
{
	store(&over, 0, relaxed);
	store(&computes_on, 0, relaxed);
	store(&throttled, 0, relaxed);
	open_sites();
	REQUIRE((tasks[0] = sley_spawn(compute, NULL)) > 0);
	for (int i = 1; i <= YIELDERS; i++)
		REQUIRE((tasks[i] = sley_spawn(yield, NULL)) > 0);
}

static void end_tasks(const sley_task *tasks)
{
	store(&over, 1, release);
	for (int i = 0; i <= YIELDERS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

/* One worker computes, the other has work, and both are throttled. Returns how many blocks were noted meanwhile. */
static uint64_t be_throttled(void)
{
	pthread_t thread;
	sley_task tasks[1 + YIELDERS];
	uint64_t before = counter(SLEY_COUNTER_blocks);
	begin_tasks(tasks);
	await_at_least(&computes_on, 1);
	struct worker *worker = worker_get(load(&computes_on, relaxed) - 1);
	const struct sley_region_site_blocks *site = &region.site_blocks[load(&worker->line->site, relaxed)];
	REQUIRE(limit(true));
	REQUIRE(pthread_create(&thread, NULL, count_throttles, NULL) == 0);
	while (!load(&throttled, acquire)) {
		REQUIRE(load(&worker->block->note, relaxed) == 0);
		sley_yield();
	}
	uint64_t noted = counter(SLEY_COUNTER_blocks) - before;
	REQUIRE(load(&site->noted, relaxed) == 0 && load(&site->handed, relaxed) == 0);
	end_tasks(tasks);
	REQUIRE(pthread_join(thread, NULL) == 0);
	return noted;
}

/* As many tasks block as there are workers, and this one runs all the same. */
static void be_replaced(void)
{
	sley_task tasks[WORKERS];
	gates_open(gates, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++)
		REQUIRE((tasks[i] = sley_spawn(source_block, &gates[i])) > 0);
	for (unsigned i = 0; i < WORKERS; i++)
		await_at_least(&gates[i].entered, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		gate_let_go(&gates[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	gates_close(gates, WORKERS);
}

static int main_throttled(void *noted)
{
	source_await();
	*(uint64_t *)noted = be_throttled();
	be_replaced();
	REQUIRE(limit(false));
	be_replaced();
	return 0;
}

/*
 * Proves that a worker which is throttled in its task is not noted, and that the workers are not replaced again and again,
 * with work that waits and each site suspected; and that blocks are found while the service is throttled, and afterwards.
 */
SOURCE_TEST(throttled)
{
	struct sley_options options = { .size = sizeof(options), .workers = WORKERS };
	uint64_t noted = 0;
	quota_open();
	store(&tick_hog, SLEY_SEC(1000), relaxed); /* what computes is no hog */
	run_with(main_throttled, &noted, &options);
	store(&tick_hog, SLEY_MS(10), relaxed);
	quota_close();
	print_message("%llu blocks noted in %d throttles\n", (unsigned long long)noted, THROTTLES);
	assert_true(noted < THROTTLES / 4);
}
