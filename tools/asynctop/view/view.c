/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* From tables and sentences to lines. */
#include "view/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "model/verdict.h"

#define GAP 2 /* blanks between columns */

void view_free(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->lines[i].text);
	free(v->lines);
	*v = (struct view){ 0 };
}

/* Takes the text over. Blanks at its end are of no use. */
static struct view_line *add_line(struct view *v, enum style style, struct text *t)
{
	struct view_line *line;
	while (t->length > 0 && t->data[t->length - 1] == ' ')
		t->data[--t->length] = '\0';
	v->lines = xgrow(v->lines, v->count, &v->room, sizeof(*v->lines));
	line = &v->lines[v->count++];
	*line = (struct view_line){ .text = t->data ? t->data : xstrdup(""), .style = style, .row = -1 };
	*t = (struct text){ 0 };
	return line;
}

void view_add(struct view *v, enum style style, int width, const char *text)
{
	struct text t = { 0 };
	if (width > 0)
		text_cell(&t, text, width, TEXT_LEFT);
	else
		text_clean(&t, text);
	add_line(v, style, &t);
}

/* How many bytes of `s` fit into `width` columns, cut at a blank if there is one. At least one. */
static size_t fitting(const char *s, int width)
{
	size_t blank = 0, n;
	for (n = 0; s[n] != '\0' && (int)n < width; n++)
		if (s[n] == ' ')
			blank = n;
	if (s[n] == '\0' || s[n] == ' ')
		return n;
	if (blank > 0)
		return blank;
	while (n > 1 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Counts bytes as columns: a line with other than ASCII is broken a little early, never late. */
void view_wrap(struct view *v, enum style style, int width, int indent, const char *text)
{
	struct text clean = { 0 };
	const char *at;
	bool first = true;
	text_clean(&clean, text);
	at = text_string(&clean);
	do {
		int room = width <= 0 ? INT32_MAX : first ? width : width - indent;
		size_t n = fitting(at, room > 8 ? room : 8);
		struct text line = { 0 };
		if (!first)
			text_spaces(&line, indent);
		text_put(&line, at, n);
		add_line(v, style, &line);
		at += n;
		at += strspn(at, " ");
		first = false;
	} while (*at);
	text_free(&clean);
}

/* ---- summary ---- */

static void put_states(struct text *t, const struct model *m)
{
	static const unsigned order[] = {
		SLEY_TASK_RUNNING, SLEY_TASK_READY, SLEY_TASK_SLOT, SLEY_TASK_WAITING, SLEY_TASK_ENDED,
	};
	text_printf(t, "%" PRIu64 " tasks:", m->tasks_total);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (m->states[order[i]] > 0 || order[i] <= SLEY_TASK_WAITING)
			text_printf(t, " %" PRIu64 " %s", m->states[order[i]], task_state_text(order[i]));
	if (m->tasks_matched != m->tasks_total)
		text_printf(t, "; %" PRIu64 " match the filter", m->tasks_matched);
	if (m->invalid > 0)
		text_printf(t, "; %" PRIu64 " records are not valid", m->invalid);
}

static const struct model_blocker *worst(const struct model *m)
{
	const struct order order = table_order(&table_blockers, NULL);
	const struct model_blocker *found = NULL;
	for (uint32_t i = 0; i < m->blocker_count; i++)
		if (found == NULL || order_compare(&order, m, &m->blockers[i], found) < 0)
			found = &m->blockers[i];
	return found;
}

static void put_worst(struct text *t, const struct model *m)
{
	const struct model_blocker *b = worst(m);
	char name[SYSCALL_NAME_MAX], max[TEXT_SHORT], delay[TEXT_SHORT], watched[TEXT_SHORT];
	if (!m->tiers[TIER_BPF].active && b == NULL)
		return;
	text_duration(watched, m->watched_ns);
	if (b == NULL) {
		text_printf(t, "in %s no task blocked its thread", watched);
		return;
	}
	text_printf(t, "in %s %u kind%s of blocking call, worst: %s", watched, m->blocker_count,
		    m->blocker_count == 1 ? "" : "s", syscall_name(b->syscall, name));
	if (b->longest.place.text[0] != '\0')
		text_printf(t, " in %s", b->longest.place.text);
	text_printf(t, ", up to %s", text_duration(max, blocker_max_ns(b)));
	if (blocker_delayed_ns(b) > 0)
		text_printf(t, ", delayed ready tasks by %s", text_duration(delay, blocker_delayed_ns(b)));
}

static uint64_t drop_sum(const struct trace_drops *d)
{
	uint64_t sum = 0;
#define ADD_DROP(name, help) sum += d->name;
	TRACE_DROPS(ADD_DROP)
#undef ADD_DROP
	return sum;
}

static void add_drops(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	if (drop_sum(&m->drops) == 0)
		return;
	text_puts(&t, "lost:");
#define PUT_DROP(name, help) \
	if (m->drops.name > 0) \
		text_printf(&t, " %" PRIu64 " %s;", m->drops.name, help);
	TRACE_DROPS(PUT_DROP)
#undef PUT_DROP
	view_add(v, STYLE_ALERT, width, t.data);
	text_free(&t);
}

static void add_tiers(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	for (unsigned i = 0; i < TIERS; i++) {
		if (m->tiers[i].active || m->tiers[i].why[0] == '\0')
			continue;
		text_clear(&t);
		text_printf(&t, "%s: %s", m->tiers[i].name, m->tiers[i].why);
		view_add(v, STYLE_BUSY, width, t.data);
	}
	text_free(&t);
}

void view_summary(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	uint32_t threads = 0;
	for (uint32_t i = 0; i < m->worker_count; i++)
		threads += m->workers[i].line.mode != SLEY_WORKER_GONE;
	text_printf(&t, "%s, process %d%s: %u worker%s, ", m->service[0] ? m->service : "?", (int)m->pid,
		    m->gone      ? " (ended)"
		    : m->running ? ""
				 : " (sley does not run)",
		    threads, threads == 1 ? "" : "s");
	put_states(&t, m);
	view_add(v, STYLE_TITLE, width, t.data);
	text_clear(&t);
	put_worst(&t, m);
	if (t.length > 0)
		view_add(v, m->blocker_count > 0 ? STYLE_ALERT : STYLE_NORMAL, width, t.data);
	text_free(&t);
	add_tiers(v, m, width);
	add_drops(v, m, width);
}

/* ---- tables ---- */

struct cells {
	struct text *at; /* rows * columns */
	uint32_t rows;
	int width[COLUMNS_MAX];
};

static struct text *cell_at(struct cells *c, const struct table *t, uint32_t row, unsigned column)
{
	return &c->at[(size_t)row * t->count + column];
}

static int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

static void fill_cells(struct cells *c, const struct model *m, const struct table *t, const void *const *rows)
{
	c->at = xcalloc((size_t)c->rows * t->count, sizeof(*c->at));
	for (unsigned k = 0; k < t->count; k++)
		c->width[k] = (int)strlen(t->columns[k].title);
	for (uint32_t i = 0; i < c->rows; i++) {
		for (unsigned k = 0; k < t->count; k++) {
			struct text *cell = cell_at(c, t, i, k);
			int width;
			t->columns[k].cell(cell, m, rows[i]);
			width = text_width(text_string(cell));
			if (width > c->width[k])
				c->width[k] = width;
		}
	}
	for (unsigned k = 0; k < t->count; k++)
		c->width[k] = clamp(c->width[k], t->columns[k].min, t->columns[k].max);
}

/*
 * Makes the columns fit: the widest that is above its minimum gives a column, again and again; then columns at the
 * right are left out. `width` 0: nothing to do.
 */
static unsigned fit_columns(struct cells *c, const struct table *t, int width)
{
	unsigned shown = t->count;
	int sum = -GAP;
	for (unsigned k = 0; k < t->count; k++)
		sum += c->width[k] + GAP;
	while (width > 0 && sum > width) {
		int widest = -1;
		for (unsigned k = 0; k < shown; k++)
			if (c->width[k] > t->columns[k].min && (widest < 0 || c->width[k] > c->width[widest]))
				widest = (int)k;
		if (widest >= 0) {
			c->width[widest]--;
			sum--;
		} else if (shown > 1) {
			sum -= c->width[--shown] + GAP;
		} else {
			break;
		}
	}
	return shown;
}

static void add_head(struct view *v, const struct table *t, const struct cells *c, unsigned shown,
		     const struct order *o)
{
	struct text line = { 0 };
	for (unsigned k = 0; k < shown; k++) {
		const struct column *column = &t->columns[k];
		char title[32];
		/* Where there is room for it, a mark says by what the rows are ordered. */
		snprintf(title, sizeof(title), "%s%s", column->title,
			 o->column == column && (int)strlen(column->title) < c->width[k]
				 ? (column->down != o->reverse ? "v" : "^")
				 : "");
		text_spaces(&line, k ? GAP : 0);
		text_cell(&line, title, c->width[k], column->align == TEXT_RIGHT ? TEXT_RIGHT : TEXT_LEFT);
	}
	add_line(v, STYLE_HEAD, &line);
}

static void add_row(struct view *v, const struct table *t, struct cells *c, unsigned shown, uint32_t i,
		    enum style style)
{
	struct text line = { 0 };
	for (unsigned k = 0; k < shown; k++) {
		text_spaces(&line, k ? GAP : 0);
		text_cell(&line, text_string(cell_at(c, t, i, k)), c->width[k], t->columns[k].align);
	}
	add_line(v, style, &line);
}

static void free_cells(struct cells *c, const struct table *t)
{
	for (size_t i = 0; i < (size_t)c->rows * t->count; i++)
		text_free(&c->at[i]);
	free(c->at);
}

uint32_t view_table(struct view *v, const struct model *m, const struct table *t, const struct order *o, int width,
		    uint32_t first, uint32_t limit)
{
	struct cells cells = { 0 };
	uint32_t count;
	const void **rows = table_sorted(t, o, m, &count);
	unsigned shown;
	if (first > count)
		first = count;
	cells.rows = count - first < limit ? count - first : limit;
	fill_cells(&cells, m, t, rows + first);
	shown = fit_columns(&cells, t, width);
	if (count == 0)
		view_add(v, STYLE_DIM, width, t->none);
	else
		add_head(v, t, &cells, shown, o);
	for (uint32_t i = 0; i < cells.rows; i++) {
		add_row(v, t, &cells, shown, i, t->style(m, rows[first + i]));
		v->lines[v->count - 1].row = (int)(first + i);
	}
	free_cells(&cells, t);
	free(rows);
	return count;
}

/* ---- verdicts ---- */

static void add_stack(struct view *v, const struct model_block *b, int width)
{
	struct text t = { 0 };
	for (unsigned i = 0; i < b->frames; i++) {
		text_clear(&t);
		text_printf(&t, "      #%u %s", i, b->stack[i].text);
		view_add(v, STYLE_DIM, width, t.data);
	}
	text_free(&t);
}

void view_verdicts(struct view *v, const struct model *m, const struct order *o, int width, uint32_t first,
		   uint32_t limit)
{
	struct text t = { 0 };
	uint32_t count;
	const void **rows = table_sorted(&table_blockers, o, m, &count);
	for (uint32_t i = first; i < count && i - first < limit; i++) {
		const struct model_blocker *b = rows[i];
		text_clear(&t);
		text_printf(&t, "%3u. %s", i + 1, b->verdict ? b->verdict : "");
		view_wrap(v, b->in_progress ? STYLE_ALERT : STYLE_NORMAL, width, 5, t.data);
		add_stack(v, &b->longest, width);
	}
	text_free(&t);
	free(rows);
}
