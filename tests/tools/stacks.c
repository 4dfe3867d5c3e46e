/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The stacks of parked tasks, read from outside: `asynctop dump`, and on the screen that of one task, and all. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_region.h"
#include "source/process.h"
#include "terminal.h"
#include "tests/test.h"
#include "tool.h"

static struct {
	pid_t pid;
	int input;
} service;

static void start_service(void)
{
	int in[2], out[2], tasks;
	FILE *said;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	service.pid = fork();
	assert_true(service.pid >= 0);
	if (service.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(test_build_path("tests/tools/stacks.planted"), "stacks", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	said = fdopen(out[0], "re");
	assert_non_null(said);
	assert_int_equal(fscanf(said, "%d", &tasks), 1);
	assert_int_equal(tasks, 1000);
	fclose(said);
	service.input = in[1];
}

static void stop_service(void)
{
	close(service.input);
	kill(service.pid, SIGKILL);
	waitpid(service.pid, NULL, 0);
}

/* The state of each task, by kind of wait; *copied: those whose stacks are copied out. */
static void count_waits(unsigned kinds[SLEY_WAIT_KINDS], unsigned *copied)
{
	static struct sley_region_task chunk[REGION_CHUNK];
	struct region_cursor cursor = { 0 };
	struct process process;
	int n;
	memset(kinds, 0, SLEY_WAIT_KINDS * sizeof(*kinds));
	*copied = 0;
	assert_int_equal(process_open(&process, service.pid), PROCESS_OK);
	while ((n = region_tasks(&process.region, &cursor, chunk)) > 0)
		for (int i = 0; i < n; i++) {
			kinds[chunk[i].wait_kind] += chunk[i].state == SLEY_TASK_WAITING;
			*copied += chunk[i].image16 > 0;
		}
	process_close(&process);
}

/* All have begun their last wait: the service has seen them run, not park. */
static void until_parked(void)
{
	int64_t give_up = test_now() + 30000000000;
	unsigned kinds[SLEY_WAIT_KINDS], copied;
	do {
		if (test_now() > give_up)
			fail_msg("%u tasks receive, %u sleep, %u read, %u stacks are copied out", kinds[SLEY_WAIT_RECV],
				 kinds[SLEY_WAIT_SLEEP], kinds[SLEY_WAIT_READ], copied);
		count_waits(kinds, &copied);
	} while (kinds[SLEY_WAIT_RECV] != 400 || kinds[SLEY_WAIT_SLEEP] != 599 || kinds[SLEY_WAIT_READ] != 1 ||
		 copied < 900);
}

/* The parts come in this order, each on a line of the text. */
static void expect_order(const struct tool *t, const char *const *parts)
{
	const char *at = t->out;
	for (; *parts != NULL; parts++) {
		const char *found = strstr(at, *parts);
		if (found == NULL)
			fail_msg("\"%s\" does not come next in:\n%s", *parts, at);
		at = found + strlen(*parts);
	}
}

/* 1,000 parked tasks, most of them copied out, are three stacks, from the wait to the task's entry, with their lines. */
static void test_dump(void **state)
{
	char sleeps[64], receives[64];
	const char *const parts[] = { "1000 parked tasks, by 3 stacks",
				      "1. 599 tasks in sleep",
				      " sley_sleep_at at ",
				      sleeps,
				      " task_main at ",
				      "and 591 more",
				      "2. 400 tasks in recv",
				      receives,
				      " middle at ",
				      " receiver at ",
				      " task_main at ",
				      "and 392 more",
				      "3. 1 task in read",
				      " service at ",
				      NULL };
	struct tool t;
	snprintf(sleeps, sizeof(sleeps), " sleeper at tests/tools/stacks.planted.c:%u\n",
		 test_source_line("tests/tools/stacks.planted.c", "PLANTED: sleeps"));
	snprintf(receives, sizeof(receives), " await_item at tests/tools/stacks.planted.c:%u\n",
		 test_source_line("tests/tools/stacks.planted.c", "PLANTED: receives"));
	start_service();
	until_parked();
	tool_run(&t, false, "dump", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "stacks, process ");
	expect_order(&t, parts);
	tool_free(&t);
	tool_run(&t, false, "dump", "--json", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "\"stacks_parked\":1000,\"stacks_read\":1000,\"stacks\":[{\"tasks\":599,\"wait\":\"sleep\"");
	tool_expect(&t, 0, "{\"tasks\":400,\"wait\":\"recv\"");
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "dump", "-F", "wait=rec*", "-p", tool_number(service.pid), NULL);
	tool_expect(&t, 0, "400 parked tasks, by 1 stack\n");
	tool_free(&t);
	stop_service();
}

static unsigned lines_with(struct terminal *t, const char *part)
{
	static struct page page;
	unsigned n = 0;
	page_make(&page, t);
	for (int y = 0; y < page.rows; y++)
		n += strstr(page.cell[y], part) != NULL;
	return n;
}

/* A task alone: its stack out of its copy, and a wait that begins anew is another line of its history. */
static void test_detail(void **state)
{
	static struct terminal terminal;
	int64_t give_up = test_now() + 30000000000;
	start_service();
	until_parked();
	terminal_start(&terminal, NULL, "xterm",
		       (const char *[]){ "-d", "0.2", "-F", "wait=re[ca]*", "-s", "wait", "-p",
					 tool_number(service.pid), NULL });
	expect_screen(&terminal, "401 match the filter");
	expect_screen(&terminal, "  read   fd 0");
	keys(&terminal, "\r");
	expect_screen(&terminal, "waiting in read fd 0");
	expect_screen(&terminal, " service at tests/tools/stacks.planted.c:");
	/* Until the process has begun to tell times, one wait looks like the other. */
	while (lines_with(&terminal, " ago, for ") < 2) {
		if (test_now() > give_up)
			fail_msg("another wait of the task is not in its history");
		assert_int_equal(write(service.input, "x", 1), 1);
		terminal_read(&terminal, 100);
	}
	keys(&terminal, "\33");
	expect_screen(&terminal, "r reverse");
	keys(&terminal, "j\r");
	expect_screen(&terminal, " await_item at tests/tools/stacks.planted.c:");
	expect_screen(&terminal, " receiver at tests/tools/stacks.planted.c:");
	keys(&terminal, "8");
	expect_screen(&terminal, "  1. 400 tasks in recv");
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
	stop_service();
}

static void tell_wild_entries(struct fake *f)
{
	static const struct sley_region_entries wild[] = {
		{ .address = 1, .stride = 64, .context = SLEY_CONTEXT_X86_64 },
		{ .address = UINT64_MAX - 8, .stride = 4096, .context = SLEY_CONTEXT_X86_64, .sp = 4088 },
		{ .address = 4096, .stride = UINT32_MAX, .context = SLEY_CONTEXT_X86_64, .id = 65535 },
		{ .address = 4096, .stride = 4, .context = SLEY_CONTEXT_X86_64 },
		{ .address = 4096, .stride = 64, .context = 77 },
	};
	static unsigned turn;
	f->header->entries = wild[turn++ % (sizeof(wild) / sizeof(wild[0]))];
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Entries whose id is right, and a stack pointer that leads into the entries, or nowhere. */
static void tell_own_entries(struct fake *f)
{
	static uint64_t entries[FAKE_LIVE][4];
	for (uint32_t i = 0; i < FAKE_LIVE; i++) {
		entries[i][0] = fake_id(i);
		entries[i][2] = i % 2 ? (uint64_t)(uintptr_t)entries : 0xdead0000;
		entries[i][3] = i == 2 ? (uint64_t)(uintptr_t)entries : 0;
	}
	f->header->entries = (struct sley_region_entries){ .address = (uint64_t)(uintptr_t)entries,
							   .stride = sizeof(entries[0]),
							   .context = SLEY_CONTEXT_X86_64,
							   .id = 0,
							   .wait = 8,
							   .sp = 16,
							   .image = 24 };
}

/* A process that lies about its entries gets no stacks, or wrong ones: a report, and nothing that acts on a terminal. */
static void test_lies(void **state)
{
	const struct fake_options lies[] = { { .each = tell_wild_entries }, { .lie = tell_own_entries } };
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		pid_t pid = fake_start(&lies[i]);
		struct tool t;
		tool_run(&t, false, "dump", "-p", tool_number(pid), NULL);
		tool_expect(&t, 0, " parked tasks, by ");
		tool_assert_harmless(t.out, t.out_size);
		tool_free(&t);
		fake_stop(pid);
	}
}

/* It needs a process. */
static void test_usage(void **state)
{
	struct tool t;
	tool_run(&t, false, "dump", NULL);
	tool_expect(&t, 2, "needs -p PID");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_dump), cmocka_unit_test(test_detail),
					    cmocka_unit_test(test_lies), cmocka_unit_test(test_usage) };
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
