/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The schema of asynctop's JSON against the tables that the JSON is made from. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/test.h"
#include "view/views.h"

/* Both are lists of "path types": "tasks[].worker integer|null". */
static const char compare[] =
	"import json, sys\n"
	"def types(s):\n"
	"    if 'anyOf' in s: return set().union(*[types(a) for a in s['anyOf']])\n"
	"    values = s.get('enum', [s['const']] if 'const' in s else [])\n"
	"    names = {str: 'string', int: 'integer', bool: 'boolean', type(None): 'null'}\n"
	"    if values: return {names[type(v)] for v in values}\n"
	"    return {s['type']} if isinstance(s['type'], str) else set(s['type'])\n"
	"def walk(s, path):\n"
	"    if path: have[path] = types(s)\n"
	"    for a in s.get('anyOf', [s]):\n"
	"        more = a.get('additionalProperties')\n"
	"        if isinstance(more, dict): any_key[path] = types(more)\n"
	"        elif a.get('type') == 'object':\n"
	"            if more is not False: wrong.append(path + ' may have other properties')\n"
	"            if set(a['required']) != set(a['properties']): wrong.append(path + ' has optional properties')\n"
	"        for key, b in a.get('properties', {}).items(): walk(b, path + '.' + key if path else key)\n"
	"        if 'items' in a: walk(a['items'], path + '[]')\n"
	"have, any_key, wrong = {}, {}, []\n"
	"walk(json.load(open(sys.argv[1])), '')\n"
	"made = {p: set(t.split('|')) for p, t in (line.split() for line in open(sys.argv[2]))}\n"
	"for p, t in made.items():\n"
	"    parent = p.rpartition('.')[0]\n"
	"    found = have[p] if p in have else any_key.get(parent)\n"
	"    if found != t: wrong.append('%s is %s in the tables, %s in the schema' % (p, sorted(t), found))\n"
	"wrong += [p + ' is in the schema only' for p in have if p not in made]\n"
	"if wrong: sys.exit('\\n'.join(wrong))\n";

static const char *type_name(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NULL] = "null",          [VALUE_BOOL] = "boolean",  [VALUE_UINT] = "integer",
		[VALUE_INT] = "integer",        [VALUE_NUMBER] = "number", [VALUE_STRING] = "string",
		[VALUE_ANY] = "integer|string", [VALUE_RECORD] = "object", [VALUE_LIST] = "array",
	};
	return names[type];
}

static void put_line(struct text *t, const char *path, enum value_type type, bool optional)
{
	text_printf(t, "%s %s%s\n", path, type_name(type), optional ? "|null" : "");
}

static void put_record(struct text *t, const char *path, const struct record *record);

static void put_column(struct text *t, const char *path, const struct column *c)
{
	char in[256];
	put_line(t, path, c->type, c->optional);
	snprintf(in, sizeof(in), "%s%s", path, c->type == VALUE_LIST ? "[]" : "");
	if (c->type == VALUE_LIST)
		put_line(t, in, c->record != NULL ? VALUE_RECORD : VALUE_STRING, false);
	if (c->record != NULL)
		put_record(t, in, c->record);
}

static void put_record(struct text *t, const char *path, const struct record *record)
{
	const struct group *group = NULL;
	for (unsigned i = 0; i < record->count; i++) {
		const struct column *c = &record->columns[i];
		char in[256];
		if (c->name == NULL)
			continue;
		snprintf(in, sizeof(in), "%s%s%s", path, path[0] ? "." : "",
			 c->group != NULL ? c->group->name : c->name);
		if (c->group != NULL && c->group != group)
			put_line(t, in, VALUE_RECORD, c->group->there != NULL);
		group = c->group;
		if (group != NULL)
			snprintf(in + strlen(in), sizeof(in) - strlen(in), ".%s", c->name);
		put_column(t, in, c);
	}
}

static void put_tables(struct text *t)
{
	put_record(t, "", &record_head);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *table = table_of(i);
		char rows[64];
		snprintf(rows, sizeof(rows), "%s[]", table->key);
		if (table->totals != NULL)
			put_record(t, "", table->totals);
		put_line(t, table->key, VALUE_LIST, false);
		put_line(t, rows, VALUE_RECORD, false);
		put_record(t, rows, &table->record);
	}
	put_record(t, "", &record_tail);
}

/* Each value of each table is in the schema with its type, and nothing else is. */
static void test_schema(void **state)
{
	char *argv[] = { "/usr/bin/python3",
			 "-c",
			 (char *)compare,
			 (char *)test_source_path("tests/tools/asynctop.schema.json"),
			 NULL,
			 NULL };
	struct text t = { 0 };
	char output[64];
	FILE *file;
	if (access(argv[0], X_OK) != 0)
		test_skip("needs /usr/bin/python3");
	scratch_make();
	argv[4] = (char *)scratch_path("columns");
	put_tables(&t);
	file = fopen(argv[4], "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text_string(&t), 1, t.length, file), t.length);
	assert_int_equal(fclose(file), 0);
	text_free(&t);
	assert_int_equal(test_run(argv, output, sizeof(output)), 0);
}

static int remove_scratch(void **state)
{
	scratch_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(test_schema, remove_scratch) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
