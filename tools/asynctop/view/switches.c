/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The causes of context switches of workers' threads. */
#include "view/site.h"
#include "view/views.h"

static const struct model_switch *switch_of(const void *row)
{
	return row;
}

static void switch_cause(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, switch_cause_text(switch_of(row)->cause));
}

static void switch_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, switch_of(row)->site);
}

static void switch_count(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, switch_of(row)->count);
}

static void cell_switch_site(struct text *out, const struct model *m, const void *row)
{
	if (switch_of(row)->site == NO_SITE)
		text_puts(out, "-");
	else
		put_site(out, m, switch_of(row)->site);
}

static void cell_switch_entry(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, switch_of(row)->site == NO_SITE ? "-" : model_site(m, switch_of(row)->site)->entry);
}

static void cell_switch_meaning(struct text *out, const struct model *m, const void *row)
{
	static const char *const meaning[] = {
#define CAUSE_HELP(name, text, help) help,
		SWITCH_CAUSES(CAUSE_HELP)
#undef CAUSE_HELP
	};
	(void)m;
	text_puts(out, switch_of(row)->cause < SWITCH_CAUSE_COUNT ? meaning[switch_of(row)->cause] : "?");
}

static int compare_switch_count(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(switch_of(a)->count, switch_of(b)->count);
}

static uint64_t switch_identity(const void *row)
{
	return (uint64_t)switch_of(row)->site << 32 | switch_of(row)->cause;
}

static const void *switch_rows(const struct model *m, uint32_t *count)
{
	*count = m->switch_count;
	return m->switches;
}

static enum style switch_style(const struct model *m, const void *row)
{
	(void)m;
	return switch_of(row)->cause == SWITCH_BLOCK || switch_of(row)->cause == SWITCH_FAULT ? STYLE_ALERT
											      : STYLE_NORMAL;
}

static bool switch_told(const struct model *m)
{
	return m->tiers[TIER_BPF].active;
}

static const struct column switch_columns[] = {
	{ .name = "cause",
	  .type = VALUE_STRING,
	  .value = switch_cause,
	  .key = "cause",
	  .place = 2,
	  .title = "CAUSE",
	  .help = "why the thread was switched out",
	  .min = 7,
	  .max = 8 },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = switch_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 3,
	  .title = "SPAWNED AT",
	  .help = "spawn site of the task that ran",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_switch_site },
	{ .name = "count",
	  .type = VALUE_UINT,
	  .value = switch_count,
	  .key = "count",
	  .place = 1,
	  .title = "SWITCHES",
	  .help = "context switches since asynctop attached",
	  .min = 8,
	  .max = 8,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_switch_count },
	{ .key = "function",
	  .place = 4,
	  .title = "RUNS",
	  .help = "the function that it runs",
	  .min = 6,
	  .max = 30,
	  .cell = cell_switch_entry },
	{ .key = "meaning",
	  .place = 5,
	  .title = "MEANING",
	  .help = "the cause in words",
	  .min = 8,
	  .max = 60,
	  .cell = cell_switch_meaning },
};

const struct table table_switches = {
	.key = "switches",
	.title = "where threads are given away to the kernel",
	.none = "nothing was counted yet",
	.record = RECORD(switch_columns),
	.row_size = sizeof(struct model_switch),
	.sort = "count",
	.rows = switch_rows,
	.identity = switch_identity,
	.style = switch_style,
	.told = switch_told,
};
