/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The live screen in a pseudo-terminal: what it shows, what keys do, and that the terminal comes back however it ends. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_region.h"
#include "terminal.h"
#include "tests/test.h"
#include "tool.h"

static struct terminal terminal;

static pid_t fake;

static int setup(void **state)
{
	fake = fake_start(&(struct fake_options){ 0 });
	return 0;
}

static int teardown(void **state)
{
	fake_stop(fake);
	return 0;
}

static void start(const char *no_colour)
{
	const char *args[] = { "-d", "0.2", "-p", tool_number(fake), NULL };
	terminal_start(&terminal, no_colour, "xterm", args);
	expect_screen(&terminal, "[1 tasks]");
}

/* Tasks with all that the view promises, a line per worker, and q ends it with 0. */
static void test_tasks(void **state)
{
	static struct page page;
	start(NULL);
	expect_screen(&terminal, "2 workers, 5 tasks: 1 running 1 ready 3 waiting");
	expect_screen(&terminal, "16777218  reader");
	expect_screen(&terminal, "fd 7");
	expect_screen(&terminal, "app.c:20");
	expect_screen(&terminal, "16777217 main");
	page_make(&page, &terminal);
	assert_true(page.alternate);
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
}

/* Each view by its number, by Tab, and the help by h. */
static void test_views(void **state)
{
	start(NULL);
	keys(&terminal, "2");
	expect_screen(&terminal, "[2 workers]");
	keys(&terminal, "3");
	expect_screen(&terminal, "[3 blockers]");
	keys(&terminal, "\t");
	expect_screen(&terminal, "[4 yields]");
	expect_screen(&terminal, "where tasks give the thread back to the runtime");
	expect_screen(&terminal, "where threads are given away to the kernel");
	keys(&terminal, "5");
	expect_screen(&terminal, "[5 events]");
	keys(&terminal, "6");
	expect_screen(&terminal, "[6 sites]");
	expect_screen(&terminal, "no task has blocked its thread");
	keys(&terminal, "\33[Z");
	expect_screen(&terminal, "[5 events]");
	keys(&terminal, "\33[Z");
	expect_screen(&terminal, "[4 yields]");
	keys(&terminal, "h");
	expect_screen(&terminal, "reverse the order");
	keys(&terminal, "x");
	expect_screen(&terminal, "[4 yields]");
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
}

/* Ordering, reversing, filtering and taking the filter away. */
static void test_sort_and_filter(void **state)
{
	start(NULL);
	keys(&terminal, "s");
	expect_screen(&terminal, "ordered by worker");
	keys(&terminal, "SSS");
	expect_screen(&terminal, "ordered by id");
	keys(&terminal, "r");
	expect_screen(&terminal, "16777221  ready");
	keys(&terminal, "/name=rea*\r");
	expect_screen(&terminal, "2 match the filter");
	expect_shown(&terminal, "joiner", false);
	keys(&terminal, "/nosuch=1\r");
	expect_screen(&terminal, "there is no such column");
	keys(&terminal, "c");
	expect_screen(&terminal, "joiner");
	keys(&terminal, "/nam\177\177\177\33");
	expect_screen(&terminal, "h help");
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
}

static bool has_colour(const struct terminal *t)
{
	static struct page page;
	page_make(&page, t);
	return page.colour;
}

/* Colours by default, none with NO_COLOR, and an empty NO_COLOR does not count. */
static void test_no_color(void **state)
{
	start(NULL);
	expect_screen(&terminal, "16777218  reader");
	assert_true(has_colour(&terminal));
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
	start("1");
	expect_screen(&terminal, "16777218  reader");
	keys(&terminal, "345q");
	assert_int_equal(terminal_end(&terminal), 0);
	assert_false(has_colour(&terminal));
	start("");
	expect_screen(&terminal, "16777218  reader");
	assert_true(has_colour(&terminal));
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
}

static void expect_signal(int number, int code)
{
	start(NULL);
	expect_screen(&terminal, "16777218  reader");
	kill(terminal.pid, number);
	assert_int_equal(terminal_end(&terminal), code);
}

/* Whether the process is in a write to its terminal. */
static bool writes(pid_t pid)
{
	char path[32], call[32] = "", want[32];
	FILE *file;
	snprintf(want, sizeof(want), "%d 0x%x ", SYS_write, STDOUT_FILENO);
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	(void)!fgets(call, sizeof(call), file);
	fclose(file);
	return strncmp(call, want, strlen(want)) == 0;
}

/* A terminal that was stopped takes nothing: a signal ends it all the same, and gives back the terminal's modes. */
static void test_stopped_terminal(void **state)
{
	struct pollfd ended = { .events = POLLIN };
	struct termios after;
	int status;
	start(NULL);
	assert_int_equal(tcflow(terminal.slave, TCOOFF), 0);
	while (!writes(terminal.pid))
		sched_yield();
	ended.fd = (int)syscall(SYS_pidfd_open, terminal.pid, 0);
	kill(terminal.pid, SIGTERM);
	assert_int_equal(poll(&ended, 1, 20000), 1);
	assert_int_equal(waitpid(terminal.pid, &status, 0), terminal.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(tcgetattr(terminal.slave, &after), 0);
	assert_int_equal(after.c_lflag, terminal.before.c_lflag);
	close(ended.fd);
	close(terminal.fd);
	close(terminal.slave);
}

/* Signals that ask it to end, and those of a crash: the terminal comes back, and the shell sees the signal. */
static void test_signals(void **state)
{
	expect_signal(SIGTERM, 128 + SIGTERM);
	expect_signal(SIGHUP, 128 + SIGHUP);
	expect_signal(SIGINT, 0);
	expect_signal(SIGSEGV, 128 + SIGSEGV);
	expect_signal(SIGABRT, 128 + SIGABRT);
	expect_signal(SIGQUIT, 128 + SIGQUIT);
}

/* ^C is a key of the terminal: it quits. */
static void test_control_c(void **state)
{
	start(NULL);
	expect_screen(&terminal, "16777218  reader");
	keys(&terminal, "\3");
	assert_int_equal(terminal_end(&terminal), 0);
}

/* The target dies: the terminal comes back, then a message, code 3. */
static void test_target_dies(void **state)
{
	start(NULL);
	expect_screen(&terminal, "16777218  reader");
	kill(fake, SIGKILL);
	waitpid(fake, NULL, 0);
	assert_int_equal(terminal_end(&terminal), 3);
	assert_non_null(strstr(terminal.raw, "has ended"));
	fake = fake_start(&(struct fake_options){ 0 });
}

/* So many ticks, then the end. */
static void test_ticks(void **state)
{
	const char *args[] = { "-d", "0.1", "-n", "3", "-p", tool_number(fake), NULL };
	terminal_start(&terminal, NULL, "xterm", args);
	assert_int_equal(terminal_end(&terminal), 0);
	assert_non_null(strstr(terminal.raw, "reader"));
}

#define SMALL_ROWS    10
#define SMALL_COLUMNS 50

/*
 * A smaller window is filled again, its last line with the hints. The lines are as wide as the window, or the terminal would
 * break them and push the hints out of their place.
 */
static void test_resize(void **state)
{
	const struct winsize small = { .ws_row = SMALL_ROWS, .ws_col = SMALL_COLUMNS };
	int64_t end = test_now() + WAIT_NS;
	static struct page page;
	start(NULL);
	expect_screen(&terminal, "16777218  reader");
	assert_int_equal(ioctl(terminal.fd, TIOCSWINSZ, &small), 0);
	terminal.size = 0;
	terminal.rows = SMALL_ROWS;
	terminal.columns = SMALL_COLUMNS;
	do {
		assert_true(test_now() < end);
		terminal_read(&terminal, 100);
		page_make(&page, &terminal);
	} while (strncmp(page.cell[SMALL_ROWS - 1], "h help  q quit", 14) != 0 ||
		 strncmp(page.cell[0], "fake, process", 13) != 0);
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
}

/* A terminal that cannot be used is an error that says what else to do. */
static void test_unusable_terminal(void **state)
{
	const char *args[] = { "-p", tool_number(fake), NULL };
	terminal_start(&terminal, NULL, "nosuchterminal", args);
	assert_int_equal(terminal_end(&terminal), 1);
	assert_non_null(strstr(terminal.raw, "try -b"));
	terminal_start(&terminal, NULL, "dumb", args); /* it exists, and moves no cursor */
	assert_int_equal(terminal_end(&terminal), 1);
	assert_non_null(strstr(terminal.raw, "(TERM=dumb); try -b"));
	terminal_start(&terminal, NULL, "no\33]0;owned\7such", args);
	assert_int_equal(terminal_end(&terminal), 1);
	assert_non_null(strstr(terminal.raw, "(TERM=no\\x1b]0;owned\\x07such)"));
	assert_null(memchr(terminal.raw, '\33', terminal.size));
}

static void hostile_names(struct fake *f)
{
	memcpy(f->tasks[1].name, "\33]0;owned\7\33[2J", 14);
	strcpy(f->sites[2].file, "\33[31m\33c.c");
	strcpy(f->header->name, "\33[?1049l");
}

/* Names made of escape sequences are text on the screen, too. */
static void test_hostile_names(void **state)
{
	pid_t liar = fake_start(&(struct fake_options){ .lie = hostile_names });
	const char *args[] = { "-d", "0.1", "-p", tool_number(liar), NULL };
	static struct page page;
	terminal_start(&terminal, NULL, "xterm", args);
	expect_screen(&terminal, "\\x1b]0;owned\\x07");
	page_make(&page, &terminal);
	assert_true(page.alternate);
	assert_null(strstr(terminal.raw, "\33]"));
	keys(&terminal, "q");
	assert_int_equal(terminal_end(&terminal), 0);
	fake_stop(liar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_sort_and_filter),
		cmocka_unit_test(test_no_color),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_stopped_terminal),
		cmocka_unit_test(test_control_c),
		cmocka_unit_test(test_target_dies),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_unusable_terminal),
		cmocka_unit_test(test_hostile_names),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
