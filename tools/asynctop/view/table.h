/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tables: what a view shows is a list of columns, each with its key, its cell and its order. Options (-s, -F), the
 * screen, batch text and the help are all made from the same lists. Pure.
 */
#ifndef ASYNCTOP_TABLE_H
#define ASYNCTOP_TABLE_H

#include "common/text.h"
#include "model/model.h"

enum style { STYLE_NORMAL, STYLE_TITLE, STYLE_HEAD, STYLE_DIM, STYLE_GOOD, STYLE_BUSY, STYLE_ALERT, STYLES };

struct column {
	const char *key; /* for -s, -F and the screen's prompts */
	const char *title;
	const char *help;
	int min, max; /* width */
	enum text_align align;
	bool down; /* the biggest first, unless reversed */
	void (*cell)(struct text *out, const struct model *m, const void *row);
	int (*compare)(const struct model *m, const void *a, const void *b); /* NULL: cannot be sorted by */
	int (*domain)(
		const void *row); /* rows with equal numbers < COLUMN_DOMAIN have equal cells; NULL: each its own */
};

#define COLUMN_DOMAIN SLEY_REGION_SITES
#define COLUMNS_MAX   16

enum table_id { TABLE_TASKS, TABLE_WORKERS, TABLE_BLOCKERS, TABLE_YIELDS, TABLE_SWITCHES, TABLE_EVENTS, TABLES };

struct table {
	const char *key, *title;
	const char *none; /* what to say when there are no rows */
	const struct column *columns;
	unsigned count;
	size_t row_size;
	const char *sort; /* key of the default order */
	const void *(*rows)(const struct model *m, uint32_t *count);
	enum style (*style)(const struct model *m, const void *row);
};

extern const struct table table_tasks, table_workers, table_blockers, table_yields, table_switches, table_events;

const struct table *table_of(enum table_id id);

/* The column of that key, or NULL. */
const struct column *table_column(const struct table *t, const char *key);

/* An order: by a column, perhaps reversed. */
struct order {
	const struct column *column;
	bool reverse;
};

/* "time" or "-time", else NULL in .column. A null key is the table's default. */
struct order table_order(const struct table *t, const char *key);

/* <0: row a comes first. */
int order_compare(const struct order *o, const struct model *m, const void *a, const void *b);

/* All rows in order; the caller frees the array. */
const void **table_sorted(const struct table *t, const struct order *o, const struct model *m, uint32_t *count);

static inline int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static inline int compare_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

#endif
