/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The list of tables. */
#include "view/views.h"

static const struct {
	const struct table *table;
	unsigned tab, told;
} views[TABLES] = {
#define VIEW_ROW(name, tab, told) [TABLE_##name] = { &table_##name, tab, told },
	VIEWS(VIEW_ROW)
#undef VIEW_ROW
};

const struct table *table_of(enum table_id id)
{
	return views[id].table;
}

enum table_id table_id(const struct table *t)
{
	enum table_id id = 0;
	while (views[id].table != t)
		id++;
	return id;
}

unsigned views_count(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TABLES; i++)
		n += views[i].tab != 0;
	return n;
}

enum table_id view_of_tab(unsigned tab)
{
	enum table_id id = 0;
	while (views[id].tab != tab + 1)
		id++;
	return id;
}

enum table_id view_told(unsigned place)
{
	enum table_id id = 0;
	while (views[id].told != place + 1)
		id++;
	return id;
}
