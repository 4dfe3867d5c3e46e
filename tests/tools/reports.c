/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What asynctop writes of made-up processes, byte for byte: the files in tests/tools/golden. A report that is not as its
 * file is left in golden/ of the build, from where it is copied when the change was meant. In the files with JSON each
 * member has a line of its own, so that git merges two changes that add members.
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "export/export.h"
#include "fake_region.h"
#include "tests/test.h"
#include "ui/ui.h"

/* ---- files ---- */

static char *read_file(const char *path)
{
	struct text t = { 0 };
	char part[4096];
	FILE *file = fopen(path, "r");
	size_t n;
	if (file == NULL)
		return strdup("");
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		text_put(&t, part, n);
	fclose(file);
	return t.data ? t.data : strdup("");
}

static void keep_file(const char *path, const struct text *t)
{
	FILE *file;
	assert_true(mkdir(test_build_path("golden"), 0777) == 0 || errno == EEXIST);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text_string(t), 1, t->length, file), t->length);
	assert_int_equal(fclose(file), 0);
}

static void expect_golden(const char *name, struct text *t)
{
	char made[512], golden[512], *expected;
	snprintf(made, sizeof(made), "golden/%s", name);
	snprintf(golden, sizeof(golden), "tests/tools/golden/%s", name);
	expected = read_file(test_source_path(golden));
	if (strcmp(expected, text_string(t)) != 0) {
		keep_file(test_build_path(made), t);
		fail_msg("%s is not %s", test_build_path(made), golden);
	}
	free(expected);
	text_free(t);
}

/* Begins a line before each comma and each closing bracket. A new member is a new line, and changes no other. */
static void put_members(struct text *out, const char *json)
{
	bool quoted = false;
	int depth = 0;
	for (const char *c = json; *c != '\0'; c++) {
		bool opens = !quoted && strchr("[{", *c), closes = !quoted && strchr("]}", *c);
		depth -= closes;
		if ((closes && !strchr("[{", c[-1])) || (!quoted && *c == ','))
			text_printf(out, "\n%*s", depth, "");
		text_put(out, c, 1);
		depth += opens;
		if (*c == '"')
			quoted = !quoted;
		if (quoted && *c == '\\')
			text_put(out, ++c, 1);
	}
}

static void expect_json(const char *name, const struct model *m)
{
	struct text json = { 0 }, members = { 0 };
	exporter_json.write(&json, m, NULL, 0);
	put_members(&members, text_string(&json));
	text_free(&json);
	expect_golden(name, &members);
}

static void expect_text(const char *name, const struct model *m, uint32_t limit)
{
	struct order orders[TABLES];
	struct text t = { 0 };
	for (unsigned i = 0; i < TABLES; i++)
		orders[i] = table_order(table_of(i), NULL);
	exporter_text.write(&t, m, orders, limit);
	expect_golden(name, &t);
}

/* ---- models of regions ---- */

#define NOW_NS 1000000000000

/* Places with as many tasks come in the order of a hash. */
static int compare_places(const void *a, const void *b)
{
	const struct model_yield *x = a, *y = b;
	return x->pc != y->pc ? (x->pc > y->pc) - (x->pc < y->pc) : (int)x->site - (int)y->site;
}

/* What is different each time becomes what it was once. */
static void settle(struct model *m)
{
	int64_t time_ns = m->time_ns;
	m->pid = 4711;
	m->time_ns = NOW_NS;
	m->watched_ns = 2000000000;
	m->tool_cpu = 0.25;
	m->throttled_ns = m->throttled_periods = MODEL_UNKNOWN;
	m->throttled_cgroup[0] = '\0';
	qsort(m->yields, m->yield_count, sizeof(*m->yields), compare_places);
	for (uint32_t i = 0; i < m->worker_count; i++)
		m->workers[i].line.tid = m->workers[i].line.tid == UINT32_MAX ? UINT32_MAX : 4711 + i;
	for (uint32_t i = 0; i < m->task_count; i++) {
		struct sley_region_task *t = &m->tasks[i];
		if (t->since_ns > 0 && t->since_ns <= time_ns)
			t->since_ns = NOW_NS - 1500000;
		if (t->wait_kind == SLEY_WAIT_SLEEP && (int64_t)t->wait_object > time_ns && t->wait_object < INT64_MAX)
			t->wait_object = NOW_NS + 3600000000000;
	}
}

/* The process's model of one tick, without a tracer and symbols: watch_free() frees it. */
static struct watch *watch_fake(pid_t pid, struct watch_tools *tools)
{
	struct watch_wish wish = { .tasks = table_order(&table_tasks, NULL), .rows = 20, .interval_ns = 1000000000 };
	struct process p;
	struct watch *w;
	assert_int_equal(process_open(&p, pid), PROCESS_OK);
	w = watch_new(&p, tools, wish.rows);
	assert_int_equal(watch_tick(w, &wish, 0), WATCH_OK);
	settle(&w->model);
	return w;
}

static void expect_region(const char *json, const char *text, fake_lie *lie)
{
	struct watch_tools tools = { .tracer_why = "there is no tracer", .symbols_why = "there are no symbols" };
	pid_t pid = fake_start(&(struct fake_options){ .lie = lie });
	struct watch *w = watch_fake(pid, &tools);
	expect_json(json, &w->model);
	expect_text(text, &w->model, 20);
	watch_free(w);
	fake_stop(pid);
}

/* A region that tells the truth. */
static void test_truth(void **state)
{
	expect_region("truth.json", "truth.txt", NULL);
}

static void lie(struct fake *f)
{
	memcpy(f->tasks[0].name, "\33]0;x\7\33[2J", 11);
	memcpy(f->tasks[1].name, "a\342\200\256\"\\\377b", 9);
	f->tasks[1].wait_object = UINT64_MAX;
	f->tasks[1].worker = 60000;
	f->tasks[1].since_ns = INT64_MAX;
	f->tasks[2].wait_object = UINT64_MAX;
	f->tasks[2].site = UINT32_MAX;
	f->tasks[3].wait_object = fake_id(3);
	f->tasks[4].state = 200;
	memset(f->sites[2].file, 'X', sizeof(f->sites[2].file));
	memset(f->header->name, '\33', sizeof(f->header->name));
	memset(&f->workers[1], 0xff, sizeof(f->workers[1]));
	memset(f->counters, 0xff, 256);
	memset(&f->blocks[1], 0xff, sizeof(f->blocks[1]));
	f->blocks[0] = (struct sley_region_block){ .note = SLEY_NOTE(1000, 9, SLEY_BLOCK_BLOCKED),
						   .noted_ns = INT64_MAX,
						   .handed_ns = INT64_MIN,
						   .replacement = SLEY_BLOCK_RAN | 3,
						   .pinned = UINT32_MAX,
						   .call = 60000 };
	memset(&f->site_blocks[2], 0xff, sizeof(f->site_blocks[2]));
	memset(f->header->handovers, 0xff, sizeof(f->header->handovers));
	f->header->sources = UINT32_MAX;
}

/* One that holds nonsense. */
static void test_lies(void **state)
{
	expect_region("lies.json", "lies.txt", lie);
}

/* ---- a model that has everything ---- */

static struct region_site sites[] = {
	{ .file = "(more)", .entry = "?" },
	{ .line = 120,
	  .file = "/src/httpd.c",
	  .function = "accept_loop",
	  .entry = "serve",
	  .waits = 1234567,
	  .yields = 89,
	  .stack = 1600,
	  .deepest = 81920 },
	{ .line = 7, .file = "main.c", .function = "main", .entry = "listen_on" },
};

static struct model_worker workers[] = {
	{ .line = { .index = 0,
		    .tid = 500,
		    .mode = SLEY_WORKER_TASK,
		    .task = 16777218,
		    .queue = 12,
		    .dispatches = 999 },
	  .task_name = "conn-12",
	  .in_task_ns = 52000000,
	  .blocked_ns = 51000000,
	  .syscall = 74,
	  .switches = { 1, 22, 3, 123456, 5, 6 } },
	{ .line = { .index = 1, .tid = 501, .mode = SLEY_WORKER_TASK, .task = 16777219, .dispatches = 1234567 },
	  .task_name = "hash",
	  .in_task_ns = 90000000,
	  .blocked_ns = MODEL_UNKNOWN,
	  .block = { .note = SLEY_NOTE(1234567, SLEY_SOURCE_TICK, SLEY_BLOCK_HOG),
		     .noted_ns = NOW_NS - 80000000,
		     .handed_ns = NOW_NS - 79984000,
		     .replacement = SLEY_BLOCK_RAN | 3 } },
	{ .line = { .index = 2, .tid = 502, .mode = SLEY_WORKER_RUNTIME, .task = 5 },
	  .in_task_ns = MODEL_UNKNOWN,
	  .blocked_ns = MODEL_UNKNOWN },
	{ .line = { .index = 3, .mode = SLEY_WORKER_GONE }, .in_task_ns = MODEL_UNKNOWN, .blocked_ns = MODEL_UNKNOWN },
	/* found by the runtime alone */
	{ .line = { .index = 4,
		    .tid = 504,
		    .mode = SLEY_WORKER_TASK,
		    .task = 16777220,
		    .dispatches = 7,
		    .stack_top = 0x7fff10000 },
	  .task_name = "log",
	  .in_task_ns = 12000000,
	  .blocked_ns = MODEL_UNKNOWN,
	  .stack = { .waiters = 1, .first = 16777219, .longest_ns = 0 },
	  .own = { .waiters = 2, .first = 16777218, .longest_ns = 250000000 },
	  .block = { .note = SLEY_NOTE(7, SLEY_SOURCE_IDLE, SLEY_BLOCK_BLOCKED),
		     .noted_ns = NOW_NS - 12000000,
		     .replacement = 6,
		     .pinned = 2,
		     .call = 76 } },
	{ .line = { .index = 5, .tid = 505, .mode = SLEY_WORKER_IDLE },
	  .in_task_ns = MODEL_UNKNOWN,
	  .blocked_ns = MODEL_UNKNOWN },
	{ .line = { .index = 6, .tid = 506, .mode = SLEY_WORKER_TASK, .task = 16777221, .queue = 1, .site = 1 },
	  .task_name = "held",
	  .in_task_ns = 700000000,
	  .blocked_ns = MODEL_UNKNOWN,
	  .stop = STOP_DEBUGGER,
	  .verdict = "a debugger holds the thread of worker 6, in task 16777221 \"held\" (spawned at httpd.c:120 by "
		     "accept_loop); 1 task is behind it" },
};

/* One in each state, and one waiting for each kind of object. */
static struct sley_region_task tasks[] = {
	{ .id = 16777217, .state = SLEY_TASK_RUNNING, .site = 2, .name = "main", .worker = UINT16_MAX, .live16 = 900 },
	{ .id = 16777218,
	  .state = SLEY_TASK_READY,
	  .site = 1,
	  .worker = 4 | SLEY_TASK_PINNED,
	  .since_ns = NOW_NS - 250000000 },
	{ .id = 16777219,
	  .state = SLEY_TASK_SLOT,
	  .wait_object = 0x7fff10000,
	  .site = 1,
	  .since_ns = NOW_NS + 5,
	  .parent_deepest = 3u << SLEY_TASK_INDEX_BITS | 2 },
	{ .id = 16777220, .state = SLEY_TASK_ENDED, .site = 99, .name = "over" },
	{ .id = 16777221,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_READ,
	  .wait_object = UINT64_MAX,
	  .site = 1 },
	{ .id = 16777222, .state = SLEY_TASK_WAITING, .wait_kind = SLEY_WAIT_JOIN, .wait_object = 16777217, .site = 1 },
	{ .id = 16777223,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_MUTEX,
	  .wait_object = 0x7f1234567890,
	  .site = 1 },
	{ .id = 16777224,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_SLEEP,
	  .wait_object = NOW_NS + 5000000000,
	  .site = 1,
	  .name = "\346\227\245\346\234\254\33" },
	{ .id = 16777225, .state = SLEY_TASK_WAITING, .wait_kind = SLEY_WAIT_SLEEP, .wait_object = 3, .site = 2 },
	{ .id = 16777226,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_SLEEP,
	  .wait_object = UINT64_MAX,
	  .site = 2 },
	{ .id = 16777227, .state = SLEY_TASK_WAITING, .wait_kind = SLEY_WAIT_NONE, .site = 2 },
};

static struct model_yield yields[] = {
	{ .site = 1,
	  .kind = SLEY_WAIT_READ,
	  .pc = 0x401234,
	  .waiting = 100000,
	  .tasks = 123456,
	  .place = { "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" } },
	{ .site = 1, .kind = SLEY_WAIT_NONE, .pc = 0x401300, .tasks = 3 },
	{ .site = 2, .kind = SLEY_WAIT_NONE, .tasks = 1 },
	{ .site = 77,
	  .kind = SLEY_WAIT_SLEEP,
	  .pc = 0x401300,
	  .waiting = 2,
	  .tasks = 2,
	  .place = { .function = "tick", .text = "tick, at its end" } },
};

static struct model_cpu cpu_times[] = {
	{ 0, 1, 1234000000 },
	{ 0, 2, 5000000 },
	{ 16777218, NO_SITE, 2000000 },
};

static struct model_switch switches[] = {
	{ .site = 1, .cause = SWITCH_BLOCK, .count = 22 },
	{ .site = NO_SITE, .cause = SWITCH_IDLE, .count = 1234567 },
	{ .site = 2, .cause = SWITCH_FAULT, .count = 3 },
};

static struct model_blocker blockers[] = {
	{ .site = 1,
	  .syscall = 74,
	  .total = { .count = 7,
		     .total_ns = 700000000,
		     .max_ns = 200000000,
		     .blocked_ns = 600000000,
		     .cpu_ns = 1000,
		     .delayed_tasks = 70,
		     .delayed_ns = 7000000000,
		     .handed = 6 },
	  .in_progress = 1,
	  .in_progress_ns = 51000000,
	  .in_progress_delayed_tasks = 12,
	  .in_progress_delayed_ns = 1,
	  .longest = { .task = 16777218,
		       .name = "conn-12",
		       .worker = 1,
		       .syscall = 74,
		       .args = { "7" },
		       .arg_count = 1,
		       .target = "/srv/log \"x\"",
		       .target_was = "/srv/log.1",
		       .place = { "src/log.c", "log_line", 33, "log_line at src/log.c:33" },
		       .stack = (struct model_place[]){ { .function = "fsync", .text = "fsync in libc.so.6" },
							{ "src/log.c", "log_line", 33, "log_line at src/log.c:33" },
							{ .text = "0x55aa" } },
		       .frames = 3,
		       .handover = HANDOVER_DONE,
		       .handed_to = 7,
		       .handed_after_ns = 16000,
		       .waker = { .kind = WAKER_PROCESS, .pid = 45, .tid = 46, .name = "disk\33" },
		       .resolved = true },
	  .verdict = "task 16777218 \"conn-12\" blocked worker 1 for 200 ms in fsync(7</srv/log>) at src/log.c:33" },
	{ .site = 77,
	  .syscall = SYSCALL_FAULT,
	  .total = { .count = 1, .total_ns = UINT64_MAX, .max_ns = UINT64_MAX, .delayed_ns = UINT64_MAX },
	  .longest = { .syscall = SYSCALL_FAULT, .handover = HANDOVER_FULL, .waker = { .kind = WAKER_INTERRUPT } } },
	{ .site = 2,
	  .syscall = 9999,
	  .total = { .count = 123456, .total_ns = 999950000, .max_ns = 60000000000 },
	  .longest = { .name = "x\nyz", .syscall = 9999, .args = { "1", "\"a\"...", "0x7f00" }, .arg_count = 3 } },
};

static struct model_event events[] = {
	{ .task = 16777218,
	  .name = "conn-12",
	  .site = 1,
	  .worker = 1,
	  .syscall = 74,
	  .args = { "7" },
	  .arg_count = 1,
	  .start_ns = NOW_NS - 3000000000,
	  .duration_ns = 200000000,
	  .blocked_ns = 190000000,
	  .cpu_ns = 10000000,
	  .delayed_ns = 5,
	  .delayed_tasks = 2,
	  .handed_to = 7,
	  .handed_after_ns = 16000,
	  .waker = { WAKER_TASK, 16777223, 2, 4321, 4322, "conn-14" } },
	{ .site = 55,
	  .worker = 3,
	  .syscall = SYSCALL_FAULT,
	  .start_ns = NOW_NS - 500,
	  .duration_ns = 999,
	  .handed_after_ns = MODEL_UNKNOWN,
	  .blocker = MODEL_NO_BLOCKER },
	{ .task = 7,
	  .name = "a\33",
	  .site = 2,
	  .syscall = 35,
	  .start_ns = NOW_NS - 60000000000,
	  .duration_ns = 5000000,
	  .handed_after_ns = MODEL_UNKNOWN,
	  .blocker = MODEL_NO_BLOCKER },
};

static struct model_link links[] = {
	{ .task = 16777223,
	  .name = "conn-14",
	  .site = 1,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_MUTEX,
	  .wait_object = 0x7f1234567890,
	  .in_state_ns = 1500000000,
	  .at_least = true },
	{ .task = 16777224,
	  .name = "tick\33",
	  .site = 2,
	  .state = SLEY_TASK_WAITING,
	  .wait_kind = SLEY_WAIT_SLEEP,
	  .wait_object = NOW_NS + 5000000000,
	  .in_state_ns = MODEL_UNKNOWN,
	  .place = { "src/tick.c", "tick", 12, "tick at src/tick.c:12" } },
	{ .task = 16777299, .in_state_ns = MODEL_UNKNOWN },
};

static struct model_warning warnings[] = {
	{ .kind = WARNING_DEADLOCK,
	  .wait_kind = SLEY_WAIT_JOIN,
	  .object = 16777223,
	  .tasks = 2,
	  .longest_ns = 1000000000,
	  .sum_ns = 2000000000,
	  .links = links,
	  .link_count = 2,
	  .text = "they wait for each other" },
	{ .kind = WARNING_LOCK,
	  .wait_kind = SLEY_WAIT_MUTEX,
	  .object = 0x7f1234567890,
	  .tasks = 123456,
	  .longest_ns = 1500000000,
	  .sum_ns = INT64_MAX,
	  .links = links,
	  .link_count = 2,
	  .text = "123456 tasks wait for mutex 0x7f1234567890; the first, task 16777223 \"conn-14\", for at least 1.50s. "
		  "Its holder is task 16777224 \"tick\33\" and sleeps, called in tick at src/tick.c:12. Unlock it before that "
		  "call." },
	{ .kind = WARNING_LOCK,
	  .wait_kind = SLEY_WAIT_WRLOCK,
	  .object = UINT64_MAX,
	  .tasks = 1,
	  .links = &links[2],
	  .link_count = 1 },
	{ .kind = WARNING_GROWTH,
	  .wait_kind = SLEY_WAIT_RECV,
	  .tasks = 1000,
	  .longest_ns = 3000000000,
	  .site = 1,
	  .pc = 0x401234,
	  .place = { "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" },
	  .text = "1000 tasks wait" },
	{ .kind = WARNING_NOT_YIELDING, .tasks = 0, .longest_ns = 1000000000, .links = links, .link_count = 1 },
};

static struct model_stack stacks[] = {
	{ .tasks = 123456,
	  .longest = { .id = 16777221,
		       .state = SLEY_TASK_WAITING,
		       .wait_kind = SLEY_WAIT_READ,
		       .wait_pc = 0x401234,
		       .since_ns = NOW_NS - 5000000000,
		       .site = 1 },
	  .longest_ns = 5000000000,
	  .some = { 16777221, 16777222, 3, 4, 5, 6, 7, 8 },
	  .place = { "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" },
	  .frames = (struct model_place[]){ { .function = "wait_park", .text = "wait_park in libsley.so" },
					    { "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" },
					    { .text = "0x55aa" } },
	  .frame_count = 3 },
	{ .tasks = 1,
	  .longest_ns = MODEL_UNKNOWN,
	  .longest = { .id = 9, .wait_kind = SLEY_WAIT_SLEEP, .name = "a\33", .site = 77 },
	  .some = { 9 } },
};

static struct model_site_blocks site_blocks[] = {
	{ .site = 1, .noted = 1234567, .handed = 1200000, .in_vain = 34 },
	{ .site = 77, .noted = 1, .kept = 3 },
};

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))

static struct model everything(void)
{
	struct model m = {
		.pid = 4712,
		.service = "httpd \"one\"",
		.time_ns = NOW_NS,
		.interval_ns = 1000000000,
		.watched_ns = 65000000000,
		.times_since_ns = NOW_NS - 40000000000,
		.running = true,
		.tiers = { { "region", true, "" },
			   { "times", true, "" },
			   { "blocking calls", true, "" },
			   { "source lines", false, "the process's files may not be read; be its user or root" } },
		.sites = sites,
		.site_count = COUNT(sites),
		.workers = workers,
		.worker_count = COUNT(workers),
		.target = 5,
		.max_threads = 256,
		.sources = 1u << SLEY_SOURCE_TOLD | 1u << SLEY_SOURCE_IDLE,
		.site_blocks = site_blocks,
		.cpu_known = true,
		.cpu_times = cpu_times,
		.cpu_time_count = COUNT(cpu_times),
		.site_block_count = COUNT(site_blocks),
		.handovers = { { 8192, 60 }, { 16384, 38 }, { 1048576, 2 } },
		.handover_count = 3,
		.tasks_total = 1234567,
		.tasks_matched = 345678,
		.states = { 0, 1, 22, 1234000, 444, 100 },
		.invalid = 2,
		.tasks = tasks,
		.task_count = COUNT(tasks),
		.yields = yields,
		.yield_count = COUNT(yields),
		.yields_lost = 4,
		.switches = switches,
		.switch_count = COUNT(switches),
		.blockers = blockers,
		.blocker_count = COUNT(blockers),
		.warnings = warnings,
		.warning_count = COUNT(warnings),
		.stacks = stacks,
		.stack_count = COUNT(stacks),
		.stacks_parked = 1234000,
		.stacks_read = 123457,
		.stacks_ns = NOW_NS - 1000000,
		.events = events,
		.event_count = COUNT(events),
		.events_untold = COUNT(events),
		.events_told = COUNT(events),
		.events_total = 7654321,
		.events_left_out = 77,
		.throttled_ns = 1200000000,
		.throttled_periods = 12,
		.throttled_cgroup = "/system.slice/httpd\33.service",
		.drops = { .ring = 5, .lines = UINT64_MAX / 2 },
		.tool_cpu = 0.0125,
	};
	for (unsigned i = 0; i < SLEY_COUNTER_COUNT; i++)
		m.counters[i] = 1000 + i;
	return m;
}

/* Every table has rows, every value is there once, and once is not known. */
static void test_everything(void **state)
{
	struct model m = everything();
	expect_json("everything.json", &m);
	expect_text("everything.txt", &m, 100);
	expect_text("first_rows.txt", &m, 2);
}

static unsigned count_of(const char *s, const char *part)
{
	unsigned n = 0;
	while ((s = strstr(s, part)) != NULL)
		n++, s++;
	return n;
}

/* JSON has each single block once: the oldest of those that are not told yet. */
static void test_new_events(void **state)
{
	struct model m = everything();
	m.events_untold = 2;
	for (m.events_told = 0; m.events_told <= m.events_untold; m.events_told++) {
		struct text json = { 0 };
		exporter_json.write(&json, &m, NULL, 0);
		assert_int_equal(count_of(text_string(&json), "\"duration_ns\":"), m.events_told);
		assert_int_equal(count_of(text_string(&json), "\"duration_ns\":999"), m.events_told > 0);
		assert_int_equal(count_of(text_string(&json), "\"duration_ns\":5000000"), 0);
		text_free(&json);
	}
}

static void check_record(const struct record *record, const struct model *m, const void *row);

static bool fits(const struct column *c, const struct value *v)
{
	if (v->type == VALUE_NULL)
		return c->optional || (c->group != NULL && c->group->there != NULL);
	if (c->type == VALUE_ANY)
		return v->type == VALUE_INT || v->type == VALUE_UINT || v->type == VALUE_STRING;
	return v->type == c->type || (c->type == VALUE_UINT && v->type == VALUE_INT && v->integer >= 0);
}

static void check_value(const struct column *c, const struct model *m, const void *row)
{
	struct value v;
	c->value(&v, m, row);
	if (!fits(c, &v))
		fail_msg("%s has a value of type %d, not %d", c->name, v.type, c->type);
	if (v.type == VALUE_RECORD)
		check_record(c->record, m, v.row);
	for (uint32_t i = 0; v.type == VALUE_LIST && c->record != NULL && i < v.list.count; i++)
		check_record(c->record, m, (const char *)v.list.rows + i * v.list.size);
}

static void check_record(const struct record *record, const struct model *m, const void *row)
{
	for (unsigned i = 0; i < record->count; i++)
		if (record->columns[i].name != NULL)
			check_value(&record->columns[i], m, row);
}

/* Values are of the type that their column says, and null only where it says so. */
static void test_types(void **state)
{
	const struct model m = everything();
	check_record(&record_head, &m, &m);
	check_record(&record_tail, &m, &m);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *t = table_of(i);
		uint32_t count;
		const char *rows = t->rows(&m, &count);
		assert_true(count > 0);
		if (t->totals != NULL)
			check_record(t->totals, &m, &m);
		for (uint32_t k = 0; k < count; k++)
			check_record(&t->record, &m, rows + k * t->row_size);
	}
}

/* Nothing but a process that is over: no rows, nothing known. */
static void test_nothing(void **state)
{
	struct model m = { .pid = 1, .gone = true, .times_since_ns = MODEL_UNKNOWN, .tool_cpu = NAN };
	for (unsigned i = 0; i < TIERS; i++)
		m.tiers[i] = (struct model_tier){ .name = "tier", .why = "not there" };
	expect_json("nothing.json", &m);
	expect_text("nothing.txt", &m, 100);
}

/* ---- the screen ---- */

static void put_page(struct text *t, struct ui *ui, const struct session *s, int width, int height)
{
	struct view v = { 0 };
	ui_compose(ui, &v, s, width, height);
	text_printf(t, "---- %d x %d\n", width, height);
	for (size_t i = 0; i < v.count; i++)
		text_printf(t, "%d%c%s\n", v.lines[i].style, v.lines[i].selected ? '>' : ' ', v.lines[i].text);
	view_free(&v);
}

/* Each key's page at two sizes, and each view's at a third, with the style of each line before it. */
static void expect_pages(const char *name, const struct model *m, const char *keys)
{
	struct watch watch = { .model = *m }, *watches[] = { &watch };
	struct options options = { 0 };
	struct session session = { .options = &options, .watches = watches, .count = 1 };
	struct text t = { 0 };
	struct ui ui;
	for (unsigned i = 0; i < TABLES; i++)
		options.orders[i] = table_order(table_of(i), NULL);
	session.wish.filters = calloc(FILTERS_MAX, sizeof(*session.wish.filters));
	ui_init(&ui, &options);
	put_page(&t, &ui, &session, 120, 40);
	for (const char *key = keys; *key != '\0'; key++) {
		(void)ui_key(&ui, *key, &session);
		text_printf(&t, "==== %c\n", *key);
		put_page(&t, &ui, &session, 120, 40);
		put_page(&t, &ui, &session, 80, 24);
		if (*key >= '1' && *key <= '9')
			put_page(&t, &ui, &session, 200, 60);
	}
	for (unsigned i = 0; i < session.wish.filter_count; i++)
		filter_free(&session.wish.filters[i]);
	free(session.wish.filters);
	expect_golden(name, &t);
}

/* All views, with the selected row moved, ordered otherwise, and the messages that keys leave. */
static void test_pages(void **state)
{
	struct model m = everything(), none = { .pid = 1, .times_since_ns = MODEL_UNKNOWN };
	expect_pages("pages.txt", &m, "1jjs2srG3jSr4kj5ssr67j8s x<>[]1/hq");
	expect_pages("pages_of_nothing.txt", &none, "12345678");
}

static struct model_place detail_frames[] = {
	{ .function = "wait_park", .text = "wait_park at runtime/run/park.c:121" },
	{ "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" },
	{ .text = "0x55aa\33" },
};

static struct model_detail detail = {
	.task = 16777224,
	.changes = { { .record = { .id = 16777224,
				   .state = SLEY_TASK_WAITING,
				   .wait_kind = SLEY_WAIT_SLEEP,
				   .wait_object = NOW_NS + 5000000000,
				   .site = 1,
				   .worker = 3,
				   .live16 = 40,
				   .name = "\346\227\245\346\234\254\33" },
		       .at_ns = NOW_NS - 1500000000,
		       .place = { "src/httpd.c", "serve", 140, "serve at src/httpd.c:140" } },
		     { .record = { .state = SLEY_TASK_RUNNING, .site = 1, .worker = 3 },
		       .at_ns = NOW_NS - 1500200000,
		       .told = true },
		     { .record = { .state = SLEY_TASK_WAITING, .wait_kind = SLEY_WAIT_SLEEP, .wait_object = 5 },
		       .at_ns = NOW_NS - 3000000000,
		       .told = true },
		     { .record = { .state = SLEY_TASK_WAITING, .wait_kind = SLEY_WAIT_READ, .wait_object = 7 },
		       .at_ns = NOW_NS - 9000000000 } },
	.change_count = 4,
	.frames = detail_frames,
	.frame_count = COUNT(detail_frames),
};

static void put_pages(struct text *t, struct ui *ui, const struct session *s, const char *what)
{
	text_printf(t, "==== %s\n", what);
	put_page(t, ui, s, 80, 24);
	put_page(t, ui, s, 120, 40);
	put_page(t, ui, s, 200, 60);
}

/* One task alone: chosen by Enter, scrolled, without a stack, over, unknown; Escape goes back to the row. */
static void test_detail(void **state)
{
	struct model m = everything();
	struct watch watch = { .model = m }, *watches[] = { &watch };
	struct options options = { 0 };
	struct session session = { .options = &options, .watches = watches, .count = 1 };
	struct model_detail shown = detail;
	struct text t = { 0 }, unused = { 0 };
	struct ui ui;
	for (unsigned i = 0; i < TABLES; i++)
		options.orders[i] = table_order(table_of(i), NULL);
	ui_init(&ui, &options);
	put_page(&t, &ui, &session, 80, 24);
	assert_true(ui_key(&ui, UI_KEY_ENTER, &session));
	assert_int_equal(session.wish.detail, 16777217);
	assert_int_equal(session.wish.detail_pid, m.pid);
	put_pages(&t, &ui, &session, "not looked at yet");
	watch.model.detail = &shown;
	shown.stack_of = shown.changes[0].record;
	put_pages(&t, &ui, &session, "a stack and a history");
	shown.stack_of.wait_pc = 1;
	put_pages(&t, &ui, &session, "a stack of before");
	shown.changes[0].at_ns = NOW_NS + 20000000; /* seen after the tick */
	put_pages(&t, &ui, &session, "a change that is new");
	shown.changes[0].at_ns = NOW_NS - 1500000000;
	shown.stack_of.wait_pc = 0;
	(void)ui_key(&ui, UI_KEY_END, &session);
	put_pages(&t, &ui, &session, "the end of it");
	(void)ui_key(&ui, UI_KEY_HOME, &session);
	shown.frame_count = 0;
	shown.why = "it is ready to run";
	put_pages(&t, &ui, &session, "no stack");
	shown.gone = true;
	shown.gone_ns = NOW_NS - 700000000;
	put_pages(&t, &ui, &session, "over");
	assert_false(ui_key(&ui, UI_KEY_ESCAPE, &session));
	assert_int_equal(session.wish.detail, 0);
	put_page(&t, &ui, &session, 80, 24);
	(void)ui_key(&ui, '6', &session);
	assert_false(ui_key(&ui, UI_KEY_ENTER, &session)); /* a site is no task */
	assert_int_equal(ui.detail, 0);
	(void)ui_key(&ui, '7', &session);
	put_page(&unused, &ui, &session, 80, 24);
	assert_true(ui_key(&ui, UI_KEY_ENTER, &session));
	assert_int_equal(session.wish.detail, 16777224); /* the culprit, not the first that waits */
	text_free(&unused);
	expect_golden("detail.txt", &t);
}

/* The blocker of the selected row; its site is told by the verdict below the table, which is that row's. */
static const char *selected_line(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->lines[i].selected)
			return v->lines[i].text;
	return "";
}

static void expect_selected(struct ui *ui, const struct session *s, int height, const char *call, const char *verdict)
{
	struct view v = { 0 };
	bool found = false;
	ui_compose(ui, &v, s, 120, height);
	assert_int_equal(strncmp(selected_line(&v), call, strlen(call)), 0);
	for (size_t i = 0; i < v.count; i++)
		found = found || strstr(v.lines[i].text, verdict) != NULL;
	assert_true(found);
	view_free(&v);
}

/* The selected row stays selected when the order of rows changes; one that nobody has moved to, while it is in sight. */
static void test_selection(void **state)
{
	struct model_blocker rows[20] = { 0 };
	struct model m = { .pid = 1, .times_since_ns = MODEL_UNKNOWN, .blockers = rows, .blocker_count = 2 };
	struct watch watch = { .model = m }, *watches[] = { &watch };
	struct options options = { 0 };
	struct session session = { .options = &options, .watches = watches, .count = 1 };
	struct ui ui;
	for (unsigned i = 0; i < TABLES; i++)
		options.orders[i] = table_order(table_of(i), NULL);
	ui_init(&ui, &options);
	rows[0] = (struct model_blocker){ .syscall = SYS_fsync, .total = { 1, 100 }, .verdict = "verdict on fsync" };
	rows[1] = (struct model_blocker){ .syscall = SYS_read, .total = { 1, 50 }, .verdict = "verdict on read" };
	(void)ui_key(&ui, '3', &session);
	expect_selected(&ui, &session, 40, "fsync", "verdict on fsync");
	rows[1].total.total_ns = 200;
	expect_selected(&ui, &session, 40, "fsync", "verdict on fsync");
	(void)ui_key(&ui, 'k', &session);
	expect_selected(&ui, &session, 40, "read", "verdict on read");
	rows[0].total.total_ns = 300;
	expect_selected(&ui, &session, 40, "read", "verdict on read");
	for (int i = 2; i < 20; i++)
		rows[i] = (struct model_blocker){ .site = 2, .syscall = i, .total = { 1, 1000 }, .verdict = "other" };
	watch.model.blocker_count = 20;
	expect_selected(&ui, &session, 20, "read", "verdict on read");
	memset(ui.moved, 0, sizeof(ui.moved)); /* as if it had not been moved: the worst is in sight again */
	expect_selected(&ui, &session, 20, "open", "other");
	watch.model.pid = 2; /* another process, though its rows look the same */
	expect_selected(&ui, &session, 20, "open", "other");
}

/* How many rows of its table a page of the first view has; *verdict: whether the verdict is on it. */
static unsigned rows_beside_verdict(const struct session *s, int height, bool *verdict)
{
	struct view v = { 0 };
	unsigned rows = 0;
	struct ui ui;
	ui_init(&ui, s->options);
	ui_compose(&ui, &v, s, 80, height);
	*verdict = false;
	for (size_t i = 0; i < v.count; i++) {
		rows += v.lines[i].row >= 0;
		*verdict |= strcmp(v.lines[i].text, "a verdict") == 0;
	}
	view_free(&v);
	return rows;
}

/* The worst verdict is below a view that has more rows than fit, unless too few lines were left to these. */
static void test_worst_in_sight(void **state)
{
	struct sley_region_task tasks[50] = { 0 };
	struct model_blocker row = { .syscall = SYS_fsync, .total = { 1, 100 }, .verdict = "a verdict" };
	struct watch watch = { .model = { .pid = 1,
					  .times_since_ns = MODEL_UNKNOWN,
					  .tasks = tasks,
					  .task_count = COUNT(tasks),
					  .blockers = &row,
					  .blocker_count = 1 } },
		     *watches[] = { &watch };
	struct options options = { 0 };
	struct session session = { .options = &options, .watches = watches, .count = 1 };
	bool verdict;
	for (unsigned i = 0; i < TABLES; i++)
		options.orders[i] = table_order(table_of(i), NULL);
	assert_in_range(rows_beside_verdict(&session, 24, &verdict), 14, 18);
	assert_true(verdict);
	assert_in_range(rows_beside_verdict(&session, 9, &verdict), 1, 4);
	assert_false(verdict);
}

static void type(struct ui *ui, struct session *s, const char *keys)
{
	for (; *keys; keys++)
		(void)ui_key(ui, *keys, s);
}

static const char *last_line(struct view *v)
{
	return v->lines[v->count - 1].text;
}

/* What is being typed stays while pictures come, of other rows and of other processes. */
static void test_typed_keys(void **state)
{
	struct model m = everything();
	struct watch watch = { .model = m }, other = { .model = { .pid = 2, .times_since_ns = MODEL_UNKNOWN } };
	struct watch *watches[] = { &watch, &other };
	struct options options = { 0 };
	struct session session = { .options = &options, .watches = watches, .count = 2 };
	struct view v = { 0 };
	struct ui ui;
	for (unsigned i = 0; i < TABLES; i++)
		options.orders[i] = table_order(table_of(i), NULL);
	session.wish.filters = calloc(FILTERS_MAX, sizeof(*session.wish.filters));
	ui_init(&ui, &options);
	type(&ui, &session, "/na");
	ui_compose(&ui, &v, &session, 80, 24);
	assert_string_equal(last_line(&v), "show tasks with (KEY=GLOB): na_");
	view_free(&v);
	watch.model.task_count = 1;
	session.count = 1;
	watches[0] = &other;
	type(&ui, &session, "me=q*");
	ui_compose(&ui, &v, &session, 120, 40);
	assert_string_equal(last_line(&v), "show tasks with (KEY=GLOB): name=q*_");
	view_free(&v);
	assert_int_equal(session.wish.filter_count, 0);
	(void)ui_key(&ui, UI_KEY_ENTER, &session);
	assert_int_equal(session.wish.filter_count, 1);
	assert_string_equal(session.wish.filters[0].glob, "q*");
	assert_false(ui.quit);
	filter_free(&session.wish.filters[0]);
	free(session.wish.filters);
}

/* The help fits on the smallest usual screen: it is the same on one that is much larger, but for blank lines. */
static void test_help_fits(void **state)
{
	struct options options = { 0 };
	struct session session = { .options = &options };
	struct view small = { 0 }, large = { 0 };
	struct ui ui;
	ui_init(&ui, &options);
	ui.help = true;
	ui_compose(&ui, &small, &session, 80, 24);
	ui_compose(&ui, &large, &session, 200, 100);
	assert_int_equal(small.count, 24);
	for (size_t i = 0; i + 1 < large.count; i++)
		assert_string_equal(large.lines[i].text, i + 1 < small.count ? small.lines[i].text : "");
	view_free(&small);
	view_free(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth),      cmocka_unit_test(test_lies),
		cmocka_unit_test(test_everything), cmocka_unit_test(test_types),
		cmocka_unit_test(test_nothing),    cmocka_unit_test(test_pages),
		cmocka_unit_test(test_selection),  cmocka_unit_test(test_help_fits),
		cmocka_unit_test(test_detail),     cmocka_unit_test(test_new_events),
		cmocka_unit_test(test_typed_keys), cmocka_unit_test(test_worst_in_sight),
	};
	/* Characters are judged by the locale; Debian always has this one. */
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
