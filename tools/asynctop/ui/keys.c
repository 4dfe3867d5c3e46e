/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The keys. A key is a line in a table: the key and its function. The first of several keys that belong together has
 * their names and their help.
 */
#include "ui/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/ui.h"

/* ---- rows ---- */

static void move_to(struct ui *ui, int64_t row)
{
	if (ui->detail != 0) {
		ui->detail_first = row < 0 ? 0 : row > UINT16_MAX ? UINT16_MAX : (uint32_t)row;
		return;
	}
	uint32_t rows = ui->rows[ui->view];
	if (row >= rows)
		row = (int64_t)rows - 1;
	ui->selected[ui->view] = row < 0 ? 0 : (uint32_t)row;
	ui->followed[ui->view] = false;
	ui->moved[ui->view] = true;
}

static void move_by(struct ui *ui, int64_t rows)
{
	move_to(ui, (int64_t)(ui->detail != 0 ? ui->detail_first : ui->selected[ui->view]) + rows);
}

/* A function that a key calls. True when the models have to be taken anew. */
typedef bool key_fn(struct ui *ui, struct session *s, int key);

#define KEY_FN(name, statement) \
	static bool name(struct ui *ui, struct session *s, int key) \
	{ \
		(void)s; \
		(void)key; \
		statement; \
		return false; \
	}

KEY_FN(row_up, move_by(ui, -1))
KEY_FN(row_down, move_by(ui, 1))
KEY_FN(page_up, move_by(ui, -(int64_t)ui->page))
KEY_FN(page_down, move_by(ui, ui->page))
KEY_FN(first_row, move_to(ui, 0))
KEY_FN(last_row, move_to(ui, UINT32_MAX))

/* ---- one task ---- */

static void leave_task(struct ui *ui, struct session *s)
{
	ui->detail = s->wish.detail = 0;
}

static uint64_t selected_task(const struct ui *ui, const struct model *m)
{
	const struct table *t = table_of(ui_table(ui));
	uint32_t count;
	const void **rows = table_sorted(t, &ui->orders[ui_table(ui)], m, &count);
	uint64_t task = t->task != NULL && ui->selected[ui->view] < count ? t->task(rows[ui->selected[ui->view]]) : 0;
	free(rows);
	return task;
}

static bool open_task(struct ui *ui, struct session *s, int key)
{
	uint64_t task;
	(void)key;
	if (ui->detail != 0) {
		leave_task(ui, s);
		return false;
	}
	task = ui->process < s->count ? selected_task(ui, &s->watches[ui->process]->model) : 0;
	if (task == 0) {
		snprintf(ui->message, sizeof(ui->message), "no task is selected");
		return false;
	}
	ui->detail = s->wish.detail = task;
	ui->detail_pid = s->wish.detail_pid = s->watches[ui->process]->model.pid;
	ui->detail_first = 0;
	return true;
}

static bool close_task(struct ui *ui, struct session *s, int key)
{
	(void)key;
	leave_task(ui, s);
	return false;
}

/* ---- views and processes ---- */

static unsigned tab_of(enum table_id id)
{
	unsigned tab = 0;
	while (view_of_tab(tab) != id)
		tab++;
	return tab;
}

static bool go_to_view(struct ui *ui, struct session *s, unsigned view)
{
	leave_task(ui, s);
	ui->view = view % views_count();
	return ui_table(ui) == TABLE_stacks; /* which are read while they are shown */
}

static bool choose_view(struct ui *ui, struct session *s, int key)
{
	return go_to_view(ui, s, (unsigned)(key - '1'));
}

static bool next_view(struct ui *ui, struct session *s, int key)
{
	(void)key;
	return go_to_view(ui, s, ui->view + 1);
}

static bool previous_view(struct ui *ui, struct session *s, int key)
{
	(void)key;
	return go_to_view(ui, s, ui->view + views_count() - 1);
}

KEY_FN(next_process, ui->process = s->count > 0 ? (ui->process + 1) % s->count : 0)
KEY_FN(previous_process, ui->process = s->count > 0 ? (ui->process + s->count - 1) % s->count : 0)

/* ---- orders ---- */

/* The order of tasks chooses the tasks that a model keeps. */
static bool order_changed(const struct ui *ui, struct session *s)
{
	s->wish.tasks = ui->orders[TABLE_tasks];
	return ui_table(ui) == TABLE_tasks;
}

/* The next column in that direction that can be sorted by. */
static bool move_order(struct ui *ui, struct session *s, int direction)
{
	const struct column *shown[COLUMNS_MAX];
	struct order *o = &ui->orders[ui_table(ui)];
	int n = (int)table_shown(table_of(ui_table(ui)), shown), i = (int)o->column->place - 1;
	do {
		i = (i + direction + n) % n;
	} while (shown[i]->compare == NULL);
	*o = (struct order){ .column = shown[i] };
	snprintf(ui->message, sizeof(ui->message), "ordered by %s: %s", o->column->key, o->column->help);
	return order_changed(ui, s);
}

static bool next_order(struct ui *ui, struct session *s, int key)
{
	(void)key;
	return move_order(ui, s, 1);
}

static bool previous_order(struct ui *ui, struct session *s, int key)
{
	(void)key;
	return move_order(ui, s, -1);
}

static bool reverse_order(struct ui *ui, struct session *s, int key)
{
	struct order *o = &ui->orders[ui_table(ui)];
	(void)key;
	o->reverse = !o->reverse;
	return order_changed(ui, s);
}

/* ---- filters ---- */

static bool clear_filters(struct ui *ui, struct session *s, int key)
{
	(void)ui;
	(void)key;
	for (unsigned i = 0; i < s->wish.filter_count; i++)
		filter_free(&s->wish.filters[i]);
	s->wish.filter_count = 0;
	return true;
}

static bool accept_filter(struct ui *ui, struct session *s)
{
	const char *why = "there are too many filters, c clears them";
	ui->prompting = false;
	if (ui->prompt[0] == '\0')
		return false;
	if (s->wish.filter_count < FILTERS_MAX &&
	    filter_parse(&s->wish.filters[s->wish.filter_count], ui->prompt, &why) == 0) {
		s->wish.filter_count++;
		ui->view = tab_of(TABLE_tasks);
		return true;
	}
	snprintf(ui->message, sizeof(ui->message), "%s", why);
	return false;
}

static bool prompt_key(struct ui *ui, int key, struct session *s)
{
	size_t n = strlen(ui->prompt);
	if (key == UI_KEY_ENTER)
		return accept_filter(ui, s);
	if (key == UI_KEY_ESCAPE)
		ui->prompting = false;
	else if (key == UI_KEY_BACKSPACE && n > 0)
		ui->prompt[n - 1] = '\0';
	else if (key >= ' ' && key < 0x7f && n + 1 < sizeof(ui->prompt))
		ui->prompt[n] = (char)key, ui->prompt[n + 1] = '\0';
	return false;
}

static bool ask_filter(struct ui *ui, struct session *s, int key)
{
	(void)s;
	(void)key;
	ui->prompting = true;
	ui->prompt[0] = '\0';
	return false;
}

/* ---- the rest ---- */

static bool hold_picture(struct ui *ui, struct session *s, int key)
{
	(void)s;
	(void)key;
	ui->paused = !ui->paused;
	return !ui->paused;
}

KEY_FN(show_help, ui->help = true)
KEY_FN(quit, ui->quit = true)

/* ---- the table ---- */

static const struct key {
	int key;
	key_fn *run;
	const char *names, *help;
} keys[] = {
	{ .key = UI_KEY_TAB, .run = next_view },
	{ .key = UI_KEY_BACK_TAB, .run = previous_view },
	{ UI_KEY_UP, row_up, "up down PgUp PgDn", "select a row, whose verdict is shown (also j k Home End)" },
	{ .key = UI_KEY_DOWN, .run = row_down },
	{ .key = UI_KEY_PAGE_UP, .run = page_up },
	{ .key = UI_KEY_PAGE_DOWN, .run = page_down },
	{ .key = UI_KEY_HOME, .run = first_row },
	{ .key = UI_KEY_END, .run = last_row },
	{ .key = 'k', .run = row_up },
	{ .key = 'j', .run = row_down },
	{ .key = 'g', .run = first_row },
	{ .key = 'G', .run = last_row },
	{ UI_KEY_ENTER, open_task, "Enter", "the row's task alone: its stack and history; Escape leaves it" },
	{ .key = UI_KEY_ESCAPE, .run = close_task },
	{ 's', next_order, "s, S, r", "order by the next, the previous column; reverse the order" },
	{ .key = '>', .run = next_order },
	{ .key = 'S', .run = previous_order },
	{ .key = '<', .run = previous_order },
	{ .key = 'r', .run = reverse_order },
	{ '/', ask_filter, "/", "show only tasks that match: KEY=GLOB, such as name=conn*" },
	{ .key = 'F', .run = ask_filter },
	{ 'c', clear_filters, "c", "show all tasks again" },
	{ '[', previous_process, "[ ]", "the previous, the next process" },
	{ .key = ']', .run = next_process },
	{ ' ', hold_picture, "space", "hold the picture; again: go on" },
	{ 'h', show_help, "h, ?", "this help; any key leaves it" },
	{ .key = '?', .run = show_help },
	{ 'q', quit, "q", "quit" },
};

/* The digits of the views are made from the list of these. */
static const struct key digit = { .run = choose_view };

static const struct key *find_key(int key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].key == key)
			return &keys[i];
	return key >= '1' && key < '1' + (int)views_count() ? &digit : NULL;
}

void keys_help(void (*each)(void *context, const char *names, const char *help), void *context)
{
	struct text names = { 0 }, help = { 0 };
	for (unsigned i = 0; i < views_count(); i++)
		text_printf(&help, "%s%s", i ? " " : "", table_of(view_of_tab(i))->key);
	text_printf(&names, "1-%u, Tab", views_count());
	each(context, text_string(&names), text_string(&help));
	text_free(&names);
	text_free(&help);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].help != NULL)
			each(context, keys[i].names, keys[i].help);
}

bool ui_key(struct ui *ui, int key, struct session *s)
{
	const struct key *k = find_key(key);
	ui->message[0] = '\0';
	if (ui->prompting)
		return prompt_key(ui, key, s);
	if (ui->help && key != 'q') {
		ui->help = false;
		return false;
	}
	if (k != NULL)
		return k->run(ui, s, key);
	snprintf(ui->message, sizeof(ui->message), "h lists the keys");
	return false;
}
