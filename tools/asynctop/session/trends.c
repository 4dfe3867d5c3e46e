/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/trends.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "model/warning.h"

#define POLL_NS     50000 /* tasks that compute for longer between two yields are no pollers */
#define PLACES      256u
#define PLACE_TASKS 100u       /* fewer are not many */
#define GROWS_NS    3000000000 /* a start that is over soon is no growth */
#define GROWTHS     3u         /* ticks at which there were more */

struct site_past {
	uint64_t yields, waits;
	int64_t polls_ns; /* since when its tasks wake themselves; 0: they do not */
};

struct place_past {
	uint32_t site, kind;
	uint64_t pc;
	uint64_t first, last; /* tasks that waited there, at the first tick of the growth and at the last one */
	int64_t first_ns, grown_ns;
	unsigned growths;
	bool seen; /* at this tick */
};

struct trends {
	int64_t time_ns; /* of the tick before */
	struct site_past sites[SLEY_REGION_SITES];
	struct place_past places[PLACES];
	uint32_t place_count;
};

struct trends *trends_new(void)
{
	return xcalloc(1, sizeof(struct trends));
}

void trends_free(struct trends *t)
{
	free(t);
}

/* ---- tasks that wake themselves ---- */

/* The place where most of the site's tasks have yielded last, and how many have yielded anywhere; NULL: none has. */
static const struct model_yield *yield_of(const struct model *m, uint32_t site, uint64_t *tasks)
{
	const struct model_yield *most = NULL;
	*tasks = 0;
	for (uint32_t i = 0; i < m->yield_count; i++) {
		const struct model_yield *y = &m->yields[i];
		if (y->site != site || y->kind != SLEY_WAIT_NONE || y->pc == 0)
			continue;
		*tasks += y->tasks;
		if (most == NULL || y->tasks > most->tasks)
			most = y;
	}
	return most;
}

/* Whether so many yields mean that the tasks do nothing in between. Of many tasks as many run as there are workers. */
static bool is_polling(const struct model *m, uint64_t tasks, uint64_t yields, uint64_t waits, int64_t interval)
{
	uint64_t running = m->target > 0 && tasks > m->target ? m->target : tasks;
	return running > 0 && yields > waits && yields / running >= (uint64_t)interval / POLL_NS;
}

static void look_at_site(struct trends *t, struct model *m, uint32_t site, int64_t interval)
{
	struct site_past *past = &t->sites[site];
	const struct region_site *now = &m->sites[site];
	uint64_t yields = now->yields - past->yields, waits = now->waits - past->waits, tasks = 0;
	const struct model_yield *place;
	past->yields = now->yields;
	past->waits = now->waits;
	if (interval <= 0 || yields < (uint64_t)interval / POLL_NS || yields > INT64_MAX) {
		past->polls_ns = 0;
		return;
	}
	place = yield_of(m, site, &tasks);
	if (place == NULL || !is_polling(m, tasks, yields, waits, interval)) {
		past->polls_ns = 0;
		return;
	}
	if (past->polls_ns == 0)
		past->polls_ns = m->time_ns - interval;
	if (m->time_ns - past->polls_ns >= TRENDS_LONG_NS)
		warning_add(m, &(struct model_warning){ .kind = WARNING_SELF_WAKE,
							.site = site,
							.pc = place->pc,
							.tasks = tasks,
							.longest_ns = m->time_ns - past->polls_ns,
							.interval_ns = interval,
							.before = yields,
							.others = waits });
}

/* ---- places where more and more tasks wait ---- */

static struct place_past *past_of(struct trends *t, const struct model_yield *y)
{
	struct place_past *p;
	for (uint32_t i = 0; i < t->place_count; i++) {
		p = &t->places[i];
		if (p->site == y->site && p->kind == y->kind && p->pc == y->pc)
			return p;
	}
	if (t->place_count == PLACES)
		return NULL;
	p = &t->places[t->place_count++];
	*p = (struct place_past){ .site = y->site, .kind = y->kind, .pc = y->pc };
	return p;
}

/* A growth begins anew where some have gone on. */
static bool has_grown(struct place_past *p, uint64_t waiting, int64_t now)
{
	if (p->first_ns == 0 || waiting < p->last) {
		p->first = p->last = waiting;
		p->first_ns = p->grown_ns = now;
		p->growths = 0;
	}
	if (waiting > p->last) {
		p->growths++;
		p->grown_ns = now;
	}
	p->last = waiting;
	return p->growths >= GROWTHS && now - p->first_ns >= GROWS_NS && now - p->grown_ns < GROWS_NS &&
	       waiting / 3 >= p->first / 2;
}

static void look_at_place(struct trends *t, struct model *m, const struct model_yield *y)
{
	struct place_past *p = y->kind == SLEY_WAIT_NONE || y->waiting < PLACE_TASKS ? NULL : past_of(t, y);
	if (p == NULL)
		return;
	p->seen = true;
	if (has_grown(p, y->waiting, m->time_ns))
		warning_add(m, &(struct model_warning){ .kind = WARNING_GROWTH,
							.wait_kind = (uint8_t)y->kind,
							.site = y->site,
							.pc = y->pc,
							.tasks = y->waiting,
							.longest_ns = m->time_ns - p->first_ns,
							.before = p->first });
}

static void forget_places(struct trends *t)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < t->place_count; i++) {
		if (!t->places[i].seen)
			continue;
		t->places[n] = t->places[i];
		t->places[n++].seen = false;
	}
	t->place_count = n;
}

void trends_read(struct trends *t, struct model *m)
{
	int64_t interval = t->time_ns > 0 && m->times_since_ns != MODEL_UNKNOWN && m->times_since_ns <= t->time_ns
				   ? m->time_ns - t->time_ns
				   : 0;
	for (uint32_t i = 0; i < m->site_count && i < SLEY_REGION_SITES; i++)
		look_at_site(t, m, i, interval);
	for (uint32_t i = 0; i < m->yield_count; i++)
		look_at_place(t, m, &m->yields[i]);
	forget_places(t);
	t->time_ns = m->time_ns;
}
