/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The columns of blocking calls, added up and single. */
#include "view/table.h"

#include <inttypes.h>
#include <string.h>

#include "model/verdict.h"

/* ---- added up ---- */

static const struct model_blocker *blocker(const void *row)
{
	return row;
}

static void put_duration(struct text *out, int64_t ns)
{
	char time[TEXT_SHORT];
	text_puts(out, text_duration(time, ns));
}

static void put_count(struct text *out, uint64_t n)
{
	char count[TEXT_SHORT];
	text_puts(out, text_count(count, n));
}

static void cell_call(struct text *out, const struct model *m, const void *row)
{
	char name[SYSCALL_NAME_MAX];
	(void)m;
	text_puts(out, syscall_name(blocker(row)->syscall, name));
}

static void cell_count(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_count(out, blocker(row)->total.count);
	if (blocker(row)->in_progress > 0)
		text_printf(out, "+%u", blocker(row)->in_progress);
}

static void cell_total(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, blocker_total_ns(row));
}

static void cell_max(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, blocker_max_ns(row));
}

static void cell_cpu(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, (int64_t)blocker(row)->total.cpu_ns);
}

static void cell_delayed(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_count(out, blocker_delayed_tasks(row));
}

static void cell_delay(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, blocker_delayed_ns(row));
}

static void cell_target(struct text *out, const struct model *m, const void *row)
{
	const struct model_block *b = &blocker(row)->longest;
	(void)m;
	text_puts(out, b->target != NULL ? b->target : "-");
}

static void cell_place(struct text *out, const struct model *m, const void *row)
{
	const struct model_block *b = &blocker(row)->longest;
	(void)m;
	text_puts(out, b->place.text[0] ? b->place.text : "?");
}

static void cell_site(struct text *out, const struct model *m, const void *row)
{
	char site[160];
	text_puts(out, model_site_text(m, blocker(row)->site, site));
}

static int compare_total(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker_total_ns(a), blocker_total_ns(b));
}

static int compare_max(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker_max_ns(a), blocker_max_ns(b));
}

static int compare_count(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocker(a)->total.count, blocker(b)->total.count);
}

/* What it cost others, and where that is equal, itself. */
static int compare_delay(const struct model *m, const void *a, const void *b)
{
	int c = compare_i64(blocker_delayed_ns(a), blocker_delayed_ns(b));
	return c ? c : compare_total(m, a, b);
}

static int compare_call(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker(a)->syscall, blocker(b)->syscall);
}

static int compare_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, blocker(a)->site, blocker(b)->site);
}

static const void *rows(const struct model *m, uint32_t *count)
{
	*count = m->blocker_count;
	return m->blockers;
}

static enum style style(const struct model *m, const void *row)
{
	(void)m;
	return blocker(row)->in_progress > 0 ? STYLE_ALERT : STYLE_NORMAL;
}

static const struct column columns[] = {
	{ "call", "CALL", "the system call, or page fault", 8, 16, TEXT_LEFT, false, cell_call, compare_call, NULL },
	{ "count", "COUNT", "blocks since asynctop attached, + those under way", 5, 9, TEXT_RIGHT, true, cell_count,
	  compare_count, NULL },
	{ "total", "TOTAL", "time in all", 7, 7, TEXT_RIGHT, true, cell_total, compare_total, NULL },
	{ "max", "LONGEST", "the longest one", 7, 7, TEXT_RIGHT, true, cell_max, compare_max, NULL },
	{ "cpu", "CPU WAIT", "of the total: ready to go on, waiting for a CPU", 8, 8, TEXT_RIGHT, true, cell_cpu, NULL,
	  NULL },
	{ "delayed", "DELAYED", "ready tasks that waited behind it", 7, 7, TEXT_RIGHT, true, cell_delayed, NULL, NULL },
	{ "delay", "DELAY", "how long they waited, added up", 7, 7, TEXT_RIGHT, true, cell_delay, compare_delay, NULL },
	{ "place", "CALLED IN", "the line of the longest one", 12, 60, TEXT_TAIL, false, cell_place, NULL, NULL },
	{ "target", "ON", "the file or peer of the longest one", 8, 60, TEXT_TAIL, false, cell_target, NULL, NULL },
	{ "site", "SPAWNED AT", "where the tasks were spawned", 10, 40, TEXT_TAIL, false, cell_site, compare_site,
	  NULL },
};

const struct table table_blockers = {
	.key = "blockers",
	.title = "calls that blocked a thread",
	.none = "no task blocked its thread",
	.columns = columns,
	.count = sizeof(columns) / sizeof(columns[0]),
	.row_size = sizeof(struct model_blocker),
	.sort = "delay",
	.rows = rows,
	.style = style,
};

/* ---- single ---- */

static const struct model_event *event(const void *row)
{
	return row;
}

static void event_ago(struct text *out, const struct model *m, const void *row)
{
	put_duration(out, m->time_ns - event(row)->start_ns);
}

static void event_time(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, event(row)->duration_ns);
}

static void event_call(struct text *out, const struct model *m, const void *row)
{
	char name[SYSCALL_NAME_MAX];
	(void)m;
	text_puts(out, syscall_name(event(row)->syscall, name));
}

static void event_worker(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%u", event(row)->worker);
}

static void event_task(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%" PRIu64, event(row)->task);
}

static void event_name(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, event(row)->name);
}

static void event_delayed(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_count(out, event(row)->delayed_tasks);
}

static void event_delay(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration(out, event(row)->delayed_ns);
}

static void event_site(struct text *out, const struct model *m, const void *row)
{
	char site[160];
	text_puts(out, model_site_text(m, event(row)->site, site));
}

static int compare_start(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(event(b)->start_ns, event(a)->start_ns);
}

static int compare_duration(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(event(a)->duration_ns, event(b)->duration_ns);
}

static const void *event_rows(const struct model *m, uint32_t *count)
{
	*count = m->event_count;
	return m->events;
}

static enum style event_style(const struct model *m, const void *row)
{
	(void)m;
	(void)row;
	return STYLE_NORMAL;
}

static const struct column event_columns[] = {
	{ "ago", "AGO", "when it began", 7, 7, TEXT_RIGHT, false, event_ago, compare_start, NULL },
	{ "time", "LASTED", "how long it was", 7, 7, TEXT_RIGHT, true, event_time, compare_duration, NULL },
	{ "call", "CALL", "the system call, or page fault", 8, 16, TEXT_LEFT, false, event_call, NULL, NULL },
	{ "worker", "WORKER", "the worker that was blocked", 6, 6, TEXT_RIGHT, false, event_worker, NULL, NULL },
	{ "id", "TASK", "the task that made the call", 6, 20, TEXT_RIGHT, false, event_task, NULL, NULL },
	{ "name", "NAME", "its name, or the function that it runs", 8, 24, TEXT_LEFT, false, event_name, NULL, NULL },
	{ "delayed", "DELAYED", "ready tasks that waited behind it", 7, 7, TEXT_RIGHT, true, event_delayed, NULL,
	  NULL },
	{ "delay", "DELAY", "how long they waited, added up", 7, 7, TEXT_RIGHT, true, event_delay, NULL, NULL },
	{ "site", "SPAWNED AT", "where the task was spawned", 10, 40, TEXT_TAIL, false, event_site, NULL, NULL },
};

const struct table table_events = {
	.key = "events",
	.title = "single blocks",
	.none = "no single block was long enough (--min-block)",
	.columns = event_columns,
	.count = sizeof(event_columns) / sizeof(event_columns[0]),
	.row_size = sizeof(struct model_event),
	.sort = "time",
	.rows = event_rows,
	.style = event_style,
};
