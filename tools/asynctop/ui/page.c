/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 *	summary      the process, its tasks, the worst blocking call, missing sources
 *	workers      a line each, as far as they fit into a quarter of the page
 *	tabs
 *	the view     one table; with details, those of the selected row; with a table below, that one too
 *	hints        or the prompt, or a message
 */
#include <stdio.h>
#include <stdlib.h>

#include "ui/keys.h"
#include "ui/ui.h"

struct help {
	struct view *view;
	int width;
};

static void add_help_line(void *context, const char *names, const char *text)
{
	const struct help *help = context;
	char line[160];
	snprintf(line, sizeof(line), "%-18s %s", names, text);
	view_add(help->view, STYLE_NORMAL, help->width, line);
}

static void add_help(struct view *v, int width)
{
	struct help help = { v, width };
	const struct column *shown[COLUMNS_MAX];
	unsigned count = table_shown(&table_tasks, shown);
	view_add(v, STYLE_TITLE, width, "keys");
	keys_help(add_help_line, &help);
	view_add(v, STYLE_NORMAL, width, "");
	view_add(v, STYLE_TITLE, width, "columns of tasks, for / and -s");
	for (unsigned i = 0; i < count; i++)
		add_help_line(&help, shown[i]->key, shown[i]->help);
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
	for (unsigned i = 0; i < views_count(); i++)
		text_printf(&t, i == ui->view ? "[%u %s] " : " %u %s  ", i + 1, table_of(view_of_tab(i))->key);
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
	enum table_id id = ui_table(ui);
	uint32_t rows;
	size_t from = v->count;
	table_of(id)->rows(m, &rows);
	scroll(ui, rows, height > 2 ? (uint32_t)height - 1 : 1);
	view_table(v, m, table_of(id), &ui->orders[id], width, ui->first[ui->view], ui->page);
	for (size_t i = from; i < v->count; i++)
		v->lines[i].selected = v->lines[i].row == (int)ui->selected[ui->view];
}

/* The table gets up to half of the page, and the details of the selected row the rest. */
static void add_detailed(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	const struct table *t = table_of(ui_table(ui));
	uint32_t count;
	t->rows(m, &count);
	add_scrolled(ui, v, m, width, count + 1 < (uint32_t)(height / 2) ? (int)count + 1 : height / 2);
	if (count == 0)
		return;
	view_add(v, STYLE_NORMAL, width, "");
	t->details(v, m, &ui->orders[ui_table(ui)], width, ui->selected[ui->view], 1);
}

/* Two tables, each with its title on half of the page. */
static void add_pair(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	const struct table *t = table_of(ui_table(ui));
	int half = height / 2 - 1;
	view_add(v, STYLE_TITLE, width, t->title);
	add_scrolled(ui, v, m, width, half > 2 ? half : 2);
	view_add(v, STYLE_NORMAL, width, "");
	view_add(v, STYLE_TITLE, width, t->below->title);
	view_table(v, m, t->below, &ui->orders[table_id(t->below)], width, 0, half > 1 ? (uint32_t)half : 1);
}

static void add_current(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	const struct table *t = table_of(ui_table(ui));
	if (t->details != NULL)
		add_detailed(ui, v, m, width, height);
	else if (t->below != NULL)
		add_pair(ui, v, m, width, height);
	else
		add_scrolled(ui, v, m, width, height);
}

static void add_workers(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	uint32_t limit = height / 4 > 1 ? (uint32_t)height / 4 : 1;
	if (ui_table(ui) == TABLE_workers)
		return;
	view_table(v, m, &table_workers, &ui->orders[TABLE_workers], width, 0, limit);
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
		snprintf(line, sizeof(line), "h help  q quit  1-%u views  s order  r reverse  / filter", views_count());
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
