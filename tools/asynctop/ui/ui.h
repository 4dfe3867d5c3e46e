/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The live screen without a terminal: its state (ui.c), the functions of keys (keys.c), and its page (page.c). The
 * terminal is screen.c.
 */
#ifndef ASYNCTOP_UI_H
#define ASYNCTOP_UI_H

#include "session/session.h"
#include "view/view.h"
#include "view/views.h"

/* Keys other than characters. */
enum ui_key {
	UI_KEY_UP = 0x110000,
	UI_KEY_DOWN,
	UI_KEY_PAGE_UP,
	UI_KEY_PAGE_DOWN,
	UI_KEY_HOME,
	UI_KEY_END,
	UI_KEY_TAB,
	UI_KEY_BACK_TAB,
	UI_KEY_ENTER,
	UI_KEY_ESCAPE,
	UI_KEY_BACKSPACE,
};

struct ui {
	unsigned view;  /* its tab, from 0 */
	size_t process; /* which of the watched ones */
	uint32_t selected[TABLES], first[TABLES];
	/*
	 * The selected row's identity, and whose: the selection stays with the row. If nobody has moved it, only as long as
	 * the row is on the first page, so that the worst stay in sight.
	 */
	uint64_t identity[TABLES];
	bool followed[TABLES]; /* identity is known */
	bool moved[TABLES];    /* by a key */
	pid_t pid;
	uint32_t rows[TABLES]; /* that there were when it was last drawn */
	uint32_t page;         /* rows that fit */
	struct order orders[TABLES];
	uint64_t detail;       /* the task that is shown alone; 0: none */
	pid_t detail_pid;      /* whose */
	uint32_t detail_first; /* line of it */
	bool help, paused, quit;
	bool prompting;
	char prompt[128];
	char message[160];
};

void ui_init(struct ui *ui, const struct options *o);

/* The table of its view. */
enum table_id ui_table(const struct ui *ui);

/* Runs the function of a key. True when models have to be taken anew (another filter or order of tasks). */
bool ui_key(struct ui *ui, int key, struct session *s);

/* Fills at most `height` lines of `width` columns. */
void ui_compose(struct ui *ui, struct view *v, const struct session *s, int width, int height);

#endif
