/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Threads that a debugger, a signal or the freezer of cgroups stops in their tasks: they are said to be that, and are no
 * blocks.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"
#include "tests/cgroup.h"
#include "tests/tools/tool.h"

struct run {
	struct planted planted;
	pid_t tid;
	unsigned blocks;
	struct block_record block;
};

/* ---- the service ---- */

static void start(struct run *run, const char *kind)
{
	memset(run, 0, sizeof(*run));
	planted_start_named(&run->planted, "stops", kind, NULL, NULL);
}

static void begin_task(struct run *run)
{
	planted_order(&run->planted);
	REQUIRE(sscanf(planted_answer(&run->planted), "tid %d", &run->tid) == 1);
}

/* ---- stopping ---- */

/* False: it cannot be traced here. */
static bool hold(pid_t tid)
{
	int status;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
		return false;
	REQUIRE(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0);
	REQUIRE(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status));
	return true;
}

static void let_go(pid_t tid)
{
	REQUIRE(ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0);
}

static void stop(pid_t pid)
{
	siginfo_t how;
	REQUIRE(kill(pid, SIGSTOP) == 0);
	REQUIRE(waitid(P_PID, pid, &how, WSTOPPED | WNOWAIT) == 0);
}

/* ---- by the tracer ---- */

static void keep_block(void *context, const struct block_record *block)
{
	struct run *run = context;
	run->blocks++;
	run->block = *block;
}

static unsigned under_way(struct run *run)
{
	run->blocks = 0;
	REQUIRE(tracer_blocked(run->planted.tracer, run->planted.key, keep_block, run) == 0);
	return run->blocks;
}

static void until_blocked(struct run *run)
{
	for (int64_t give_up = test_now() + 10000000000; under_way(run) == 0; sched_yield())
		REQUIRE(test_now() < give_up);
}

static void add_stop(void *context, const struct tracer_switch *s)
{
	uint64_t *stops = context;
	*stops += s->key.cause == SWITCH_STOP ? s->count : 0;
}

/* The debugger is told a moment before the thread leaves its CPU. */
static void until_stopped(struct run *run)
{
	uint64_t stops = 0;
	for (int64_t give_up = test_now() + 10000000000; stops == 0; sched_yield()) {
		REQUIRE(test_now() < give_up);
		REQUIRE(tracer_switches(run->planted.tracer, run->planted.key, add_stop, &stops) == 0);
	}
}

/* Its task reads, and a debugger holds it: the block is over then, and begins again when the debugger lets it go. */
TEST(held_in_a_call)
{
	struct tracer *tracer = planted_tracer(NULL);
	struct run run;
	struct report report;
	start(&run, "read");
	planted_watch(&run.planted, tracer);
	begin_task(&run);
	until_blocked(&run);
	assert_int_equal(run.block.syscall, SYS_read);
	uint64_t number = run.block.number;
	if (hold(run.tid)) {
		until_stopped(&run);
		assert_int_equal(under_way(&run), 0);
		planted_report(&run.planted, SYS_read, &report);
		assert_int_equal(report.total.count, 1);
		let_go(run.tid);
		until_blocked(&run);
		assert_int_equal(run.block.syscall, SYS_read);
		assert_true(run.block.number > number);
	}
	planted_stop(&run.planted, false);
	tracer_close(tracer);
}

/* Its task computes, and is held before anybody watches: what it sleeps in is no block of the task's. */
TEST(held_before)
{
	struct tracer *tracer = planted_tracer(NULL);
	struct run run;
	start(&run, "compute");
	begin_task(&run);
	if (hold(run.tid)) {
		planted_watch(&run.planted, tracer);
		assert_int_equal(under_way(&run), 0);
		let_go(run.tid);
	}
	planted_stop(&run.planted, false);
	tracer_close(tracer);
}

/* ---- what asynctop says ---- */

static void expect_stopped(const struct run *run, const char *by, const char *sentence)
{
	char want[256];
	struct tool t;
	snprintf(want, sizeof(want), "\"stopped_by\":\"%s\"", by);
	tool_run(&t, false, "--json", "-d", "0.5", "-p", tool_number(run->planted.pid), NULL);
	tool_expect(&t, 0, "\"state\":\"stopped\"");
	tool_expect(&t, 0, want);
	tool_expect(&t, 0, sentence);
	tool_assert_schema(t.out);
	assert_null(strstr(t.out, "\"in_progress\":1"));
	assert_null(strstr(t.out, "\"state\":\"blocked\""));
	tool_free(&t);
	tool_run(&t, false, "-b", "-d", "0.5", "-p", tool_number(run->planted.pid), NULL);
	tool_expect(&t, 0, sentence);
	tool_expect(&t, 0, "that is no block, and no other worker takes over: ");
	tool_free(&t);
}

static unsigned worker_of(struct run *run)
{
	static struct sley_region_worker lines[SLEY_REGION_WORKERS];
	int n = region_workers(&run->planted.process.region, lines), i = 0;
	while (i < n && (pid_t)lines[i].tid != run->tid)
		i++;
	REQUIRE(i < n);
	return (unsigned)i;
}

static void check_held(const char *kind)
{
	char sentence[128];
	struct run run;
	start(&run, kind);
	begin_task(&run);
	bool held = hold(run.tid);
	if (held) {
		snprintf(sentence, sizeof(sentence), "a debugger holds the thread of worker %u, in task ",
			 worker_of(&run));
		expect_stopped(&run, "debugger", sentence);
		let_go(run.tid);
	}
	planted_stop(&run.planted, false);
	if (!held)
		test_skip("this process may trace no other");
}

/* A debugger holds the thread of a task that computes, and of one that reads: with the task's name, and as no block. */
TEST(seen_held_computing)
{
	check_held("compute");
}

TEST(seen_held_in_a_call)
{
	check_held("read");
}

/* The whole process is stopped, with a task that computes, and with none. */
TEST(seen_stopped)
{
	char sentence[128];
	struct run run;
	start(&run, "compute");
	begin_task(&run);
	stop(run.planted.pid);
	snprintf(sentence, sizeof(sentence), "a signal has stopped the thread of worker %u, in task ", worker_of(&run));
	expect_stopped(&run, "signal", sentence);
	REQUIRE(kill(run.planted.pid, SIGCONT) == 0);
	planted_stop(&run.planted, false);
}

TEST(seen_stopped_idle)
{
	struct run run;
	start(&run, "idle");
	stop(run.planted.pid);
	expect_stopped(&run, "signal", "a signal has stopped the thread of worker ");
	REQUIRE(kill(run.planted.pid, SIGCONT) == 0);
	planted_stop(&run.planted, false);
}

/* ---- the freezer ---- */

/* The same when its cgroup is frozen. `root`: of a hierarchy; the files and words are of one of the two versions. */
static void check_frozen(const char *root, const char *file, const char *freeze, const char *thaw, const char *state,
			 const char *frozen)
{
	struct cgroup cgroup;
	struct run run;
	test_need_root();
	if (!cgroup_make(&cgroup, root))
		test_skip("no cgroup can be made here");
	start(&run, "compute");
	begin_task(&run);
	bool works = cgroup_enter(&cgroup, run.planted.pid) && cgroup_put(&cgroup, file, freeze);
	for (int64_t give_up = test_now() + 10000000000; works && !cgroup_has(&cgroup, state, frozen); sched_yield())
		REQUIRE(test_now() < give_up);
	if (works)
		expect_stopped(&run, "freezer", " is frozen with its cgroup, in task ");
	cgroup_put(&cgroup, file, thaw);
	planted_stop(&run.planted, false);
	cgroup_remove(&cgroup);
	if (!works)
		test_skip("there is no freezer here");
}

TEST(seen_frozen)
{
	bool mixed = access("/sys/fs/cgroup/unified", F_OK) == 0;
	check_frozen(mixed ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup", "cgroup.freeze", "1", "0", "cgroup.events",
		     "frozen 1");
}

TEST(seen_frozen_by_the_old_freezer)
{
	check_frozen("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN");
}
