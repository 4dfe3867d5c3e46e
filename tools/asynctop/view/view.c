/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Lines. */
#include "view/view.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

void view_free(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->lines[i].text);
	free(v->lines);
	*v = (struct view){ 0 };
}

struct view_line *view_take(struct view *v, enum style style, struct text *t)
{
	struct view_line *line;
	while (t->length > 0 && t->data[t->length - 1] == ' ')
		t->data[--t->length] = '\0';
	v->lines = xgrow(v->lines, v->count, &v->room, sizeof(*v->lines));
	line = &v->lines[v->count++];
	*line = (struct view_line){ .text = t->data ? t->data : xstrdup(""), .style = style, .row = -1 };
	*t = (struct text){ 0 };
	return line;
}

void view_add(struct view *v, enum style style, int width, const char *text)
{
	struct text t = { 0 };
	if (width > 0)
		text_cell(&t, text, width, TEXT_LEFT);
	else
		text_clean(&t, text);
	view_take(v, style, &t);
}

void view_stack(struct view *v, const struct model_place *frames, unsigned count, int width)
{
	struct text t = { 0 };
	for (unsigned i = 0; i < count; i++) {
		text_clear(&t);
		text_printf(&t, "      #%u %s", i, frames[i].text);
		view_add(v, STYLE_DIM, width, t.data);
	}
	text_free(&t);
}

/* How many bytes of `s` fit into `width` columns, cut at a blank if there is one. At least one. */
static size_t fitting(const char *s, int width)
{
	size_t blank = 0, n;
	for (n = 0; s[n] != '\0' && (int)n < width; n++)
		if (s[n] == ' ')
			blank = n;
	if (s[n] == '\0' || s[n] == ' ')
		return n;
	if (blank > 0)
		return blank;
	while (n > 1 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Counts bytes as columns: a line with other than ASCII is broken a little early, never late. */
void view_wrap(struct view *v, enum style style, int width, int indent, const char *text)
{
	struct text clean = { 0 };
	const char *at;
	bool first = true;
	text_clean(&clean, text);
	at = text_string(&clean);
	do {
		int room = width <= 0 ? INT32_MAX : first ? width : width - indent;
		size_t n = fitting(at, room > 8 ? room : 8);
		struct text line = { 0 };
		if (!first)
			text_spaces(&line, indent);
		text_put(&line, at, n);
		view_take(v, style, &line);
		at += n;
		at += strspn(at, " ");
		first = false;
	} while (*at);
	text_free(&clean);
}
