/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The first lines: the process, its tasks, the worst blocking call, missing sources and lost records. */
#include <inttypes.h>
#include <stdio.h>

#include "view/view.h"
#include "view/views.h"

static void put_states(struct text *t, const struct model *m)
{
	static const unsigned order[] = {
		SLEY_TASK_RUNNING, SLEY_TASK_READY, SLEY_TASK_SLOT, SLEY_TASK_WAITING, SLEY_TASK_ENDED,
	};
	text_printf(t, "%" PRIu64 " tasks:", m->tasks_total);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (m->states[order[i]] > 0 || order[i] <= SLEY_TASK_WAITING)
			text_printf(t, " %" PRIu64 " %s", m->states[order[i]], task_state_text(order[i]));
	if (m->tasks_matched != m->tasks_total)
		text_printf(t, "; %" PRIu64 " match the filter", m->tasks_matched);
	if (m->invalid > 0)
		text_printf(t, "; %" PRIu64 " records are not valid", m->invalid);
}

static const struct model_blocker *worst(const struct model *m)
{
	const struct order order = table_order(&table_blockers, NULL);
	const struct model_blocker *found = NULL;
	for (uint32_t i = 0; i < m->blocker_count; i++)
		if (found == NULL || order_compare(&order, m, &m->blockers[i], found) < 0)
			found = &m->blockers[i];
	return found;
}

/* "2 kinds of blocking call and 1 of long computing" */
static void put_kinds(struct text *t, const struct model *m)
{
	uint32_t hogs = 0, calls;
	for (uint32_t i = 0; i < m->blocker_count; i++)
		hogs += m->blockers[i].syscall == SYSCALL_COMPUTING;
	calls = m->blocker_count - hogs;
	if (calls > 0)
		text_printf(t, "%u kind%s of blocking call", calls, calls == 1 ? "" : "s");
	if (calls > 0 && hogs > 0)
		text_printf(t, " and %u of long computing", hogs);
	else if (hogs > 0)
		text_printf(t, "%u kind%s of long computing", hogs, hogs == 1 ? "" : "s");
}

static void put_worst(struct text *t, const struct model *m)
{
	const struct model_blocker *b = worst(m);
	char name[SYSCALL_NAME_MAX], max[TEXT_SHORT], delay[TEXT_SHORT], watched[TEXT_SHORT];
	if (!m->tiers[TIER_BPF].active && b == NULL)
		return;
	text_duration(watched, m->watched_ns);
	if (b == NULL) {
		text_printf(t, "in %s no task blocked its thread", watched);
		return;
	}
	/* The times come first: a narrow screen cuts the place. */
	text_printf(t, "in %s ", watched);
	put_kinds(t, m);
	text_printf(t, ", worst: up to %s", text_duration(max, blocker_max_ns(b)));
	if (blocker_delayed_ns(b) > 0)
		text_printf(t, " (ready tasks waited %s)", text_duration(delay, blocker_delayed_ns(b)));
	text_printf(t, b->syscall == SYSCALL_COMPUTING ? " %s" : " in %s", syscall_name(b->syscall, name));
	if (b->longest.place.text[0] != '\0')
		text_printf(t, b->syscall == SYSCALL_COMPUTING ? ", seen in %s" : ", called in %s",
			    b->longest.place.text);
}

/* What the runtime itself did about blocks, and how soon. */
static void add_handovers(struct view *v, const struct model *m, int width)
{
	char half[TEXT_SHORT], most[TEXT_SHORT];
	struct text t = { 0 };
	if (m->handover_count == 0)
		return;
	text_printf(&t,
		    "%" PRIu64
		    " hand-over%s from blocked workers, half within %s of the note, 99 %% within %s; %" PRIu64
		    " wake-ups in vain; found by",
		    m->counters[SLEY_COUNTER_handovers], m->counters[SLEY_COUNTER_handovers] == 1 ? "" : "s",
		    text_duration(half, model_handed_within_ns(m, 50)),
		    text_duration(most, model_handed_within_ns(m, 99)), m->counters[SLEY_COUNTER_woken_in_vain]);
	for (unsigned i = SLEY_SOURCE_TOLD; i < SLEY_SOURCES; i++)
		if (m->sources & 1u << i)
			text_printf(&t, " %s", block_source_text(i));
	view_add(v, STYLE_NORMAL, width, t.data);
	text_free(&t);
}

static void add_throttled(struct view *v, const struct model *m, int width)
{
	char time[TEXT_SHORT], watched[TEXT_SHORT];
	struct text t = { 0 };
	if (m->throttled_periods <= 0)
		return;
	text_printf(&t,
		    "throttled for %s in %s, in %" PRId64
		    " periods: the cgroup %s has used up its quota of CPU; raise that, or let it do less",
		    text_duration(time, m->throttled_ns), text_duration(watched, m->watched_ns), m->throttled_periods,
		    m->throttled_cgroup);
	view_wrap(v, STYLE_ALERT, width, 2, t.data);
	text_free(&t);
}

#define VERDICTS 3u /* about workers; the rest is in JSON */

static void add_worker_verdicts(struct view *v, const struct model *m, int width)
{
	char more[64];
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->worker_count; i++)
		if (m->workers[i].verdict != NULL && n++ < VERDICTS)
			view_wrap(v, STYLE_ALERT, width, 2, m->workers[i].verdict);
	if (n <= VERDICTS)
		return;
	snprintf(more, sizeof(more), "  and so on, of %u more worker%s", n - VERDICTS, n - VERDICTS == 1 ? "" : "s");
	view_add(v, STYLE_ALERT, width, more);
}

static uint64_t drop_sum(const struct trace_drops *d)
{
	uint64_t sum = 0;
#define ADD_DROP(name, help) sum += d->name;
	TRACE_DROPS(ADD_DROP)
#undef ADD_DROP
	return sum;
}

static void add_drops(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	if (drop_sum(&m->drops) == 0)
		return;
	text_puts(&t, "lost:");
#define PUT_DROP(name, help) \
	if (m->drops.name > 0) \
		text_printf(&t, " %" PRIu64 " %s;", m->drops.name, help);
	TRACE_DROPS(PUT_DROP)
#undef PUT_DROP
	view_add(v, STYLE_ALERT, width, t.data);
	text_free(&t);
}

void view_tier(struct view *v, const struct model *m, enum model_tier_id id, int width)
{
	struct text t = { 0 };
	if (m->tiers[id].active || m->tiers[id].why[0] == '\0')
		return;
	text_printf(&t, "%s: %s", m->tiers[id].name, m->tiers[id].why);
	view_wrap(v, STYLE_BUSY, width, 2, t.data);
	text_free(&t);
}

void view_title(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	uint32_t threads = 0;
	for (uint32_t i = 0; i < m->worker_count; i++)
		threads += m->workers[i].line.mode != SLEY_WORKER_GONE;
	text_printf(&t, "%s, process %d%s: %u worker%s, ", m->service[0] ? m->service : "?", (int)m->pid,
		    m->gone      ? " (ended)"
		    : m->running ? ""
				 : " (sley does not run)",
		    threads, threads == 1 ? "" : "s");
	put_states(&t, m);
	view_add(v, STYLE_TITLE, width, t.data);
	text_free(&t);
}

void view_summary(struct view *v, const struct model *m, int width)
{
	struct text t = { 0 };
	view_title(v, m, width);
	put_worst(&t, m);
	if (t.length > 0)
		view_add(v, m->blocker_count > 0 ? STYLE_ALERT : STYLE_NORMAL, width, t.data);
	text_free(&t);
	add_throttled(v, m, width);
	add_worker_verdicts(v, m, width);
	add_handovers(v, m, width);
	for (unsigned i = 0; i < TIERS; i++)
		view_tier(v, m, i, width);
	add_drops(v, m, width);
}
