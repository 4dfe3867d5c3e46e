/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The columns of a task. */
#include "view/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct sley_region_task *task(const void *row)
{
	return row;
}

static void cell_id(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%" PRIu64, task(row)->id);
}

static void cell_name(struct text *out, const struct model *m, const void *row)
{
	char name[MODEL_NAME];
	model_task_name(m, row, name);
	text_puts(out, name);
}

static void cell_state(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, task_state_text(task(row)->state));
}

static void cell_worker(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	if (task(row)->worker == UINT16_MAX)
		text_puts(out, "-");
	else
		text_printf(out, "%u", task(row)->worker);
}

static bool waits(const void *row)
{
	return task(row)->state == SLEY_TASK_WAITING;
}

static void cell_wait(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, waits(row) ? wait_kind_text(task(row)->wait_kind) : "-");
}

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

static void cell_object(struct text *out, const struct model *m, const void *row)
{
	uint64_t object = task(row)->wait_object;
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

static void cell_time(struct text *out, const struct model *m, const void *row)
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

static void cell_stack(struct text *out, const struct model *m, const void *row)
{
	char size[TEXT_SHORT];
	(void)m;
	text_puts(out, text_size(size, task(row)->live16 * 16u));
}

/* In bytes; 0: unknown. */
static uint32_t deepest(const void *row)
{
	return SLEY_TASK_DEEPEST(task(row)->parent_deepest) * 4096u;
}

static void put_deepest(struct text *out, uint32_t bytes)
{
	char size[TEXT_SHORT];
	text_puts(out, bytes > 0 ? text_size(size, bytes) : "-");
}

static void cell_deepest(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_deepest(out, deepest(row));
}

static void cell_site_deepest(struct text *out, const struct model *m, const void *row)
{
	put_deepest(out, model_site(m, task(row)->site)->deepest);
}

static void cell_site(struct text *out, const struct model *m, const void *row)
{
	char site[160];
	text_puts(out, model_site_text(m, task(row)->site, site));
}

static void cell_function(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, model_site(m, task(row)->site)->entry);
}

static int domain_state(const void *row)
{
	return task(row)->state;
}

static int domain_worker(const void *row)
{
	return task(row)->worker == UINT16_MAX ? SLEY_REGION_WORKERS : task(row)->worker;
}

static int domain_wait(const void *row)
{
	return waits(row) ? task(row)->wait_kind : SLEY_WAIT_KINDS;
}

static int domain_site(const void *row)
{
	return (int)task(row)->site;
}

/* What a person looks for first: who has a thread, then who wants one. */
static int rank(const void *row)
{
	static const int ranks[SLEY_TASK_STATES] = {
		[SLEY_TASK_RUNNING] = 0, [SLEY_TASK_READY] = 1, [SLEY_TASK_SLOT] = 2,
		[SLEY_TASK_WAITING] = 3, [SLEY_TASK_ENDED] = 4,
	};
	return ranks[task(row)->state];
}

static int compare_id(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->id, task(b)->id);
}

static int compare_name(const struct model *m, const void *a, const void *b)
{
	char x[MODEL_NAME], y[MODEL_NAME];
	model_task_name(m, a, x);
	model_task_name(m, b, y);
	return strcmp(x, y);
}

/* The longer, the greater; not known is longer than all that are. */
static int compare_time(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(task(b)->since_ns, task(a)->since_ns);
}

static int compare_state(const struct model *m, const void *a, const void *b)
{
	int c = rank(a) - rank(b);
	return c ? c : -compare_time(m, a, b);
}

static int compare_worker(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->worker, task(b)->worker);
}

static int compare_wait(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return strcmp(waits(a) ? wait_kind_text(task(a)->wait_kind) : "~",
		      waits(b) ? wait_kind_text(task(b)->wait_kind) : "~");
}

static int compare_object(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->wait_object, task(b)->wait_object);
}

static int compare_stack(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(task(a)->live16, task(b)->live16);
}

static int compare_deepest(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(deepest(a), deepest(b));
}

static int compare_site_deepest(const struct model *m, const void *a, const void *b)
{
	return compare_u64(model_site(m, task(a)->site)->deepest, model_site(m, task(b)->site)->deepest);
}

static int compare_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, task(a)->site, task(b)->site);
}

static int compare_function(const struct model *m, const void *a, const void *b)
{
	return strcmp(model_site(m, task(a)->site)->entry, model_site(m, task(b)->site)->entry);
}

static const void *rows(const struct model *m, uint32_t *count)
{
	*count = m->task_count;
	return m->tasks;
}

static enum style style(const struct model *m, const void *row)
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

static const struct column columns[] = {
	{ "id", "TASK", "the id that sley_spawn() returned", 6, 20, TEXT_RIGHT, false, cell_id, compare_id, NULL },
	{ "name", "NAME", "its name, or the function that it runs", 8, 24, TEXT_LEFT, false, cell_name, compare_name,
	  NULL },
	{ "state", "STATE", "running, ready, slot (its stack is taken), waiting, ended", 7, 7, TEXT_LEFT, false,
	  cell_state, compare_state, domain_state },
	{ "worker", "WORKER", "the worker that runs it or made it ready", 6, 6, TEXT_RIGHT, false, cell_worker,
	  compare_worker, domain_worker },
	{ "wait", "WAIT", "the call that it waits in", 6, 8, TEXT_LEFT, false, cell_wait, compare_wait, domain_wait },
	{ "object", "OBJECT", "what it waits for", 6, 20, TEXT_LEFT, false, cell_object, compare_object, NULL },
	{ "time", "IN STATE", "how long; \">\": at least, it was so before asynctop looked", 8, 8, TEXT_RIGHT, true,
	  cell_time, compare_time, NULL },
	{ "stack", "STACK", "live stack bytes when it last parked", 6, 9, TEXT_RIGHT, true, cell_stack, compare_stack,
	  NULL },
	{ "site", "SPAWNED AT", "where it was spawned", 10, 40, TEXT_TAIL, false, cell_site, compare_site,
	  domain_site },
	{ "function", "RUNS", "the function that it was spawned to run", 6, 30, TEXT_LEFT, false, cell_function,
	  compare_function, domain_site },
	{ "deepest", "DEEPEST", "how deep its stack has been, as far as is known", 7, 9, TEXT_RIGHT, true, cell_deepest,
	  compare_deepest, NULL },
	{ "of_site", "OF SITE", "the same over all tasks that were spawned there", 7, 9, TEXT_RIGHT, true,
	  cell_site_deepest, compare_site_deepest, domain_site },
};

const struct table table_tasks = {
	.key = "tasks",
	.title = "tasks",
	.none = "no task matches",
	.columns = columns,
	.count = sizeof(columns) / sizeof(columns[0]),
	.row_size = sizeof(struct sley_region_task),
	.sort = "state",
	.rows = rows,
	.style = style,
};
