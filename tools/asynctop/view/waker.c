/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "view/waker.h"

#include "view/site.h"

static const struct model_waker *waker(const void *row)
{
	return row;
}

static bool has_thread(const void *row)
{
	return waker(row)->kind != WAKER_UNKNOWN && waker(row)->kind != WAKER_INTERRUPT;
}

static void waker_kind(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, waker_text(waker(row)->kind));
}

static void waker_task(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (waker(row)->kind == WAKER_TASK)
		value_uint(out, waker(row)->task);
	else
		value_null(out);
}

static void waker_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, waker(row)->kind == WAKER_TASK ? waker(row)->site : NO_SITE);
}

static void waker_name_value(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, waker(row)->name);
}

static void waker_pid(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, has_thread(row) ? (int64_t)waker(row)->pid : -1);
}

static void waker_tid(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, has_thread(row) ? (int64_t)waker(row)->tid : -1);
}

static const struct column waker_columns[] = {
	{ .name = "kind", .type = VALUE_STRING, .value = waker_kind, .help = "a task, a thread, a process, ..." },
	{ .name = "task", .type = VALUE_UINT, .optional = true, .value = waker_task, .help = "its id" },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = waker_site,
	  .record = &record_site,
	  .help = "where the task was spawned" },
	{ .name = "name",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = waker_name_value,
	  .help = "of the task, or of the thread" },
	{ .name = "pid", .type = VALUE_INT, .optional = true, .value = waker_pid, .help = "its process" },
	{ .name = "tid", .type = VALUE_INT, .optional = true, .value = waker_tid, .help = "its thread" },
};

const struct record record_waker = RECORD(waker_columns);

void value_waker(struct value *out, const struct model_waker *of)
{
	if (of->kind == WAKER_UNKNOWN)
		value_null(out);
	else
		value_row(out, of);
}
