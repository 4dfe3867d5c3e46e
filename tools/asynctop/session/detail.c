/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/detail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "session/places.h"
#include "source/sampler.h"

void detail_free(struct watch *w)
{
	if (w->detail != NULL)
		free(w->detail->frames);
	free(w->detail);
	w->detail = NULL;
}

void detail_choose(struct watch *w, uint64_t task)
{
	if (w->detail != NULL && w->detail->task == task)
		return;
	detail_free(w);
	if (task == 0)
		return;
	w->detail = xcalloc(1, sizeof(*w->detail));
	w->detail->task = task;
	w->detail_key = 0;
}

/* ---- history ---- */

static bool same_state(const struct sley_region_task *a, const struct sley_region_task *b)
{
	return a->state == b->state && a->wait_kind == b->wait_kind && a->wait_object == b->wait_object &&
	       a->wait_pc == b->wait_pc && a->since_ns == b->since_ns && a->worker == b->worker;
}

static void add_change(struct model_detail *d, const struct sley_region_task *t, int64_t now)
{
	unsigned kept = d->change_count < MODEL_CHANGES ? d->change_count : MODEL_CHANGES - 1;
	memmove(&d->changes[1], &d->changes[0], kept * sizeof(d->changes[0]));
	d->changes[0] = (struct model_change){ .record = *t };
	d->changes[0].told = t->since_ns > 0 && t->since_ns <= now;
	d->changes[0].at_ns = d->changes[0].told ? t->since_ns : now;
	d->change_count = kept + 1;
}

void detail_look(struct watch *w, int64_t now)
{
	struct model_detail *d = w->detail;
	struct sley_region_task t;
	if (d == NULL || d->gone)
		return;
	if (!region_task(&w->process.region, d->task, &t)) {
		d->gone = true;
		d->gone_ns = now;
		return;
	}
	if (d->change_count == 0 || !same_state(&d->changes[0].record, &t))
		add_change(d, &t, now);
}

/* ---- the stack ---- */

static void forget_stack(struct model_detail *d, const char *why)
{
	free(d->frames);
	d->frames = NULL;
	d->frame_count = 0;
	d->why = why;
}

static void ask_about(struct watch *w, const struct model *m, const struct block_record *r)
{
	struct album *a = &w->blockers.album;
	struct symbols_request question = stack_question(a, m, r, ++*a->next_key);
	if (a->symbols == NULL || symbols_submit(a->symbols, &question) != 0) {
		forget_stack(w->detail, "its stack cannot be unwound now");
		return;
	}
	w->detail_key = question.key;
}

static const struct model_worker *worker_that_runs(const struct model *m, uint64_t task)
{
	for (uint32_t i = 0; i < m->worker_count; i++)
		if (m->workers[i].line.mode == SLEY_WORKER_TASK && m->workers[i].line.task == task)
			return &m->workers[i];
	return NULL;
}

/* It may go on in a moment: then the sampler notices that. */
static void read_running(struct watch *w, const struct model *m, struct block_record *r)
{
	const struct model_worker *worker = worker_that_runs(m, w->detail->task);
	if (worker == NULL || worker_blocked_ns(m, worker) == MODEL_UNKNOWN ||
	    sampler_look(&w->process, &worker->line, r) != SAMPLE_BLOCKED)
		forget_stack(w->detail, "it runs: its stack changes all the time");
	else
		ask_about(w, m, r);
}

static void read_parked(struct watch *w, const struct model *m, struct block_record *r)
{
	struct sley_region_task t;
	int error = stack_of_parked(&w->process, w->detail->task, &t, r);
	if (error == -ESTALE)
		forget_stack(w->detail, "it went on when its stack was read");
	else if (error)
		forget_stack(w->detail, "its stack cannot be read");
	else
		ask_about(w, m, r);
}

void detail_read(struct watch *w, const struct model *m)
{
	static struct block_record record;
	struct model_detail *d = w->detail;
	const struct sley_region_task *t;
	if (d == NULL || d->gone || d->change_count == 0)
		return;
	t = &d->changes[0].record;
	if (d->stack_read && same_state(t, &d->stack_of) && t->state != SLEY_TASK_RUNNING)
		return; /* it is the same stack */
	d->stack_read = true;
	d->stack_of = *t;
	if (t->state == SLEY_TASK_WAITING)
		read_parked(w, m, &record);
	else if (t->state == SLEY_TASK_RUNNING)
		read_running(w, m, &record);
	else
		forget_stack(d, t->state == SLEY_TASK_ENDED ? "it has ended" : "it is ready to run");
}

bool detail_answer(struct watch *w, const struct symbols_answer *answer)
{
	if (w->detail == NULL || w->detail_key == 0 || w->detail_key != answer->key)
		return false;
	w->detail_key = 0;
	forget_stack(w->detail, answer->frames > 0 ? NULL : "its stack cannot be unwound");
	w->detail->frames = stack_from_answer(answer, &w->detail->frame_count);
	return true;
}

void detail_fill(struct watch *w, struct model *m)
{
	m->detail = w->detail;
	if (w->detail == NULL)
		return;
	for (unsigned i = 0; i < w->detail->change_count; i++) {
		struct model_change *c = &w->detail->changes[i];
		if (c->record.state == SLEY_TASK_WAITING)
			place_of_return(w, &c->place, c->record.site, c->record.wait_pc);
	}
}
