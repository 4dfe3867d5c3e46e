/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "terminal.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "tests/test.h"

void terminal_start(struct terminal *t, const char *no_colour, const char *term, const char *const *args)
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

bool terminal_read(struct terminal *t, int timeout_ms)
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

/* Moves the rows of [from, to] up by n, or down. */
static void page_scroll(struct page *p, int from, int to, int n)
{
	int rows = to - from + 1, moved = n < 0 ? -n : n;
	if (rows <= 0)
		return;
	moved = clamp(moved, rows);
	if (n > 0) {
		memmove(p->cell[from], p->cell[from + moved], (size_t)(rows - moved) * sizeof(p->cell[0]));
		page_clear(p, to - moved + 1, 0, to, p->columns - 1);
	} else {
		memmove(p->cell[from + moved], p->cell[from], (size_t)(rows - moved) * sizeof(p->cell[0]));
		page_clear(p, from, 0, from + moved - 1, p->columns - 1);
	}
}

static void page_line_feed(struct page *p)
{
	if (p->y == p->bottom)
		page_scroll(p, p->top, p->bottom, 1);
	else
		p->y = clamp(p->y + 1, p->rows - 1);
}

static void page_reverse_feed(struct page *p)
{
	if (p->y == p->top)
		page_scroll(p, p->top, p->bottom, -1);
	else
		p->y = clamp(p->y - 1, p->rows - 1);
}

static void page_control(struct page *p, const char *args, char final)
{
	int n = number(args, 0, 1);
	switch (final) {
	case 'H':
		p->y = clamp(number(args, 0, 1) - 1, p->rows - 1);
		p->x = clamp(number(args, 1, 1) - 1, p->columns - 1);
		break;
	case 'A':
		p->y = clamp(p->y - n, p->rows - 1);
		break;
	case 'B':
		p->y = clamp(p->y + n, p->rows - 1);
		break;
	case 'C':
		p->x = clamp(p->x + n, p->columns - 1);
		break;
	case 'D':
		p->x = clamp(p->x - n, p->columns - 1);
		break;
	case 'G':
		p->x = clamp(n - 1, p->columns - 1);
		break;
	case 'd':
		p->y = clamp(n - 1, p->rows - 1);
		break;
	case 'P':
		page_shift(p, clamp(n, p->columns - p->x));
		break;
	case '@':
		page_shift(p, -clamp(n, p->columns - p->x));
		break;
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
	case 'X':
		page_clear(p, p->y, p->x, p->y, clamp(p->x + n - 1, p->columns - 1));
		break;
	case 'b':
		for (char c = p->x > 0 ? p->cell[p->y][p->x - 1] : ' '; n > 0; n--)
			page_put(p, c);
		break;
	case 'r':
		p->top = clamp(number(args, 0, 1) - 1, p->rows - 1);
		p->bottom = clamp(number(args, 1, p->rows) - 1, p->rows - 1);
		p->y = p->x = 0;
		break;
	case 'S':
		page_scroll(p, p->top, p->bottom, n);
		break;
	case 'T':
		page_scroll(p, p->top, p->bottom, -n);
		break;
	case 'L':
		page_scroll(p, p->y, p->bottom, -n);
		break;
	case 'M':
		page_scroll(p, p->y, p->bottom, n);
		break;
	case 'm':
		page_attributes(p, args);
		break;
	case 'h':
	case 'l':
		if (strcmp(args, "?1049") == 0)
			p->alternate = final == 'h';
		if (strcmp(args, "?25") == 0)
			p->hidden_cursor = final == 'l';
		break;
	default: /* insert mode and the like are not used for these terminals */
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
	if (at[1] == 'M')
		page_reverse_feed(p);
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

void page_make(struct page *p, const struct terminal *t)
{
	memset(p, 0, sizeof(*p));
	p->rows = t->rows;
	p->columns = t->columns;
	p->bottom = p->rows - 1;
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
			page_line_feed(p);
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

void expect_shown(struct terminal *t, const char *text, bool shown)
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

void expect_screen(struct terminal *t, const char *text)
{
	expect_shown(t, text, true);
}

void keys(struct terminal *t, const char *keys)
{
	assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

int terminal_end(struct terminal *t)
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
