/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Services whose only CPU another process keeps busy: one of the same cgroup, beside which a thread of policy SCHED_IDLE
 * has hardly a turn, and one of another cgroup.
 */
#include "tests/unit/assist/sources.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"
#include "tests/cgroup.h"
#include "tests/unit/gate.h"

#define MOST 4
#define SLOW "an emulator of many threads on a busy CPU is slow"

static struct {
	pid_t pid;
	unsigned *computes; /* atomic, shared with it */
	cpu_set_t before;
} hog;

static void compute(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		store(hog.computes, 1, relaxed);
}

/* This process and another one are on one CPU from here on, and the other one computes. group: its cgroup; null: ours. */
static void hog_start(const struct cgroup *group)
{
	cpu_set_t one;
	hog.computes = mmap(NULL, sizeof(*hog.computes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(hog.computes, MAP_FAILED);
	assert_int_equal(sched_getaffinity(0, sizeof(hog.before), &hog.before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	hog.pid = fork();
	assert_true(hog.pid >= 0);
	if (hog.pid == 0)
		compute();
	assert_true(!group || cgroup_enter(group, hog.pid));
	while (!load(hog.computes, relaxed))
		sched_yield();
}

static void hog_stop(void)
{
	assert_int_equal(kill(hog.pid, SIGKILL), 0);
	assert_int_equal(waitpid(hog.pid, NULL, 0), hog.pid);
	assert_int_equal(sched_setaffinity(0, sizeof(hog.before), &hog.before), 0);
	assert_int_equal(munmap(hog.computes, sizeof(*hog.computes)), 0);
}

/* More tasks block than there are workers, again and again, and this task runs all the same. */
static int main_beside(void *unused)
{
	static struct gate gates[MOST];
	sley_task tasks[MOST];
	unsigned n = 2 * scheduler.target;
	source_await();
	for (int round = 0; round < 10; round++) {
		gates_open(gates, n);
		for (unsigned i = 0; i < n; i++)
			REQUIRE((tasks[i] = sley_spawn(source_block, &gates[i])) > 0);
		for (unsigned i = 0; i < n; i++)
			await_at_least(&gates[i].entered, 1);
		for (unsigned i = 0; i < n; i++)
			gate_let_go(&gates[i]);
		for (unsigned i = 0; i < n; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0);
		gates_close(gates, n);
	}
	return 0;
}

static void run_beside(void)
{
	run(main_beside, 1);
	run(main_beside, 2);
}

SOURCE_TEST(same_cgroup)
{
	test_need_kernel(SLOW);
	hog_start(NULL);
	run_beside();
	hog_stop();
}

SOURCE_TEST(other_cgroup)
{
	struct cgroup group;
	test_need_kernel(SLOW);
	test_need_root();
	if (!cgroup_make(&group, "/sys/fs/cgroup/cpu") && !cgroup_make(&group, "/sys/fs/cgroup"))
		test_skip("no cgroup can be made here");
	bool shares = cgroup_put(&group, "cpu.shares", "1024") || cgroup_put(&group, "cpu.weight", "100");
	if (shares) {
		hog_start(&group);
		run_beside();
		hog_stop();
	}
	cgroup_remove(&group);
	if (!shares)
		test_skip("no cgroup with a share of the CPUs can be made here");
}
