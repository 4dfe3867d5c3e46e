/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A service that has no privilege, and `asynctop assist`, which has, and tells it of blocks: how they meet and part. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assist/outside.h"
#include "assist/tick.h"
#include "tests/bpf/way.h"

#define ROUNDS 20

/* ---- the service ---- */

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
		way_round(&way_pipe);
	return 0;
}

static int main_left(void *unused)
{
	get_helped();
	REQUIRE(write(STDOUT_FILENO, "k", 1) == 1);
	await_outside(OUTSIDE_NONE);
	way_round(&way_pipe);
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
	test_become_nobody();
	return way_run(main, 1);
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

/* ---- its processes ---- */

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
	return way_watched() ? 0 : CANNOT;
}

static int scenario_can(void)
{
	return way_run(main_can, 1);
}

/* ---- the tests ---- */

/* A service that has no privilege is told by a helper that has: that is enough, and is so in each of many blocks. */
TEST(helper)
{
	way_scenario("can");
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
	way_scenario("can");
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
	way_scenario("can");
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
	way_scenario("can");
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
		{ "can", scenario_can },
		{ "helped", scenario_helped },
		{ "left", scenario_left },
		{ "helped_exec", scenario_helped_exec },
		{ NULL, NULL },
	};
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
