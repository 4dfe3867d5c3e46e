/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What blocks no thread and yet keeps tasks from going on. */
#include <inttypes.h>
#include <stdlib.h>

#include "model/warning.h"
#include "view/site.h"
#include "view/view.h"
#include "view/views.h"

/* ---- links ---- */

static const struct model_link *link_of(const void *row)
{
	return row;
}

static bool link_waits(const void *row)
{
	return link_of(row)->state == SLEY_TASK_WAITING;
}

static void link_task(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (link_of(row)->task == 0)
		value_null(out);
	else
		value_uint(out, link_of(row)->task);
}

static void link_thread(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, link_of(row)->thread ? (int64_t)link_of(row)->thread : -1);
}

static void link_name(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, link_of(row)->name);
}

static void link_state(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, task_state_text(link_of(row)->state));
}

static void link_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, link_of(row)->state == SLEY_TASK_FREE ? NO_SITE : link_of(row)->site);
}

static void link_kind(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, link_waits(row) ? wait_kind_text(link_of(row)->wait_kind) : NULL);
}

static void link_object(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_object(out, link_waits(row) ? link_of(row)->wait_kind : SLEY_WAIT_NONE, link_of(row)->wait_object);
}

static void link_place(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_row(out, &link_of(row)->place);
}

static void link_time(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, link_of(row)->in_state_ns);
}

static void link_at_least(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_bool(out, link_of(row)->at_least);
}

static const struct group link_wait = { "wait", NULL };

static const struct column link_columns[] = {
	{ .name = "task",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = link_task,
	  .help = "its id; of a thread: the one that locks know" },
	{ .name = "thread",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = link_thread,
	  .help = "the holder's of a pthread_lock, and the first waiter's" },
	{ .name = "name", .type = VALUE_STRING, .optional = true, .value = link_name, .help = "of the task" },
	{ .name = "state", .type = VALUE_STRING, .value = link_state, .help = "of the task; free: it has ended" },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = link_site,
	  .record = &record_site,
	  .help = "where it was spawned" },
	{ .name = "kind",
	  .group = &link_wait,
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = link_kind,
	  .help = "the sley call that it waits in" },
	{ .name = "object",
	  .group = &link_wait,
	  .type = VALUE_ANY,
	  .optional = true,
	  .value = link_object,
	  .help = "what for" },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = link_place,
	  .record = &record_place,
	  .help = "the line that calls it" },
	{ .name = "in_state_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = link_time,
	  .help = "how long it has been in its state" },
	{ .name = "at_least", .type = VALUE_BOOL, .value = link_at_least, .help = "it may be longer" },
};

static const struct record record_link = RECORD(link_columns);

/* ---- values ---- */

static const struct model_warning *warning(const void *row)
{
	return row;
}

/* The task that is to blame, if one is known: the one that the first of the others waits for. */
static const struct model_link *culprit(const void *row)
{
	const struct model_warning *w = warning(row);
	return w->kind == WARNING_NOT_YIELDING ? w->links : w->link_count > 1 ? &w->links[1] : NULL;
}

static void warning_kind(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, warning_text(warning(row)->kind));
}

static void warning_wait_kind(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, wait_kind_text(warning(row)->wait_kind));
}

static void warning_object(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_object(out, warning(row)->kind == WARNING_GROWTH ? SLEY_WAIT_NONE : warning(row)->wait_kind,
		     warning(row)->object);
}

static void warning_tasks(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, warning(row)->tasks);
}

static void warning_longest(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, warning(row)->longest_ns);
}

static void warning_sum(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, warning(row)->sum_ns);
}

static void warning_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, warning(row)->site ? warning(row)->site : NO_SITE);
}

static void warning_place(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_row(out, &warning(row)->place);
}

static void warning_links(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_list(out, warning(row)->links, sizeof(struct model_link), warning(row)->link_count);
}

static void warning_verdict(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, warning(row)->text ? warning(row)->text : "");
}

/* ---- cells ---- */

static void cell_culprit(struct text *out, const struct model *m, const void *row)
{
	const struct model_link *l = culprit(row);
	if (l == NULL && warning(row)->site != 0)
		text_puts(out, model_site(m, warning(row)->site)->entry);
	else if (l == NULL)
		text_puts(out, "?");
	else if (l->task == 0)
		text_printf(out, "thread %u", l->thread);
	else
		text_printf(out, "%" PRIu64 " %s", l->task, l->name);
}

static void cell_culprit_does(struct text *out, const struct model *m, const void *row)
{
	char name[SYSCALL_NAME_MAX];
	const struct model_link *l = culprit(row);
	(void)m;
	if (l == NULL)
		text_puts(out, warning(row)->place.text[0] ? warning(row)->place.text : "-");
	else if (l->task == 0 && l->syscall >= 0)
		text_printf(out, "%s in %s", syscall_name(l->syscall, name), l->place.text[0] ? l->place.text : "?");
	else if (l->state != SLEY_TASK_WAITING)
		text_puts(out, l->task == 0 ? "-" : l->state == SLEY_TASK_FREE ? "ended" : task_state_text(l->state));
	else if (l->place.text[0] != '\0')
		text_printf(out, "%s in %s", wait_kind_text(l->wait_kind), l->place.text);
	else
		text_puts(out, wait_kind_text(l->wait_kind));
}

/* ---- orders ---- */

static int compare_warning_kind(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return warning_compare(a, b);
}

static int compare_warning_tasks(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(warning(a)->tasks, warning(b)->tasks);
}

static int compare_warning_longest(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(warning(a)->longest_ns, warning(b)->longest_ns);
}

static int compare_warning_sum(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(warning(a)->sum_ns, warning(b)->sum_ns);
}

/* ---- the sentences ---- */

static void add_sentences(struct view *v, const struct model *m, const struct order *o, int width, uint32_t first,
			  uint32_t limit)
{
	struct text t = { 0 };
	uint32_t count;
	const void **rows = table_sorted(&table_warnings, o, m, &count);
	for (uint32_t i = first; i < count && i - first < limit; i++) {
		text_clear(&t);
		text_printf(&t, "%3u. %s", i + 1, warning(rows[i])->text ? warning(rows[i])->text : "");
		view_wrap(v, STYLE_ALERT, width, 5, t.data);
	}
	text_free(&t);
	free(rows);
}

/* ---- the table ---- */

static uint64_t warning_identity(const void *row)
{
	const struct model_warning *w = warning(row);
	return (uint64_t)w->kind << 56 ^ w->object ^ w->pc << 8 ^ w->site ^
	       (w->link_count == 1 ? w->links[0].task << 4 : 0);
}

/* The one to look at: the culprit, if it is a task, or else the first that waits. */
static uint64_t warning_task(const void *row)
{
	const struct model_link *l = culprit(row);
	if (l != NULL && (l->task & SLEY_TASK_INDEX_MASK) != 0 && l->state != SLEY_TASK_FREE)
		return l->task;
	return warning(row)->link_count > 0 ? warning(row)->links[0].task : 0;
}

static const void *warning_rows(const struct model *m, uint32_t *count)
{
	*count = m->warning_count;
	return m->warnings;
}

static enum style warning_style(const struct model *m, const void *row)
{
	(void)m;
	(void)row;
	return STYLE_ALERT;
}

static bool warnings_told(const struct model *m)
{
	return m->warning_count > 0;
}

static const struct group waits_in = { "wait", NULL };

static const struct column warning_columns[] = {
	{ .name = "warning",
	  .type = VALUE_STRING,
	  .value = warning_kind,
	  .key = "warning",
	  .place = 1,
	  .title = "WARNING",
	  .help = "deadlock, lock, pthread_lock, channel, queue, not_yielding, self_wake, growth",
	  .min = 8,
	  .max = 12,
	  .compare = compare_warning_kind },
	{ .name = "kind",
	  .group = &waits_in,
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = warning_wait_kind,
	  .key = "wait",
	  .place = 5,
	  .title = "IN",
	  .help = "the sley call that they wait in",
	  .min = 6,
	  .max = 9 },
	{ .name = "object",
	  .group = &waits_in,
	  .type = VALUE_ANY,
	  .optional = true,
	  .value = warning_object,
	  .key = "object",
	  .place = 8,
	  .title = "FOR",
	  .help = "the lock, channel or task",
	  .min = 8,
	  .max = 20 },
	{ .name = "tasks",
	  .type = VALUE_UINT,
	  .value = warning_tasks,
	  .key = "tasks",
	  .place = 2,
	  .title = "TASKS",
	  .help = "tasks that wait",
	  .min = 5,
	  .max = 6,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_warning_tasks },
	{ .name = "longest_ns",
	  .type = VALUE_INT,
	  .value = warning_longest,
	  .key = "longest",
	  .place = 3,
	  .title = "LONGEST",
	  .help = "how long the first of them has waited, at least",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION,
	  .compare = compare_warning_longest },
	{ .name = "waited_ns",
	  .type = VALUE_INT,
	  .value = warning_sum,
	  .key = "waited",
	  .place = 4,
	  .title = "WAITED",
	  .help = "all of them together",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION,
	  .compare = compare_warning_sum },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = warning_site,
	  .record = &record_site,
	  .help = "where the tasks of a self_wake or growth were spawned" },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = warning_place,
	  .record = &record_place,
	  .help = "the line where they yield or wait" },
	{ .name = "links",
	  .type = VALUE_LIST,
	  .value = warning_links,
	  .record = &record_link,
	  .help = "the first task, the one that has what it waits for, and so on" },
	{ .name = "verdict", .type = VALUE_STRING, .value = warning_verdict, .help = "what to make of it" },
	{ .key = "culprit",
	  .place = 6,
	  .title = "CULPRIT",
	  .help = "the task that they wait for",
	  .min = 10,
	  .max = 28,
	  .cell = cell_culprit },
	{ .key = "does",
	  .place = 7,
	  .title = "WHICH IS",
	  .help = "what that one does now",
	  .min = 8,
	  .max = 50,
	  .align = TEXT_LEFT,
	  .cell = cell_culprit_does },
};

const struct table table_warnings = {
	.key = "warnings",
	.title = "what blocks no thread and yet stops tasks",
	.none = "nothing to warn of",
	.record = RECORD(warning_columns),
	.row_size = sizeof(struct model_warning),
	.sort = "warning",
	.rows = warning_rows,
	.task = warning_task,
	.identity = warning_identity,
	.style = warning_style,
	.told = warnings_told,
	.details = add_sentences,
	.details_title = "warnings",
};
