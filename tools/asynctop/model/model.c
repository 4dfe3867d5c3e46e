/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Names, derived times and sums, which need no source. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void block_free(struct model_block *b)
{
	for (unsigned i = 0; i < b->arg_count; i++)
		free(b->args[i]);
	free(b->target);
	free(b->target_was);
	free(b->stack);
}

void model_blocker_free(struct model_blocker *b)
{
	block_free(&b->longest);
	free(b->verdict);
}

void model_event_free(struct model_event *e)
{
	for (unsigned i = 0; i < e->arg_count; i++)
		free(e->args[i]);
}

void model_warning_free(struct model_warning *w)
{
	free(w->links);
	free(w->text);
}

void model_free(struct model *m)
{
	for (uint32_t i = 0; i < m->warning_count; i++)
		model_warning_free(&m->warnings[i]);
	for (uint32_t i = 0; i < m->blocker_count; i++)
		model_blocker_free(&m->blockers[i]);
	for (uint32_t i = 0; i < m->worker_count; i++)
		free(m->workers[i].verdict);
	for (uint32_t i = 0; i < m->event_count; i++)
		model_event_free(&m->events[i]);
	free(m->sites);
	free(m->workers);
	free(m->site_blocks);
	free(m->cpu_times);
	free(m->tasks);
	free(m->yields);
	free(m->switches);
	free(m->blockers);
	free(m->warnings);
	free(m->events);
	*m = (struct model){ 0 };
}

const struct region_site *model_site(const struct model *m, uint32_t site)
{
	static const struct region_site unknown = { .file = "?", .function = "?", .entry = "?" };
	return site < m->site_count ? &m->sites[site] : &unknown;
}

const char *model_site_text(const struct model *m, uint32_t site, char out[160])
{
	const struct region_site *s = model_site(m, site);
	const char *slash = strrchr(s->file, '/');
	if (s->file[0] == '\0')
		return "?";
	if (s->line == 0)
		snprintf(out, 160, "%s", s->file);
	else
		snprintf(out, 160, "%s:%u", slash ? slash + 1 : s->file, s->line);
	return out;
}

int model_compare_sites(const struct model *m, uint32_t a, uint32_t b)
{
	const struct region_site *x = model_site(m, a), *y = model_site(m, b);
	int c = strcmp(x->file, y->file);
	return c ? c : (x->line > y->line) - (x->line < y->line);
}

void model_task_name(const struct model *m, const struct sley_region_task *t, char out[MODEL_NAME])
{
	const char *entry = model_site(m, t->site)->entry;
	if (t->name[0] != '\0')
		snprintf(out, MODEL_NAME, "%.*s", (int)sizeof(t->name), t->name);
	else
		snprintf(out, MODEL_NAME, "%s", entry);
}

int64_t model_in_state(const struct model *m, const struct sley_region_task *t)
{
	if (t->since_ns <= 0)
		return MODEL_UNKNOWN;
	if (t->since_ns <= m->time_ns)
		return m->time_ns - t->since_ns;
	/* A change during the reading is new; a time in the future is nonsense. */
	return t->since_ns - m->time_ns < 1000000000 ? 0 : MODEL_UNKNOWN;
}

int64_t model_in_state_min(const struct model *m, const struct sley_region_task *t)
{
	if (t->since_ns != 0 || m->times_since_ns == MODEL_UNKNOWN || m->times_since_ns > m->time_ns)
		return 0;
	return m->time_ns - m->times_since_ns;
}

static bool runs_task(const struct model_worker *w)
{
	return w->line.mode == SLEY_WORKER_TASK && w->line.task != 0;
}

struct model_worker *model_holder(const struct model *m, const struct sley_region_task *t)
{
	if (t->state == SLEY_TASK_READY && t->worker != UINT16_MAX && t->worker & SLEY_TASK_PINNED) {
		struct model_worker *w = &m->workers[SLEY_TASK_WORKER(t->worker)];
		return SLEY_TASK_WORKER(t->worker) < m->worker_count && runs_task(w) ? w : NULL;
	}
	for (uint32_t i = 0; t->state == SLEY_TASK_SLOT && t->wait_object != 0 && i < m->worker_count; i++)
		if (m->workers[i].line.stack_top == t->wait_object && runs_task(&m->workers[i]))
			return &m->workers[i];
	return NULL;
}

void model_add_kept(struct model *m, const struct sley_region_task *t)
{
	struct model_worker *w = model_holder(m, t);
	struct model_kept *kept = w == NULL ? NULL : t->state == SLEY_TASK_SLOT ? &w->stack : &w->own;
	int64_t waits = model_in_state(m, t);
	if (kept == NULL)
		return;
	if (kept->waiters == 0 || waits > kept->longest_ns) {
		kept->first = t->id;
		kept->longest_ns = waits;
	}
	kept->waiters++;
}

uint32_t worker_kept(const struct model_worker *w, int64_t *longest_ns)
{
	int64_t stack = w->stack.waiters ? w->stack.longest_ns : MODEL_UNKNOWN;
	int64_t own = w->own.waiters ? w->own.longest_ns : MODEL_UNKNOWN;
	*longest_ns = stack > own ? stack : own;
	return w->stack.waiters + w->own.waiters;
}

/* The numbers may come from a lying region: sums saturate. */
static int64_t sum(uint64_t a, int64_t b)
{
	uint64_t total;
	if (b < 0)
		b = 0;
	if (__builtin_add_overflow(a, (uint64_t)b, &total) || total > INT64_MAX)
		return INT64_MAX;
	return (int64_t)total;
}

int64_t blocker_total_ns(const struct model_blocker *b)
{
	return sum(b->total.total_ns, b->in_progress_ns);
}

int64_t blocker_max_ns(const struct model_blocker *b)
{
	int64_t over = sum(b->total.max_ns, 0);
	return over > b->in_progress_ns ? over : b->in_progress_ns;
}

int64_t blocker_delayed_ns(const struct model_blocker *b)
{
	return sum(b->total.delayed_ns, b->in_progress_delayed_ns);
}

uint64_t blocker_delayed_tasks(const struct model_blocker *b)
{
	return b->total.delayed_tasks + b->in_progress_delayed_tasks;
}

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "?";
}

#define NAME_OF(names, i) name_of(names, sizeof(names) / sizeof((names)[0]), i)

const char *task_state_text(unsigned state)
{
	static const char *const names[] = { "free", "ready", "running", "waiting", "slot", "ended" };
	return NAME_OF(names, state);
}

const char *worker_mode_text(unsigned mode)
{
	static const char *const names[] = { "gone", "runtime", "task", "idle" };
	return NAME_OF(names, mode);
}

/* A note of another dispatch is one that the worker has not yet taken back. */
uint64_t worker_note(const struct model_worker *w)
{
	uint64_t note = w->block.note;
	bool state = SLEY_NOTE_STATE(note) == SLEY_BLOCK_BLOCKED || SLEY_NOTE_STATE(note) == SLEY_BLOCK_HOG;
	return w->line.mode == SLEY_WORKER_TASK && state && SLEY_NOTE_DISPATCH(note) == w->line.dispatches ? note : 0;
}

static bool noted_as_blocked(const struct model_worker *w)
{
	return SLEY_NOTE_STATE(worker_note(w)) == SLEY_BLOCK_BLOCKED;
}

static bool is_spare(const struct model *m, const struct model_worker *w)
{
	return w->line.mode == SLEY_WORKER_IDLE && m->target > 0 && w->line.index >= m->target;
}

bool worker_rests(const struct model *m, const struct model_worker *w)
{
	return w->stop == STOP_NONE && (w->line.mode == SLEY_WORKER_GONE || is_spare(m, w));
}

const char *worker_state_text(const struct model *m, const struct model_worker *w)
{
	if (w->stop != STOP_NONE)
		return "stopped";
	if (w->blocked_ns != MODEL_UNKNOWN || noted_as_blocked(w))
		return "blocked";
	if (w->hog || worker_note(w) != 0)
		return "hog";
	return is_spare(m, w) ? "spare" : worker_mode_text(w->line.mode);
}

int64_t worker_blocked_ns(const struct model *m, const struct model_worker *w)
{
	if (w->blocked_ns != MODEL_UNKNOWN || !noted_as_blocked(w))
		return w->blocked_ns;
	return w->block.noted_ns > 0 && w->block.noted_ns < m->time_ns ? m->time_ns - w->block.noted_ns : 0;
}

bool worker_call(const struct model_worker *w, int32_t *syscall)
{
	if (w->blocked_ns != MODEL_UNKNOWN)
		*syscall = w->syscall;
	else if (noted_as_blocked(w) && w->block.call != 0)
		*syscall = w->block.call == SLEY_BLOCK_FAULT ? SYSCALL_FAULT : w->block.call - 1;
	else
		return false;
	return true;
}

bool worker_replacement(const struct model *m, const struct model_worker *w, uint32_t *number)
{
	*number = (w->block.replacement & ~SLEY_BLOCK_RAN) - 1;
	return worker_note(w) != 0 && *number < m->worker_count;
}

int64_t worker_handed_ns(const struct model_worker *w)
{
	const struct sley_region_block *b = &w->block;
	if (worker_note(w) == 0 || !(b->replacement & SLEY_BLOCK_RAN) || b->noted_ns <= 0 || b->handed_ns < b->noted_ns)
		return MODEL_UNKNOWN;
	return b->handed_ns - b->noted_ns;
}

int64_t model_handed_within_ns(const struct model *m, unsigned percent)
{
	double sum = 0, some = 0; /* the counts may be any numbers */
	for (uint32_t i = 0; i < m->handover_count; i++)
		sum += (double)m->handovers[i].count;
	for (uint32_t i = 0; i < m->handover_count; i++) {
		some += (double)m->handovers[i].count;
		if (some * 100 >= sum * percent)
			return 2 * m->handovers[i].from_ns;
	}
	return MODEL_UNKNOWN;
}

const char *block_source_text(unsigned source)
{
	static const char *const names[] = { "none",
#define SOURCE_TEXT(name, text, help) text,
					     SLEY_BLOCK_SOURCES(SOURCE_TEXT)
#undef SOURCE_TEXT
	};
	return NAME_OF(names, source);
}

const char *stop_text(enum stop stop)
{
	static const char *const names[] = { NULL,
#define STOP_TEXT(name, text, help) text,
					     STOPS(STOP_TEXT)
#undef STOP_TEXT
	};
	return NAME_OF(names, stop);
}

const char *wait_kind_text(unsigned kind)
{
	static const char *const names[] = {
#define WAIT_TEXT(name, text, object) text,
		SLEY_WAITS(WAIT_TEXT)
#undef WAIT_TEXT
	};
	return NAME_OF(names, kind);
}

const char *switch_cause_text(unsigned cause)
{
	static const char *const names[] = {
#define CAUSE_TEXT(name, text, help) text,
		SWITCH_CAUSES(CAUSE_TEXT)
#undef CAUSE_TEXT
	};
	return NAME_OF(names, cause);
}

const char *handover_text(enum handover handover)
{
	static const char *const names[] = {
#define HANDOVER_TEXT(name, text, help) text,
		HANDOVERS(HANDOVER_TEXT)
#undef HANDOVER_TEXT
	};
	return NAME_OF(names, handover);
}

int model_compare_cpu(const struct model_cpu *a, const struct model_cpu *b)
{
	if (a->task != b->task)
		return a->task < b->task ? -1 : 1;
	return a->site < b->site ? -1 : a->site > b->site;
}

int64_t model_cpu_of(const struct model *m, uint64_t task, uint32_t site)
{
	const struct model_cpu wanted = { task, task ? NO_SITE : site, 0 };
	uint32_t low = 0, high = m->cpu_time_count;
	if (!m->cpu_known)
		return MODEL_UNKNOWN;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int c = model_compare_cpu(&m->cpu_times[middle], &wanted);
		if (c == 0)
			return m->cpu_times[middle].ns;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

const char *waker_text(enum waker_kind kind)
{
	static const char *const names[] = {
#define WAKER_TEXT(name, text, help) text,
		WAKERS(WAKER_TEXT)
#undef WAKER_TEXT
	};
	return NAME_OF(names, kind);
}

void waker_name(struct model_waker *waker, const struct model *m)
{
	if (waker->kind == WAKER_TASK && waker->name[0] == '\0')
		snprintf(waker->name, sizeof(waker->name), "%s", model_site(m, waker->site)->entry);
}

const char *warning_text(enum warning warning)
{
	static const char *const names[] = {
#define WARNING_TEXT(name, text, help) text,
		WARNINGS(WARNING_TEXT)
#undef WARNING_TEXT
	};
	return NAME_OF(names, warning);
}

enum wait_object wait_object_type(unsigned kind)
{
	static const enum wait_object types[] = {
#define WAIT_TYPE(name, text, object) WAIT_OBJECT_##object,
		SLEY_WAITS(WAIT_TYPE)
#undef WAIT_TYPE
	};
	return kind < SLEY_WAIT_KINDS ? types[kind] : WAIT_OBJECT_none;
}
