/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What all tables share: finding columns, orders and sorting. */
#include "view/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

const struct table *table_of(enum table_id id)
{
	static const struct table *const tables[TABLES] = {
		[TABLE_TASKS] = &table_tasks,   [TABLE_WORKERS] = &table_workers,   [TABLE_BLOCKERS] = &table_blockers,
		[TABLE_YIELDS] = &table_yields, [TABLE_SWITCHES] = &table_switches, [TABLE_EVENTS] = &table_events,
	};
	return tables[id];
}

const struct column *table_column(const struct table *t, const char *key)
{
	for (unsigned i = 0; i < t->count; i++)
		if (strcmp(t->columns[i].key, key) == 0)
			return &t->columns[i];
	return NULL;
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
