/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Functions for all tables: finding columns, cells, orders and sorting. */
#include "view/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

const struct column *table_column(const struct table *t, const char *key)
{
	for (unsigned i = 0; i < t->record.count; i++)
		if (t->record.columns[i].key != NULL && strcmp(t->record.columns[i].key, key) == 0)
			return &t->record.columns[i];
	return NULL;
}

unsigned table_shown(const struct table *t, const struct column *shown[COLUMNS_MAX])
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->record.count; i++) {
		if (t->record.columns[i].key == NULL)
			continue;
		shown[t->record.columns[i].place - 1] = &t->record.columns[i];
		n++;
	}
	return n;
}

static void put_duration(struct text *out, int64_t ns)
{
	char time[TEXT_SHORT];
	text_puts(out, text_duration(time, ns));
}

static void put_natural(struct text *out, enum format format, uint64_t n)
{
	char figure[TEXT_SHORT];
	switch (format) {
	case FORMAT_PLAIN:
		text_uint(out, n);
		break;
	case FORMAT_COUNT:
		text_puts(out, text_count(figure, n));
		break;
	case FORMAT_DURATION:
		put_duration(out, (int64_t)n);
		break;
	case FORMAT_SIZE:
		text_puts(out, text_size(figure, n));
		break;
	}
}

static void put_integer(struct text *out, enum format format, int64_t n)
{
	if (format == FORMAT_DURATION)
		put_duration(out, n);
	else if (n < 0)
		text_int(out, n);
	else
		put_natural(out, format, (uint64_t)n);
}

void column_put(struct text *out, const struct column *c, const struct model *m, const void *row)
{
	struct value v;
	if (c->cell != NULL) {
		c->cell(out, m, row);
		return;
	}
	c->value(&v, m, row);
	if (v.type == VALUE_UINT)
		put_natural(out, c->format, v.natural);
	else if (v.type == VALUE_INT)
		put_integer(out, c->format, v.integer);
	else if (v.type == VALUE_STRING)
		text_puts(out, v.string);
	else
		text_puts(out, c->null != NULL ? c->null : "-");
}

struct order table_order(const struct table *t, const char *key)
{
	struct order o = { 0 };
	if (key == NULL)
		key = t->sort;
	o.reverse = key[0] == '-';
	o.column = table_column(t, key + o.reverse);
	if (o.column != NULL && o.column->compare == NULL)
		o.column = NULL;
	return o;
}

int order_compare(const struct order *o, const struct model *m, const void *a, const void *b)
{
	int c = o->column->compare(m, a, b);
	return o->column->down != o->reverse ? -c : c;
}

struct sorting {
	const struct order *order;
	const struct model *model;
};

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct sorting *s = context;
	const void *x = *(const void *const *)a, *y = *(const void *const *)b;
	int c = order_compare(s->order, s->model, x, y);
	/* Equal rows stay as the model has them: they lie in one array. */
	return c ? c : ((const char *)x > (const char *)y) - ((const char *)x < (const char *)y);
}

const void **table_sorted(const struct table *t, const struct order *o, const struct model *m, uint32_t *count)
{
	struct sorting sorting = { o, m };
	const char *rows = t->rows(m, count);
	const void **sorted = xcalloc(*count, sizeof(*sorted));
	for (uint32_t i = 0; i < *count; i++)
		sorted[i] = rows + i * t->row_size;
	if (o->column != NULL)
		qsort_r(sorted, *count, sizeof(*sorted), compare_rows, &sorting);
	return sorted;
}
