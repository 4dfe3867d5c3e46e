/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The processor time of a tick: one user's processes do not stretch it for another's, and each gets its turn. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/patience.h"
#include "fake_region.h"
#include "session/session.h"
#include "tests/test.h"
#include "ui/command.h"

#define CROWD 24 /* each takes some 30 ms */

static struct {
	struct options options;
	struct session session;
	pid_t crowd[CROWD], mine;
} test;

/* All bits live over 2^24 records of holes. */
static void all_live(struct fake *f)
{
	memset(f->live, 0xff, f->header->live.capacity * sizeof(uint64_t));
	f->header->task_high = f->header->tasks.capacity;
}

static void start(const char *ticks)
{
	char *argv[] = { "asynctop", "-b", "-n", (char *)ticks, NULL };
	test_need_root();
	for (int i = 0; i < CROWD; i++)
		test.crowd[i] = fake_start(
			&(struct fake_options){ .lie = all_live, .task_capacity = 1u << 24, .nobody = true });
	test.mine = fake_start(&(struct fake_options){ .lie = NULL });
	assert_int_equal(command_parse(&test.options, 4, argv, false, stdout, stderr), COMMAND_RUN);
	assert_int_equal(session_open(&test.session, &test.options), 0);
}

static int stop(void **state)
{
	session_close(&test.session);
	command_free(&test.options);
	for (int i = 0; i < CROWD && test.crowd[i] > 0; i++)
		fake_stop(test.crowd[i]);
	if (test.mine > 0)
		fake_stop(test.mine);
	memset(&test, 0, sizeof(test));
	return 0;
}

static const struct model *model_of(pid_t pid)
{
	for (size_t i = 0; i < test.session.count; i++)
		if (test.session.watches[i]->process.pid == pid)
			return &test.session.watches[i]->model;
	fail_msg("process %d is not watched", (int)pid);
	return NULL;
}

static int crowd_with_model(int64_t since_ns)
{
	int n = 0;
	for (int i = 0; i < CROWD; i++)
		n += model_of(test.crowd[i])->time_ns >= since_ns;
	return n;
}

static void test_shared(void **state)
{
	int64_t end = test_now() + 60000000000;
	start("100");
	session_tick(&test.session);
	assert_true(model_of(test.mine)->time_ns >= test.session.ticked_ns);
	assert_in_range(crowd_with_model(test.session.ticked_ns), 1, CROWD - 1);
	assert_int_equal(test.session.left_out, CROWD - crowd_with_model(test.session.ticked_ns));
	while (crowd_with_model(1) < CROWD) {
		assert_true(test_now() < end);
		session_tick(&test.session);
		assert_true(model_of(test.mine)->time_ns >= test.session.ticked_ns);
	}
}

static bool is_watched(pid_t pid)
{
	for (size_t i = 0; i < test.session.count; i++)
		if (test.session.watches[i]->process.pid == pid)
			return true;
	return false;
}

/* A process that is left out and has ended is not kept. */
static void test_gone(void **state)
{
	pid_t gone;
	int i = 0;
	start("100");
	session_tick(&test.session);
	assert_true(test.session.left_out > 0);
	gone = test.session.turn;
	assert_true(is_watched(gone));
	while (i < CROWD && test.crowd[i] != gone)
		i++;
	assert_true(i < CROWD);
	fake_stop(gone);
	test.crowd[i] = test.crowd[CROWD - 1];
	test.crowd[CROWD - 1] = 0;
	session_tick(&test.session);
	assert_false(is_watched(gone));
}

static void test_single_report(void **state)
{
	start("1");
	session_tick(&test.session);
	assert_int_equal(test.session.left_out, 0);
	assert_int_equal(crowd_with_model(test.session.ticked_ns), CROWD);
}

/*
 * Other processes that run sley would take of root's share, so there are none here: the tests have processes, and a /proc,
 * of their own where that may be had.
 */
static pid_t leave_others(void)
{
	pid_t pid;
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
		return 0;
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		REQUIRE(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			mount("proc", "/proc", "proc", 0, NULL) == 0);
	return pid;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_shared, stop),
		cmocka_unit_test_teardown(test_gone, stop),
		cmocka_unit_test_teardown(test_single_report, stop),
	};
	pid_t pid = leave_others();
	int status;
	if (pid == 0)
		return cmocka_run_group_tests(tests, NULL, NULL);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
