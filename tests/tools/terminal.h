/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A terminal for tests: asynctop runs in a pseudo-terminal, and what it sends makes a page, as far as ncurses uses
 * TERM=xterm. Assertions are cmocka's.
 */
#ifndef TESTS_TERMINAL_H
#define TESTS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#define ROWS    40
#define COLUMNS 160
#define WAIT_NS 20000000000LL /* for something to appear; then the test fails */

/* The terminal's side: what came, and the screen that it makes. */
struct terminal {
	pid_t pid;
	int fd, slave; /* the slave is held open, so that its modes can be read after the end */
	struct termios before;
	int rows, columns; /* of its window */
	char raw[1 << 20];
	size_t size;
};

struct page {
	char cell[ROWS][COLUMNS + 1];
	int rows, columns;
	int y, x;
	int top, bottom; /* of the scrolling region */
	bool colour;     /* a colour was ever set */
	bool alternate, hidden_cursor;
};

/* Starts asynctop with these arguments (ended by NULL) in a window of ROWS by COLUMNS. `no_colour` null: not set. */
void terminal_start(struct terminal *t, const char *no_colour, const char *term, const char *const *args);

/* Reads what is there, waiting at most so long for it: whether there was anything. */
bool terminal_read(struct terminal *t, int timeout_ms);

/* What all that was read makes. */
void page_make(struct page *p, const struct terminal *t);

/* Reads until the text is, or is no more, on the screen. */
void expect_shown(struct terminal *t, const char *text, bool shown);
void expect_screen(struct terminal *t, const char *text);

void keys(struct terminal *t, const char *keys);

/* Waits for the end: the exit code, or 128 + the signal. The terminal must be as it was. */
int terminal_end(struct terminal *t);

#endif
