/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* One process, tick by tick. */
#include "session/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "child/abandoned.h"
#include "common/memory.h"
#include "model/verdict.h"
#include "model/waits.h"
#include "model/yields.h"
#include "session/cpu.h"
#include "session/detail.h"
#include "session/hogs.h"
#include "session/places.h"
#include "session/stuck.h"
#include "session/trends.h"
#include "session/warnings.h"
#include "source/look.h"

#define YIELDS_RESOLVED 128 /* places whose line is asked for */

/* By the process's clock, as all times of a watch and its model. */
static int64_t now_of(const struct watch *w)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + w->process.ahead_ns;
}

/* ---- attaching ---- */

static void attach(struct watch *w)
{
	const struct sley_region_header *h = &w->process.region.header;
	const struct tracer_target target = {
		.pidfd = w->process.pidfd,
		.clock_offset_ns = w->process.clock_offset_ns,
		.ahead_ns = w->process.ahead_ns,
		.region = w->process.region.fd,
		.address = h->address,
		.workers = h->workers,
		.blocks = h->blocks,
		.tasks = h->tasks,
		.worker_count = h->worker_count,
		.worker_word = h->worker_word,
	};
	int status;
	if (w->tools->tracer == NULL) {
		snprintf(w->trace_why, sizeof(w->trace_why), "%s", w->tools->tracer_why);
		return;
	}
	status = tracer_watch(w->tools->tracer, &target, &w->key);
	w->traced = status == 0;
	if (status < 0)
		snprintf(w->trace_why, sizeof(w->trace_why), "this process cannot be traced: %s", strerror(-status));
}

struct watch *watch_new(struct process *p, struct watch_tools *tools, uint32_t rows)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	const struct symbols_request prepare = { .pid = p->pid, .kind = SYMBOLS_PREPARE };
	w->process = *p;
	w->tools = tools;
	w->times_since_ns = MODEL_UNKNOWN;
	w->trends = trends_new();
	events_init(&w->events, rows);
	blockers_init(&w->blockers, &w->process, tools->symbols, &tools->next_key);
	stacks_init(&w->stacks, &w->blockers.album);
	if (tools->symbols != NULL)
		(void)symbols_submit(tools->symbols, &prepare);
	attach(w);
	w->attached_ns = now_of(w);
	w->throttle_known = look_throttled(p->pid, p->dir, &w->throttled) == 1;
	return w;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->traced)
		tracer_unwatch(w->tools->tracer, w->key);
	if (w->tools->symbols != NULL)
		symbols_forget(w->tools->symbols, w->process.pid);
	hogs_free(w);
	trends_free(w->trends);
	stacks_free(&w->stacks);
	detail_free(w);
	blockers_free(&w->blockers);
	events_free(&w->events);
	model_free(&w->model);
	process_close(&w->process);
	abandoned_forget(w->process.pid);
	free(w);
}

/* A lease outlasts three ticks, so that a slow tick does not end it, and not much more. */
static int64_t lease_for(const struct watch_wish *wish)
{
	int64_t lease = wish->interval_ns > SLEY_LEASE_MAX_NS / 3 ? SLEY_LEASE_MAX_NS : wish->interval_ns * 3;
	return lease < 2000000000 ? 2000000000 : lease;
}

void watch_renew(struct watch *w, const struct watch_wish *wish)
{
	process_retry_control(&w->process);
	(void)control_renew(&w->process.control, now_of(w), lease_for(wish));
	if (w->traced)
		(void)tracer_refresh(w->tools->tracer, w->key, w->process.region.header.worker_count);
}

/* ---- single blocks ---- */

static int read_sites(struct watch *w, struct model *m)
{
	int n;
	free(m->sites);
	m->sites = xcalloc(w->process.region.header.site_count, sizeof(*m->sites));
	n = region_sites(&w->process.region, m->sites, 0);
	m->site_count = n < 0 ? 0 : (uint32_t)n;
	return n;
}

/* The model with the record's site, which may be new; or there was no tick yet. */
static const struct model *model_for(struct watch *w, const struct block_record *r)
{
	if (r->site >= w->model.site_count && r->site < w->process.region.header.site_count)
		read_sites(w, &w->model);
	return &w->model;
}

void watch_event(struct watch *w, const struct block_record *r)
{
	if (r->given_tasks > 0)
		events_late(&w->events, r);
	if ((int64_t)(r->end_ns - r->start_ns) >= w->tools->min_block_ns)
		events_add(&w->events, r)->kind = blockers_event(&w->blockers, model_for(w, r), r);
}

static void take_hog(struct watch *w, const struct block_record *r)
{
	uint32_t kind = blockers_over(&w->blockers, model_for(w, r), r);
	if ((int64_t)(r->end_ns - r->start_ns) >= w->tools->min_block_ns)
		events_add(&w->events, r)->kind = kind;
}

/* ---- between ticks ---- */

/* The number of workers whose lines and blocks were read, or -1. */
static int take_lines(struct watch *w)
{
	int n = region_workers(&w->process.region, w->read);
	uint64_t dispatched = 0;
	for (int i = 0; i < n; i++)
		dispatched += w->read[i].dispatches;
	if (dispatched != w->dispatched || w->moved_ns == 0)
		w->moved_ns = now_of(w);
	w->dispatched = dispatched;
	return n < 0 ? n : region_blocks(&w->process.region, w->read_blocks);
}

static void see_dispatch(struct watch *w, int worker, int64_t now)
{
	struct dispatch *d = &w->dispatches[worker];
	const struct sley_region_worker *line = &w->read[worker];
	bool other = d->line.dispatches != line->dispatches || d->line.task != line->task;
	if (line->mode != SLEY_WORKER_TASK || other)
		hogs_over(w, (uint32_t)worker, now, take_hog);
	if (line->mode != SLEY_WORKER_TASK)
		d->seen_ns = 0;
	else if (d->seen_ns == 0 || other)
		*d = (struct dispatch){ .line = *line, .block = w->read_blocks[worker], .seen_ns = now };
}

/* Many spares may be made between two ticks, and the tracer has room for some. */
static void see_threads(struct watch *w, int n)
{
	bool changed = false;
	for (int i = 0; i < n; i++) {
		changed |= w->threads[i] != w->read[i].thread;
		w->threads[i] = w->read[i].thread;
	}
	if (w->traced && changed)
		(void)tracer_refresh(w->tools->tracer, w->key, w->process.region.header.worker_count);
}

static void see_times(struct watch *w, int64_t now)
{
	if (w->process.region.header.level < SLEY_LEVEL_TIMES)
		w->times_since_ns = MODEL_UNKNOWN;
	else if (w->times_since_ns == MODEL_UNKNOWN)
		w->times_since_ns = now;
}

void watch_look(struct watch *w)
{
	int n;
	if (region_refresh(&w->process.region) != REGION_OK)
		return;
	see_times(w, now_of(w));
	n = take_lines(w);
	for (int i = 0; i < n; i++)
		see_dispatch(w, i, now_of(w));
	hogs_look(w, n, now_of(w), take_hog);
	see_threads(w, n);
	stacks_work(&w->stacks, &w->model, now_of(w));
	detail_look(w, now_of(w));
}

/* ---- parts of a model ---- */

static void set_tier(struct model *m, enum model_tier_id id, const char *name, bool active, const char *why)
{
	m->tiers[id].name = name;
	m->tiers[id].active = active;
	snprintf(m->tiers[id].why, sizeof(m->tiers[id].why), "%s", active ? "" : why);
}

/* Lines are read from the process's files. These may turn out to block after the rest of the model was taken. */
static void tell_symbols(const struct watch *w, struct model *m)
{
	const char *why = abandoned_why(w->process.pid);
	if (w->tools->symbols == NULL)
		why = w->tools->symbols_why;
	else if (why == NULL && w->blockers.album.denied)
		why = "the process's memory map or files may not be read; be its user or root";
	else if (why == NULL)
		why = symbols_refused(w->tools->symbols, w->process.pid);
	set_tier(m, TIER_SYMBOLS, "source lines", why == NULL, why);
}

static void read_tiers(struct watch *w, struct model *m)
{
	bool times = w->process.region.header.level >= SLEY_LEVEL_TIMES;
	const char *blocks = abandoned_why(w->process.pid);
	char why[128];
	if (w->process.control.fd >= 0 && blocks != NULL)
		snprintf(why, sizeof(why), "%s", blocks);
	else if (w->process.control.fd >= 0)
		snprintf(why, sizeof(why), "the process has not answered the request for them yet");
	else
		snprintf(why, sizeof(why), "the control page cannot be opened: %s; be the process's user or root",
			 w->process.control.error ? strerror(w->process.control.error) : "there is none");
	set_tier(m, TIER_REGION, "region", true, "");
	set_tier(m, TIER_TIMES, "times", times, why);
	set_tier(m, TIER_BPF, "blocking calls", w->traced, w->trace_why);
	tell_symbols(w, m);
	see_times(w, m->time_ns);
	m->times_since_ns = w->times_since_ns;
}

static int read_workers(struct watch *w, struct model *m)
{
	const struct sley_region_worker *lines = w->read;
	int n = take_lines(w);
	if (n < 0)
		return n;
	m->worker_count = (uint32_t)n;
	m->workers = xcalloc((size_t)n, sizeof(*m->workers));
	for (int i = 0; i < n; i++) {
		struct model_worker *worker = &m->workers[i];
		struct sley_region_task t;
		worker->line = lines[i];
		worker->blocked_ns = MODEL_UNKNOWN;
		worker->block = w->read_blocks[i];
		see_dispatch(w, i, m->time_ns);
		worker->in_task_ns = w->dispatches[i].seen_ns ? m->time_ns - w->dispatches[i].seen_ns : MODEL_UNKNOWN;
		if (lines[i].task == 0)
			continue;
		if (region_task(&w->process.region, lines[i].task, &t))
			model_task_name(m, &t, worker->task_name);
		else
			snprintf(worker->task_name, sizeof(worker->task_name), "%s",
				 model_site(m, lines[i].site)->entry);
	}
	return n;
}

/* What the runtime itself did about blocks. */
static int read_handovers(struct watch *w, struct model *m)
{
	static struct sley_region_site_blocks blocks[SLEY_REGION_SITES];
	const struct sley_region_header *h = &w->process.region.header;
	int n = region_site_blocks(&w->process.region, blocks);
	m->target = h->target;
	m->max_threads = h->max_threads;
	m->sources = h->sources;
	for (int i = 0; i < SLEY_REGION_HANDOVERS; i++)
		if (h->handovers[i] > 0)
			m->handovers[m->handover_count++] =
				(struct model_bucket){ .from_ns = 1LL << i, .count = h->handovers[i] };
	for (int i = 0; i < n; i++)
		m->site_block_count += blocks[i].noted > 0 || model_cpu_of(m, 0, (uint32_t)i) > 0;
	m->site_blocks = xcalloc(m->site_block_count, sizeof(*m->site_blocks));
	for (int i = 0, k = 0; i < n; i++)
		if (blocks[i].noted > 0 || model_cpu_of(m, 0, (uint32_t)i) > 0)
			m->site_blocks[k++] = (struct model_site_blocks){ .site = (uint32_t)i,
									  .noted = blocks[i].noted,
									  .handed = blocks[i].handed,
									  .in_vain = blocks[i].in_vain };
	return n;
}

static bool match_all(const struct watch_wish *wish, const struct model *m, const struct sley_region_task *t)
{
	for (unsigned i = 0; i < wish->filter_count; i++)
		if (!filter_match(&wish->filters[i], m, t))
			return false;
	return true;
}

/* Drops rows whose record became another task's during the reading: the words of the others belong together. */
static void keep_whole(struct watch *w, struct selection *s)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->count; i++)
		if (region_still(&w->process.region, s->rows[i].id))
			s->rows[n++] = s->rows[i];
	s->count = n;
}

/*
 * One pass over the live tasks: counts, places, waits by object and the rows to show. The rows are checked at the end only, so where
 * tasks live for microseconds, rows are missing; more are selected than shown to make up for it.
 */
static int read_tasks(struct watch *w, const struct watch_wish *wish, struct model *m, struct tally *waits)
{
	static struct sley_region_task chunk[REGION_CHUNK];
	struct region_cursor cursor = { 0 };
	struct selection selection;
	struct tally yields;
	bool stacks = wish->stacks && stacks_begin(&w->stacks, m->time_ns);
	int n;
	tally_init(&yields);
	selection_init(&selection, m, &wish->tasks, wish->rows + wish->rows / 2);
	for (unsigned i = 0; i < wish->filter_count; i++)
		filter_forget(&wish->filters[i]);
	while ((n = region_tasks(&w->process.region, &cursor, chunk)) > 0) {
		m->tasks_total += (uint64_t)n;
		for (int i = 0; i < n; i++) {
			m->states[chunk[i].state]++;
			model_add_kept(m, &chunk[i]);
			yields_add(&yields, &chunk[i]);
			waits_add(waits, m, &chunk[i]);
			if (!match_all(wish, m, &chunk[i]))
				continue;
			m->tasks_matched++;
			if (stacks)
				stacks_offer(&w->stacks, &chunk[i]);
			selection_offer(&selection, &chunk[i]);
		}
	}
	selection_finish(&selection);
	keep_whole(w, &selection);
	m->invalid = cursor.invalid;
	m->tasks = selection.rows;
	m->task_count = selection.count < wish->rows ? selection.count : wish->rows;
	m->yields = yields_top(&yields, wish->rows, &m->yield_count);
	m->yields_lost = yields.lost;
	tally_free(&yields);
	return n;
}

/* ---- what the tracer saw ---- */

static void read_switch(void *context, const struct tracer_switch *s)
{
	struct model *m = context;
	uint32_t i = 0;
	if (s->key.cause >= SWITCH_CAUSE_COUNT)
		return;
	if (s->key.worker < m->worker_count)
		m->workers[s->key.worker].switches[s->key.cause] += s->count;
	while (i < m->switch_count && (m->switches[i].site != s->key.site || m->switches[i].cause != s->key.cause))
		i++;
	if (i == m->switch_count) {
		m->switches = xresize(m->switches, ++m->switch_count, sizeof(*m->switches));
		m->switches[i] = (struct model_switch){ .site = s->key.site, .cause = s->key.cause };
	}
	m->switches[i].count += s->count;
}

static void read_blocked_worker(void *context, const struct block_record *r)
{
	struct model *m = context;
	if (r->worker >= m->worker_count)
		return;
	m->workers[r->worker].syscall = r->syscall;
	memcpy(m->workers[r->worker].args, r->args, sizeof(m->workers[r->worker].args));
	m->workers[r->worker].blocked_ns = m->time_ns > (int64_t)r->start_ns ? m->time_ns - (int64_t)r->start_ns : 0;
}

static void read_tracer(struct watch *w, struct model *m)
{
	struct tracer *tracer = w->tools->tracer;
	int status;
	if (!w->traced)
		return;
	status = blockers_read(&w->blockers, tracer, w->key, m);
	if (status == 0)
		status = tracer_switches(tracer, w->key, read_switch, m);
	if (status == 0)
		status = tracer_blocked(tracer, w->key, read_blocked_worker, m);
	if (status < 0)
		set_tier(m, TIER_BPF, "blocking calls", false, strerror(-status));
	m->drops = tracer_drops(tracer, w->key);
	m->drops.samples += w->blockers.album.unpictured;
}

static void read_throttled(struct watch *w, struct model *m)
{
	struct throttled now;
	m->throttled_ns = m->throttled_periods = MODEL_UNKNOWN;
	if (look_throttled(w->process.pid, w->process.dir, &now) != 1)
		return;
	if (!w->throttle_known || now.ns < w->throttled.ns || now.periods < w->throttled.periods)
		w->throttled = now; /* or it is in another cgroup now */
	w->throttle_known = true;
	m->throttled_ns = (int64_t)(now.ns - w->throttled.ns);
	m->throttled_periods = (int64_t)(now.periods - w->throttled.periods);
	memcpy(m->throttled_cgroup, now.cgroup, sizeof(m->throttled_cgroup));
}

/* The sites of tasks that others wait for; those that blocked are there already. */
static void fill_kept_sites(struct model *m)
{
	for (uint32_t i = 0; i < m->worker_count; i++) {
		int64_t longest;
		uint32_t kept = worker_kept(&m->workers[i], &longest), site = m->workers[i].line.site, k = 0;
		if (kept == 0 || site >= m->site_count)
			continue;
		while (k < m->site_block_count && m->site_blocks[k].site != site)
			k++;
		if (k == m->site_block_count) {
			m->site_blocks = xresize(m->site_blocks, ++m->site_block_count, sizeof(*m->site_blocks));
			m->site_blocks[k] = (struct model_site_blocks){ .site = site };
		}
		m->site_blocks[k].kept += kept;
	}
}

static void fill_verdicts(struct model *m)
{
	for (uint32_t i = 0; i < m->worker_count; i++) {
		struct text verdict = { 0 };
		if (verdict_put_worker(&verdict, m, &m->workers[i]))
			m->workers[i].verdict = verdict.data;
	}
}

/* ---- a tick ---- */

void watch_resolve(struct watch *w)
{
	struct model *m = &w->model;
	for (uint32_t i = 0; i < m->yield_count && i < YIELDS_RESOLVED; i++)
		place_of_return(w, &m->yields[i].place, m->yields[i].site, m->yields[i].pc);
	blockers_fill(&w->blockers, m);
	stacks_fill(&w->stacks, m);
	detail_fill(w, m);
	events_tell(m, &w->blockers, w->last || m->gone);
	warnings_resolve(w, m);
	tell_symbols(w, m);
}

/* Of a process that has ended the last state is read: the region and the tracer still have it. */
enum watch_status watch_tick(struct watch *w, const struct watch_wish *wish, double tool_cpu)
{
	int64_t before = w->model.time_ns;
	struct region *region = &w->process.region;
	struct model m = { .pid = w->process.pid, .tool_cpu = tool_cpu };
	struct tally waits;
	m.gone = !process_current(&w->process);
	if (region_refresh(region) != REGION_OK)
		return WATCH_INVALID;
	process_parts(&w->process);
	m.time_ns = now_of(w);
	m.watched_ns = m.time_ns - w->attached_ns;
	m.interval_ns = before ? m.time_ns - before : 0;
	m.running = region->header.phase == SLEY_PHASE_RUNNING;
	snprintf(m.service, sizeof(m.service), "%s", region->name);
	read_tiers(w, &m);
	tally_init(&waits);
	cpu_read(w, &m);
	if (read_sites(w, &m) < 0 || read_workers(w, &m) < 0 || read_handovers(w, &m) < 0 ||
	    region_counters(region, m.counters) < 0 || read_tasks(w, wish, &m, &waits) < 0) {
		model_free(&m);
		tally_free(&waits);
		snprintf(region->why, sizeof(region->why), "it cannot be read any more");
		return WATCH_INVALID;
	}
	events_fill(&w->events, &m, w->model.events_told);
	blockers_begin(&w->blockers);
	read_tracer(w, &m);
	if (!m.gone)
		stuck_read(w, &m);
	hogs_read(w, &m);
	read_throttled(w, &m);
	detail_choose(w, wish->detail_pid == w->process.pid ? wish->detail : 0);
	detail_look(w, m.time_ns);
	if (!m.gone)
		detail_read(w, &m);
	if (!m.gone)
		warnings_read(w, &m, &waits);
	tally_free(&waits);
	fill_kept_sites(&m);
	fill_verdicts(&m);
	blockers_end(&w->blockers, &m);
	model_free(&w->model);
	w->model = m;
	w->last = wish->last;
	if (!m.gone) {
		w->seen_ns = m.time_ns;
		watch_renew(w, wish);
	}
	watch_resolve(w);
	return m.gone ? WATCH_GONE : WATCH_OK;
}
