/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* One task: what it is, its stack, and its history. */
#include <inttypes.h>
#include <stdio.h>

#include "view/site.h"
#include "view/view.h"
#include "view/views.h"

static void put_cell(struct text *out, const struct model *m, const char *key, const struct sley_region_task *t)
{
	column_put(out, table_column(&table_tasks, key), m, t);
}

/* task 7 "conn", spawned at httpd.c:120 by accept_loop, runs serve */
static void add_name(struct view *v, const struct model *m, const struct sley_region_task *t, int width)
{
	const struct region_site *site = model_site(m, t->site);
	char name[MODEL_NAME];
	struct text line = { 0 };
	model_task_name(m, t, name);
	text_printf(&line, "task %" PRIu64 " \"%s\", spawned at ", t->id, name);
	put_site(&line, m, t->site);
	text_printf(&line, " by %s, runs %s", site->function, site->entry);
	view_add(v, STYLE_TITLE, width, line.data);
	text_free(&line);
}

/* What it does, and for how long: first on the line, where a narrow screen has it. */
static void put_state(struct text *out, const struct model *m, const struct model_change *c, bool past)
{
	const struct sley_region_task *t = &c->record;
	text_puts(out, task_state_text(t->state));
	if (t->state != SLEY_TASK_WAITING)
		return;
	text_printf(out, " in %s", wait_kind_text(t->wait_kind));
	if (wait_object_type(t->wait_kind) == WAIT_OBJECT_deadline && past)
		return; /* it is over */
	if (wait_object_type(t->wait_kind) != WAIT_OBJECT_none) {
		text_puts(out, " ");
		put_cell(out, m, "object", t);
	}
}

/* Looks between ticks may have seen a change that is newer than the model. */
static int64_t since(const struct model *m, int64_t ns)
{
	return m->time_ns > ns ? m->time_ns - ns : 0;
}

static void add_state(struct view *v, const struct model *m, int width)
{
	const struct model_detail *d = m->detail;
	const struct model_change *c = &d->changes[0];
	struct text line = { 0 };
	char time[TEXT_SHORT];
	if (d->gone) {
		text_printf(&line, "it has ended, %s ago at most", text_duration(time, since(m, d->gone_ns)));
	} else {
		text_printf(&line, "%s%s ", c->told ? "" : ">", text_duration(time, since(m, c->at_ns)));
		put_state(&line, m, c, false);
		text_puts(&line, "; worker ");
		put_cell(&line, m, "worker", &c->record);
		text_puts(&line, "; live stack ");
		put_cell(&line, m, "stack", &c->record);
		text_puts(&line, ", deepest ");
		put_cell(&line, m, "deepest", &c->record);
		if (m->cpu_known)
			text_printf(&line, "; CPU %s", text_duration(time, model_cpu_of(m, d->task, NO_SITE)));
	}
	view_add(v, d->gone ? STYLE_DIM : STYLE_NORMAL, width, line.data);
	text_free(&line);
}

/* Whether the stack is that of the state that it is in now. */
static bool is_of_now(const struct model_detail *d)
{
	const struct sley_region_task *now = &d->changes[0].record, *then = &d->stack_of;
	return !d->gone && now->state == then->state && now->wait_pc == then->wait_pc &&
	       now->since_ns == then->since_ns;
}

static void add_frames(struct view *v, const struct model_detail *d, int width)
{
	if (d->gone && d->frame_count == 0)
		return;
	view_add(v, STYLE_TITLE, width,
		 d->frame_count == 0 || is_of_now(d) ? "its stack, innermost first"
						     : "its stack when it was read last, innermost first");
	if (d->frame_count > 0)
		view_stack(v, d->frames, d->frame_count, width);
	else
		view_add(v, STYLE_DIM, width, d->why != NULL ? d->why : "it is being read");
}

/* "  1.20s ago  for 300.0ms  waiting in recv 0x7f..  called in await at x.c:3" */
static void add_history_line(struct view *v, const struct model *m, unsigned i, int width)
{
	const struct model_change *c = &m->detail->changes[i];
	int64_t end = i > 0 ? c[-1].at_ns : m->detail->gone ? m->detail->gone_ns : m->time_ns;
	char ago[TEXT_SHORT], lasted[TEXT_SHORT], begin[64];
	struct text line = { 0 };
	text_duration(ago, since(m, c->at_ns));
	text_duration(lasted, end > c->at_ns ? end - c->at_ns : 0);
	snprintf(begin, sizeof(begin), "  %s%7s ago, for %7s  ", c->told ? " " : ">", ago, lasted);
	text_puts(&line, begin);
	put_state(&line, m, c, i > 0 || m->detail->gone);
	if (c->place.text[0] != '\0')
		text_printf(&line, ", called in %s", c->place.text);
	view_add(v, STYLE_NORMAL, width, line.data);
	text_free(&line);
}

void view_detail(struct view *v, const struct model *m, int width)
{
	const struct model_detail *d = m->detail;
	if (d == NULL || d->change_count == 0) {
		view_add(v, STYLE_DIM, width,
			 d != NULL && d->gone ? "there is no such task any more" : "looking at it");
		return;
	}
	add_name(v, m, &d->changes[0].record, width);
	add_state(v, m, width);
	add_frames(v, d, width);
	view_add(v, STYLE_TITLE, width, "its states since it was chosen, newest first, looked at every 50 ms");
	for (unsigned i = 0; i < d->change_count; i++)
		add_history_line(v, m, i, width);
}
