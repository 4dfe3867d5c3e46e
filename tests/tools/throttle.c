/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A service whose cgroup may have a hundredth of a CPU: that is said, and how much it was. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/process.h"
#include "tests/cgroup.h"
#include "tests/test.h"
#include "tool.h"

static struct cgroup cgroup;
static pid_t service;

/* So little that it is used up on a busy machine, too. */
static void limit(bool old, bool on)
{
	if (!old)
		assert_true(cgroup_put(&cgroup, "cpu.max", on ? "1000 100000" : "max 100000"));
	else
		assert_true(cgroup_put(&cgroup, "cpu.cfs_period_us", "100000") &&
			    cgroup_put(&cgroup, "cpu.cfs_quota_us", on ? "1000" : "-1"));
}

/* Whether it can be made, with the controller. */
static bool make_cgroup(const char *root)
{
	if (!cgroup_make(&cgroup, root))
		return false;
	if (cgroup_number(&cgroup, "cpu.stat", "nr_throttled ") >= 0)
		return true;
	cgroup_remove(&cgroup);
	return false;
}

static void start_service(void)
{
	struct process process;
	int64_t give_up = test_now() + 30000000000;
	service = fork();
	assert_true(service >= 0);
	if (service == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(test_build_path("tests/tools/throttle.planted"), "throttle", NULL);
		_exit(127);
	}
	while (process_open(&process, service) != PROCESS_OK) {
		if (test_now() > give_up)
			fail_msg("the service does not run sley: %s", process.why);
		sched_yield();
	}
	process_close(&process);
}

static void stop_service(void)
{
	kill(service, SIGKILL);
	waitpid(service, NULL, 0);
}

static void until_throttled(long more)
{
	long before = cgroup_number(&cgroup, "cpu.stat", "nr_throttled ");
	int64_t give_up = test_now() + 60000000000;
	while (cgroup_number(&cgroup, "cpu.stat", "nr_throttled ") < before + more) {
		if (test_now() > give_up)
			fail_msg("the kernel does not throttle it");
		usleep(1000);
	}
}

/* Before its quota nothing is said; with it, a line, and the figures. */
static void test_throttled(void **state)
{
	static const char none[] = "\"throttled_ns\":0,\"throttled_periods\":0,";
	bool old;
	const char *last;
	struct tool t;
	test_need_root();
	old = make_cgroup("/sys/fs/cgroup/cpu");
	if (!old && !make_cgroup("/sys/fs/cgroup"))
		test_skip("no cgroup with a CPU quota can be made here");
	start_service();
	assert_true(cgroup_enter(&cgroup, service));
	tool_run(&t, false, "--json", "-d", "0.1", "-p", tool_number(service), NULL);
	tool_expect(&t, 0, none);
	tool_assert_schema(t.out);
	tool_free(&t);
	limit(old, true);
	until_throttled(2);
	tool_run(&t, false, "-b", "-d", "2", "-p", tool_number(service), NULL);
	tool_expect(&t, 0, "\nthrottled for ");
	last = strrchr(cgroup.directory, '/');
	tool_expect(&t, 0, last);
	tool_free(&t);
	limit(old, false); /* or it would take long to die */
	stop_service();
	cgroup_remove(&cgroup);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_throttled) };
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
