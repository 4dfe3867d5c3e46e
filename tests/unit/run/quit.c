/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Threads of the runtime that the service's code ends: the process says whose that was and ends. */
#include "run/quit.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "base/compiler.h"

static void exit_thread(void *arg)
{
	sley_yield();
	pthread_exit(NULL);
}

static void exit_as_c11(void *arg)
{
	thrd_exit(0);
}

static void let_cancel(void *arg)
{
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_testcancel();
}

static int main_spawn(void *fn)
{
	return sley_join(sley_spawn(*(void (**)(void *))fn, NULL), SOON); /* the victim's site */
}

static int main_offload(void *arg)
{
	return sley_offload(exit_as_c11, NULL, 0, SOON);
}

static int main_itself(void *arg)
{
	pthread_exit(NULL);
}

static int quietly(int (*main)(void *), void *arg, unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	return sley_run(main, arg, &options, NULL);
}

static int spawn_and_run(void (*fn)(void *), unsigned workers)
{
	return quietly(main_spawn, &fn, workers);
}

static int scenario_exit(void)
{
	return spawn_and_run(exit_thread, 1);
}

static int scenario_exit_elsewhere(void)
{
	return spawn_and_run(exit_thread, 4);
}

static int scenario_c11(void)
{
	return spawn_and_run(exit_as_c11, 1);
}

static int scenario_cancel(void)
{
	return spawn_and_run(let_cancel, 1);
}

static int scenario_main_task(void)
{
	return quietly(main_itself, NULL, 2);
}

static int scenario_offload(void)
{
	return quietly(main_offload, NULL, 2);
}

static int main_nothing(void *arg)
{
	return 0;
}

static void *run_once(void *arg)
{
	REQUIRE(sley_run(main_nothing, NULL, NULL, NULL) == 0);
	pthread_exit(NULL);
}

static int main_fork(void *arg)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		pthread_exit(NULL); /* the last thread of its process */
	REQUIRE(waitpid(child, &status, 0) == child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* A thread that has run sley may end as it likes; so may a forked child. */
static int scenario_legal(void)
{
	pthread_t thread;
	int result = -1;
	if (pthread_create(&thread, NULL, run_once, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	return sley_run(main_fork, NULL, NULL, &result) != 0 || result != 0;
}

static const struct scenario scenarios[] = {
	{ "exit", scenario_exit },      { "exit_elsewhere", scenario_exit_elsewhere },
	{ "c11", scenario_c11 },        { "cancel", scenario_cancel },
	{ "main", scenario_main_task }, { "offload", scenario_offload },
	{ "legal", scenario_legal },    { NULL, NULL },
};

static void assert_aborts(const char *scenario, const char *who)
{
	char text[8192];
	int status = scenario_run(scenario, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("%s: status %x: %s", scenario, status, text);
	assert_said(text, "sley: ", 1);
	assert_said(text, "has ended its thread by pthread_exit()", 1);
	assert_said(text, who, 1);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they do not follow a thread from a task's stack to its end */
/* The line names the task and its spawn site, whichever worker it ran on and however it ended the thread. */
TEST(named)
{
	char expected[128];
	snprintf(expected, sizeof(expected), "spawned at %s:%u as ", __FILE__,
		 test_source_line("tests/unit/run/quit.c", "/* the victim's "
							   "site */"));
	assert_aborts("exit", expected);
	assert_aborts("exit_elsewhere", expected);
	assert_aborts("c11", expected);
	assert_aborts("cancel", expected);
	assert_aborts("main", " main, spawned at ");
}

TEST(legal)
{
	char text[8192];
	int status = scenario_run("legal", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(text, "");
}
#endif

TEST(offload)
{
	assert_aborts("offload", "a function that was passed to sley_offload(), has ended");
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
