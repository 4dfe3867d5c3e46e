/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The workers. */
#include <inttypes.h>

#include "view/views.h"

#define BUSY_NS 40000000 /* in one task without coming back: worth a word */

static const struct model_worker *worker(const void *row)
{
	return row;
}

/* ---- values ---- */

static void worker_id(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->line.index);
}

static void worker_tid(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->line.tid);
}

static void worker_state(struct value *out, const struct model *m, const void *row)
{
	value_string(out, worker_state_text(m, worker(row)));
}

static void worker_queue(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->line.queue);
}

static void worker_task(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	if (worker(row)->line.mode == SLEY_WORKER_TASK && worker(row)->line.task != 0)
		value_uint(out, worker(row)->line.task);
	else
		value_null(out);
}

static void worker_blocked_in(struct value *out, const struct model *m, const void *row)
{
	int32_t call;
	(void)m;
	value_string(out, worker_call(worker(row), &call) ? syscall_name(call, out->buffer) : NULL);
}

static void worker_blocked(struct value *out, const struct model *m, const void *row)
{
	value_known(out, worker_blocked_ns(m, worker(row)));
}

static void worker_noted_by(struct value *out, const struct model *m, const void *row)
{
	uint64_t note = worker_note(worker(row));
	(void)m;
	value_string(out, note ? block_source_text(SLEY_NOTE_SOURCE(note)) : NULL);
}

static void worker_stopped_by(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, stop_text(worker(row)->stop));
}

static void worker_verdict(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, worker(row)->verdict);
}

static void worker_replaced_by(struct value *out, const struct model *m, const void *row)
{
	uint32_t number;
	if (worker_replacement(m, worker(row), &number))
		value_uint(out, number);
	else
		value_null(out);
}

static void worker_handed_after(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, worker_handed_ns(worker(row)));
}

static void worker_pinned(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->block.pinned);
}

static void worker_slot_waiters(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->stack.waiters);
}

static void worker_kept_time(struct value *out, const struct model *m, const void *row)
{
	int64_t longest;
	(void)m;
	(void)worker_kept(worker(row), &longest);
	value_known(out, longest);
}

static void worker_in_task(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, worker(row)->in_task_ns);
}

static void worker_dispatches(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, worker(row)->line.dispatches);
}

#define SWITCHES_VALUE(name, text, help) \
	static void worker_##name(struct value *out, const struct model *m, const void *row) \
	{ \
		if (m->tiers[TIER_BPF].active) \
			value_uint(out, worker(row)->switches[SWITCH_##name]); \
		else \
			value_null(out); \
	}
SWITCH_CAUSES(SWITCHES_VALUE)

static bool traced(const struct model *m, const void *row)
{
	(void)row;
	return m->tiers[TIER_BPF].active;
}

/* ---- cells ---- */

static void cell_worker_task(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	if (worker(row)->line.task != 0 && worker(row)->line.mode == SLEY_WORKER_TASK)
		text_printf(out, "%" PRIu64 " %s", worker(row)->line.task, worker(row)->task_name);
	else
		text_puts(out, "-");
}

static void cell_worker_call(struct text *out, const struct model *m, const void *row)
{
	char time[TEXT_SHORT], name[SYSCALL_NAME_MAX];
	int64_t blocked = worker_blocked_ns(m, worker(row));
	int32_t call;
	if (worker(row)->stop != STOP_NONE)
		text_printf(out, "stopped: %s", stop_text(worker(row)->stop));
	else if (blocked != MODEL_UNKNOWN)
		text_printf(out, "%s in %s", text_duration(time, blocked),
			    worker_call(worker(row), &call) ? syscall_name(call, name) : "?");
	else if (worker(row)->in_task_ns >= BUSY_NS)
		text_printf(out, ">%s computing", text_duration(time, worker(row)->in_task_ns));
	else
		text_puts(out, "-");
}

static void cell_replaced_by(struct text *out, const struct model *m, const void *row)
{
	char time[TEXT_SHORT];
	int64_t after = worker_handed_ns(worker(row));
	uint32_t number;
	if (!worker_replacement(m, worker(row), &number))
		text_puts(out, "-");
	else if (after == MODEL_UNKNOWN)
		text_printf(out, "%u", number);
	else
		text_printf(out, "%u after %s", number, text_duration(time, after));
}

static void cell_kept(struct text *out, const struct model *m, const void *row)
{
	char time[TEXT_SHORT];
	int64_t longest;
	uint32_t kept = worker_kept(worker(row), &longest);
	(void)m;
	if (kept == 0)
		text_puts(out, "-");
	else if (longest == MODEL_UNKNOWN)
		text_printf(out, "%u", kept);
	else
		text_printf(out, "%u for %s", kept, text_duration(time, longest));
}

static int compare_kept(const struct model *m, const void *a, const void *b)
{
	int64_t longest;
	(void)m;
	return compare_u64(worker_kept(worker(a), &longest), worker_kept(worker(b), &longest));
}

/* ---- the table ---- */

static int compare_worker_id(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return (int)worker(a)->line.index - (int)worker(b)->line.index;
}

static int compare_queue(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(worker(a)->line.queue, worker(b)->line.queue);
}

static int compare_dispatches(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(worker(a)->line.dispatches, worker(b)->line.dispatches);
}

/* What is wrong with it: it stands, or it computes. One that rests tells nothing. */
static int worker_trouble(const struct model *m, const void *row)
{
	if (worker_rests(m, worker(row)))
		return -1;
	if (worker(row)->stop != STOP_NONE || worker_blocked_ns(m, worker(row)) != MODEL_UNKNOWN)
		return 2;
	return worker(row)->in_task_ns >= BUSY_NS;
}

static int compare_worker_call(const struct model *m, const void *a, const void *b)
{
	int c = compare_i64(worker_trouble(m, a), worker_trouble(m, b));
	return c ? c : compare_i64(worker_blocked_ns(m, worker(a)), worker_blocked_ns(m, worker(b)));
}

static uint64_t worker_identity(const void *row)
{
	return worker(row)->line.index;
}

static uint64_t worker_row_task(const void *row)
{
	return worker(row)->line.mode == SLEY_WORKER_TASK ? worker(row)->line.task : 0;
}

static const void *worker_rows(const struct model *m, uint32_t *count)
{
	*count = m->worker_count;
	return m->workers;
}

static enum style worker_style(const struct model *m, const void *row)
{
	if (worker(row)->stop != STOP_NONE || worker_blocked_ns(m, worker(row)) != MODEL_UNKNOWN ||
	    worker_note(worker(row)) != 0)
		return STYLE_ALERT;
	return worker(row)->line.mode == SLEY_WORKER_TASK      ? STYLE_GOOD
	       : worker(row)->line.mode == SLEY_WORKER_RUNTIME ? STYLE_NORMAL
							       : STYLE_DIM;
}

static const struct group switches = { "switches", traced };

static const struct column worker_columns[] = {
	{ .name = "id",
	  .type = VALUE_UINT,
	  .value = worker_id,
	  .key = "worker",
	  .place = 1,
	  .title = "WORKER",
	  .help = "its number",
	  .min = 6,
	  .max = 6,
	  .align = TEXT_RIGHT,
	  .compare = compare_worker_id },
	{ .name = "tid",
	  .type = VALUE_UINT,
	  .value = worker_tid,
	  .key = "tid",
	  .place = 2,
	  .title = "THREAD",
	  .help = "its thread, in the process's own pid namespace",
	  .min = 6,
	  .max = 10,
	  .align = TEXT_RIGHT },
	{ .name = "state",
	  .type = VALUE_STRING,
	  .value = worker_state,
	  .key = "state",
	  .place = 3,
	  .title = "STATE",
	  .help = "task (runs one), blocked (in the kernel, by a task), hog (computes for long), stopped (from outside), runtime, idle, spare, gone",
	  .min = 7,
	  .max = 7 },
	{ .name = "queue",
	  .type = VALUE_UINT,
	  .value = worker_queue,
	  .key = "queue",
	  .place = 4,
	  .title = "QUEUE",
	  .help = "tasks that are ready on it",
	  .min = 5,
	  .max = 8,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .compare = compare_queue },
	{ .name = "task",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = worker_task,
	  .key = "task",
	  .place = 5,
	  .title = "RUNS TASK",
	  .help = "the task that it runs",
	  .min = 12,
	  .max = 44,
	  .cell = cell_worker_task },
	{ .name = "blocked_in",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = worker_blocked_in,
	  .key = "call",
	  .place = 6,
	  .title = "BLOCKED IN",
	  .help = "the system call that blocks it, and for how long so far; or that it computes, or who has stopped it",
	  .min = 14,
	  .max = 32,
	  .down = true,
	  .cell = cell_worker_call,
	  .compare = compare_worker_call },
	{ .name = "blocked_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = worker_blocked,
	  .help = "how long it has been in that call, or since the runtime found it blocked" },
	{ .name = "noted_by",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = worker_noted_by,
	  .help = "who found out for the runtime that it is blocked, or computes" },
	{ .name = "stopped_by",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = worker_stopped_by,
	  .help = "who keeps its thread from running: signal, debugger, freezer (of cgroups), unknown (one of the first two)" },
	{ .name = "replaced_by",
	  .type = VALUE_UINT,
	  .optional = true,
	  .value = worker_replaced_by,
	  .key = "replaced",
	  .place = 7,
	  .title = "REPLACED BY",
	  .help = "the worker that was woken in its place, and how soon after the note that one ran a task",
	  .min = 11,
	  .max = 20,
	  .cell = cell_replaced_by },
	{ .name = "handed_after_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = worker_handed_after,
	  .help = "from the note until that one ran a task" },
	{ .name = "pinned",
	  .type = VALUE_UINT,
	  .value = worker_pinned,
	  .help = "tasks that are ready and can run on this worker only" },
	{ .name = "slot_waiters",
	  .type = VALUE_UINT,
	  .value = worker_slot_waiters,
	  .key = "keeps",
	  .place = 8,
	  .title = "KEEPS",
	  .help = "tasks that wait for the stack of its task, or are pinned to its thread, and for how long: nobody can take them over",
	  .min = 5,
	  .max = 14,
	  .down = true,
	  .cell = cell_kept,
	  .compare = compare_kept },
	{ .name = "waiters_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = worker_kept_time,
	  .help = "how long the first of the tasks has waited that wait for the stack of its task, or for its thread" },
	{ .name = "in_task_min_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = worker_in_task,
	  .help = "how long at least it has not come back from its task" },
	{ .name = "dispatches",
	  .type = VALUE_UINT,
	  .value = worker_dispatches,
	  .key = "dispatches",
	  .place = 9,
	  .title = "TASKS RUN",
	  .help = "tasks that it resumed so far",
	  .min = 9,
	  .max = 9,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_dispatches },
	{ .name = "idle",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_IDLE,
	  .key = "idle",
	  .place = 10,
	  .title = "IDLE",
	  .help = "context switches: it had nothing to do",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .null = "?" },
	{ .name = "block",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_BLOCK,
	  .key = "block",
	  .place = 11,
	  .title = "BLOCK",
	  .help = "context switches: a task's system call slept",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .null = "?" },
	{ .name = "fault",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_FAULT,
	  .key = "fault",
	  .place = 12,
	  .title = "FAULT",
	  .help = "context switches: a page fault slept",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .null = "?" },
	{ .name = "preempt",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_PREEMPT,
	  .key = "preempt",
	  .place = 13,
	  .title = "PREEMPT",
	  .help = "context switches: the kernel gave the CPU to another thread",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .null = "?" },
	{ .name = "runtime",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_RUNTIME,
	  .help = "context switches: the runtime itself slept" },
	{ .name = "stop",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_STOP,
	  .help = "context switches: something outside stopped it" },
	{ .name = "outside",
	  .group = &switches,
	  .type = VALUE_UINT,
	  .value = worker_OUTSIDE,
	  .help = "context switches: the thread ran no sley code" },
	{ .name = "verdict",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = worker_verdict,
	  .help = "what keeps it, or others, from running, and what to do about it" },
};

const struct table table_workers = {
	.key = "workers",
	.title = "workers",
	.none = "no worker has started",
	.record = RECORD(worker_columns),
	.row_size = sizeof(struct model_worker),
	.sort = "call",
	.rows = worker_rows,
	.task = worker_row_task,
	.identity = worker_identity,
	.style = worker_style,
};
