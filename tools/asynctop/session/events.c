/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/events.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#define UNTOLD_NS 60000000000 /* how long a single block waits for its place: a busy machine reads lines slowly */

void events_init(struct events *events, uint32_t room)
{
	*events = (struct events){ .ring = xcalloc(room, sizeof(*events->ring)), .room = room };
}

void events_free(struct events *events)
{
	for (uint32_t i = 0; i < events->room; i++)
		model_event_free(&events->ring[i]);
	free(events->ring);
	*events = (struct events){ 0 };
}

struct model_event *events_add(struct events *events, const struct block_record *r)
{
	struct model_event *e = &events->ring[events->count++ % events->room];
	model_event_free(e);
	*e = (struct model_event){
		.task = r->task,
		.site = r->site,
		.worker = r->worker,
		.syscall = r->syscall,
		.start_ns = (int64_t)r->start_ns,
		.duration_ns = (int64_t)(r->end_ns - r->start_ns),
		.blocked_ns = (int64_t)r->blocked_ns,
		.cpu_ns = (int64_t)r->cpu_ns,
		.delayed_ns = (int64_t)r->delayed_ns,
		.delayed_tasks = r->delayed_tasks,
		.handed_to = r->replacement - 1,
		.began_before = (r->flags & BLOCK_EARLY) != 0,
		.blocker = MODEL_NO_BLOCKER,
		.handed_after_ns = r->handed_ns == 0            ? MODEL_UNKNOWN
				   : r->handed_ns > r->start_ns ? (int64_t)(r->handed_ns - r->start_ns)
								: 0,
	};
	snprintf(e->name, sizeof(e->name), "%.*s", BLOCK_NAME, r->name);
	e->arg_count = args_decode(e->args, r);
	waker_take(&e->waker, r);
	return e;
}

void events_late(struct events *events, const struct block_record *r)
{
	for (uint64_t i = events->count; i > events->told && events->count - i < events->room; i--) {
		struct model_event *e = &events->ring[(i - 1) % events->room];
		if (e->worker != r->worker || e->start_ns + e->duration_ns != (int64_t)r->longest_end_ns)
			continue;
		e->delayed_tasks += r->given_tasks;
		e->delayed_ns += (int64_t)r->given_ns;
		return;
	}
}

void events_fill(struct events *events, struct model *m, uint32_t told)
{
	uint64_t n = events->count < events->room ? events->count : events->room;
	uint64_t untold;
	events->told += told;
	untold = events->count - events->told;
	if (untold > n) {
		events->left_out += untold - n;
		events->told += untold - n;
		untold = n;
	}
	m->events_untold = (uint32_t)untold;
	m->events_left_out = events->left_out;
	m->events = xcalloc(n, sizeof(*m->events));
	m->event_count = (uint32_t)n;
	m->events_total = events->count;
	for (uint64_t i = 0; i < n; i++) {
		struct model_event *e = &m->events[i];
		*e = events->ring[(events->count - 1 - i) % events->room];
		args_copy(e->args, e->args, e->arg_count);
		if (e->name[0] == '\0')
			snprintf(e->name, sizeof(e->name), "%s", model_site(m, e->site)->entry);
		waker_name(&e->waker, m);
	}
}

void events_tell(struct model *m, const struct blockers *b, bool all)
{
	uint32_t told = 0;
	while (told < m->events_untold) {
		const struct model_event *e = &m->events[m->events_untold - 1 - told];
		if (!all && !blockers_settled(b, e->kind) && m->time_ns - e->start_ns - e->duration_ns < UNTOLD_NS)
			break;
		told++;
	}
	m->events_told = told;
}
