/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The columns of workers, of the places where tasks yield, and of the causes of context switches. */
#include "view/table.h"

#include <inttypes.h>
#include <string.h>

/* ---- workers ---- */

#define BUSY_NS 40000000 /* in one task without coming back: worth a word */

static const struct model_worker *worker(const void *row)
{
	return row;
}

static void worker_id(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%u", worker(row)->line.index);
}

static void worker_tid(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%u", worker(row)->line.tid);
}

static bool blocked(const void *row)
{
	return worker(row)->blocked_ns != MODEL_UNKNOWN;
}

static void worker_state(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, blocked(row) ? "blocked" : worker_mode_text(worker(row)->line.mode));
}

static void worker_queue(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_printf(out, "%u", worker(row)->line.queue);
}

static void worker_task(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	if (worker(row)->line.task != 0 && worker(row)->line.mode == SLEY_WORKER_TASK)
		text_printf(out, "%" PRIu64 " %s", worker(row)->line.task, worker(row)->task_name);
	else
		text_puts(out, "-");
}

static void worker_call(struct text *out, const struct model *m, const void *row)
{
	char time[TEXT_SHORT], name[SYSCALL_NAME_MAX];
	(void)m;
	if (blocked(row))
		text_printf(out, "%s for %s", syscall_name(worker(row)->syscall, name),
			    text_duration(time, worker(row)->blocked_ns));
	else if (worker(row)->in_task_ns >= BUSY_NS)
		text_printf(out, "computes for >%s", text_duration(time, worker(row)->in_task_ns));
	else
		text_puts(out, "-");
}

static void worker_dispatches(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	(void)m;
	text_puts(out, text_count(n, worker(row)->line.dispatches));
}

static void put_switches(struct text *out, const struct model *m, const void *row, enum switch_cause cause)
{
	char n[TEXT_SHORT];
	text_puts(out, m->tiers[TIER_BPF].active ? text_count(n, worker(row)->switches[cause]) : "?");
}

static void worker_idle(struct text *out, const struct model *m, const void *row)
{
	put_switches(out, m, row, SWITCH_IDLE);
}

static void worker_block(struct text *out, const struct model *m, const void *row)
{
	put_switches(out, m, row, SWITCH_BLOCK);
}

static void worker_fault(struct text *out, const struct model *m, const void *row)
{
	put_switches(out, m, row, SWITCH_FAULT);
}

static void worker_preempt(struct text *out, const struct model *m, const void *row)
{
	put_switches(out, m, row, SWITCH_PREEMPT);
}

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

static int compare_call(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_i64(worker(a)->blocked_ns, worker(b)->blocked_ns);
}

static const void *worker_rows(const struct model *m, uint32_t *count)
{
	*count = m->worker_count;
	return m->workers;
}

static enum style worker_style(const struct model *m, const void *row)
{
	(void)m;
	if (blocked(row))
		return STYLE_ALERT;
	return worker(row)->line.mode == SLEY_WORKER_TASK      ? STYLE_GOOD
	       : worker(row)->line.mode == SLEY_WORKER_RUNTIME ? STYLE_NORMAL
							       : STYLE_DIM;
}

static const struct column worker_columns[] = {
	{ "worker", "WORKER", "its number", 6, 6, TEXT_RIGHT, false, worker_id, compare_worker_id, NULL },
	{ "tid", "THREAD", "its thread, in the process's own pid namespace", 6, 10, TEXT_RIGHT, false, worker_tid, NULL,
	  NULL },
	{ "state", "STATE", "task (runs one), blocked (in the kernel, by a task), runtime, idle, gone", 7, 7, TEXT_LEFT,
	  false, worker_state, NULL, NULL },
	{ "queue", "QUEUE", "tasks that are ready on it", 5, 8, TEXT_RIGHT, true, worker_queue, compare_queue, NULL },
	{ "task", "RUNS TASK", "the task that it runs", 12, 44, TEXT_LEFT, false, worker_task, NULL, NULL },
	{ "call", "BLOCKED IN", "the system call that blocks it, and for how long so far; or that it computes", 10, 32,
	  TEXT_LEFT, true, worker_call, compare_call, NULL },
	{ "dispatches", "TASKS RUN", "tasks that it resumed so far", 9, 9, TEXT_RIGHT, true, worker_dispatches,
	  compare_dispatches, NULL },
	{ "idle", "IDLE", "context switches: it had nothing to do", 6, 7, TEXT_RIGHT, true, worker_idle, NULL, NULL },
	{ "block", "BLOCK", "context switches: a task's system call slept", 6, 7, TEXT_RIGHT, true, worker_block, NULL,
	  NULL },
	{ "fault", "FAULT", "context switches: a page fault slept", 6, 7, TEXT_RIGHT, true, worker_fault, NULL, NULL },
	{ "preempt", "PREEMPT", "context switches: the kernel gave the CPU to another thread", 7, 7, TEXT_RIGHT, true,
	  worker_preempt, NULL, NULL },
};

const struct table table_workers = {
	.key = "workers",
	.title = "workers",
	.none = "no worker has started",
	.columns = worker_columns,
	.count = sizeof(worker_columns) / sizeof(worker_columns[0]),
	.row_size = sizeof(struct model_worker),
	.sort = "worker",
	.rows = worker_rows,
	.style = worker_style,
};

/* ---- yields ---- */

static const struct model_yield *yield(const void *row)
{
	return row;
}

static void yield_site(struct text *out, const struct model *m, const void *row)
{
	char site[160];
	text_puts(out, model_site_text(m, yield(row)->site, site));
}

static void yield_function(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, model_site(m, yield(row)->site)->entry);
}

static void yield_kind(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, yield(row)->pc == 0                  ? "none yet"
		       : yield(row)->kind == SLEY_WAIT_NONE ? "yield"
							    : wait_kind_text(yield(row)->kind));
}

static void yield_waiting(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	(void)m;
	text_puts(out, text_count(n, yield(row)->waiting));
}

static void yield_tasks(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	(void)m;
	text_puts(out, text_count(n, yield(row)->tasks));
}

static void yield_place(struct text *out, const struct model *m, const void *row)
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

static void site_waits(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	text_puts(out, text_count(n, model_site(m, yield(row)->site)->waits));
}

static void site_yields(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	text_puts(out, text_count(n, model_site(m, yield(row)->site)->yields));
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
	{ "tasks", "TASKS", "tasks that gave their thread back here last", 6, 7, TEXT_RIGHT, true, yield_tasks,
	  compare_tasks, NULL },
	{ "waiting", "WAITING", "of them, still parked here", 7, 7, TEXT_RIGHT, true, yield_waiting, compare_waiting,
	  NULL },
	{ "wait", "IN", "the sley call", 6, 11, TEXT_LEFT, false, yield_kind, NULL, NULL },
	{ "place", "CALLED IN", "the line that calls it", 12, 60, TEXT_TAIL, false, yield_place, NULL, NULL },
	{ "site", "SPAWNED AT", "where these tasks were spawned", 10, 40, TEXT_TAIL, false, yield_site,
	  compare_yield_site, NULL },
	{ "function", "RUNS", "the function that they run", 6, 30, TEXT_LEFT, false, yield_function, NULL, NULL },
	{ "waits", "SITE WAITS", "times that tasks of this spawn site parked, since tools watch", 10, 10, TEXT_RIGHT,
	  true, site_waits, NULL, NULL },
	{ "yields", "SITE YIELDS", "times that they yielded", 11, 11, TEXT_RIGHT, true, site_yields, NULL, NULL },
};

const struct table table_yields = {
	.key = "yields",
	.title = "where tasks give the thread back to the runtime",
	.none = "no task has waited yet",
	.columns = yield_columns,
	.count = sizeof(yield_columns) / sizeof(yield_columns[0]),
	.row_size = sizeof(struct model_yield),
	.sort = "tasks",
	.rows = yield_rows,
	.style = yield_style,
};

/* ---- switches ---- */

static const struct model_switch *sw(const void *row)
{
	return row;
}

static void switch_cause(struct text *out, const struct model *m, const void *row)
{
	(void)m;
	text_puts(out, switch_cause_text(sw(row)->cause));
}

static void switch_site(struct text *out, const struct model *m, const void *row)
{
	char site[160];
	text_puts(out, sw(row)->site == NO_SITE ? "-" : model_site_text(m, sw(row)->site, site));
}

static void switch_function(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, sw(row)->site == NO_SITE ? "-" : model_site(m, sw(row)->site)->entry);
}

static void switch_count(struct text *out, const struct model *m, const void *row)
{
	char n[TEXT_SHORT];
	(void)m;
	text_puts(out, text_count(n, sw(row)->count));
}

static void switch_meaning(struct text *out, const struct model *m, const void *row)
{
	static const char *const meaning[] = {
#define CAUSE_HELP(name, text, help) help,
		SWITCH_CAUSES(CAUSE_HELP)
#undef CAUSE_HELP
	};
	(void)m;
	text_puts(out, sw(row)->cause < SWITCH_CAUSE_COUNT ? meaning[sw(row)->cause] : "?");
}

static int compare_count(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(sw(a)->count, sw(b)->count);
}

static const void *switch_rows(const struct model *m, uint32_t *count)
{
	*count = m->switch_count;
	return m->switches;
}

static enum style switch_style(const struct model *m, const void *row)
{
	(void)m;
	return sw(row)->cause == SWITCH_BLOCK || sw(row)->cause == SWITCH_FAULT ? STYLE_ALERT : STYLE_NORMAL;
}

static const struct column switch_columns[] = {
	{ "count", "SWITCHES", "context switches since asynctop attached", 8, 8, TEXT_RIGHT, true, switch_count,
	  compare_count, NULL },
	{ "cause", "CAUSE", "why the thread was switched out", 7, 8, TEXT_LEFT, false, switch_cause, NULL, NULL },
	{ "site", "SPAWNED AT", "spawn site of the task that ran", 10, 40, TEXT_TAIL, false, switch_site, NULL, NULL },
	{ "function", "RUNS", "the function that it runs", 6, 30, TEXT_LEFT, false, switch_function, NULL, NULL },
	{ "meaning", "MEANING", "the cause in words", 8, 60, TEXT_LEFT, false, switch_meaning, NULL, NULL },
};

const struct table table_switches = {
	.key = "switches",
	.title = "where threads are given away to the kernel",
	.none = "nothing was counted yet",
	.columns = switch_columns,
	.count = sizeof(switch_columns) / sizeof(switch_columns[0]),
	.row_size = sizeof(struct model_switch),
	.sort = "count",
	.rows = switch_rows,
	.style = switch_style,
};
