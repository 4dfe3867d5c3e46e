/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The tasks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "view/site.h"
#include "view/views.h"

static const struct sley_region_task *task(const void *row)
{
	return row;
}

static bool waits(const void *row)
{
	return task(row)->state == SLEY_TASK_WAITING;
}

/* ---- values ---- */

static void task_id(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, task(row)->id);
}

static void task_name(struct value *out, const struct model *m, const void *row)
{
	model_task_name(m, row, out->buffer);
	value_string(out, out->buffer);
}

static void task_state(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, task_state_text(task(row)->state));
}

static void task_worker(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, model_task_worker(row) == UINT16_MAX ? -1 : model_task_worker(row));
}

static void task_wait_kind(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, waits(row) ? wait_kind_text(task(row)->wait_kind) : NULL);
}

static void task_wait_object(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_object(out, waits(row) ? task(row)->wait_kind : SLEY_WAIT_NONE, task(row)->wait_object);
}

static void task_held_by(struct value *out, const struct model *m, const void *row)
{
	const struct model_worker *holder = model_holder(m, row);
	if (holder != NULL)
		value_uint(out, holder->line.task);
	else
		value_null(out);
}

static void task_held_on(struct value *out, const struct model *m, const void *row)
{
	const struct model_worker *holder = model_holder(m, row);
	if (holder != NULL)
		value_uint(out, holder->line.index);
	else
		value_null(out);
}

static void task_in_state(struct value *out, const struct model *m, const void *row)
{
	value_known(out, model_in_state(m, row));
}

static void task_in_state_min(struct value *out, const struct model *m, const void *row)
{
	value_int(out, model_in_state_min(m, row));
}

static void task_stack(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, task(row)->live16 * 16u);
}

/* In bytes; 0: unknown. */
static uint32_t deepest(const void *row)
{
	return SLEY_TASK_DEEPEST(task(row)->parent_deepest) * 4096u;
}

static void value_depth(struct value *out, uint32_t bytes)
{
	value_known(out, bytes > 0 ? (int64_t)bytes : -1);
}

static void task_deepest(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_depth(out, deepest(row));
}

static void task_site_stack(struct value *out, const struct model *m, const void *row)
{
	value_uint(out, model_site(m, task(row)->site)->stack);
}

static void task_site_deepest(struct value *out, const struct model *m, const void *row)
{
	value_depth(out, model_site(m, task(row)->site)->deepest);
}

static void task_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, task(row)->site);
}

static void task_cpu(struct value *out, const struct model *m, const void *row)
{
	value_known(out, model_cpu_of(m, task(row)->id, NO_SITE));
}

/* ---- cells ---- */

static void put_deadline(struct text *out, const struct model *m, uint64_t deadline)
{
	char left[TEXT_SHORT];
	if (deadline >= INT64_MAX)
		text_puts(out, "never");
	else if ((int64_t)deadline <= m->time_ns)
		text_puts(out, "now");
	else
		text_printf(out, "for %s", text_duration(left, (int64_t)deadline - m->time_ns));
}

static void cell_wait_object(struct text *out, const struct model *m, const void *row)
{
	uint64_t object = task(row)->wait_object;
	const struct model_worker *holder = model_holder(m, row);
	if (holder != NULL) {
		text_printf(out, "%s of %" PRIu64, task(row)->state == SLEY_TASK_SLOT ? "stack" : "thread",
			    holder->line.task);
		return;
	}
	switch (waits(row) ? wait_object_type(task(row)->wait_kind) : WAIT_OBJECT_none) {
	case WAIT_OBJECT_none:
		text_puts(out, "-");
		break;
	case WAIT_OBJECT_deadline:
		put_deadline(out, m, object);
		break;
	case WAIT_OBJECT_fd:
		text_printf(out, "fd %d", (int)object);
		break;
	case WAIT_OBJECT_task:
		text_printf(out, "task %" PRIu64, object);
		break;
	case WAIT_OBJECT_address:
		text_printf(out, "%#" PRIx64, object);
		break;
	}
}

static void cell_in_state(struct text *out, const struct model *m, const void *row)
{
	int64_t known = model_in_state(m, row), least = model_in_state_min(m, row);
	char time[TEXT_SHORT];
	if (known != MODEL_UNKNOWN)
		text_puts(out, text_duration(time, known));
	else if (least > 0)
		text_printf(out, ">%s", text_duration(time, least));
	else
		text_puts(out, "?");
}

static void cell_task_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, task(row)->site);
}

static void cell_task_entry(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, model_site(m, task(row)->site)->entry);
}

/* ---- orders ---- */

static int domain_state(const void *row)
{
	return task(row)->state;
}

static int domain_worker(const void *row)
{
	return model_task_worker(row) == UINT16_MAX ? SLEY_REGION_WORKERS : model_task_worker(row);
}

static int domain_wait(const void *row)
{
	return waits(row) ? task(row)->wait_kind : SLEY_WAIT_KINDS;
}

static int domain_site(const void *row)
{
	return (int)task(row)->site;
}

/* Tasks that have a thread come first, then those that want one. */
static int rank_of(const void *row)
{
	static const int ranks[SLEY_TASK_STATES] = {
		[SLEY_TASK_RUNNING] = 0, [SLEY_TASK_READY] = 1, [SLEY_TASK_SLOT] = 2,
		[SLEY_TASK_WAITING] = 3, [SLEY_TASK_ENDED] = 4,
	};
	return ranks[task(row)->state];
}

static int compare_task_id(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->id, task(b)->id);
}

static int compare_task_name(const struct model *m, const void *a, const void *b)
{
	char x[MODEL_NAME], y[MODEL_NAME];
	model_task_name(m, a, x);
	model_task_name(m, b, y);
	return strcmp(x, y);
}

/* The longer, the greater; not known is longer than all that are. */
static int compare_task_time(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(task(b)->since_ns, task(a)->since_ns);
}

static int compare_task_state(const struct model *m, const void *a, const void *b)
{
	int c = rank_of(a) - rank_of(b);
	return c ? c : -compare_task_time(m, a, b);
}

static int compare_task_worker(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(model_task_worker(a), model_task_worker(b));
}

static int compare_task_wait(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return strcmp(waits(a) ? wait_kind_text(task(a)->wait_kind) : "~",
		      waits(b) ? wait_kind_text(task(b)->wait_kind) : "~");
}

static int compare_task_object(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->wait_object, task(b)->wait_object);
}

static int compare_task_stack(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->live16, task(b)->live16);
}

static int compare_task_deepest(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(deepest(a), deepest(b));
}

static int compare_task_site_deepest(const struct model *m, const void *a, const void *b)
{
	return compare_u64(model_site(m, task(a)->site)->deepest, model_site(m, task(b)->site)->deepest);
}

static int compare_task_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, task(a)->site, task(b)->site);
}

static int compare_task_entry(const struct model *m, const void *a, const void *b)
{
	return strcmp(model_site(m, task(a)->site)->entry, model_site(m, task(b)->site)->entry);
}

/* ---- totals ---- */

#define TASKS_TOTAL(name, n) \
	static void tasks_##name(struct value *out, const struct model *m, const void *row) \
	{ \
		(void)row; \
		value_uint(out, n); \
	}

TASKS_TOTAL(total, m->tasks_total)
TASKS_TOTAL(matched, m->tasks_matched)
TASKS_TOTAL(ready, m->states[SLEY_TASK_READY])
TASKS_TOTAL(running, m->states[SLEY_TASK_RUNNING])
TASKS_TOTAL(waiting, m->states[SLEY_TASK_WAITING])
TASKS_TOTAL(slot, m->states[SLEY_TASK_SLOT])
TASKS_TOTAL(ended, m->states[SLEY_TASK_ENDED])
TASKS_TOTAL(invalid, m->invalid)

static const struct group states = { "states", NULL };

static const struct column totals_columns[] = {
	{ .name = "tasks_total", .type = VALUE_UINT, .value = tasks_total, .help = "all tasks" },
	{ .name = "tasks_matched", .type = VALUE_UINT, .value = tasks_matched, .help = "those that pass the filters" },
	{ .name = "ready", .group = &states, .type = VALUE_UINT, .value = tasks_ready, .help = "in a run queue" },
	{ .name = "running", .group = &states, .type = VALUE_UINT, .value = tasks_running, .help = "on a thread" },
	{ .name = "waiting", .group = &states, .type = VALUE_UINT, .value = tasks_waiting, .help = "parked" },
	{ .name = "slot",
	  .group = &states,
	  .type = VALUE_UINT,
	  .value = tasks_slot,
	  .help = "ready, but another task is on their stack" },
	{ .name = "ended", .group = &states, .type = VALUE_UINT, .value = tasks_ended, .help = "not yet joined" },
	{ .name = "invalid_records", .type = VALUE_UINT, .value = tasks_invalid, .help = "records that made no sense" },
};

static const struct record totals = RECORD(totals_columns);

/* ---- the table ---- */

static uint64_t task_identity(const void *row)
{
	return task(row)->id;
}

static const void *task_rows(const struct model *m, uint32_t *count)
{
	*count = m->task_count;
	return m->tasks;
}

static enum style task_style(const struct model *m, const void *row)
{
	static const enum style styles[SLEY_TASK_STATES] = {
		[SLEY_TASK_RUNNING] = STYLE_GOOD,
		[SLEY_TASK_READY] = STYLE_BUSY,
		[SLEY_TASK_SLOT] = STYLE_BUSY,
		[SLEY_TASK_ENDED] = STYLE_DIM,
	};
	(void)m;
	return styles[task(row)->state];
}

static uint64_t task_total(const struct model *m)
{
	return m->tasks_matched;
}

static const struct group wait = { "wait", NULL }, holder = { "holder", NULL };

static const struct column task_columns[] = {
	{ .name = "id",
	  .type = VALUE_UINT,
	  .value = task_id,
	  .key = "id",
	  .place = 1,
	  .title = "TASK",
	  .help = "the id that sley_spawn() returned",
	  .min = 6,
	  .max = 20,
	  .whole = true,
	  .align = TEXT_RIGHT,
	  .compare = compare_task_id },
	{ .name = "name",
	  .type = VALUE_STRING,
	  .value = task_name,
	  .key = "name",
	  .place = 2,
	  .title = "NAME",
	  .help = "its name, or the function that it runs",
	  .min = 8,
	  .max = 24,
	  .compare = compare_task_name },
	{ .name = "state",
	  .type = VALUE_STRING,
	  .value = task_state,
	  .key = "state",
	  .place = 3,
	  .title = "STATE",
	  .help = "running, ready, slot (its stack is taken), waiting, ended",
	  .min = 7,
	  .max = 7,
	  .compare = compare_task_state,
	  .domain = domain_state },
	{ .name = "worker",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = task_worker,
	  .key = "worker",
	  .place = 4,
	  .title = "WORKER",
	  .help = "the worker that runs it or made it ready",
	  .min = 6,
	  .max = 6,
	  .align = TEXT_RIGHT,
	  .compare = compare_task_worker,
	  .domain = domain_worker },
	{ .name = "kind",
	  .group = &wait,
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = task_wait_kind,
	  .key = "wait",
	  .place = 5,
	  .title = "WAIT",
	  .help = "the call that it waits in",
	  .min = 5,
	  .max = 8,
	  .compare = compare_task_wait,
	  .domain = domain_wait },
	{ .name = "object",
	  .group = &wait,
	  .type = VALUE_ANY,
	  .optional = true,
	  .value = task_wait_object,
	  .key = "object",
	  .place = 6,
	  .title = "OBJECT",
	  .help = "what it waits for",
	  .min = 6,
	  .max = 20,
	  .cell = cell_wait_object,
	  .compare = compare_task_object },
	{ .name = "task",
	  .group = &holder,
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = task_held_by,
	  .help = "whose stack it waits for, or whose thread, to which it is pinned" },
	{ .name = "worker",
	  .group = &holder,
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = task_held_on,
	  .help = "that runs it" },
	{ .name = "in_state_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = task_in_state,
	  .key = "time",
	  .place = 7,
	  .title = "IN STATE",
	  .help = "how long; \">\": at least, it was so before asynctop looked",
	  .min = 8,
	  .max = 8,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .cell = cell_in_state,
	  .compare = compare_task_time },
	{ .name = "in_state_min_ns",
	  .type = VALUE_INT,
	  .value = task_in_state_min,
	  .help = "how long at least, where that is all that is known; 0: nothing is" },
	{ .name = "stack_bytes",
	  .type = VALUE_UINT,
	  .value = task_stack,
	  .key = "stack",
	  .place = 8,
	  .title = "STACK",
	  .help = "live stack bytes when it last parked",
	  .min = 6,
	  .max = 9,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_SIZE,
	  .compare = compare_task_stack },
	{ .name = "stack_deepest_bytes",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = task_deepest,
	  .key = "deepest",
	  .place = 11,
	  .title = "DEEPEST",
	  .help = "how deep its stack has been, as far as is known",
	  .min = 7,
	  .max = 9,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_SIZE,
	  .compare = compare_task_deepest },
	{ .name = "site_stack_bytes",
	  .type = VALUE_UINT,
	  .value = task_site_stack,
	  .help = "the most live stack bytes of all tasks that were spawned there" },
	{ .name = "site_stack_deepest_bytes",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = task_site_deepest,
	  .key = "of_site",
	  .place = 12,
	  .title = "OF SITE",
	  .help = "the same over all tasks that were spawned there",
	  .min = 7,
	  .max = 9,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_SIZE,
	  .compare = compare_task_site_deepest,
	  .domain = domain_site },
	{ .name = "cpu_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = task_cpu,
	  .help = "time that it had a CPU since asynctop attached, in samples" },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = task_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 9,
	  .title = "SPAWNED AT",
	  .help = "where it was spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_task_site,
	  .compare = compare_task_site,
	  .domain = domain_site },
	{ .key = "function",
	  .place = 10,
	  .title = "RUNS",
	  .help = "the function that it was spawned to run",
	  .min = 6,
	  .max = 30,
	  .cell = cell_task_entry,
	  .compare = compare_task_entry,
	  .domain = domain_site },
};

const struct table table_tasks = {
	.key = "tasks",
	.title = "tasks",
	.none = "no task matches",
	.record = RECORD(task_columns),
	.row_size = sizeof(struct sley_region_task),
	.sort = "state",
	.rows = task_rows,
	.task = task_identity,
	.identity = task_identity,
	.style = task_style,
	.totals = &totals,
	.total = task_total,
};
