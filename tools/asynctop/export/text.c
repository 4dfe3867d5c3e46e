/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model as plain text. The summary comes first, for `head`, and the verdicts last, because the end of a report stays
 * visible on a terminal.
 */
#include <inttypes.h>
#include <stdio.h>

#include "export/export.h"
#include "view/view.h"

/* "tasks", or "tasks (the first 10 of 200)". */
static void add_title(struct view *v, const struct model *m, const struct table *t, uint32_t limit)
{
	uint32_t shown;
	uint64_t total;
	char line[128];
	t->rows(m, &shown);
	total = t->total != NULL ? t->total(m) : shown;
	if (shown > limit)
		shown = limit;
	if (total > shown)
		snprintf(line, sizeof(line), "%s (the first %u of %" PRIu64 ")", t->title, shown, total);
	else
		snprintf(line, sizeof(line), "%s", t->title);
	view_add(v, STYLE_TITLE, 0, line);
}

static void add_table(struct view *v, const struct model *m, const struct table *t, const struct order *o,
		      uint32_t limit)
{
	if (t->told != NULL && !t->told(m))
		return;
	if (t->most != 0 && limit > t->most)
		limit = t->most;
	view_add(v, STYLE_NORMAL, 0, "");
	add_title(v, m, t, limit);
	view_table(v, m, t, o, 0, 0, limit);
}

static void add_details(struct view *v, const struct model *m, const struct table *t, const struct order *o,
			uint32_t limit)
{
	uint32_t count;
	t->rows(m, &count);
	if (t->details == NULL || count == 0)
		return;
	view_add(v, STYLE_NORMAL, 0, "");
	view_add(v, STYLE_TITLE, 0, t->details_title);
	t->details(v, m, o, 0, 0, limit);
}

static void write_text(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit)
{
	struct view v = { 0 };
	view_summary(&v, m, 0);
	for (unsigned i = 0; i < TABLES; i++)
		add_table(&v, m, table_of(view_told(i)), &orders[view_told(i)], limit);
	for (unsigned i = 0; i < TABLES; i++)
		add_details(&v, m, table_of(view_told(i)), &orders[view_told(i)], limit);
	for (size_t i = 0; i < v.count; i++)
		text_printf(out, "%s\n", v.lines[i].text);
	text_puts(out, "\n");
	view_free(&v);
}

/* Its option is -b. */
const struct exporter exporter_text = { .name = "text", .write = write_text };
