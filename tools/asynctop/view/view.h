/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Views: lines of text from a model. Pure: the same model gives the same lines, on a screen or in a file, and all
 * bytes of the watched process in them are cleaned.
 */
#ifndef ASYNCTOP_VIEW_H
#define ASYNCTOP_VIEW_H

#include "view/table.h"

struct view_line {
	char *text;
	enum style style;
	int row;       /* of a table: which, from 0; -1: not a row */
	bool selected; /* by the user of the screen */
};

struct view {
	struct view_line *lines;
	size_t count, room;
};

void view_free(struct view *v);

/* Width 0: as wide as it gets. */

/*
 * Adds a line about the process, one about the worst blocking call, one for each missing source, and one for lost
 * records.
 */
void view_summary(struct view *v, const struct model *m, int width);

/* Of these, the first line alone, and that of one missing source. */
void view_title(struct view *v, const struct model *m, int width);
void view_tier(struct view *v, const struct model *m, enum model_tier_id id, int width);

/* A heading and the rows [first, first + limit) of a table. Returns the number of rows there are. */
uint32_t view_table(struct view *v, const struct model *m, const struct table *t, const struct order *o, int width,
		    uint32_t first, uint32_t limit);

/* Adds the lines about the task that the user has chosen. */
void view_detail(struct view *v, const struct model *m, int width);

/* Appends a line, which takes the text over. Blanks at its end are of no use. */
struct view_line *view_take(struct view *v, enum style style, struct text *t);

/* Appends `text`, cleaned and cut to `width`. */
void view_add(struct view *v, enum style style, int width, const char *text);

/* The same, wrapped at blanks, with `indent` columns before each line but the first. */
void view_wrap(struct view *v, enum style style, int width, int indent, const char *text);

/* Appends the frames of a stack, a line each. */
void view_stack(struct view *v, const struct model_place *frames, unsigned count, int width);

#endif
