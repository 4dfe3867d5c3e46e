/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Spawn sites, places and objects. */
#include "view/site.h"

#include <inttypes.h>
#include <stdio.h>

static const struct region_site *site(const void *row)
{
	return row;
}

static void site_file(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, site(row)->file);
}

static void site_line(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, site(row)->line);
}

static void site_function(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, site(row)->function);
}

static void site_entry(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, site(row)->entry);
}

static const struct column site_columns[] = {
	{ .name = "file", .type = VALUE_STRING, .value = site_file, .help = "of the call that spawns" },
	{ .name = "line", .type = VALUE_UINT, .value = site_line, .help = "of the call that spawns" },
	{ .name = "function", .type = VALUE_STRING, .value = site_function, .help = "that spawns" },
	{ .name = "entry", .type = VALUE_STRING, .value = site_entry, .help = "the function that the task runs" },
};

const struct record record_site = RECORD(site_columns);

void value_site(struct value *out, const struct model *m, uint32_t number)
{
	if (number == NO_SITE)
		value_null(out);
	else
		value_row(out, model_site(m, number));
}

void put_site(struct text *out, const struct model *m, uint32_t number)
{
	char text[160];
	text_puts(out, model_site_text(m, number, text));
}

static const struct model_place *place(const void *row)
{
	return row;
}

static void place_file(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, place(row)->file);
}

static void place_line(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_known(out, place(row)->line ? (int64_t)place(row)->line : -1);
}

static void place_function(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, place(row)->function);
}

static void place_text(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_name(out, place(row)->text);
}

static const struct column place_columns[] = {
	{ .name = "file", .type = VALUE_STRING, .optional = true, .value = place_file, .help = "of the source" },
	{ .name = "line", .type = VALUE_UINT, .optional = true, .value = place_line, .help = "in the file" },
	{ .name = "function", .type = VALUE_STRING, .optional = true, .value = place_function, .help = "it is in" },
	{ .name = "text", .type = VALUE_STRING, .optional = true, .value = place_text, .help = "the place for humans" },
};

const struct record record_place = RECORD(place_columns);

void value_object(struct value *out, unsigned kind, uint64_t object)
{
	switch (wait_object_type(kind)) {
	case WAIT_OBJECT_none:
		value_null(out);
		break;
	case WAIT_OBJECT_fd:
		value_int(out, (int)object);
		break;
	case WAIT_OBJECT_task:
		value_uint(out, object);
		break;
	case WAIT_OBJECT_deadline:
		value_known(out, object >= INT64_MAX ? -1 : (int64_t)object);
		break;
	case WAIT_OBJECT_address:
		snprintf(out->buffer, sizeof(out->buffer), "%#" PRIx64, object);
		value_string(out, out->buffer);
		break;
	}
}
