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
}

void model_blocker_free(struct model_blocker *b)
{
	block_free(&b->longest);
	free(b->verdict);
}

void model_free(struct model *m)
{
	for (uint32_t i = 0; i < m->blocker_count; i++)
		model_blocker_free(&m->blockers[i]);
	free(m->sites);
	free(m->workers);
	free(m->tasks);
	free(m->yields);
	free(m->switches);
	free(m->blockers);
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

enum wait_object wait_object_type(unsigned kind)
{
	static const enum wait_object types[] = {
#define WAIT_TYPE(name, text, object) WAIT_OBJECT_##object,
		SLEY_WAITS(WAIT_TYPE)
#undef WAIT_TYPE
	};
	return kind < SLEY_WAIT_KINDS ? types[kind] : WAIT_OBJECT_none;
}
