/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Filters and the bounded heap. */
#include "view/select.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "view/views.h"

int filter_parse(struct filter *f, const char *text, const char **why)
{
	const char *equals = strchr(text, '=');
	char key[32];
	memset(f, 0, sizeof(*f));
	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(key)) {
		*why = "a filter reads key=glob";
		return -1;
	}
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	f->column = table_column(&table_tasks, key);
	if (f->column == NULL) {
		*why = "there is no such column of tasks";
		return -1;
	}
	f->glob = xstrdup(equals + 1);
	return 0;
}

void filter_free(struct filter *f)
{
	free(f->glob);
	f->glob = NULL;
	text_free(&f->cell);
}

void filter_forget(struct filter *f)
{
	memset(f->known, 0, sizeof(f->known));
}

static bool match_cell(struct filter *f, const struct model *m, const struct sley_region_task *t)
{
	text_clear(&f->cell);
	column_put(&f->cell, f->column, m, t);
	return fnmatch(f->glob, text_string(&f->cell), 0) == 0;
}

bool filter_match(struct filter *f, const struct model *m, const struct sley_region_task *t)
{
	int domain = f->column->domain ? f->column->domain(t) : -1;
	if (domain < 0 || domain >= COLUMN_DOMAIN)
		return match_cell(f, m, t);
	if (f->known[domain] == 0)
		f->known[domain] = match_cell(f, m, t) ? 1 : -1;
	return f->known[domain] > 0;
}

/* ---- the heap: a parent comes after its children in order ---- */

static bool after(const struct selection *s, const struct sley_region_task *a, const struct sley_region_task *b)
{
	int c = order_compare(s->order, s->model, a, b);
	return c ? c > 0 : a->id > b->id;
}

static void swap_rows(struct selection *s, uint32_t a, uint32_t b)
{
	struct sley_region_task t = s->rows[a];
	s->rows[a] = s->rows[b];
	s->rows[b] = t;
}

static void sift_up(struct selection *s, uint32_t i)
{
	while (i > 0 && after(s, &s->rows[i], &s->rows[(i - 1) / 2])) {
		swap_rows(s, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void sift_down(struct selection *s, uint32_t i, uint32_t n)
{
	for (;;) {
		uint32_t last = i, left = 2 * i + 1;
		for (uint32_t k = left; k < n && k <= left + 1; k++)
			if (after(s, &s->rows[k], &s->rows[last]))
				last = k;
		if (last == i)
			return;
		swap_rows(s, i, last);
		i = last;
	}
}

void selection_init(struct selection *s, const struct model *m, const struct order *o, uint32_t limit)
{
	*s = (struct selection){ .model = m, .order = o, .limit = limit, .rows = xcalloc(limit, sizeof(*s->rows)) };
}

void selection_offer(struct selection *s, const struct sley_region_task *t)
{
	if (s->count < s->limit) {
		s->rows[s->count] = *t;
		sift_up(s, s->count++);
	} else if (s->limit > 0 && after(s, &s->rows[0], t)) {
		s->rows[0] = *t;
		sift_down(s, 0, s->count);
	}
}

void selection_finish(struct selection *s)
{
	for (uint32_t n = s->count; n > 1; n--) {
		swap_rows(s, 0, n - 1);
		sift_down(s, 0, n - 1);
	}
}
