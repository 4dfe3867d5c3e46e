/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The pure parts of asynctop: text, JSON, orders and filters, tables and options. Verdicts have a file of their own. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "model/yields.h"
#include "tests/test.h"
#include "ui/command.h"
#include "view/select.h"
#include "view/view.h"

/* ---- text ---- */

static void expect_clean(const char *raw, const char *clean)
{
	struct text t = { 0 };
	text_clean(&t, raw);
	assert_string_equal(text_string(&t), clean);
	assert_int_equal(text_width(raw), text_width(clean));
	text_free(&t);
}

/* What acts on a terminal, has no width, or is no character becomes \xNN; what is printable stays. */
static void test_clean(void **state)
{
	expect_clean("plain text", "plain text");
	expect_clean("gr\303\274n \346\227\245", "gr\303\274n \346\227\245");
	expect_clean("\33[2J", "\\x1b[2J");
	expect_clean("a\r\n\t\177", "a\\x0d\\x0a\\x09\\x7f");
	expect_clean("\302\233", "\\xc2\\x9b");
	expect_clean("\342\200\256", "\\xe2\\x80\\xae");
	expect_clean("\377\300\200", "\\xff\\xc0\\x80");
	expect_clean("\346\227", "\\xe6\\x97");
	expect_clean("e\314\201", "e\\xcc\\x81");
}

static void expect_cell(const char *raw, int width, enum text_align align, const char *cell)
{
	struct text t = { 0 };
	text_cell(&t, raw, width, align);
	assert_string_equal(text_string(&t), cell);
	assert_int_equal(text_width(text_string(&t)), width);
	text_free(&t);
}

/* A cell has exactly its width, with wide characters and escapes too; what is cut is marked. */
static void test_cell(void **state)
{
	expect_cell("abc", 5, TEXT_LEFT, "abc  ");
	expect_cell("abc", 5, TEXT_RIGHT, "  abc");
	expect_cell("abcdef", 5, TEXT_LEFT, "abcd~");
	expect_cell("abcdef", 5, TEXT_RIGHT, "abcd~");
	expect_cell("abcdef", 5, TEXT_TAIL, "~cdef");
	expect_cell("abcdef", 1, TEXT_TAIL, "~");
	expect_cell("\346\227\245\346\234\254", 4, TEXT_LEFT, "\346\227\245\346\234\254");
	expect_cell("\346\227\245\346\234\254", 3, TEXT_LEFT, "\346\227\245~");
	expect_cell("\346\227\245\346\234\254", 3, TEXT_TAIL, "~\346\234\254");
	expect_cell("a\346\227\245", 2, TEXT_LEFT, "a~");
	expect_cell("\33\33", 6, TEXT_LEFT, "\\x1b~ ");
}

/* Figures for humans keep to their columns at every edge. */
static void test_figures(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = {
		{ 0, "0ns" },
		{ 999, "999ns" },
		{ 1000, "1.0us" },
		{ 999949, "999.9us" },
		{ 999950, "1.0ms" },
		{ 20200000, "20.2ms" },
		{ 999949999, "999.9ms" },
		{ 999950000, "1.00s" },
		{ 59990000000, "59.99s" },
		{ 59995000000, "0m59s" },
		{ 60000000000, "1m00s" },
		{ 3599999999999, "59m59s" },
		{ 3600000000000, "1h00m" },
		{ 86399000000000, "23h59m" },
		{ 86400000000000, "1d00h" },
		{ -1, "?" },
	};
	static const struct {
		uint64_t n;
		const char *text;
	} counts[] = {
		{ 0, "0" },
		{ 99999, "99999" },
		{ 100000, "100k" },
		{ 1234567, "1.2M" },
		{ 999949999, "1000M" },
		{ 45600000000, "45.6G" },
		{ UINT64_MAX, "18.4E" },
	};
	char out[TEXT_SHORT];
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_string_equal(text_duration(out, times[i].ns), times[i].text);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		assert_string_equal(text_count(out, counts[i].n), counts[i].text);
	assert_true(strlen(text_duration(out, INT64_MAX)) < TEXT_SHORT);
	assert_string_equal(text_size(out, 1023), "1023B");
	assert_string_equal(text_size(out, 14 * 1024 + 205), "14.2KiB");
	assert_string_equal(text_size(out, UINT64_MAX), "16.0EiB");
}

/* ---- JSON ---- */

static void expect_json(const char *raw, const char *escaped)
{
	struct json j = { 0 };
	json_string(&j, NULL, raw);
	assert_string_equal(text_string(&j.text), escaped);
	text_free(&j.text);
}

/* Strings of any bytes become valid JSON that is harmless on a terminal. */
static void test_json_strings(void **state)
{
	expect_json("plain", "\"plain\"");
	expect_json("a\"b\\c", "\"a\\\"b\\\\c\"");
	expect_json("\1\n\33", "\"\\u0001\\u000a\\u001b\"");
	expect_json("\177\302\233", "\"\\u007f\\u009b\"");
	expect_json("\342\200\256x", "\"\\u202ex\"");
	expect_json("\303\274", "\"\303\274\"");
	expect_json("\360\237\230\200", "\"\360\237\230\200\"");
	expect_json("\363\240\200\201", "\"\\udb40\\udc01\"");
	expect_json("\377", "\"\\ufffd\"");
	expect_json("\300\257", "\"\\ufffd\\ufffd\"");
	expect_json("\355\240\200", "\"\\ufffd\\ufffd\\ufffd\"");
	expect_json("\346\227", "\"\\ufffd\\ufffd\"");
	expect_json(NULL, "null");
}

/* Commas stand between values, at every depth. */
static void test_json_nesting(void **state)
{
	struct json j = { 0 };
	json_object(&j, NULL);
	json_uint(&j, "a", UINT64_MAX);
	json_int(&j, "a", INT64_MIN);
	json_array(&j, "b");
	json_end_array(&j);
	json_array(&j, "c");
	json_int(&j, NULL, -1);
	json_object(&j, NULL);
	json_bool(&j, "d", true);
	json_null(&j, "e");
	json_end_object(&j);
	json_end_array(&j);
	json_number(&j, "f", 1.5);
	json_number(&j, "g", 0.0 / 0.0);
	json_end_object(&j);
	assert_string_equal(
		text_string(&j.text),
		"{\"a\":18446744073709551615,\"a\":-9223372036854775808,\"b\":[],\"c\":[-1,{\"d\":true,\"e\":null}],"
		"\"f\":1.500000,\"g\":null}");
	text_free(&j.text);
}

/* ---- orders, filters, selection ---- */

static struct region_site sites[] = {
	{ .file = "(more)" },
	{ .line = 120, .file = "/src/httpd.c", .function = "accept_loop", .entry = "serve" },
};

static uint64_t noise(void)
{
	static uint64_t x = 88172645463325252ULL;
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

#define MANY 5000

static struct sley_region_task *many_tasks(void)
{
	struct sley_region_task *tasks = calloc(MANY, sizeof(*tasks));
	for (uint32_t i = 0; i < MANY; i++) {
		tasks[i] = (struct sley_region_task){
			.id = 1ULL << 24 | (i + 1),
			.state = (uint8_t)(1 + noise() % (SLEY_TASK_STATES - 1)),
			.worker = (uint16_t)(noise() % 4),
			.site = (uint32_t)(noise() % 2),
			.wait_kind = noise() % SLEY_WAIT_KINDS,
			.since_ns = (int64_t)(noise() % 1000),
			.live16 = (uint16_t)noise(),
			.wait_object = noise() % 50,
		};
		snprintf(tasks[i].name, sizeof(tasks[i].name), "n%u", (unsigned)(noise() % 300));
	}
	return tasks;
}

static void expect_selected(struct sley_region_task *tasks, const struct order *o, uint32_t limit)
{
	struct model m = { .sites = sites,
			   .site_count = 2,
			   .time_ns = 1000,
			   .times_since_ns = MODEL_UNKNOWN,
			   .tasks = tasks,
			   .task_count = MANY };
	struct selection s;
	uint32_t count;
	const void **sorted = table_sorted(&table_tasks, o, &m, &count);
	selection_init(&s, &m, o, limit);
	for (uint32_t i = 0; i < MANY; i++)
		selection_offer(&s, &tasks[i]);
	selection_finish(&s);
	assert_int_equal(count, MANY);
	assert_int_equal(s.count, limit < MANY ? limit : MANY);
	for (uint32_t i = 0; i < s.count; i++)
		assert_int_equal(s.rows[i].id, ((const struct sley_region_task *)sorted[i])->id);
	free(s.rows);
	free(sorted);
}

/* The first N that the heap keeps are the first N of all sorted, for every column and both directions. */
static void test_selection(void **state)
{
	struct sley_region_task *tasks = many_tasks();
	const struct column *shown[COLUMNS_MAX];
	unsigned count = table_shown(&table_tasks, shown);
	for (unsigned i = 0; i < count; i++) {
		const struct column *column = shown[i];
		expect_selected(tasks, &(struct order){ .column = column }, 100);
		expect_selected(tasks, &(struct order){ .column = column, .reverse = true }, 7);
	}
	expect_selected(tasks, &(struct order){ .column = shown[0] }, MANY + 10);
	expect_selected(tasks, &(struct order){ .column = shown[0] }, 0);
	free(tasks);
}

/* By default who has a thread comes first, then who wants one, and among these who has waited longest. */
static void test_default_order(void **state)
{
	const struct model m = { .sites = sites, .site_count = 2 };
	const struct order o = table_order(&table_tasks, NULL);
	const struct sley_region_task running = { .id = 9, .state = SLEY_TASK_RUNNING, .since_ns = 900 };
	const struct sley_region_task ready = { .id = 1, .state = SLEY_TASK_READY, .since_ns = 10 };
	const struct sley_region_task later = { .id = 2, .state = SLEY_TASK_READY, .since_ns = 20 };
	const struct sley_region_task waiting = { .id = 3, .state = SLEY_TASK_WAITING };
	assert_true(order_compare(&o, &m, &running, &ready) < 0);
	assert_true(order_compare(&o, &m, &ready, &later) < 0);
	assert_true(order_compare(&o, &m, &later, &waiting) < 0);
}

static bool matches(const char *text, const struct sley_region_task *t)
{
	const struct model m = { .sites = sites, .site_count = 2, .times_since_ns = MODEL_UNKNOWN };
	const char *why;
	struct filter *f = calloc(1, sizeof(*f));
	bool first, second;
	assert_int_equal(filter_parse(f, text, &why), 0);
	first = filter_match(f, &m, t);
	second = filter_match(f, &m, t);
	assert_true(first == second);
	filter_free(f);
	free(f);
	return first;
}

/* Filters look at what is shown, and remembering answers does not change them. */
static void test_filters(void **state)
{
	const struct sley_region_task t = { .id = 16777218,
					    .state = SLEY_TASK_WAITING,
					    .wait_kind = SLEY_WAIT_READ,
					    .wait_object = 7,
					    .worker = 3,
					    .site = 1,
					    .name = "conn-12" };
	const char *why;
	struct filter *f = calloc(1, sizeof(*f));
	assert_true(matches("name=conn-*", &t));
	assert_false(matches("name=conn", &t));
	assert_true(matches("id=1677721?", &t));
	assert_true(matches("state=wait*", &t));
	assert_false(matches("state=ready", &t));
	assert_true(matches("wait=read", &t));
	assert_true(matches("object=fd 7", &t));
	assert_true(matches("worker=3", &t));
	assert_false(matches("worker=1", &t));
	assert_true(matches("site=httpd.c:*", &t));
	assert_true(matches("function=serve", &t));
	assert_true(matches("name=", &(struct sley_region_task){ .site = 0 }));
	assert_int_equal(filter_parse(f, "name", &why), -1);
	assert_int_equal(filter_parse(f, "=x", &why), -1);
	assert_int_equal(filter_parse(f, "nosuch=x", &why), -1);
	free(f);
}

/* Places are counted exactly while there is room, and what finds none is counted as lost. */
static void test_yields(void **state)
{
	struct model_yield *top;
	struct tally y;
	uint32_t count;
	tally_init(&y);
	for (uint32_t i = 0; i < 30000; i++)
		yields_add(&y, &(struct sley_region_task){ .site = i % 3,
							   .wait_pc = 0x1000 + i % 7,
							   .wait_kind = SLEY_WAIT_READ,
							   .state = i % 2 ? SLEY_TASK_WAITING : SLEY_TASK_READY });
	yields_add(&y, &(struct sley_region_task){ .site = 1, .wait_kind = 9 });
	top = yields_top(&y, 100, &count);
	assert_int_equal(count, 22);
	assert_int_equal(top[0].tasks, 1429);
	assert_true(top[0].waiting == 714 || top[0].waiting == 715);
	assert_int_equal(top[21].tasks, 1);
	assert_int_equal(top[21].kind, SLEY_WAIT_NONE);
	free(top);
	for (uint64_t i = 0; i < 100000; i++)
		yields_add(&y, &(struct sley_region_task){ .wait_pc = i << 20 });
	assert_true(y.lost > 90000);
	top = yields_top(&y, 5, &count);
	assert_int_equal(count, 5);
	assert_int_equal(top[0].tasks, 1429);
	free(top);
	tally_free(&y);
}

/* ---- views ---- */

/* At no width is a line wider than asked for, and narrow screens leave columns out rather than break. */
static void test_table_widths(void **state)
{
	struct sley_region_task *tasks = many_tasks();
	struct model m = { .sites = sites,
			   .site_count = 2,
			   .time_ns = 1000,
			   .times_since_ns = MODEL_UNKNOWN,
			   .tasks = tasks,
			   .task_count = 50,
			   .tasks_total = 50,
			   .service = "x\33y" };
	const struct order o = table_order(&table_tasks, NULL);
	memcpy(tasks[3].name, "\346\227\245\346\234\254\33", 8);
	for (int width = 6; width < 200; width++) {
		struct view v = { 0 };
		view_summary(&v, &m, width);
		assert_int_equal(view_table(&v, &m, &table_tasks, &o, width, 0, 50), 50);
		for (size_t i = 0; i < v.count; i++) {
			assert_true(text_width(v.lines[i].text) <= width);
			assert_null(strchr(v.lines[i].text, '\33'));
		}
		view_free(&v);
	}
	free(tasks);
}

/* Wrapping loses no word, breaks long ones, and keeps to the width. */
static void test_wrap(void **state)
{
	struct view v = { 0 };
	view_wrap(&v, STYLE_NORMAL, 20, 3, "the quick brown fox jumps over abcdefghijklmnopqrstuvwxyz dogs");
	assert_string_equal(v.lines[0].text, "the quick brown fox");
	assert_string_equal(v.lines[1].text, "   jumps over");
	assert_string_equal(v.lines[2].text, "   abcdefghijklmnopq");
	assert_string_equal(v.lines[3].text, "   rstuvwxyz dogs");
	assert_int_equal(v.count, 4);
	view_free(&v);
}

/* Times that are not known are null in JSON and marked in text; a bound is given where there is one. */
static void test_times(void **state)
{
	struct sley_region_task known = { .since_ns = 400 }, unknown = { .since_ns = 0 }, soon = { .since_ns = 1500 },
				future = { .since_ns = 900000000000 };
	struct model m = { .time_ns = 1000, .times_since_ns = 100 };
	assert_int_equal(model_in_state(&m, &known), 600);
	assert_int_equal(model_in_state(&m, &unknown), MODEL_UNKNOWN);
	assert_int_equal(model_in_state_min(&m, &unknown), 900);
	assert_int_equal(model_in_state_min(&m, &known), 0);
	assert_int_equal(model_in_state(&m, &soon), 0);
	assert_int_equal(model_in_state(&m, &future), MODEL_UNKNOWN);
	m.times_since_ns = MODEL_UNKNOWN;
	assert_int_equal(model_in_state_min(&m, &unknown), 0);
}

/* ---- options ---- */

static enum command_result parse(struct options *o, bool terminal, const char *line)
{
	char copy[256], *argv[32] = { "asynctop" };
	FILE *null = fopen("/dev/null", "w");
	enum command_result result;
	int argc = 1;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	result = command_parse(o, argc, argv, terminal, null, null);
	fclose(null);
	return result;
}

static void expect_wrong(const char *line)
{
	struct options o;
	if (parse(&o, true, line) != COMMAND_WRONG)
		fail_msg("accepted: %s", line);
	command_free(&o);
}

/* Defaults depend on the terminal only, and options mean what the manual says. */
static void test_options(void **state)
{
	struct options o;
	assert_int_equal(parse(&o, true, ""), COMMAND_RUN);
	assert_null(o.exporter);
	assert_int_equal(o.ticks, TICKS_ENDLESS);
	assert_int_equal(o.rows, 100);
	assert_int_equal(o.min_block_ns, 1000000);
	assert_int_equal(o.interval_ns, 1000000000);
	command_free(&o);
	assert_int_equal(parse(&o, false, ""), COMMAND_RUN);
	assert_ptr_equal(o.exporter, &exporter_text);
	assert_int_equal(o.ticks, 1);
	command_free(&o);
	assert_int_equal(parse(&o, true,
			       "--json -b -p 12 -d 0.25 -n 3 --rows 7 -s -time -F name=a* -F state=ready "
			       "--min-block 250us"),
			 COMMAND_RUN);
	assert_ptr_equal(o.exporter, &exporter_json);
	assert_int_equal(o.pid, 12);
	assert_int_equal(o.interval_ns, 250000000);
	assert_int_equal(o.ticks, 3);
	assert_int_equal(o.rows, 7);
	assert_string_equal(o.orders[TABLE_tasks].column->key, "time");
	assert_true(o.orders[TABLE_tasks].reverse);
	assert_string_equal(o.orders[TABLE_yields].column->key, "tasks");
	assert_int_equal(o.filter_count, 2);
	assert_int_equal(o.min_block_ns, 250000);
	command_free(&o);
	assert_int_equal(parse(&o, true, "--help"), COMMAND_DONE);
	command_free(&o);
	assert_int_equal(parse(&o, true, "--version"), COMMAND_DONE);
	command_free(&o);
}

/* Whatever is not an option, a key, a number or a time in range is refused. */
static void test_wrong_options(void **state)
{
	static const char *const lines[] = {
		"-x",
		"--nosuch",
		"word",
		"-p",
		"-p 0",
		"-p -1",
		"-p 12x",
		"-p 99999999999",
		"-d 0",
		"-d -1",
		"-d 1e9",
		"-d x",
		"-d nan",
		"-n x",
		"-n -1",
		"--rows 0",
		"--rows 1000000",
		"-s nosuch",
		"-s",
		"-F name",
		"-F nosuch=1",
		"-F =1",
		"--min-block x",
		"--min-block -1ms",
		"--min-block 1h",
		"-F id=1 -F id=2 -F id=3 -F id=4 -F id=5 -F id=6 -F id=7 -F id=8 -F id=9",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_wrong(lines[i]);
}

/*
 * Every order named in a table exists, keys are unique within each, and so are places, from 1 without a gap: help, -s, -F
 * and what stands where are made from them.
 */
static void test_tables(void **state)
{
	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *t = table_of(i);
		const struct column *shown[COLUMNS_MAX] = { NULL };
		unsigned count = table_shown(t, shown);
		assert_non_null(table_order(t, NULL).column);
		assert_true(count <= COLUMNS_MAX);
		for (unsigned k = 0; k < count; k++) {
			assert_non_null(shown[k]);
			assert_int_equal(shown[k]->place, k + 1);
			assert_ptr_equal(table_column(t, shown[k]->key), shown[k]);
			assert_true(shown[k]->min <= shown[k]->max);
			assert_true((int)strlen(shown[k]->title) <= shown[k]->max);
			assert_true(shown[k]->cell != NULL || shown[k]->value != NULL);
		}
	}
	assert_null(table_order(&table_workers, "tid").column);
}

/* The version that asynctop tells is the Makefile's. */
static void test_version(void **state)
{
	FILE *file = fopen(test_source_path("Makefile"), "r");
	char line[256], version[32] = "";
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "VERSION := %31s", version) != 1)
		;
	fclose(file);
	assert_string_equal(version, ASYNCTOP_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),         cmocka_unit_test(test_cell),
		cmocka_unit_test(test_figures),       cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_json_nesting),  cmocka_unit_test(test_selection),
		cmocka_unit_test(test_default_order), cmocka_unit_test(test_filters),
		cmocka_unit_test(test_yields),        cmocka_unit_test(test_table_widths),
		cmocka_unit_test(test_wrap),          cmocka_unit_test(test_times),
		cmocka_unit_test(test_options),       cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_tables),        cmocka_unit_test(test_version),
	};
	/* Characters are judged by the locale; Debian always has this one. */
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
