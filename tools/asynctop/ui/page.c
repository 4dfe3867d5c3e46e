/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 *	summary      the process, its tasks, the worst blocking call, missing sources
 *	warning      the worst one
 *	workers      a line each, as far as they fit into a quarter of the page, the blocked ones first; not those that rest
 *	tabs
 *	the view     one table; with details, those of the selected row; with a table below, that one too
 *	verdict      the worst blocking call's, below a view that has not those of blocking calls
 *	             or one task alone, with the process's first line above
 *	hints        or the prompt, or a message
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/keys.h"
#include "ui/ui.h"

/* Of the view, so that there is room for more workers, or the worst verdict; and of one with details. */
#define LEAST_LINES    5
#define DETAILED_LINES 14

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
	keys_help(add_help_line, &help); /* no line more than 24 rows have room for */
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
		text_printf(&t, i == ui->view ? "%s[%u %s]" : "%s%u %s", i ? " " : "", i + 1,
			    table_of(view_of_tab(i))->key);
	if (s->count > 1)
		text_printf(&t, "  process %zu of %zu ", ui->process + 1, s->count);
	for (unsigned i = 0; i < s->wish.filter_count; i++)
		text_printf(&t, " %s=%s", s->wish.filters[i].column->key, s->wish.filters[i].glob);
	if (ui->paused)
		text_puts(&t, " held");
	view_add(v, STYLE_TITLE, width, text_string(&t));
	text_free(&t);
}

/* Selects the row that was selected before, wherever it is now. */
static void follow_row(struct ui *ui, const struct model *m, uint32_t page)
{
	enum table_id id = ui_table(ui);
	uint64_t (*identity)(const void *row) = table_of(id)->identity;
	uint32_t count, i = 0, *selected = &ui->selected[ui->view];
	const void **rows = table_sorted(table_of(id), &ui->orders[id], m, &count);
	while (identity != NULL && i < count && ui->followed[ui->view] && identity(rows[i]) != ui->identity[ui->view])
		i++;
	if (i < count && ui->followed[ui->view])
		*selected = i;
	if (!ui->moved[ui->view] && *selected >= page)
		*selected = 0;
	if (*selected >= count)
		*selected = count > 0 ? count - 1 : 0;
	ui->followed[ui->view] = identity != NULL && count > 0;
	if (ui->followed[ui->view])
		ui->identity[ui->view] = identity(rows[*selected]);
	ui->rows[ui->view] = count;
	free(rows);
}

/* Scrolls so that the selected row is among the `page` rows shown. */
static void scroll(struct ui *ui, uint32_t page)
{
	uint32_t *first = &ui->first[ui->view], selected = ui->selected[ui->view];
	ui->page = page;
	if (*first > selected)
		*first = selected;
	if (selected >= *first + page)
		*first = selected - page + 1;
	if (ui->rows[ui->view] <= page)
		*first = 0;
}

static void add_scrolled(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	enum table_id id = ui_table(ui);
	uint32_t page = height > 2 ? (uint32_t)height - 1 : 1;
	size_t from = v->count;
	follow_row(ui, m, page);
	scroll(ui, page);
	view_table(v, m, table_of(id), &ui->orders[id], width, ui->first[ui->view], ui->page);
	for (size_t i = from; i < v->count; i++)
		v->lines[i].selected = v->lines[i].row == (int)ui->selected[ui->view];
}

/* The table gets up to half of the page, and less if the details of the selected row need it, which tell what to do. */
static void add_detailed(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	const struct table *t = table_of(ui_table(ui));
	struct view details = { 0 };
	uint32_t count;
	int rows;
	t->rows(m, &count);
	if (count > 0)
		t->details(&details, m, &ui->orders[ui_table(ui)], width, ui->selected[ui->view], 1);
	rows = height - 1 - (int)details.count;
	if (rows < 3)
		rows = 3;
	if (rows > height / 2)
		rows = height / 2;
	add_scrolled(ui, v, m, width, count + 1 < (uint32_t)rows ? (int)count + 1 : rows);
	view_free(&details);
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
	const struct order order = table_order(&table_workers, "call");
	int most = height / 4, left = height - (int)v->count - 3;
	uint32_t limit = 2, awake = 0;
	if (ui_table(ui) == TABLE_workers)
		return;
	left -= table_of(ui_table(ui))->details != NULL ? DETAILED_LINES : LEAST_LINES;
	if (most > left)
		most = left;
	if (most > 2)
		limit = (uint32_t)most;
	for (uint32_t i = 0; i < m->worker_count; i++)
		awake += !worker_rests(m, &m->workers[i]);
	if (limit > awake)
		limit = awake > 0 ? awake : 1;
	view_table(v, m, &table_workers, &order, width, 0, limit);
	if (m->worker_count > limit) {
		char line[64];
		snprintf(line, sizeof(line), "... and %u more worker%s%s", m->worker_count - limit,
			 m->worker_count - limit == 1 ? "" : "s", limit == awake ? ", which rest" : "");
		view_add(v, STYLE_DIM, width, line);
	}
}

/* Fills `verdict` with the worst blocking call's, if there is one and the view does not show it. */
static void make_worst(const struct ui *ui, struct view *verdict, const struct model *m, int width)
{
	uint32_t count;
	const void **rows = table_sorted(&table_blockers, &ui->orders[TABLE_blockers], m, &count);
	const struct model_blocker *worst = count > 0 ? rows[0] : NULL;
	if (worst != NULL && worst->verdict != NULL && ui_table(ui) != TABLE_blockers) {
		view_add(verdict, STYLE_NORMAL, width, "");
		view_wrap(verdict, worst->in_progress ? STYLE_ALERT : STYLE_NORMAL, width, 5, worst->verdict);
	}
	free(rows);
}

/* The view and the worst verdict, in so many lines. */
static void add_view(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	struct view verdict = { 0 };
	size_t bottom = v->count + (size_t)(height > 0 ? height : 0);
	make_worst(ui, &verdict, m, width);
	if (height >= (int)verdict.count + LEAST_LINES)
		height -= (int)verdict.count;
	else
		view_free(&verdict);
	add_current(ui, v, m, width, height);
	for (size_t i = 0, lines = v->count + verdict.count; i < verdict.count && lines <= bottom; i++)
		view_add(v, verdict.lines[i].style, width, verdict.lines[i].text);
	view_free(&verdict);
}

/* The worst one's sentence, whole: it says what to do. Only its beginning, where the user has asked for other sentences. */
static void add_worst_warning(struct view *v, const struct model *m, int width, bool whole)
{
	char more[64];
	if (m->warning_count == 0 || m->warnings[0].text == NULL)
		return;
	if (whole)
		view_wrap(v, STYLE_ALERT, width, 2, m->warnings[0].text);
	else
		view_add(v, STYLE_ALERT, width, m->warnings[0].text);
	if (m->warning_count == 1)
		return;
	snprintf(more, sizeof(more), "  and %u more warning%s", m->warning_count - 1, m->warning_count == 2 ? "" : "s");
	view_add(v, STYLE_ALERT, width, more);
}

static bool is_alone(const struct ui *ui, const struct model *m)
{
	return ui->detail != 0 && ui->detail_pid == m->pid;
}

/* The task alone, from the line on to which the user has moved. */
static void add_task_alone(struct ui *ui, struct view *v, const struct model *m, int width, int height)
{
	struct view whole = { 0 };
	uint32_t page = height > 1 ? (uint32_t)height : 1, last;
	view_detail(&whole, m, width);
	last = whole.count > page ? (uint32_t)whole.count - page : 0;
	ui->page = page;
	if (ui->detail_first > last)
		ui->detail_first = last;
	for (size_t i = ui->detail_first; i < whole.count && i - ui->detail_first < page; i++)
		view_add(v, whole.lines[i].style, width, whole.lines[i].text);
	view_free(&whole);
}

static void truncate_to(struct view *v, int height)
{
	while (v->count > 0 && v->count > (size_t)(height > 0 ? height : 0))
		free(v->lines[--v->count].text);
}

/* Not all rows may be in the model. */
static void put_hints(struct text *t, const struct ui *ui, const struct session *s)
{
	const struct table *table = table_of(ui_table(ui));
	const struct model *m = s->count > 0 ? &s->watches[ui->process]->model : NULL;
	uint32_t count = 0;
	if (m != NULL && is_alone(ui, m)) {
		text_puts(t, "h help  q quit  Esc back  up down PgUp PgDn scroll");
		return;
	}
	text_printf(t, "h help  q quit  1-%u views  s order  r reverse  / filter", views_count());
	if (m != NULL)
		table->rows(m, &count);
	if (m != NULL && table->total != NULL && table->total(m) > count)
		text_printf(t, "  %" PRIu32 " of %" PRIu64 " rows", count, table->total(m));
}

static void add_bottom(struct view *v, const struct ui *ui, const struct session *s, int width, int height)
{
	struct text t = { 0 };
	while (v->count + 1 < (size_t)height)
		view_add(v, STYLE_NORMAL, width, "");
	if (ui->prompting)
		text_printf(&t, "show tasks with (KEY=GLOB): %s_", ui->prompt);
	else if (ui->message[0] != '\0')
		text_puts(&t, ui->message);
	else
		put_hints(&t, ui, s);
	view_add(v, STYLE_DIM, width, text_string(&t));
	text_free(&t);
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
		if (m->pid != ui->pid) {
			memset(ui->followed, 0, sizeof(ui->followed));
			memset(ui->moved, 0, sizeof(ui->moved));
			ui->pid = m->pid;
		}
		if (is_alone(ui, m)) {
			view_title(v, m, width);
			add_tabs(v, ui, s, width);
			add_task_alone(ui, v, m, width, height - 1 - (int)v->count);
		} else {
			view_summary(v, m, width);
			if (ui_table(ui) != TABLE_warnings)
				add_worst_warning(v, m, width, table_of(ui_table(ui))->details == NULL);
			add_rejected(v, s, width);
			add_workers(ui, v, m, width, height);
			add_tabs(v, ui, s, width);
			add_view(ui, v, m, width, height - 1 - (int)v->count);
		}
	}
	truncate_to(v, height - 1);
	add_bottom(v, ui, s, width, height);
}
