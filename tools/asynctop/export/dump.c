/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The stacks of parked tasks as plain text: `asynctop dump`. */
#include <inttypes.h>

#include "export/export.h"
#include "view/view.h"

/* All of the parked tasks, or fewer: there were too many, or some have gone on meanwhile. */
static void add_counts(struct view *v, const struct model *m)
{
	struct text t = { 0 };
	if (m->stacks_read == m->stacks_parked)
		text_printf(&t, "%" PRIu64 " parked task%s, by %" PRIu32 " stack%s", m->stacks_parked,
			    m->stacks_parked == 1 ? "" : "s", m->stack_count, m->stack_count == 1 ? "" : "s");
	else
		text_printf(&t, "%" PRIu64 " of %" PRIu64 " parked tasks, by %" PRIu32 " stack%s", m->stacks_read,
			    m->stacks_parked, m->stack_count, m->stack_count == 1 ? "" : "s");
	view_add(v, STYLE_TITLE, 0, text_string(&t));
	text_free(&t);
}

static void write_dump(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit)
{
	struct view v = { 0 };
	(void)limit;
	view_title(&v, m, 0);
	view_tier(&v, m, TIER_SYMBOLS, 0);
	view_add(&v, STYLE_NORMAL, 0, "");
	add_counts(&v, m);
	table_stacks.details(&v, m, &orders[TABLE_stacks], 0, 0, UINT32_MAX);
	for (size_t i = 0; i < v.count; i++)
		text_printf(out, "%s\n", v.lines[i].text);
	view_free(&v);
}

const struct exporter exporter_dump = { .name = "dump", .write = write_dump };
