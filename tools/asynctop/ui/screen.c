/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * ncurses' functions are not async-signal-safe, so the handler of a signal that kills cannot call them. The bytes that
 * they would send are prepared at the start; the handler writes these bytes, and sets the terminal's modes.
 */
#define NCURSES_WIDECHAR 1
#include "ui/screen.h"

#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "ui/ui.h"

#undef columns /* of term.h */
#undef lines

static bool screen_is_open, has_colour, exit_registered;
static volatile sig_atomic_t is_changed; /* the terminal is not as it was */
static SCREEN *terminal;
static struct termios modes; /* as they were */
static char restore[256];    /* the bytes to send: attributes off, cursor on, main screen */
static size_t restore_length;

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGTRAP, SIGSYS, SIGXCPU };

/* Appends a terminfo string without its padding, which is written $<...>. */
static void add_restore(const char *s)
{
	while (s != NULL && s != (char *)-1 && *s && restore_length < sizeof(restore)) {
		if (s[0] == '$' && s[1] == '<' && strchr(s, '>') != NULL)
			s = strchr(s, '>') + 1;
		else
			restore[restore_length++] = *s++;
	}
}

static void restore_now(void)
{
	ssize_t ignored = write(STDOUT_FILENO, restore, restore_length);
	(void)ignored;
	tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

/* The terminal takes nothing any more, until somebody reads it, but it may have its modes. */
static void abandon(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
	if (!is_changed)
		return;
	tcflush(STDOUT_FILENO, TCOFLUSH);
	if (poll(&output, 1, 0) > 0)
		restore_now();
	else
		tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

static void on_fatal(int signal_number)
{
	restore_now();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void catch_fatal(void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_NODEFER };
	for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++)
		sigaction(fatal_signals[i], &action, NULL);
}

static void prepare_restore(void)
{
	restore_length = 0;
	add_restore(tigetstr("sgr0"));
	add_restore(tigetstr("rmkx"));
	add_restore(tigetstr("cnorm"));
	add_restore(tigetstr("rmcup"));
	catch_fatal(on_fatal);
}

static const struct {
	short colour;
	attr_t attributes;
} looks[STYLES] = {
	[STYLE_NORMAL] = { -1, A_NORMAL },        [STYLE_TITLE] = { -1, A_BOLD },
	[STYLE_HEAD] = { -1, A_UNDERLINE },       [STYLE_DIM] = { -1, A_DIM },
	[STYLE_GOOD] = { COLOR_GREEN, A_NORMAL }, [STYLE_BUSY] = { COLOR_YELLOW, A_NORMAL },
	[STYLE_ALERT] = { COLOR_RED, A_BOLD },
};

static void open_colours(bool colour)
{
	has_colour = colour && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short i = 0; has_colour && i < STYLES; i++)
		init_pair((short)(i + 1), looks[i].colour, -1);
}

/* ncurses opens a terminal without cursor movement (TERM=dumb) too, and shows nothing there. */
static bool can_move(void)
{
	int error;
	const char *move = setupterm(NULL, STDOUT_FILENO, &error) == OK ? tigetstr("cup") : NULL;
	return move != NULL && move != (char *)-1;
}

int screen_open(bool colour)
{
	if (tcgetattr(STDIN_FILENO, &modes) != 0 || !can_move())
		return -1;
	terminal = newterm(NULL, stdout, stdin);
	if (terminal == NULL)
		return -1;
	screen_is_open = true;
	is_changed = true;
	writing_abandoned_by(abandon);
	if (!exit_registered)
		exit_registered = atexit(screen_close) == 0;
	prepare_restore();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	open_colours(colour);
	return 0;
}

void screen_close(void)
{
	if (!screen_is_open)
		return;
	screen_is_open = false;
	writing_begins();
	endwin();
	delscreen(terminal);
	catch_fatal(SIG_DFL);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
	is_changed = false;
	writing_ends();
}

void screen_size(int *width, int *height)
{
	getmaxyx(stdscr, *height, *width);
}

static void draw_line(int y, const struct view_line *line)
{
	attr_t attributes = looks[line->style].attributes | (line->selected ? A_REVERSE : A_NORMAL);
	short pair = has_colour ? (short)(line->style + 1) : 0;
	attr_set(attributes, pair, NULL);
	mvaddstr(y, 0, line->text);
	if (line->selected)
		mvchgat(y, 0, -1, attributes, pair, NULL);
}

void screen_draw(const struct view *v)
{
	int width, height;
	screen_size(&width, &height);
	erase();
	for (size_t i = 0; i < v->count && (int)i < height; i++)
		draw_line((int)i, &v->lines[i]);
	attr_set(A_NORMAL, 0, NULL);
	writing_begins();
	refresh();
	writing_ends();
}

int screen_key(void)
{
	static const struct {
		int curses, key;
	} keys[] = {
		{ KEY_UP, UI_KEY_UP },
		{ KEY_DOWN, UI_KEY_DOWN },
		{ KEY_PPAGE, UI_KEY_PAGE_UP },
		{ KEY_NPAGE, UI_KEY_PAGE_DOWN },
		{ KEY_HOME, UI_KEY_HOME },
		{ KEY_END, UI_KEY_END },
		{ '\t', UI_KEY_TAB },
		{ KEY_BTAB, UI_KEY_BACK_TAB },
		{ KEY_ENTER, UI_KEY_ENTER },
		{ '\r', UI_KEY_ENTER },
		{ '\n', UI_KEY_ENTER },
		{ 27, UI_KEY_ESCAPE },
		{ KEY_BACKSPACE, UI_KEY_BACKSPACE },
		{ 127, UI_KEY_BACKSPACE },
		{ 8, UI_KEY_BACKSPACE },
		{ KEY_RESIZE, SCREEN_RESIZED },
		{ ERR, SCREEN_NO_KEY },
	};
	int c = getch();
	if (c == 12) { /* ^L: the terminal's picture is damaged */
		clearok(curscr, TRUE);
		return SCREEN_RESIZED;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].curses == c)
			return keys[i].key;
	return c;
}
