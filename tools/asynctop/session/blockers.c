/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Adding up blocks, and making rows of them. */
#include "session/blockers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "model/verdict.h"

/* A bound on the memory that a process can make asynctop use: 8 KiB for each of so many kinds, 8 MiB in all. */
#define BLOCKERS_MOST 1024

struct blocker {
	uint32_t site;
	int32_t syscall;
	uint32_t place;
	uint32_t number; /* of this entry */
	uint32_t row;    /* index in the model */
	struct block_total total;
	uint32_t in_progress;
	int64_t in_progress_ns;
	uint64_t in_progress_delayed_tasks;
	int64_t in_progress_delayed_ns;
	struct pictures *pictures; /* NULL: there are none yet, or no room for them */
};

/* ---- reading the tracer ---- */

struct reading {
	struct blockers *blockers;
	const struct model *model;
};

/* NULL: there are too many. The kernel has no room for more either, and says so. */
static struct blocker *entry_of(struct blockers *b, uint32_t site, int32_t syscall, uint32_t place)
{
	struct blocker *e;
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i]->site == site && b->entries[i]->syscall == syscall && b->entries[i]->place == place)
			return b->entries[i];
	if (b->count == BLOCKERS_MOST)
		return NULL;
	b->entries = xgrow(b->entries, b->count, &b->room, sizeof(*b->entries));
	e = xcalloc(1, sizeof(*e));
	e->site = site;
	e->syscall = syscall;
	e->place = place;
	e->number = (uint32_t)b->count;
	return b->entries[b->count++] = e;
}

uint32_t blockers_event(struct blockers *b, const struct model *m, const struct block_record *r)
{
	struct blocker *e = entry_of(b, r->site, r->syscall, (uint32_t)r->place);
	uint64_t lasted = r->end_ns - r->start_ns;
	if (e == NULL)
		return UINT32_MAX;
	if (r->end_ns >= r->start_ns && lasted > e->total.max_ns) {
		e->total.max_ns = lasted;
		pictures_consider(&b->album, &e->pictures, m, r);
	}
	return e->number;
}

uint32_t blockers_over(struct blockers *b, const struct model *m, const struct block_record *r)
{
	uint32_t number = blockers_event(b, m, r);
	struct block_total *total;
	if (number == UINT32_MAX)
		return number;
	total = &b->entries[number]->total;
	total->count++;
	total->total_ns += r->end_ns - r->start_ns;
	total->cpu_ns += r->cpu_ns;
	total->delayed_tasks += r->delayed_tasks;
	total->delayed_ns += r->delayed_ns;
	total->handed += r->handed_ns != 0;
	return number;
}

bool blockers_settled(const struct blockers *b, uint32_t number)
{
	const struct model_block *block = number < b->count ? pictures_shown(b->entries[number]->pictures) : NULL;
	return block == NULL || block->resolved;
}

static void read_total(void *context, const struct tracer_total *t)
{
	struct reading *reading = context;
	struct blocker *e = entry_of(reading->blockers, t->key.site, t->key.syscall, t->key.place);
	if (e == NULL)
		return;
	e->total = t->total;
	if (t->longest != NULL)
		pictures_consider(&reading->blockers->album, &e->pictures, reading->model, t->longest);
}

void blockers_stuck(struct blockers *b, const struct model *m, const struct block_record *r)
{
	struct blocker *e = entry_of(b, r->site, r->syscall, (uint32_t)r->place);
	int64_t lasted = m->time_ns - (int64_t)r->start_ns;
	if (e == NULL)
		return;
	if (lasted < 0)
		lasted = 0;
	e->in_progress++;
	e->in_progress_delayed_tasks += r->delayed_tasks;
	if (__builtin_add_overflow(e->in_progress_delayed_ns, (int64_t)(r->delayed_ns & INT64_MAX),
				   &e->in_progress_delayed_ns))
		e->in_progress_delayed_ns = INT64_MAX;
	if (lasted > e->in_progress_ns)
		e->in_progress_ns = lasted;
	if (lasted > (int64_t)e->total.max_ns)
		pictures_consider(&b->album, &e->pictures, m, r);
}

static void read_under_way(void *context, const struct block_record *r)
{
	struct reading *reading = context;
	blockers_stuck(reading->blockers, reading->model, r);
}

int blockers_read(struct blockers *b, struct tracer *tracer, uint32_t process, const struct model *m)
{
	struct reading reading = { b, m };
	int status = tracer_totals(tracer, process, read_total, &reading);
	return status == 0 ? tracer_blocked(tracer, process, read_under_way, &reading) : status;
}

void blockers_begin(struct blockers *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct blocker *e = b->entries[i];
		e->in_progress = 0;
		e->in_progress_ns = 0;
		e->in_progress_delayed_tasks = 0;
		e->in_progress_delayed_ns = 0;
	}
}

void blockers_end(struct blockers *b, const struct model *m)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i]->pictures != NULL)
			pictures_renew(&b->album, b->entries[i]->pictures, m);
}

bool blockers_answer(struct blockers *b, const struct symbols_answer *answer)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i]->pictures != NULL && pictures_answer(&b->album, b->entries[i]->pictures, answer))
			return true;
	return false;
}

/* ---- into the model ---- */

/*
 * Whether two entries are one row: their lines are known, and the same. A line may have several return addresses, and
 * words that lie in a stack by chance may look like some.
 */
static bool same_row(const struct blocker *a, const struct blocker *b)
{
	const struct model_block *x = pictures_shown(a->pictures), *y = pictures_shown(b->pictures);
	return a->site == b->site && a->syscall == b->syscall && x != NULL && y != NULL && x->place.text[0] != '\0' &&
	       strcmp(x->place.text, y->place.text) == 0 && strcmp(x->place.file, y->place.file) == 0;
}

static int64_t longest_of(const struct blocker *e)
{
	return e->in_progress_ns > (int64_t)e->total.max_ns ? e->in_progress_ns : (int64_t)e->total.max_ns;
}

static void add_to_row(struct model_blocker *to, const struct blocker *e)
{
	const struct block_total *total = &e->total;
	to->total.count += total->count;
	to->total.total_ns += total->total_ns;
	to->total.blocked_ns += total->blocked_ns;
	to->total.cpu_ns += total->cpu_ns;
	to->total.delayed_tasks += total->delayed_tasks;
	to->total.delayed_ns += total->delayed_ns;
	to->total.handed += total->handed;
	to->total.sleeps += total->sleeps;
	if (total->max_ns > to->total.max_ns)
		to->total.max_ns = total->max_ns;
	to->in_progress += e->in_progress;
	if (e->in_progress_ns > to->in_progress_ns)
		to->in_progress_ns = e->in_progress_ns;
	to->in_progress_delayed_tasks += e->in_progress_delayed_tasks;
	if (__builtin_add_overflow(to->in_progress_delayed_ns, e->in_progress_delayed_ns, &to->in_progress_delayed_ns))
		to->in_progress_delayed_ns = INT64_MAX;
}

/* Events of one kind were at one place, if the kernel's word for it is the caller of the library. */
static void place_events(const struct blockers *b, struct model *m)
{
	for (uint32_t i = 0; i < m->event_count; i++) {
		struct model_event *event = &m->events[i];
		const struct blocker *e = event->kind < b->count ? b->entries[event->kind] : NULL;
		const struct model_block *picture =
			e != NULL && e->row < m->blocker_count ? pictures_shown(e->pictures) : NULL;
		event->blocker = picture != NULL && picture->exact ? e->row : MODEL_NO_BLOCKER;
	}
}

/* The row of an entry, a new one if it is the first; `longest`: by row, the entry that has its longest block. */
static struct model_blocker *row_of(struct model *m, const struct blocker **longest, const struct blocker *e)
{
	uint32_t i = 0;
	while (i < m->blocker_count && !same_row(longest[i], e))
		i++;
	if (i == m->blocker_count) {
		m->blockers[m->blocker_count++] =
			(struct model_blocker){ .site = e->site, .syscall = e->syscall, .place = e->place };
		longest[i] = e;
	} else if (longest_of(e) > longest_of(longest[i])) {
		longest[i] = e;
	}
	return &m->blockers[i];
}

static void finish_row(struct model_blocker *to, const struct blocker *longest, const struct model *m)
{
	const struct model_block *picture = pictures_shown(longest->pictures);
	struct text verdict = { 0 };
	if (picture != NULL)
		block_copy(&to->longest, picture);
	to->longest.syscall = to->syscall;
	/* Not in the picture: an event may come before the tick that reads its site. */
	if (to->longest.name[0] == '\0')
		snprintf(to->longest.name, sizeof(to->longest.name), "%s", model_site(m, to->site)->entry);
	waker_name(&to->longest.waker, m);
	verdict_put(&verdict, m, to);
	to->verdict = text_take(&verdict);
}

void blockers_fill(struct blockers *b, struct model *m)
{
	const struct blocker **longest = xcalloc(b->count, sizeof(const struct blocker *));
	for (uint32_t i = 0; i < m->blocker_count; i++)
		model_blocker_free(&m->blockers[i]);
	free(m->blockers);
	m->blockers = xcalloc(b->count, sizeof(*m->blockers));
	m->blocker_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct blocker *e = b->entries[i];
		struct model_blocker *row;
		e->row = UINT32_MAX;
		/* A block that was only sampled leaves no count when it is over. */
		if (e->total.count == 0 && e->in_progress == 0)
			continue;
		row = row_of(m, longest, e);
		add_to_row(row, e);
		e->row = (uint32_t)(row - m->blockers);
	}
	place_events(b, m);
	for (uint32_t i = 0; i < m->blocker_count; i++)
		finish_row(&m->blockers[i], longest[i], m);
	free(longest);
}

void blockers_init(struct blockers *b, struct process *p, struct symbols *s, uint64_t *next_key)
{
	*b = (struct blockers){ .album = { .process = p, .symbols = s, .next_key = next_key } };
}

void blockers_free(struct blockers *b)
{
	for (size_t i = 0; i < b->count; i++) {
		pictures_free(b->entries[i]->pictures);
		free(b->entries[i]);
	}
	free(b->entries);
	*b = (struct blockers){ 0 };
}
