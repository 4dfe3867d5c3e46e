/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 *	summary      the process, its tasks, the worst blocking call, what is missing
 *	workers      a line each, as far as they fit into a quarter of the page
 *	tabs
 *	the view     one table; with the blockers, the verdict on the selected one; with the yields, also the switches
 *	hints        or the prompt, or a message
 */
#include "ui/ui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum table_id table;
} views[UI_VIEWS] = {
	[UI_TASKS] = { "tasks", TABLE_TASKS },          [UI_WORKERS] = { "workers", TABLE_WORKERS },
	[UI_BLOCKERS] = { "blockers", TABLE_BLOCKERS }, [UI_YIELDS] = { "yields", TABLE_YIELDS },
	[UI_EVENTS] = { "events", TABLE_EVENTS },
};

void ui_init(struct ui *ui, const struct options *o)
{
	*ui = (struct ui){ 0 };
	memcpy(ui->orders, o->orders, sizeof(ui->orders));
}

/* ---- keys ---- */

static const char *const key_help[] = {
	"1 2 3 4 5, Tab     the views: tasks, workers, blockers, yields, events",
	"up down PgUp PgDn  select a row (also j k, Home, End); the blockers view shows the verdict on it",
	"s, S               order by the next, the previous column",
	"r                  reverse the order",
	"/                  show only tasks that match: KEY=GLOB, such as name=conn* or state=ready",
	"c                  show all tasks again",
	"[ ]                the previous, the next process",
	"space              hold the picture; again: go on",
	"h, ?               this help; any key leaves it",
	"q                  quit",
};

static void move_to(struct ui *ui, int64_t row)
{
	uint32_t rows = ui->rows[ui->view];
	if (row >= rows)
		row = (int64_t)rows - 1;
	ui->selected[ui->view] = row < 0 ? 0 : (uint32_t)row;
}

static void move_by(struct ui *ui, int64_t rows)
{
	move_to(ui, (int64_t)ui->selected[ui->view] + rows);
}

/* The next column in that direction that can be sorted by. */
static void next_order(struct ui *ui, int direction, struct session *s)
{
	const struct table *t = table_of(views[ui->view].table);
	struct order *o = &ui->orders[views[ui->view].table];
	int n = (int)t->count, i = (int)(o->column - t->columns);
	do {
		i = (i + direction + n) % n;
	} while (t->columns[i].compare == NULL);
	*o = (struct order){ .column = &t->columns[i] };
	snprintf(ui->message, sizeof(ui->message), "ordered by %s: %s", o->column->key, o->column->help);
	s->wish.tasks = ui->orders[TABLE_TASKS];
}

static void reverse_order(struct ui *ui, struct session *s)
{
	struct order *o = &ui->orders[views[ui->view].table];
	o->reverse = !o->reverse;
	s->wish.tasks = ui->orders[TABLE_TASKS];
}

static void clear_filters(struct session *s)
{
	for (unsigned i = 0; i < s->wish.filter_count; i++)
		filter_free(&s->wish.filters[i]);
	s->wish.filter_count = 0;
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
		ui->view = UI_TASKS;
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

static bool move_key(struct ui *ui, int key)
{
	switch (key) {
	case UI_KEY_UP:
	case 'k':
		move_by(ui, -1);
		return true;
	case UI_KEY_DOWN:
	case 'j':
		move_by(ui, 1);
		return true;
	case UI_KEY_PAGE_UP:
		move_by(ui, -(int64_t)ui->page);
		return true;
	case UI_KEY_PAGE_DOWN:
		move_by(ui, ui->page);
		return true;
	case UI_KEY_HOME:
	case 'g':
		move_to(ui, 0);
		return true;
	case UI_KEY_END:
	case 'G':
		move_to(ui, UINT32_MAX);
		return true;
	default:
		return false;
	}
}

bool ui_key(struct ui *ui, int key, struct session *s)
{
	ui->message[0] = '\0';
	if (ui->prompting)
		return prompt_key(ui, key, s);
	if (key == 'q') {
		ui->quit = true;
		return false;
	}
	if (ui->help) {
		ui->help = false;
		return false;
	}
	if (move_key(ui, key))
		return false;
	switch (key) {
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
		ui->view = (enum ui_view)(key - '1');
		return false;
	case UI_KEY_TAB:
		ui->view = (ui->view + 1) % UI_VIEWS;
		return false;
	case UI_KEY_BACK_TAB:
		ui->view = (ui->view + UI_VIEWS - 1) % UI_VIEWS;
		return false;
	case 's':
	case '>':
		next_order(ui, 1, s);
		return ui->view == UI_TASKS;
	case 'S':
	case '<':
		next_order(ui, -1, s);
		return ui->view == UI_TASKS;
	case 'r':
		reverse_order(ui, s);
		return ui->view == UI_TASKS;
	case '/':
	case 'F':
		ui->prompting = true;
		ui->prompt[0] = '\0';
		return false;
	case 'c':
		clear_filters(s);
		return true;
	case ']':
		ui->process = s->count > 0 ? (ui->process + 1) % s->count : 0;
		return false;
	case '[':
		ui->process = s->count > 0 ? (ui->process + s->count - 1) % s->count : 0;
		return false;
	case ' ':
		ui->paused = !ui->paused;
		return !ui->paused;
	case 'h':
	case '?':
		ui->help = true;
		return false;
	default:
		snprintf(ui->message, sizeof(ui->message), "h lists the keys");
		return false;
	}
}

/* ---- the page ---- */

static void add_help(struct view *v, int width)
{
	view_add(v, STYLE_TITLE, width, "keys");
	for (size_t i = 0; i < sizeof(key_help) / sizeof(key_help[0]); i++)
		view_add(v, STYLE_NORMAL, width, key_help[i]);
	view_add(v, STYLE_NORMAL, width, "");
	view_add(v, STYLE_TITLE, width, "columns of tasks, for / and -s");
	for (unsigned i = 0; i < table_tasks.count; i++) {
		char line[160];
		snprintf(line, sizeof(line), "%-18s %s", table_tasks.columns[i].key, table_tasks.columns[i].help);
		view_add(v, STYLE_NORMAL, width, line);
	}
}

static void add_rejected(struct view *v, const struct session *s, int width)
{
	char line[256];
	for (size_t i = 0; session_rejected(s, i, line, sizeof(line)); i++)
		view_add(v, STYLE_ALERT, width, line);
}

static void add_tabs(struct view *v, const struct ui *ui, const struct session *s, int width)
{
	struct text t = { 0 };
	for (unsigned i = 0; i < UI_VIEWS; i++)
		text_printf(&t, i == ui->view ? "[%u %s] " : " %u %s  ", i + 1, views[i].name);
	if (s->count > 1)
		text_printf(&t, " process %zu of %zu ", ui->process + 1, s->count);
	for (unsigned i = 0; i < s->wish.filter_count; i++)
		text_printf(&t, " %s=%s", s->wish.filters[i].column->key, s->wish.filters[i].glob);
	if (ui->paused)
		text_puts(&t, " held");
	view_add(v, STYLE_TITLE, width, text_string(&t));
	text_free(&t);
}

/* Scrolls so that the selected row is among the `page` rows shown. */
static void scroll(struct ui *ui, uint32_t rows, uint32_t page)
{
	uint32_t *selected = &ui->selected[ui->view], *first = &ui->first[ui->view];
	ui->rows[ui->view] = rows;
	ui->page = page;
	if (*selected >= rows)
		*selected = rows > 0 ? rows - 1 : 0;
	if (*first > *selected)
		*first = *selected;
	if (*selected >= *first + page)
		*first = *selected - page + 1;
	if (rows <= page)
		*first = 0;
}

static void add_scrolled(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	enum table_id id = views[ui->view].table;
	uint32_t rows;
	size_t from = v->count;
	table_of(id)->rows(m, &rows);
	scroll(ui, rows, height > 2 ? (uint32_t)height - 1 : 1);
	view_table(v, m, table_of(id), &ui->orders[id], width, ui->first[ui->view], ui->page);
	for (size_t i = from; i < v->count; i++)
		v->lines[i].selected = v->lines[i].row == (int)ui->selected[ui->view];
}

static void add_blockers(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	int table = m->blocker_count + 1 < (uint32_t)(height / 2) ? (int)m->blocker_count + 1 : height / 2;
	add_scrolled(ui, v, m, width, table);
	if (m->blocker_count == 0)
		return;
	view_add(v, STYLE_NORMAL, width, "");
	view_verdicts(v, m, &ui->orders[TABLE_BLOCKERS], width, ui->selected[UI_BLOCKERS], 1);
}

static void add_yields(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	int half = height / 2 - 1;
	view_add(v, STYLE_TITLE, width, table_yields.title);
	add_scrolled(ui, v, m, width, half > 2 ? half : 2);
	view_add(v, STYLE_NORMAL, width, "");
	view_add(v, STYLE_TITLE, width, table_switches.title);
	view_table(v, m, &table_switches, &ui->orders[TABLE_SWITCHES], width, 0, half > 1 ? (uint32_t)half : 1);
}

static void add_current(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	if (ui->view == UI_BLOCKERS)
		add_blockers(ui, v, m, width, height);
	else if (ui->view == UI_YIELDS)
		add_yields(ui, v, m, width, height);
	else
		add_scrolled(ui, v, m, width, height);
}

static void add_workers(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	uint32_t limit = height / 4 > 1 ? (uint32_t)height / 4 : 1;
	if (ui->view == UI_WORKERS)
		return;
	view_table(v, m, &table_workers, &ui->orders[TABLE_WORKERS], width, 0, limit);
	if (m->worker_count > limit) {
		char line[64];
		snprintf(line, sizeof(line), "... and %u more workers", m->worker_count - limit);
		view_add(v, STYLE_DIM, width, line);
	}
}

static void truncate_to(struct view *v, int height)
{
	while (v->count > 0 && v->count > (size_t)(height > 0 ? height : 0))
		free(v->lines[--v->count].text);
}

static void add_bottom(struct view *v, const struct ui *ui, int width, int height)
{
	char line[200];
	while (v->count + 1 < (size_t)height)
		view_add(v, STYLE_NORMAL, width, "");
	if (ui->prompting)
		snprintf(line, sizeof(line), "show tasks with (KEY=GLOB): %s_", ui->prompt);
	else if (ui->message[0] != '\0')
		snprintf(line, sizeof(line), "%s", ui->message);
	else
		snprintf(line, sizeof(line), "h help  q quit  1-5 views  s order  r reverse  / filter");
	view_add(v, STYLE_DIM, width, line);
}

void ui_compose(struct ui *ui, struct view *v, const struct session *s, int width, int height)
{
	if (ui->process >= s->count)
		ui->process = 0;
	if (ui->help) {
		add_help(v, width);
	} else if (s->count == 0) {
		view_add(v, STYLE_NORMAL, width, "waiting for a process that runs sley");
		add_rejected(v, s, width);
	} else {
		const struct model *m = &s->watches[ui->process]->model;
		view_summary(v, m, width);
		add_rejected(v, s, width);
		add_workers(ui, v, m, width, height);
		add_tabs(v, ui, s, width);
		add_current(ui, v, m, width, height - 1 - (int)v->count);
	}
	truncate_to(v, height - 1);
	add_bottom(v, ui, width, height);
}
