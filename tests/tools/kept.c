/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What asynctop says of tasks that no other worker can take over from a blocked one. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "source/process.h"
#include "tests/test.h"
#include "tool.h"

static struct {
	pid_t pid;
	int input;
	long long holder, stack[2], pinned; /* tasks */
} service;

static void start_service(void)
{
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	service.pid = fork();
	if (service.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(test_build_path("tests/tools/kept.planted"), "kept", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	FILE *ids = fdopen(out[0], "re");
	assert_int_equal(fscanf(ids, "%lld %lld %lld %lld", &service.holder, &service.stack[0], &service.stack[1],
				&service.pinned),
			 4);
	fclose(ids);
	service.input = in[1];
}

/* Until both wait for the stack: a worker has to find that it is taken. */
static void until_kept(void)
{
	struct process process;
	struct sley_region_task task;
	assert_int_equal(process_open(&process, service.pid), PROCESS_OK);
	for (int i = 0; i < 2; i++) {
		int64_t give_up = test_now() + 30000000000;
		do {
			assert_true(test_now() < give_up);
			assert_int_equal(region_refresh(&process.region), REGION_OK);
			sched_yield();
		} while (!region_task(&process.region, (uint64_t)service.stack[i], &task) ||
			 task.state != SLEY_TASK_SLOT);
	}
	process_close(&process);
}

static void stop_service(void)
{
	close(service.input);
	kill(service.pid, SIGKILL);
	waitpid(service.pid, NULL, 0);
}

/* The report's object of that task has this holder. */
static void expect_held(const struct tool *t, long long task)
{
	char key[64], want[64];
	const char *row, *end;
	snprintf(key, sizeof(key), "{\"id\":%lld,\"name\"", task);
	snprintf(want, sizeof(want), "\"holder\":{\"task\":%lld,\"worker\":", service.holder);
	row = strstr(t->out, key);
	if (row == NULL)
		fail_msg("task %lld is not in:\n%s", task, t->out);
	end = strstr(row, want);
	if (end == NULL || memchr(row + 1, '{', (size_t)(end - row)) == NULL || strstr(row + 1, "{\"id\":") < end)
		fail_msg("task %lld has not this holder:\n%s", task, row);
}

/* All three waits are shown with the holder: of the tasks, the worker and the site, and in a sentence. */
static void test_kept(void **state)
{
	unsigned line = test_source_line("tests/tools/kept.planted.c", "PLANTED: the holder's site");
	char want[128];
	struct tool t;
#ifdef SLEY_ASAN
	test_skip("there no two tasks share a stack");
#endif
	start_service();
	until_kept();
	tool_run(&t, false, "--json", "-d", "0.5", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "\"pinned\":1,\"slot_waiters\":2,");
	for (int i = 0; i < 2; i++)
		expect_held(&t, service.stack[i]);
	expect_held(&t, service.pinned);
	tool_expect(&t, 0, "\"keeps_waiting\":3,");
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "-b", "-d", "0.5", "-p", tool_number(service.pid), NULL);
	snprintf(want, sizeof(want), "task %lld \"holder\" (spawned at kept.planted.c:%u by service) has kept worker ",
		 service.holder, line);
	tool_expect(&t, 0, want);
	tool_expect(&t, 0, "; 2 tasks on the same stack wait for it");
	tool_expect(&t, 0, ": give it a private stack; 1 task pinned to that worker waits for it");
	snprintf(want, sizeof(want), "stack of %lld", service.holder);
	tool_expect(&t, 0, want);
	snprintf(want, sizeof(want), "thread of %lld", service.holder);
	tool_expect(&t, 0, want);
	tool_free(&t);
	stop_service();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept) };
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
