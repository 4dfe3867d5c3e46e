/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A model as JSON; the fields are described in asynctop(1) and in tests/tools/asynctop.schema.json. */
#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "export/report.h"

/* A time or count that JSON's readers take for an integer, or null when it is not known. */
static void put_known(struct json *j, const char *key, int64_t value)
{
	if (value < 0)
		json_null(j, key);
	else
		json_int(j, key, value);
}

static void put_source(struct json *j, const struct model *m)
{
	static const char *const keys[TIERS] = { "region", "times", "bpf", "symbols" };
	json_object(j, "source");
	for (unsigned i = 0; i < TIERS; i++) {
		json_object(j, keys[i]);
		json_string(j, "state", m->tiers[i].active ? "active" : "denied");
		json_string(j, "opens_with", m->tiers[i].active ? NULL : m->tiers[i].why);
		json_end_object(j);
	}
	json_end_object(j);
}

static void put_site(struct json *j, const char *key, const struct model *m, uint32_t number)
{
	const struct region_site *site = model_site(m, number);
	if (number == NO_SITE) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	json_string(j, "file", site->file);
	json_uint(j, "line", site->line);
	json_string(j, "function", site->function);
	json_string(j, "entry", site->entry);
	json_end_object(j);
}

static void put_place(struct json *j, const char *key, const struct model_place *p)
{
	json_object(j, key);
	json_string(j, "file", p->file[0] ? p->file : NULL);
	put_known(j, "line", p->line ? (int64_t)p->line : -1);
	json_string(j, "function", p->function[0] ? p->function : NULL);
	json_string(j, "text", p->text[0] ? p->text : NULL);
	json_end_object(j);
}

static void put_switch_counts(struct json *j, const uint64_t counts[SWITCH_CAUSE_COUNT])
{
	json_object(j, "switches");
	for (unsigned i = 0; i < SWITCH_CAUSE_COUNT; i++)
		json_uint(j, switch_cause_text(i), counts[i]);
	json_end_object(j);
}

static void put_worker(struct json *j, const struct model *m, const struct model_worker *w)
{
	bool blocked = w->blocked_ns != MODEL_UNKNOWN;
	char name[SYSCALL_NAME_MAX];
	json_object(j, NULL);
	json_uint(j, "id", w->line.index);
	json_uint(j, "tid", w->line.tid);
	json_string(j, "state", blocked ? "blocked" : worker_mode_text(w->line.mode));
	json_uint(j, "queue", w->line.queue);
	if (w->line.mode == SLEY_WORKER_TASK && w->line.task != 0)
		json_uint(j, "task", w->line.task);
	else
		json_null(j, "task");
	json_string(j, "blocked_in", blocked ? syscall_name(w->syscall, name) : NULL);
	put_known(j, "blocked_ns", w->blocked_ns);
	put_known(j, "in_task_min_ns", w->in_task_ns);
	json_uint(j, "dispatches", w->line.dispatches);
	if (m->tiers[TIER_BPF].active)
		put_switch_counts(j, w->switches);
	else
		json_null(j, "switches");
	json_end_object(j);
}

static void put_address(struct json *j, uint64_t address)
{
	char hex[24];
	snprintf(hex, sizeof(hex), "%#" PRIx64, address);
	json_string(j, "object", hex);
}

static void put_wait(struct json *j, const struct sley_region_task *t)
{
	bool waits = t->state == SLEY_TASK_WAITING;
	json_object(j, "wait");
	json_string(j, "kind", waits ? wait_kind_text(t->wait_kind) : NULL);
	switch (waits ? wait_object_type(t->wait_kind) : WAIT_OBJECT_none) {
	case WAIT_OBJECT_none:
		json_null(j, "object");
		break;
	case WAIT_OBJECT_fd:
		json_int(j, "object", (int)t->wait_object);
		break;
	case WAIT_OBJECT_task:
		json_uint(j, "object", t->wait_object);
		break;
	case WAIT_OBJECT_deadline:
		put_known(j, "object", t->wait_object >= INT64_MAX ? -1 : (int64_t)t->wait_object);
		break;
	case WAIT_OBJECT_address:
		put_address(j, t->wait_object);
		break;
	}
	json_end_object(j);
}

static void put_deepest(struct json *j, const char *key, uint32_t bytes)
{
	put_known(j, key, bytes > 0 ? (int64_t)bytes : -1);
}

static void put_task(struct json *j, const struct model *m, const struct sley_region_task *t)
{
	char name[MODEL_NAME];
	model_task_name(m, t, name);
	json_object(j, NULL);
	json_uint(j, "id", t->id);
	json_string(j, "name", name);
	json_string(j, "state", task_state_text(t->state));
	put_known(j, "worker", t->worker == UINT16_MAX ? -1 : t->worker);
	put_wait(j, t);
	put_known(j, "in_state_ns", model_in_state(m, t));
	json_int(j, "in_state_min_ns", model_in_state_min(m, t));
	json_uint(j, "stack_bytes", t->live16 * 16u);
	put_deepest(j, "stack_deepest_bytes", SLEY_TASK_DEEPEST(t->parent_deepest) * 4096u);
	json_uint(j, "site_stack_bytes", model_site(m, t->site)->stack);
	put_deepest(j, "site_stack_deepest_bytes", model_site(m, t->site)->deepest);
	put_site(j, "site", m, t->site);
	json_end_object(j);
}

static void put_yield(struct json *j, const struct model *m, const struct model_yield *y)
{
	const struct region_site *site = model_site(m, y->site);
	json_object(j, NULL);
	put_site(j, "site", m, y->site);
	json_string(j, "kind", y->pc == 0 ? NULL : y->kind == SLEY_WAIT_NONE ? "yield" : wait_kind_text(y->kind));
	put_place(j, "location", &y->place);
	json_uint(j, "tasks", y->tasks);
	json_uint(j, "waiting", y->waiting);
	json_uint(j, "site_waits", site->waits);
	json_uint(j, "site_yields", site->yields);
	json_end_object(j);
}

static void put_switch(struct json *j, const struct model *m, const struct model_switch *s)
{
	json_object(j, NULL);
	json_string(j, "cause", switch_cause_text(s->cause));
	put_site(j, "site", m, s->site);
	json_uint(j, "count", s->count);
	json_end_object(j);
}

static void put_task_name(struct json *j, uint64_t id, const char *name)
{
	json_object(j, "task");
	if (id != 0)
		json_uint(j, "id", id);
	else
		json_null(j, "id");
	json_string(j, "name", name[0] ? name : NULL);
	json_end_object(j);
}

static void put_block(struct json *j, const struct model_block *b)
{
	json_uint(j, "worker", b->worker);
	json_array(j, "args");
	for (unsigned i = 0; i < b->arg_count; i++)
		json_string(j, NULL, b->args[i]);
	json_end_array(j);
	json_string(j, "target", b->target);
	json_string(j, "target_was", b->target_was);
	put_place(j, "location", &b->place);
	json_array(j, "stack");
	for (unsigned i = 0; i < b->frames; i++)
		put_place(j, NULL, &b->stack[i]);
	json_end_array(j);
}

static void put_blocker(struct json *j, const struct model *m, const struct model_blocker *b)
{
	char name[SYSCALL_NAME_MAX];
	json_object(j, NULL);
	put_task_name(j, b->longest.task, b->longest.name);
	put_site(j, "site", m, b->site);
	json_string(j, "syscall", syscall_name(b->syscall, name));
	put_block(j, &b->longest);
	json_uint(j, "count", b->total.count);
	json_uint(j, "total_ns", b->total.total_ns);
	json_uint(j, "max_ns", b->total.max_ns);
	json_uint(j, "blocked_ns", b->total.blocked_ns);
	json_uint(j, "cpu_wait_ns", b->total.cpu_ns);
	json_uint(j, "delayed_tasks", blocker_delayed_tasks(b));
	json_int(j, "delayed_ns", blocker_delayed_ns(b));
	json_uint(j, "in_progress", b->in_progress);
	put_known(j, "in_progress_ns", b->in_progress ? b->in_progress_ns : MODEL_UNKNOWN);
	json_string(j, "verdict", b->verdict ? b->verdict : "");
	json_end_object(j);
}

static void put_event(struct json *j, const struct model *m, const struct model_event *e)
{
	char name[SYSCALL_NAME_MAX];
	json_object(j, NULL);
	put_task_name(j, e->task, e->name);
	put_site(j, "site", m, e->site);
	json_uint(j, "worker", e->worker);
	json_string(j, "syscall", syscall_name(e->syscall, name));
	json_int(j, "start_ns", e->start_ns);
	json_int(j, "duration_ns", e->duration_ns);
	json_int(j, "blocked_ns", e->blocked_ns);
	json_int(j, "cpu_wait_ns", e->cpu_ns);
	json_uint(j, "delayed_tasks", e->delayed_tasks);
	json_int(j, "delayed_ns", e->delayed_ns);
	json_end_object(j);
}

static void put_totals(struct json *j, const struct model *m)
{
	json_uint(j, "tasks_total", m->tasks_total);
	json_uint(j, "tasks_matched", m->tasks_matched);
	json_object(j, "states");
	for (unsigned i = SLEY_TASK_FREE + 1; i < SLEY_TASK_STATES; i++)
		json_uint(j, task_state_text(i), m->states[i]);
	json_end_object(j);
	json_uint(j, "invalid_records", m->invalid);
}

static void put_drops(struct json *j, const struct model *m)
{
	json_object(j, "drops");
#define PUT_DROP(name, help) json_uint(j, #name, m->drops.name);
	TRACE_DROPS(PUT_DROP)
#undef PUT_DROP
	json_end_object(j);
}

static void put_counters(struct json *j, const struct model *m)
{
	json_object(j, "counters");
#define PUT_COUNTER(name, help) json_uint(j, #name, m->counters[SLEY_COUNTER_##name]);
	SLEY_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
	json_end_object(j);
}

/* Writes array `key` with `put` for each of `n` elements. */
#define PUT_ARRAY(j, m, key, items, n, put) \
	do { \
		json_array(j, key); \
		for (uint32_t i_ = 0; i_ < (n); i_++) \
			put(j, m, &(items)[i_]); \
		json_end_array(j); \
	} while (0)

void report_json(struct text *out, const struct model *m)
{
	struct json j = { 0 };
	json_object(&j, NULL);
	json_uint(&j, "schema_version", REPORT_SCHEMA_VERSION);
	json_int(&j, "pid", m->pid);
	json_string(&j, "service", m->service);
	json_int(&j, "time_ns", m->time_ns);
	json_int(&j, "interval_ns", m->interval_ns);
	json_int(&j, "watched_ns", m->watched_ns);
	json_bool(&j, "running", m->running);
	json_bool(&j, "ended", m->gone);
	put_source(&j, m);
	PUT_ARRAY(&j, m, "workers", m->workers, m->worker_count, put_worker);
	put_totals(&j, m);
	PUT_ARRAY(&j, m, "tasks", m->tasks, m->task_count, put_task);
	PUT_ARRAY(&j, m, "switches", m->switches, m->switch_count, put_switch);
	PUT_ARRAY(&j, m, "yields", m->yields, m->yield_count, put_yield);
	PUT_ARRAY(&j, m, "blockers", m->blockers, m->blocker_count, put_blocker);
	PUT_ARRAY(&j, m, "events", m->events, m->event_count, put_event);
	json_uint(&j, "events_total", m->events_total);
	put_drops(&j, m);
	put_counters(&j, m);
	json_number(&j, "tool_cpu", m->tool_cpu);
	json_end_object(&j);
	text_put(out, text_string(&j.text), j.text.length);
	text_puts(out, "\n");
	text_free(&j.text);
}
