/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Single blocks. */
#include "view/site.h"
#include "view/views.h"
#include "view/waker.h"

static const struct model_event *event(const void *row)
{
	return row;
}

static void event_task_id(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (event(row)->task != 0)
		value_uint(out, event(row)->task);
	else
		value_null(out);
}

static void event_task_name(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, event(row)->name);
}

static void event_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, event(row)->site);
}

static void event_worker(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, event(row)->worker);
}

static void event_call(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, syscall_name(event(row)->syscall, out->buffer));
}

static void event_place(struct value *out, const struct model *m, const void *row)
{
	static const struct model_place unknown;
	uint32_t i = event(row)->blocker;
	value_row(out, i < m->blocker_count ? &m->blockers[i].longest.place : &unknown);
}

static void event_args(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_list(out, event(row)->args, sizeof(event(row)->args[0]), event(row)->arg_count);
}

static void event_start(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, event(row)->start_ns);
}

static void event_duration(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, event(row)->duration_ns);
}

static void event_at_least(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_bool(out, event(row)->began_before);
}

static void event_asleep(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, event(row)->blocked_ns);
}

static void event_cpu_wait(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, event(row)->cpu_ns);
}

static void event_delayed(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, event(row)->delayed_tasks);
}

static void event_delay(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, event(row)->delayed_ns);
}

static void event_handed_to(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (event(row)->handed_after_ns != MODEL_UNKNOWN)
		value_uint(out, event(row)->handed_to);
	else
		value_null(out);
}

static void event_handed_after(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, event(row)->handed_after_ns);
}

static void event_waker(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_waker(out, &event(row)->waker);
}

static void cell_event_ago(struct text *out, const struct model *m, const void *row)
{
	char time[TEXT_SHORT];
	text_puts(out, text_duration(time, m->time_ns - event(row)->start_ns));
}

static void cell_event_place(struct text *out, const struct model *m, const void *row)
{
	uint32_t i = event(row)->blocker;
	text_puts(out, i < m->blocker_count ? m->blockers[i].longest.place.text : "?");
}

static void cell_event_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, event(row)->site);
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

static uint64_t event_identity(const void *row)
{
	return (uint64_t)event(row)->start_ns << 10 ^ event(row)->worker;
}

static uint64_t event_task(const void *row)
{
	return event(row)->task;
}

static const void *event_rows(const struct model *m, uint32_t *count)
{
	*count = m->event_count;
	return m->events;
}

static uint32_t fresh_events(const struct model *m, uint32_t *first)
{
	*first = m->events_untold - m->events_told;
	return m->events_told;
}

static enum style event_style(const struct model *m, const void *row)
{
	(void)m;
	(void)row;
	return STYLE_NORMAL;
}

static bool event_told(const struct model *m)
{
	return m->tiers[TIER_BPF].active || m->event_count > 0;
}

static const struct group event_group = { "task", NULL };

static const struct column event_columns[] = {
	{ .name = "id",
	  .group = &event_group,
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = event_task_id,
	  .key = "id",
	  .place = 5,
	  .title = "TASK",
	  .help = "the task that made the call",
	  .min = 6,
	  .max = 20,
	  .whole = true,
	  .align = TEXT_RIGHT,
	  .null = "0" },
	{ .name = "name",
	  .group = &event_group,
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = event_task_name,
	  .key = "name",
	  .place = 6,
	  .title = "NAME",
	  .help = "its name, or the function that it runs",
	  .min = 8,
	  .max = 24,
	  .null = "" },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = event_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 9,
	  .title = "SPAWNED AT",
	  .help = "where the task was spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_event_site },
	{ .name = "worker",
	  .type = VALUE_UINT,
	  .value = event_worker,
	  .key = "worker",
	  .place = 4,
	  .title = "WORKER",
	  .help = "the worker that was blocked",
	  .min = 6,
	  .max = 6,
	  .align = TEXT_RIGHT },
	{ .name = "syscall",
	  .type = VALUE_STRING,
	  .value = event_call,
	  .key = "call",
	  .place = 3,
	  .title = "CALL",
	  .help = "the system call, page fault, or computing",
	  .min = 9,
	  .max = 16 },
	{ .name = "args", .type = VALUE_LIST, .value = event_args, .help = "the arguments of the call" },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = event_place,
	  .record = &record_place,
	  .key = "place",
	  .place = 10,
	  .title = "CALLED IN",
	  .help = "the line that made the call",
	  .min = 12,
	  .max = 60,
	  .align = TEXT_TAIL,
	  .cell = cell_event_place },
	{ .name = "start_ns",
	  .type = VALUE_INT,
	  .value = event_start,
	  .key = "ago",
	  .place = 1,
	  .title = "AGO",
	  .help = "when it began",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .cell = cell_event_ago,
	  .compare = compare_start },
	{ .name = "duration_ns",
	  .type = VALUE_INT,
	  .value = event_duration,
	  .key = "time",
	  .place = 2,
	  .title = "LASTED",
	  .help = "how long it was",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION,
	  .compare = compare_duration },
	{ .name = "at_least",
	  .type = VALUE_BOOL,
	  .value = event_at_least,
	  .help = "it began before asynctop attached, which start_ns is" },
	{ .name = "blocked_ns", .type = VALUE_INT, .value = event_asleep, .help = "of that: asleep" },
	{ .name = "cpu_wait_ns",
	  .type = VALUE_INT,
	  .value = event_cpu_wait,
	  .help = "of that: ready to go on, waiting for a CPU" },
	{ .name = "delayed_tasks",
	  .type = VALUE_UINT,
	  .value = event_delayed,
	  .key = "delayed",
	  .place = 7,
	  .title = "DELAYED",
	  .help = "ready tasks that waited behind it",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT },
	{ .name = "delayed_ns",
	  .type = VALUE_INT,
	  .value = event_delay,
	  .key = "delay",
	  .place = 8,
	  .title = "DELAY",
	  .help = "how long they waited, added up",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION },
	{ .name = "handed_to",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = event_handed_to,
	  .help = "the worker that took over" },
	{ .name = "handed_after_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = event_handed_after,
	  .help = "after its start" },
	{ .name = "waker",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = event_waker,
	  .record = &record_waker,
	  .help = "who has ended it" },
};

const struct table table_events = {
	.key = "events",
	.title = "single blocks",
	.none = "no single block was long enough (--min-block)",
	.record = RECORD(event_columns),
	.row_size = sizeof(struct model_event),
	.sort = "time",
	.rows = event_rows,
	.task = event_task,
	.identity = event_identity,
	.style = event_style,
	.told = event_told,
	.fresh = fresh_events,
	.most = 10, /* single blocks only illustrate the totals */
};
