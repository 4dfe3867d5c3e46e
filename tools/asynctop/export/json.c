/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model as one JSON object on a line. Everything in it is a column of a table or of the process (view/views.h); the
 * fields are described in asynctop(1) and in tests/tools/asynctop.schema.json.
 */
#include "common/json.h"

#include <string.h>

#include "export/export.h"

static void put_columns(struct json *j, const struct record *record, const struct model *m, const void *row);

static void put_record(struct json *j, const char *key, const struct record *record, const struct model *m,
		       const void *row)
{
	json_object(j, key);
	put_columns(j, record, m, row);
	json_end_object(j);
}

static void put_list(struct json *j, const struct column *c, const struct model *m, const struct value *v)
{
	json_array(j, c->name);
	for (uint32_t i = 0; i < v->list.count; i++) {
		const void *row = (const char *)v->list.rows + i * v->list.size;
		if (c->record != NULL)
			put_record(j, NULL, c->record, m, row);
		else
			json_string(j, NULL, *(const char *const *)row);
	}
	json_end_array(j);
}

static void put_value(struct json *j, const struct column *c, const struct model *m, const void *row)
{
	struct value v;
	c->value(&v, m, row);
	switch (v.type) {
	case VALUE_NULL:
	case VALUE_ANY:
		json_null(j, c->name);
		break;
	case VALUE_BOOL:
		json_bool(j, c->name, v.boolean);
		break;
	case VALUE_UINT:
		json_uint(j, c->name, v.natural);
		break;
	case VALUE_INT:
		json_int(j, c->name, v.integer);
		break;
	case VALUE_NUMBER:
		json_number(j, c->name, v.number);
		break;
	case VALUE_STRING:
		json_string(j, c->name, v.string);
		break;
	case VALUE_RECORD:
		put_record(j, c->name, c->record, m, v.row);
		break;
	case VALUE_LIST:
		put_list(j, c, m, &v);
		break;
	}
}

static bool is_there(const struct group *group, const struct model *m, const void *row)
{
	return group->there == NULL || group->there(m, row);
}

/* Closes the object of one group and opens that of the next; NULL: no group. A group that is not there is null. */
static void change_group(struct json *j, const struct group *from, const struct group *to, const struct model *m,
			 const void *row)
{
	if (from != NULL && is_there(from, m, row))
		json_end_object(j);
	if (to != NULL && is_there(to, m, row))
		json_object(j, to->name);
	else if (to != NULL)
		json_null(j, to->name);
}

static void put_columns(struct json *j, const struct record *record, const struct model *m, const void *row)
{
	const struct group *group = NULL;
	for (unsigned i = 0; i < record->count; i++) {
		const struct column *c = &record->columns[i];
		if (c->name == NULL)
			continue;
		if (c->group != group)
			change_group(j, group, c->group, m, row);
		group = c->group;
		if (group == NULL || is_there(group, m, row))
			put_value(j, c, m, row);
	}
	change_group(j, group, NULL, m, row);
}

static void put_table(struct json *j, const struct table *t, const struct model *m)
{
	uint32_t count, first = 0;
	const char *rows = t->rows(m, &count);
	if (t->fresh != NULL)
		count = t->fresh(m, &first);
	if (t->totals != NULL)
		put_columns(j, t->totals, m, m);
	json_array(j, t->key);
	for (uint32_t i = 0; i < count; i++)
		put_record(j, NULL, &t->record, m, rows + (first + i) * t->row_size);
	json_end_array(j);
}

/* All that the model has and no tick before had, in its own order. */
static void write_json(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit)
{
	struct json j = { 0 };
	(void)orders;
	(void)limit;
	json_object(&j, NULL);
	put_columns(&j, &record_head, m, m);
	for (unsigned i = 0; i < TABLES; i++)
		put_table(&j, table_of(i), m);
	put_columns(&j, &record_tail, m, m);
	json_end_object(&j);
	text_put(out, text_string(&j.text), j.text.length);
	text_puts(out, "\n");
	text_free(&j.text);
}

const struct exporter exporter_json = {
	.name = "json",
	.help = "one JSON object for each process and tick, each on a line",
	.write = write_json,
};
