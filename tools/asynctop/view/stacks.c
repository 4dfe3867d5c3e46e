/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Parked tasks, by their stacks. */
#include <inttypes.h>
#include <stdlib.h>

#include "view/site.h"
#include "view/view.h"
#include "view/views.h"

static const struct model_stack *stack(const void *row)
{
	return row;
}

/* ---- values ---- */

static void stack_tasks(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, stack(row)->tasks);
}

static void stack_wait(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, wait_kind_text(stack(row)->longest.wait_kind));
}

static void stack_longest(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, stack(row)->at_least ? MODEL_UNKNOWN : stack(row)->longest_ns);
}

static void stack_first(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, stack(row)->longest.id);
}

static void stack_name(struct value *out, const struct model *m, const void *row)
{
	model_task_name(m, &stack(row)->longest, out->buffer);
	value_string(out, out->buffer);
}

static void stack_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, stack(row)->longest.site);
}

static void stack_place(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_row(out, &stack(row)->place);
}

static void stack_frames(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_list(out, stack(row)->frames, sizeof(stack(row)->frames[0]), stack(row)->frame_count);
}

/* ---- cells ---- */

static void cell_stack_place(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, stack(row)->place.text[0] ? stack(row)->place.text : "?");
}

static void cell_stack_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, stack(row)->longest.site);
}

/* ">1.2s" after `before`; nothing: it is not known. */
static void put_time(struct text *out, const struct model_stack *s, const char *before)
{
	char time[TEXT_SHORT];
	if (s->longest_ns != MODEL_UNKNOWN)
		text_printf(out, "%s%s%s", before, s->at_least ? ">" : "", text_duration(time, s->longest_ns));
}

static void cell_stack_longest(struct text *out, const struct model *m, const void *row)
{
	size_t before = out->length;
	(void)m;
	put_time(out, row, "");
	if (out->length == before)
		text_puts(out, "?");
}

/* ---- orders ---- */

static int compare_stack_tasks(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(stack(a)->tasks, stack(b)->tasks);
}

/* A time that is not known is longer than all that are. */
static int compare_stack_longest(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(stack(b)->longest.since_ns, stack(a)->longest.since_ns);
}

/* ---- the stacks themselves ---- */

static void add_some(struct view *v, const struct model_stack *s, int width)
{
	struct text t = { 0 };
	text_printf(&t, "      task%s", s->tasks == 1 ? "" : "s");
	for (unsigned i = 0; i < MODEL_STACK_TASKS && i < s->tasks; i++)
		text_printf(&t, " %" PRIu64, s->some[i]);
	if (s->tasks > MODEL_STACK_TASKS)
		text_printf(&t, " and %" PRIu64 " more", s->tasks - MODEL_STACK_TASKS);
	view_add(v, STYLE_NORMAL, width, t.data);
	text_free(&t);
}

static void add_stacks(struct view *v, const struct model *m, const struct order *o, int width, uint32_t first,
		       uint32_t limit)
{
	struct text t = { 0 };
	uint32_t count;
	const void **rows = table_sorted(&table_stacks, o, m, &count);
	for (uint32_t i = first; i < count && i - first < limit; i++) {
		const struct model_stack *s = rows[i];
		text_clear(&t);
		text_printf(&t, "%3u. %" PRIu64 " task%s in %s", i + 1, s->tasks, s->tasks == 1 ? "" : "s",
			    wait_kind_text(s->longest.wait_kind));
		put_time(&t, s, ", for up to ");
		text_puts(&t, ", spawned at ");
		put_site(&t, m, s->longest.site);
		view_add(v, STYLE_NORMAL, width, t.data);
		view_stack(v, s->frames, s->frame_count, width);
		add_some(v, s, width);
	}
	text_free(&t);
	free(rows);
}

/* ---- the table ---- */

static uint64_t stack_identity(const void *row)
{
	return stack(row)->longest.wait_pc ^ (uint64_t)stack(row)->longest.site << 48;
}

static uint64_t stack_task(const void *row)
{
	return stack(row)->longest.id;
}

static const void *stack_rows(const struct model *m, uint32_t *count)
{
	*count = m->stack_count;
	return m->stacks;
}

static enum style stack_style(const struct model *m, const void *row)
{
	(void)m;
	(void)row;
	return STYLE_NORMAL;
}

static bool stack_told(const struct model *m)
{
	return m->stacks_ns != 0;
}

static void stacks_parked(struct value *out, const struct model *m, const void *row)
{
	(void)row;
	value_uint(out, m->stacks_parked);
}

static void stacks_read(struct value *out, const struct model *m, const void *row)
{
	(void)row;
	value_uint(out, m->stacks_read);
}

static const struct column stack_totals_columns[] = {
	{ .name = "stacks_parked", .type = VALUE_UINT, .value = stacks_parked, .help = "parked tasks that match" },
	{ .name = "stacks_read", .type = VALUE_UINT, .value = stacks_read, .help = "of them: in the stacks" },
};

static const struct record stack_totals = RECORD(stack_totals_columns);

static const struct group longest_task = { "longest", NULL };

static const struct column stack_columns[] = {
	{ .name = "tasks",
	  .type = VALUE_UINT,
	  .value = stack_tasks,
	  .key = "tasks",
	  .place = 1,
	  .title = "TASKS",
	  .help = "parked tasks with this stack",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_stack_tasks },
	{ .name = "wait",
	  .type = VALUE_STRING,
	  .value = stack_wait,
	  .key = "wait",
	  .place = 3,
	  .title = "WAIT",
	  .help = "the call that they wait in",
	  .min = 6,
	  .max = 9 },
	{ .name = "id",
	  .group = &longest_task,
	  .type = VALUE_UINT,
	  .value = stack_first,
	  .help = "the task that has waited longest" },
	{ .name = "name", .group = &longest_task, .type = VALUE_STRING, .value = stack_name, .help = "its name" },
	{ .name = "in_state_ns",
	  .group = &longest_task,
	  .type = VALUE_INT,
	  .optional = true,
	  .value = stack_longest,
	  .key = "time",
	  .place = 2,
	  .title = "LONGEST",
	  .help = "how long the first of them has waited",
	  .min = 8,
	  .max = 8,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .cell = cell_stack_longest,
	  .compare = compare_stack_longest },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = stack_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 5,
	  .title = "SPAWNED AT",
	  .help = "where that one was spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_stack_site },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = stack_place,
	  .record = &record_place,
	  .key = "place",
	  .place = 4,
	  .title = "CALLED IN",
	  .help = "the innermost line of the service's own",
	  .min = 12,
	  .max = 60,
	  .align = TEXT_TAIL,
	  .cell = cell_stack_place },
	{ .name = "stack",
	  .type = VALUE_LIST,
	  .value = stack_frames,
	  .record = &record_place,
	  .help = "the calls that led to the wait, innermost first" },
};

const struct table table_stacks = {
	.key = "stacks",
	.title = "parked tasks by stack",
	.none = "no stack has been read yet",
	.record = RECORD(stack_columns),
	.row_size = sizeof(struct model_stack),
	.sort = "tasks",
	.rows = stack_rows,
	.task = stack_task,
	.identity = stack_identity,
	.style = stack_style,
	.totals = &stack_totals,
	.told = stack_told,
	.details = add_stacks,
	.details_title = "stacks",
};
