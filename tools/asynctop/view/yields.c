/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The places where tasks give their thread back to the runtime. */
#include <inttypes.h>

#include "view/site.h"
#include "view/views.h"

static const struct model_yield *yield(const void *row)
{
	return row;
}

static void yield_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, yield(row)->site);
}

static void yield_kind(struct value *out, const struct model *m, const void *row)
{
	const struct model_yield *y = yield(row);
	(void)m;
	value_string(out, y->pc == 0 ? NULL : y->kind == SLEY_WAIT_NONE ? "yield" : wait_kind_text(y->kind));
}

static void yield_place(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_row(out, &yield(row)->place);
}

static void yield_tasks(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, yield(row)->tasks);
}

static void yield_waiting(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, yield(row)->waiting);
}

static void yield_site_waits(struct value *out, const struct model *m, const void *row)
{
	value_uint(out, model_site(m, yield(row)->site)->waits);
}

static void yield_site_yields(struct value *out, const struct model *m, const void *row)
{
	value_uint(out, model_site(m, yield(row)->site)->yields);
}

static void cell_yield_place(struct text *out, const struct model *m, const void *row)
{
	const struct model_yield *y = yield(row);
	(void)m;
	if (y->place.text[0] != '\0')
		text_puts(out, y->place.text);
	else if (y->pc != 0)
		text_printf(out, "%#" PRIx64, y->pc);
	else
		text_puts(out, "-");
}

static void cell_yield_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, yield(row)->site);
}

static void cell_yield_entry(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, model_site(m, yield(row)->site)->entry);
}

static int compare_waiting(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(yield(a)->waiting, yield(b)->waiting);
}

static int compare_tasks(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(yield(a)->tasks, yield(b)->tasks);
}

static int compare_yield_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, yield(a)->site, yield(b)->site);
}

static uint64_t yield_identity(const void *row)
{
	return yield(row)->pc << 16 ^ (uint64_t)yield(row)->kind << 56 ^ yield(row)->site;
}

static const void *yield_rows(const struct model *m, uint32_t *count)
{
	*count = m->yield_count;
	return m->yields;
}

static enum style yield_style(const struct model *m, const void *row)
{
	(void)m;
	return yield(row)->pc == 0 ? STYLE_DIM : STYLE_NORMAL;
}

static const struct column yield_columns[] = {
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = yield_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 5,
	  .title = "SPAWNED AT",
	  .help = "where these tasks were spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_yield_site,
	  .compare = compare_yield_site },
	{ .name = "kind",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = yield_kind,
	  .key = "wait",
	  .place = 3,
	  .title = "IN",
	  .help = "the sley call",
	  .min = 6,
	  .max = 11,
	  .null = "none yet" },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = yield_place,
	  .record = &record_place,
	  .key = "place",
	  .place = 4,
	  .title = "CALLED IN",
	  .help = "the line that calls it",
	  .min = 12,
	  .max = 60,
	  .align = TEXT_TAIL,
	  .cell = cell_yield_place },
	{ .name = "tasks",
	  .type = VALUE_UINT,
	  .value = yield_tasks,
	  .key = "tasks",
	  .place = 1,
	  .title = "TASKS",
	  .help = "tasks that gave their thread back here last",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_tasks },
	{ .name = "waiting",
	  .type = VALUE_UINT,
	  .value = yield_waiting,
	  .key = "waiting",
	  .place = 2,
	  .title = "WAITING",
	  .help = "of them, still parked here",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_waiting },
	{ .name = "site_waits",
	  .type = VALUE_UINT,
	  .value = yield_site_waits,
	  .key = "waits",
	  .place = 7,
	  .title = "SITE WAITS",
	  .help = "times that tasks of this spawn site parked, since tools watch",
	  .min = 10,
	  .max = 10,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT },
	{ .name = "site_yields",
	  .type = VALUE_UINT,
	  .value = yield_site_yields,
	  .key = "yields",
	  .place = 8,
	  .title = "SITE YIELDS",
	  .help = "times that they yielded",
	  .min = 11,
	  .max = 11,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT },
	{ .key = "function",
	  .place = 6,
	  .title = "RUNS",
	  .help = "the function that they run",
	  .min = 6,
	  .max = 30,
	  .cell = cell_yield_entry },
};

const struct table table_yields = {
	.key = "yields",
	.title = "where tasks give the thread back to the runtime",
	.none = "no task has waited yet",
	.record = RECORD(yield_columns),
	.row_size = sizeof(struct model_yield),
	.sort = "tasks",
	.rows = yield_rows,
	.identity = yield_identity,
	.style = yield_style,
	.below = &table_switches,
};
