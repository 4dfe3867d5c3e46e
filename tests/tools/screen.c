/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The live screen in a pseudo-terminal: what it shows, what keys do, and that the terminal comes back however it ends. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "fake_region.h"
#include "tests/test.h"
#include "tool.h"

#define WAIT_NS 20000000000LL
#define ROWS 40
#define COLUMNS 160

/* The terminal's side: what came, and the screen that it makes. */
struct terminal {
	pid_t pid;
	int fd, slave;          /* the slave is held open, so that its modes can be read after the end */
	struct termios before;
	int rows, columns;      /* of its window */
	char raw[1 << 20];
	size_t size;
};

static void terminal_start(struct terminal *t, const char *no_colour, const char *term, const char *const *args)
{
	const struct winsize size = { .ws_row = ROWS, .ws_col = COLUMNS };
	const char *argv[16] = { "asynctop" };

	for (int i = 0; args[i] != NULL && i < 14; i++)
		argv[i + 1] = args[i];
	t->size = 0;
	t->rows = ROWS;
	t->columns = COLUMNS;
	assert_int_equal(openpty(&t->fd, &t->slave, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(t->slave, &t->before), 0);
	t->pid = fork();
	if (t->pid == 0) {
		close(t->fd);
		setenv("TERM", term, 1);
		unsetenv("NO_COLOR");
		if (no_colour != NULL)
			setenv("NO_COLOR", no_colour, 1);
		if (login_tty(t->slave) != 0)
			_exit(126);
		execv(test_build_path("asynctop"), (char *const *)argv);
		_exit(127);
	}
}

/* Reads what is there, waiting at most so long for it. */
static bool terminal_read(struct terminal *t, int timeout_ms)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return false;
	n = read(t->fd, t->raw + t->size, sizeof(t->raw) - 1 - t->size);
	if (n <= 0)
		return false;
	t->size += (size_t)n;
	return true;
}

/* ---- a terminal as far as ncurses uses it for TERM=vt100 and xterm ---- */

struct page {
	char cell[ROWS][COLUMNS + 1];
	int rows, columns;
	int y, x;
	bool colour;   /* a colour was ever set */
	bool alternate, hidden_cursor;
};

static void page_clear(struct page *p, int from_y, int from_x, int to_y, int to_x)
{
	for (int y = from_y; y <= to_y && y < p->rows; y++)
		for (int x = y == from_y ? from_x : 0; x <= (y == to_y ? to_x : p->columns - 1); x++)
			p->cell[y][x] = ' ';
}

static void page_put(struct page *p, char c)
{
	if (p->x >= p->columns)
		p->x = 0, p->y++;
	if (p->y >= p->rows)
		p->y = p->rows - 1;
	p->cell[p->y][p->x++] = c;
}

static int number(const char *args, int which, int otherwise)
{
	for (; which > 0 && args != NULL; which--)
		args = strchr(args, ';') ? strchr(args, ';') + 1 : NULL;
	return args != NULL && *args >= '0' && *args <= '9' ? atoi(args) : otherwise;
}

static void page_attributes(struct page *p, const char *args)
{
	for (int i = 0; i < 8; i++) {
		int n = number(args, i, 0);

		p->colour |= (n >= 30 && n <= 38) || (n >= 40 && n <= 48);
	}
}

static int clamp(int v, int high)
{
	return v < 0 ? 0 : v > high ? high : v;
}

static void page_shift(struct page *p, int n)
{
	char *row = p->cell[p->y];

	if (n >= 0) { /* delete characters */
		memmove(row + p->x, row + p->x + n, (size_t)(p->columns - p->x - n));
		memset(row + p->columns - n, ' ', (size_t)n);
	} else {
		memmove(row + p->x - n, row + p->x, (size_t)(p->columns - p->x + n));
		memset(row + p->x, ' ', (size_t)-n);
	}
}

static void page_control(struct page *p, const char *args, char final)
{
	int n = number(args, 0, 1);

	switch (final) {
	case 'H':
		p->y = clamp(number(args, 0, 1) - 1, p->rows - 1);
		p->x = clamp(number(args, 1, 1) - 1, p->columns - 1);
		break;
	case 'A': p->y = clamp(p->y - n, p->rows - 1); break;
	case 'B': p->y = clamp(p->y + n, p->rows - 1); break;
	case 'C': p->x = clamp(p->x + n, p->columns - 1); break;
	case 'D': p->x = clamp(p->x - n, p->columns - 1); break;
	case 'G': p->x = clamp(n - 1, p->columns - 1); break;
	case 'd': p->y = clamp(n - 1, p->rows - 1); break;
	case 'P': page_shift(p, clamp(n, p->columns - p->x)); break;
	case '@': page_shift(p, -clamp(n, p->columns - p->x)); break;
	case 'J':
		if (number(args, 0, 0) == 0)
			page_clear(p, p->y, p->x, p->rows - 1, p->columns - 1);
		else
			page_clear(p, 0, 0, p->rows - 1, p->columns - 1);
		break;
	case 'K':
		if (number(args, 0, 0) == 0)
			page_clear(p, p->y, p->x, p->y, p->columns - 1);
		else
			page_clear(p, p->y, 0, p->y, p->x);
		break;
	case 'X': page_clear(p, p->y, p->x, p->y, clamp(p->x + n - 1, p->columns - 1)); break;
	case 'b':
		for (char c = p->x > 0 ? p->cell[p->y][p->x - 1] : ' '; n > 0; n--)
			page_put(p, c);
		break;
	case 'm': page_attributes(p, args); break;
	case 'h': case 'l':
		if (strcmp(args, "?1049") == 0)
			p->alternate = final == 'h';
		if (strcmp(args, "?25") == 0)
			p->hidden_cursor = final == 'l';
		break;
	default: /* scrolling regions, insert mode and the like are not used for these terminals */
		break;
	}
}

/* Consumes one escape sequence: its length. */
static size_t page_escape(struct page *p, const char *at, size_t left)
{
	char args[64];
	size_t n = 2;

	if (left < 2)
		return left;
	if (at[1] == '(' || at[1] == ')')
		return left < 3 ? left : 3;
	if (at[1] != '[')
		return 2;
	while (n < left && ((at[n] >= '0' && at[n] <= '?') || (at[n] >= ' ' && at[n] <= '/')))
		n++;
	if (n >= left || n - 2 >= sizeof(args))
		return left;
	memcpy(args, at + 2, n - 2);
	args[n - 2] = '\0';
	page_control(p, args, at[n]);
	return n + 1;
}

static void page_make(struct page *p, const struct terminal *t)
{
	memset(p, 0, sizeof(*p));
	p->rows = t->rows;
	p->columns = t->columns;
	page_clear(p, 0, 0, p->rows - 1, p->columns - 1);
	for (size_t i = 0; i < t->size;) {
		char c = t->raw[i];

		if (c == '\33') {
			i += page_escape(p, t->raw + i, t->size - i);
			continue;
		}
		if (c == '\r')
			p->x = 0;
		else if (c == '\n')
			p->y = clamp(p->y + 1, p->rows - 1);
		else if (c == '\b')
			p->x = clamp(p->x - 1, p->columns - 1);
		else if ((unsigned char)c >= ' ')
			page_put(p, c);
		i++;
	}
}

static bool page_has(const struct page *p, const char *text)
{
	for (int y = 0; y < p->rows; y++)
		if (strstr(p->cell[y], text) != NULL)
			return true;
	return false;
}

static void page_print(const struct page *p)
{
	for (int y = 0; y < p->rows; y++)
		print_message("|%s\n", p->cell[y]);
}

/* Reads until the text is (or is no more) on the screen. */
static void expect_shown(struct terminal *t, const char *text, bool shown)
{
	int64_t end = test_now() + WAIT_NS;
	static struct page page;

	for (;;) {
		page_make(&page, t);
		if (page_has(&page, text) == shown)
			return;
		if (test_now() > end) {
			page_print(&page);
			fail_msg("\"%s\" is %s the screen", text, shown ? "not on" : "still on");
		}
		terminal_read(t, 100);
	}
}

static void expect_screen(struct terminal *t, const char *text)
{
	expect_shown(t, text, true);
}

static void keys(struct terminal *t, const char *keys)
{
	assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

/* Waits for the end: the exit code, or 128 + the signal. The terminal must be as it was. */
static int terminal_end(struct terminal *t)
{
	int64_t end = test_now() + WAIT_NS;
	struct termios after;
	static struct page page;
	int status;

	while (waitpid(t->pid, &status, WNOHANG) == 0) {
		terminal_read(t, 50);
		if (test_now() > end) {
			kill(t->pid, SIGKILL);
			fail_msg("it does not end");
		}
	}
	while (terminal_read(t, 0))
		;
	assert_int_equal(tcgetattr(t->slave, &after), 0);
	assert_int_equal(after.c_lflag, t->before.c_lflag);
	assert_int_equal(after.c_iflag, t->before.c_iflag);
	assert_int_equal(after.c_oflag, t->before.c_oflag);
	page_make(&page, t);
	assert_false(page.alternate);
	assert_false(page.hidden_cursor);
	close(t->fd);
	close(t->slave);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- tests ---- */

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

#define SMALL_ROWS 10
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
