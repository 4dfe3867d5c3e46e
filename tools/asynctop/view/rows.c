/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* From a table to lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "view/view.h"

#define GAP 2 /* blanks between columns */

struct cells {
	const struct column *columns[COLUMNS_MAX];
	unsigned count; /* of columns */
	uint32_t rows;
	struct text *at; /* rows * columns */
	int width[COLUMNS_MAX];
};

static struct text *cell_at(struct cells *c, uint32_t row, unsigned column)
{
	return &c->at[(size_t)row * c->count + column];
}

static int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

static void fill_cells(struct cells *c, const struct model *m, const void *const *rows)
{
	c->at = xcalloc((size_t)c->rows * c->count, sizeof(*c->at));
	for (unsigned k = 0; k < c->count; k++)
		c->width[k] = (int)strlen(c->columns[k]->title);
	for (uint32_t i = 0; i < c->rows; i++) {
		for (unsigned k = 0; k < c->count; k++) {
			struct text *cell = cell_at(c, i, k);
			int width;
			column_put(cell, c->columns[k], m, rows[i]);
			width = text_width(text_string(cell));
			if (width > c->width[k])
				c->width[k] = width;
		}
	}
	for (unsigned k = 0; k < c->count; k++)
		c->width[k] = clamp(c->width[k], c->columns[k]->min, c->columns[k]->max);
}

static int least_width(const struct cells *c, unsigned k)
{
	return c->columns[k]->whole ? c->width[k] : c->columns[k]->min;
}

/*
 * Makes the columns fit: those at the right are left out for which there is no room if all are as narrow as they may be;
 * then the widest that is above its minimum gives a column, again and again. `width` 0: nothing to do.
 */
static unsigned fit_columns(struct cells *c, int width)
{
	unsigned shown = 0;
	int least = -GAP, sum = -GAP, widest;
	if (width <= 0)
		return c->count;
	while (shown < c->count && (shown == 0 || least + GAP + least_width(c, shown) <= width)) {
		least += GAP + least_width(c, shown);
		sum += GAP + c->width[shown++];
	}
	while (sum > width) {
		widest = -1;
		for (unsigned k = 0; k < shown; k++)
			if (c->width[k] > least_width(c, k) && (widest < 0 || c->width[k] > c->width[widest]))
				widest = (int)k;
		if (widest < 0)
			break; /* one column is left, which is wider than all there is */
		c->width[widest]--;
		sum--;
	}
	if (sum > width)
		c->width[0] = width;
	return shown;
}

static void add_head(struct view *v, const struct cells *c, unsigned shown, const struct order *o)
{
	struct text line = { 0 };
	for (unsigned k = 0; k < shown; k++) {
		const struct column *column = c->columns[k];
		char title[32];
		/* Where there is room for it, a mark shows the column that orders the rows. */
		snprintf(title, sizeof(title), "%s%s", column->title,
			 o->column == column && (int)strlen(column->title) < c->width[k]
				 ? (column->down != o->reverse ? "v" : "^")
				 : "");
		text_spaces(&line, k ? GAP : 0);
		text_cell(&line, title, c->width[k], column->align == TEXT_RIGHT ? TEXT_RIGHT : TEXT_LEFT);
	}
	view_take(v, STYLE_HEAD, &line);
}

static void add_row(struct view *v, struct cells *c, unsigned shown, uint32_t i, enum style style)
{
	struct text line = { 0 };
	for (unsigned k = 0; k < shown; k++) {
		text_spaces(&line, k ? GAP : 0);
		text_cell(&line, text_string(cell_at(c, i, k)), c->width[k], c->columns[k]->align);
	}
	view_take(v, style, &line);
}

static void free_cells(struct cells *c)
{
	for (size_t i = 0; i < (size_t)c->rows * c->count; i++)
		text_free(&c->at[i]);
	free(c->at);
}

uint32_t view_table(struct view *v, const struct model *m, const struct table *t, const struct order *o, int width,
		    uint32_t first, uint32_t limit)
{
	struct cells cells = { .count = 0 };
	uint32_t count;
	const void **rows = table_sorted(t, o, m, &count);
	unsigned shown;
	if (first > count)
		first = count;
	cells.rows = count - first < limit ? count - first : limit;
	cells.count = table_shown(t, cells.columns);
	fill_cells(&cells, m, rows + first);
	shown = fit_columns(&cells, width);
	if (count == 0)
		view_add(v, STYLE_DIM, width, t->none);
	else
		add_head(v, &cells, shown, o);
	for (uint32_t i = 0; i < cells.rows; i++) {
		add_row(v, &cells, shown, i, t->style(m, rows[first + i]));
		v->lines[v->count - 1].row = (int)(first + i);
	}
	free_cells(&cells);
	free(rows);
	return count;
}
