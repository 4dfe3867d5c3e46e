/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model as plain text: the summary first, since it is what `head` shows, and the verdicts last, since they are what
 * stays on a terminal.
 */
#include "export/report.h"

#include <stdio.h>

#include "view/view.h"

#define EVENTS_MAX 10 /* single blocks only illustrate the totals */

static void add_table(struct view *v, const struct model *m, enum table_id id, const struct order orders[TABLES],
		      uint32_t limit)
{
	const struct table *t = table_of(id);
	uint32_t count;
	char line[128];
	t->rows(m, &count);
	view_add(v, STYLE_NORMAL, 0, "");
	if (id == TABLE_TASKS && m->tasks_matched > m->task_count)
		snprintf(line, sizeof(line), "%s (the first %u of %llu)", t->title, m->task_count,
			 (unsigned long long)m->tasks_matched);
	else if (count > limit)
		snprintf(line, sizeof(line), "%s (the first %u of %u)", t->title, limit, count);
	else
		snprintf(line, sizeof(line), "%s", t->title);
	view_add(v, STYLE_TITLE, 0, line);
	view_table(v, m, t, &orders[id], 0, 0, limit);
}

void report_text(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit)
{
	static const enum table_id always[] = { TABLE_WORKERS, TABLE_TASKS, TABLE_YIELDS };
	static const enum table_id traced[] = { TABLE_SWITCHES, TABLE_EVENTS, TABLE_BLOCKERS };
	struct view v = { 0 };
	view_summary(&v, m, 0);
	for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add_table(&v, m, always[i], orders, limit);
	for (unsigned i = 0; i < sizeof(traced) / sizeof(traced[0]); i++)
		if (m->tiers[TIER_BPF].active || (traced[i] == TABLE_BLOCKERS && m->blocker_count > 0))
			add_table(&v, m, traced[i], orders,
				  traced[i] == TABLE_EVENTS && limit > EVENTS_MAX ? EVENTS_MAX : limit);
	if (m->blocker_count > 0) {
		view_add(&v, STYLE_NORMAL, 0, "");
		view_add(&v, STYLE_TITLE, 0, "verdicts");
		view_verdicts(&v, m, &orders[TABLE_BLOCKERS], 0, 0, limit);
	}
	for (size_t i = 0; i < v.count; i++)
		text_printf(out, "%s\n", v.lines[i].text);
	text_puts(out, "\n");
	view_free(&v);
}
