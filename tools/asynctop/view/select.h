/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Choosing the first few of a million tasks: filters that look at a task's cells, and a heap that keeps the first
 * `limit` in an order without sorting the rest. A filter remembers its answer for cells with few values, such as
 * states and spawn sites, so that it costs a lookup per task.
 */
#ifndef ASYNCTOP_SELECT_H
#define ASYNCTOP_SELECT_H

#include "view/table.h"

#define FILTERS_MAX 8

struct filter {
	const struct column *column;
	char *glob;
	struct text cell;                 /* to write into */
	signed char known[COLUMN_DOMAIN]; /* 1 and -1: the answer; 0: not yet asked */
};

/* Parses "key=glob" of the task table. 0, or -1 with a reason in why. */
int filter_parse(struct filter *f, const char *text, const char **why);

void filter_free(struct filter *f);

/* To be called at each tick: names of sites may have come. */
void filter_forget(struct filter *f);

bool filter_match(struct filter *f, const struct model *m, const struct sley_region_task *t);

struct selection {
	const struct model *model;
	const struct order *order;
	struct sley_region_task *rows; /* a heap with the last in order on top, until selection_finish() */
	uint32_t count, limit;
};

void selection_init(struct selection *s, const struct model *m, const struct order *o, uint32_t limit);

void selection_offer(struct selection *s, const struct sley_region_task *t);

/* Puts the rows in order. They are the caller's to free. */
void selection_finish(struct selection *s);

#endif
