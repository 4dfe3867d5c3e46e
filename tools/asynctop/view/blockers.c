/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Calls that blocked a thread, added up. */
#include <stdlib.h>

#include "view/site.h"
#include "view/view.h"
#include "view/views.h"
#include "view/waker.h"

static const struct model_blocker *blocker(const void *row)
{
	return row;
}

static const struct model_block *longest(const void *row)
{
	return &blocker(row)->longest;
}

/* ---- values ---- */

static void blocker_task_id(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (longest(row)->task != 0)
		value_uint(out, longest(row)->task);
	else
		value_null(out);
}

static void blocker_task_name(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, longest(row)->name);
}

static void blocker_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, blocker(row)->site);
}

static void blocker_call(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, syscall_name(blocker(row)->syscall, out->buffer));
}

static void blocker_worker(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, longest(row)->worker);
}

static void blocker_args(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_list(out, longest(row)->args, sizeof(longest(row)->args[0]), longest(row)->arg_count);
}

static void blocker_target(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, longest(row)->target);
}

static void blocker_target_was(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, longest(row)->target_was);
}

static void blocker_place(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_row(out, &longest(row)->place);
}

static void blocker_stack(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_list(out, longest(row)->stack, sizeof(longest(row)->stack[0]), longest(row)->frames);
}

static void blocker_count(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.count);
}

static void blocker_total(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.total_ns);
}

static void blocker_max(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.max_ns);
}

static void blocker_at_least(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_bool(out, longest(row)->began_before);
}

static void blocker_asleep(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.blocked_ns);
}

static void blocker_cpu_wait(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.cpu_ns);
}

static void blocker_delayed(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker_delayed_tasks(row));
}

static void blocker_delay(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, blocker_delayed_ns(row));
}

static void blocker_handover(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, handover_text(longest(row)->handover));
}

static void blocker_handed_to(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (longest(row)->handover == HANDOVER_DONE)
		value_uint(out, longest(row)->handed_to);
	else
		value_null(out);
}

static void blocker_handed_after(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, longest(row)->handover == HANDOVER_DONE ? longest(row)->handed_after_ns : MODEL_UNKNOWN);
}

static void blocker_handed(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->total.handed);
}

static void blocker_waker(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_waker(out, &longest(row)->waker);
}

static void blocker_in_progress(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocker(row)->in_progress);
}

static void blocker_in_progress_time(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, blocker(row)->in_progress ? blocker(row)->in_progress_ns : MODEL_UNKNOWN);
}

static void blocker_verdict(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, blocker(row)->verdict ? blocker(row)->verdict : "");
}

/* ---- cells ---- */

static void put_duration_of(struct text *out, int64_t ns)
{
	char time[TEXT_SHORT];
	text_puts(out, text_duration(time, ns));
}

static void cell_blocker_count(struct text *out, const struct model *m, const void *row)
{
	char count[TEXT_SHORT];
	(void)m;
	text_puts(out, text_count(count, blocker(row)->total.count));
	if (blocker(row)->in_progress > 0)
		text_printf(out, "+%u", blocker(row)->in_progress);
}

static void cell_blocker_total(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration_of(out, blocker_total_ns(row));
}

static void cell_blocker_max(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	put_duration_of(out, blocker_max_ns(row));
}

static void cell_blocker_place(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, longest(row)->place.text[0] ? longest(row)->place.text : "?");
}

static void cell_blocker_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, blocker(row)->site);
}

/* ---- orders ---- */

static int compare_blocker_total(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker_total_ns(a), blocker_total_ns(b));
}

static int compare_blocker_max(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker_max_ns(a), blocker_max_ns(b));
}

static int compare_blocker_count(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocker(a)->total.count, blocker(b)->total.count);
}

/* By the delay of others, and where that is equal, by its own time. */
static int compare_blocker_delay(const struct model *m, const void *a, const void *b)
{
	int c = compare_i64(blocker_delayed_ns(a), blocker_delayed_ns(b));
	return c ? c : compare_blocker_total(m, a, b);
}

static int compare_blocker_call(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(blocker(a)->syscall, blocker(b)->syscall);
}

static int compare_blocker_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, blocker(a)->site, blocker(b)->site);
}

/* ---- the verdicts ---- */

static void add_verdicts(struct view *v, const struct model *m, const struct order *o, int width, uint32_t first,
			 uint32_t limit)
{
	struct text t = { 0 };
	uint32_t count;
	const void **rows = table_sorted(&table_blockers, o, m, &count);
	for (uint32_t i = first; i < count && i - first < limit; i++) {
		const struct model_blocker *b = rows[i];
		text_clear(&t);
		text_printf(&t, "%3u. %s", i + 1, b->verdict ? b->verdict : "");
		view_wrap(v, b->in_progress ? STYLE_ALERT : STYLE_NORMAL, width, 5, t.data);
		view_stack(v, b->longest.stack, b->longest.frames, width);
	}
	text_free(&t);
	free(rows);
}

/* ---- the table ---- */

static uint64_t blocker_identity(const void *row)
{
	return (uint64_t)blocker(row)->site << 48 ^ (uint64_t)(uint16_t)blocker(row)->syscall << 32 ^
	       blocker(row)->place;
}

static uint64_t blocker_task(const void *row)
{
	return longest(row)->task;
}

static const void *blocker_rows(const struct model *m, uint32_t *count)
{
	*count = m->blocker_count;
	return m->blockers;
}

static enum style blocker_style(const struct model *m, const void *row)
{
	(void)m;
	return blocker(row)->in_progress > 0 ? STYLE_ALERT : STYLE_NORMAL;
}

static bool blocker_told(const struct model *m)
{
	return m->tiers[TIER_BPF].active || m->blocker_count > 0;
}

static const struct group block_task = { "task", NULL };

static const struct column blocker_columns[] = {
	{ .name = "id",
	  .group = &block_task,
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = blocker_task_id,
	  .help = "of the longest one" },
	{ .name = "name",
	  .group = &block_task,
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = blocker_task_name,
	  .help = "of the longest one" },
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = blocker_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 10,
	  .title = "SPAWNED AT",
	  .help = "where the tasks were spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_blocker_site,
	  .compare = compare_blocker_site },
	{ .name = "syscall",
	  .type = VALUE_STRING,
	  .value = blocker_call,
	  .key = "call",
	  .place = 1,
	  .title = "CALL",
	  .help = "the system call, page fault, or computing",
	  .min = 9,
	  .max = 16,
	  .compare = compare_blocker_call },
	{ .name = "worker", .type = VALUE_UINT, .value = blocker_worker, .help = "of the longest one" },
	{ .name = "args", .type = VALUE_LIST, .value = blocker_args, .help = "the arguments of the longest one" },
	{ .name = "target",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = blocker_target,
	  .key = "target",
	  .place = 9,
	  .title = "ON",
	  .help = "the file or peer of the longest one",
	  .min = 8,
	  .max = 60,
	  .align = TEXT_TAIL },
	{ .name = "target_was",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = blocker_target_was,
	  .help = "what that was when it was last seen open" },
	{ .name = "location",
	  .type = VALUE_RECORD,
	  .value = blocker_place,
	  .record = &record_place,
	  .key = "place",
	  .place = 8,
	  .title = "CALLED IN",
	  .help = "the line that called it, or was seen computing",
	  .min = 12,
	  .max = 60,
	  .align = TEXT_TAIL,
	  .cell = cell_blocker_place },
	{ .name = "stack",
	  .type = VALUE_LIST,
	  .value = blocker_stack,
	  .record = &record_place,
	  .help = "the calls that led to the longest one, innermost first" },
	{ .name = "count",
	  .type = VALUE_UINT,
	  .value = blocker_count,
	  .key = "count",
	  .place = 2,
	  .title = "COUNT",
	  .help = "blocks since asynctop attached, + those under way",
	  .min = 5,
	  .max = 9,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .cell = cell_blocker_count,
	  .compare = compare_blocker_count },
	{ .name = "total_ns",
	  .type = VALUE_UINT,
	  .value = blocker_total,
	  .key = "total",
	  .place = 3,
	  .title = "TOTAL",
	  .help = "time in all",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .cell = cell_blocker_total,
	  .compare = compare_blocker_total },
	{ .name = "max_ns",
	  .type = VALUE_UINT,
	  .value = blocker_max,
	  .key = "max",
	  .place = 4,
	  .title = "LONGEST",
	  .help = "the longest one",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .cell = cell_blocker_max,
	  .compare = compare_blocker_max },
	{ .name = "at_least",
	  .type = VALUE_BOOL,
	  .value = blocker_at_least,
	  .help = "the longest one began before asynctop attached" },
	{ .name = "blocked_ns", .type = VALUE_UINT, .value = blocker_asleep, .help = "of the total: asleep" },
	{ .name = "cpu_wait_ns",
	  .type = VALUE_UINT,
	  .value = blocker_cpu_wait,
	  .key = "cpu",
	  .place = 5,
	  .title = "CPU WAIT",
	  .help = "of the total: ready to go on, waiting for a CPU",
	  .min = 8,
	  .max = 8,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION },
	{ .name = "delayed_tasks",
	  .type = VALUE_UINT,
	  .value = blocker_delayed,
	  .key = "delayed",
	  .place = 6,
	  .title = "DELAYED",
	  .help = "ready tasks that waited behind it",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT },
	{ .name = "delayed_ns",
	  .type = VALUE_INT,
	  .value = blocker_delay,
	  .key = "delay",
	  .place = 7,
	  .title = "DELAY",
	  .help = "how long they waited, added up",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION,
	  .compare = compare_blocker_delay },
	{ .name = "handover",
	  .type = VALUE_STRING,
	  .value = blocker_handover,
	  .help = "whether another worker took over at the longest one, or why not" },
	{ .name = "handed_to",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = blocker_handed_to,
	  .help = "the worker that did" },
	{ .name = "handed_after_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = blocker_handed_after,
	  .help = "after its start" },
	{ .name = "handed", .type = VALUE_UINT, .value = blocker_handed, .help = "blocks over in which one did" },
	{ .name = "waker",
	  .type = VALUE_RECORD,
	  .optional = true,
	  .value = blocker_waker,
	  .record = &record_waker,
	  .help = "who has ended the longest one" },
	{ .name = "in_progress", .type = VALUE_UINT, .value = blocker_in_progress, .help = "threads that are in it" },
	{ .name = "in_progress_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = blocker_in_progress_time,
	  .help = "how long the first of them has been" },
	{ .name = "verdict", .type = VALUE_STRING, .value = blocker_verdict, .help = "what to make of it" },
};

const struct table table_blockers = {
	.key = "blockers",
	.title = "what kept a thread from its other tasks",
	.none = "no task blocked its thread",
	.record = RECORD(blocker_columns),
	.row_size = sizeof(struct model_blocker),
	.sort = "delay",
	.rows = blocker_rows,
	.task = blocker_task,
	.identity = blocker_identity,
	.style = blocker_style,
	.told = blocker_told,
	.details = add_verdicts,
	.details_title = "verdicts",
};
