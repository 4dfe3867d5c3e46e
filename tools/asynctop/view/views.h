/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The list of tables. A new table is a file of its own, which defines table_NAME, and a line here.
 */
#ifndef ASYNCTOP_VIEWS_H
#define ASYNCTOP_VIEWS_H

#include "view/table.h"

/*
 * VIEWS(X): X(name, tab, told), in the order of JSON. `tab`: the place among the views of the screen, from 1; 0: it is
 * none. `told`: the place in a text report, from 1.
 */
#define VIEWS(X) \
	X(workers, 2, 1) \
	X(tasks, 1, 2) \
	X(switches, 0, 4) \
	X(yields, 4, 3) \
	X(blockers, 3, 8) \
	X(events, 5, 7) \
	X(sites, 6, 5) \
	X(warnings, 7, 9) \
	X(stacks, 8, 6)

enum table_id {
#define VIEW_ID(name, tab, told) TABLE_##name,
	VIEWS(VIEW_ID)
#undef VIEW_ID
		TABLES,
};

#define VIEW_TABLE(name, tab, told) extern const struct table table_##name;
VIEWS(VIEW_TABLE)
#undef VIEW_TABLE

const struct table *table_of(enum table_id id);
enum table_id table_id(const struct table *t);

/* How many views the screen has, and their tables by tab, from 0. */
unsigned views_count(void);
enum table_id view_of_tab(unsigned number);

/* The tables of a text report, from 0 to TABLES - 1. */
enum table_id view_told(unsigned place);

/* The values of the process that are told before the tables, and after them. Their row is the model itself. */
extern const struct record record_head, record_tail;

#endif
