/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tables. A table is a list of columns. A column has a typed value with a name, for machines, and a cell with a title,
 * for persons. These lists are the only ones: the screen, text, JSON, the options -s and -F and the help are made from
 * them. Pure.
 */
#ifndef ASYNCTOP_TABLE_H
#define ASYNCTOP_TABLE_H

#include "common/text.h"
#include "model/model.h"
#include "view/value.h"

enum style { STYLE_NORMAL, STYLE_TITLE, STYLE_HEAD, STYLE_DIM, STYLE_GOOD, STYLE_BUSY, STYLE_ALERT, STYLES };

/* How a person reads a value. */
enum format { FORMAT_PLAIN, FORMAT_COUNT, FORMAT_DURATION /* ns */, FORMAT_SIZE /* bytes */ };

/* Values of columns that stand together become one object of that name; `there` is NULL if it is never null. */
struct group {
	const char *name;
	bool (*there)(const struct model *m, const void *row);
};

struct record;

/*
 * The columns of a record stand in the order of their values. One without a name has no value of its own, one without a
 * key has no cell.
 */
struct column {
	const char *name;
	const struct group *group;
	enum value_type type;
	bool optional; /* the value may be null */
	void (*value)(struct value *out, const struct model *m, const void *row);
	const struct record *record; /* of VALUE_RECORD and VALUE_LIST; NULL: a list of strings */

	const char *key; /* for -s, -F and the screen's prompts */
	unsigned place;  /* from the left, from 1 */
	const char *title;
	const char *help;
	int min, max; /* width */
	bool whole;   /* never narrower than what is in it */
	enum text_align align;
	bool down;                                                              /* the biggest first, unless reversed */
	enum format format;                                                     /* of the value */
	const char *null;                                                       /* how a person reads null; NULL: "-" */
	void (*cell)(struct text *out, const struct model *m, const void *row); /* NULL: the value, formatted */
	int (*compare)(const struct model *m, const void *a, const void *b);    /* NULL: cannot be sorted by */
	/* Rows with equal numbers < COLUMN_DOMAIN have equal cells; NULL: each its own. */
	int (*domain)(const void *row);
};

#define COLUMN_DOMAIN SLEY_REGION_SITES
#define COLUMNS_MAX   16 /* with cells */

struct record {
	const struct column *columns;
	unsigned count;
};

#define RECORD(columns) \
	{ \
		columns, sizeof(columns) / sizeof((columns)[0]) \
	}

struct view;
struct order;

struct table {
	const char *key, *title;
	const char *none; /* the line for a table without rows */
	struct record record;
	size_t row_size;
	const char *sort; /* key of the default order */
	const void *(*rows)(const struct model *m, uint32_t *count);
	enum style (*style)(const struct model *m, const void *row);

	/* The rest may be left out. */
	uint64_t (*identity)(const void *row);    /* equal for the same row of a later model; else it is the place */
	uint64_t (*task)(const void *row);        /* the id of the task that the row is about; 0: none */
	const struct record *totals;              /* values of the model that are told before the rows */
	uint64_t (*total)(const struct model *m); /* how many rows there are, of which these were kept */
	bool (*told)(const struct model *m);      /* whether a report has it */
	/* The rows [first, first + count) are those that this tick tells: JSON has only these. */
	uint32_t (*fresh)(const struct model *m, uint32_t *first);
	uint32_t most;             /* rows of it in a report */
	const struct table *below; /* on its page of the screen */
	/* Adds lines about the rows [first, first + limit). The screen shows those of the selected row. */
	void (*details)(struct view *v, const struct model *m, const struct order *o, int width, uint32_t first,
			uint32_t limit);
	const char *details_title;
};

/* The column of that key, or NULL. */
const struct column *table_column(const struct table *t, const char *key);

/* The columns with cells, from left to right: their number. */
unsigned table_shown(const struct table *t, const struct column *shown[COLUMNS_MAX]);

/* Appends the cell. */
void column_put(struct text *out, const struct column *c, const struct model *m, const void *row);

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
