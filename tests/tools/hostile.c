/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Processes that lie: whatever a region holds, asynctop neither crashes nor hangs, ends with the documented code, and
 * sends nothing to the terminal that acts on it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "fake_region.h"
#include "tests/test.h"
#include "tool.h"

#define LIE(name, code, expect, statement) \
	static void lie_##name(struct fake *f) \
	{ \
		statement; \
	}
#define ROW(name, code, expect, statement) { #name, lie_##name, code, expect },

/* LIES(X): X(name, exit code, what standard error or output must contain, the lie) */
#define FATAL_LIES(X) \
	X(no_magic, 3, "has not started sley", f->header->magic = 0) \
	X(other_magic, 3, "has not started sley", f->header->magic ^= 1) \
	X(newer_version, 5, "version is 99", f->header->version = 99) \
	X(version_zero, 5, "version is 0", f->header->version = 0) \
	X(header_size, 3, "size of its header", f->header->header_size = 8) \
	X(bigger_than_file, 3, "its size", f->header->size += 4096) \
	X(smaller_than_file, 3, "its size", f->header->size = 4096) \
	X(huge_size, 3, "its size", f->header->size = UINT64_MAX) \
	X(unsealed, 3, "not sealed", f->unsealed = true) \
	X(truncated, 3, "has not started sley", f->unsealed = true; REQUIRE(ftruncate(f->fd, 100) == 0)) \
	X(emptied, 3, "has not started sley", f->unsealed = true; REQUIRE(ftruncate(f->fd, 0) == 0)) \
	X(other_pid, 3, "inherited or was passed", f->header->pid = 1) \
	X(workers_outside, 3, "worker table's offset", f->header->workers.offset = f->size) \
	X(workers_in_header, 3, "worker table's offset", f->header->workers.offset = 0) \
	X(workers_wrap, 3, "worker table's offset", f->header->workers.offset = UINT64_MAX - 63) \
	X(workers_unaligned, 3, "worker table's offset", f->header->workers.offset += 1) \
	X(workers_no_stride, 3, "worker table's stride", f->header->workers.stride = 0) \
	X(workers_many, 3, "worker table's capacity", f->header->workers.capacity = UINT32_MAX) \
	X(counters_stride, 3, "counter table's stride", f->header->counters.stride = 8) \
	X(counters_none, 3, "number of counters", f->header->counter_count = 0) \
	X(counters_many, 3, "number of counters", f->header->counter_count = UINT32_MAX) \
	X(live_small, 3, "live bitmap", f->header->tasks.offset = 4096; f->header->tasks.capacity = 65) \
	X(live_none, 3, "live table's capacity", f->header->live.capacity = 0) \
	X(sites_many, 3, "site table's capacity", f->header->sites.capacity = 1u << 31) \
	X(sites_stride, 3, "site table's stride", f->header->sites.stride = UINT32_MAX) \
	X(tasks_many, 3, "task table's capacity", f->header->tasks.capacity = UINT32_MAX) \
	X(tasks_outside, 3, "task table's offset", f->header->tasks.offset = 1ULL << 62) \
	X(tasks_stride, 3, "task table's stride", f->header->tasks.stride = 8) \
	X(blocks_outside, 3, "block table's offset", f->header->blocks.offset = f->size) \
	X(site_blocks_stride, 3, "site block table's stride", f->header->site_blocks.stride = 8) \
	X(worker_count, 3, "number of workers", f->header->worker_count = SLEY_REGION_WORKERS + 1) \
	X(worker_count_huge, 3, "number of workers", f->header->worker_count = UINT32_MAX) \
	X(site_count, 3, "number of sites", f->header->site_count = SLEY_REGION_SITES + 1) \
	X(task_high, 3, "number of task records", f->header->task_high = FAKE_TASKS + 1) \
	X(phase, 3, "the phase", f->header->phase = 7) \
	X(stacks, 3, "start of the stacks", f->header->stacks_begin = 2; f->header->stacks_end = 1)

#define STRANGE_LIES(X) \
	X(id_of_another, 0, "4 tasks", f->tasks[1].id = fake_id(2)) \
	X(id_negative, 0, "4 tasks", f->tasks[1].id |= 1ULL << 63) \
	X(id_zero, 0, "4 tasks", f->tasks[1].id = 0) \
	X(state, 0, "1 records are not valid", f->tasks[1].state = 200) \
	X(state_free, 0, "1 records are not valid", f->tasks[1].state = SLEY_TASK_FREE) \
	X(wait_kind, 0, "1 records are not valid", f->tasks[1].wait_kind = 250) \
	X(worker, 0, "reader", f->tasks[1].worker = 60000) \
	X(site, 0, "reader", f->tasks[1].site = UINT32_MAX) \
	X(since_future, 0, "reader", f->tasks[1].since_ns = INT64_MAX) \
	X(since_negative, 0, "reader", f->tasks[1].since_ns = INT64_MIN) \
	X(object, 0, "reader", f->tasks[1].wait_object = UINT64_MAX) \
	X(deadline, 0, "never", f->tasks[2].wait_object = UINT64_MAX) \
	X(deadline_past, 0, "now", f->tasks[2].wait_object = 0) \
	X(join_cycle, 0, "joiner", f->tasks[3].wait_object = fake_id(3); f->tasks[3].parent_deepest = 4) \
	X(name_unterminated, 0, "ABCDEFGHIJKLMNOP", memcpy(f->tasks[1].name, "ABCDEFGHIJKLMNOP", 16)) \
	X(name_escape, 0, "\\x1b]0;x\\x07", memcpy(f->tasks[1].name, "\33]0;x\7\33[2J", 11)) \
	X(name_newline, 0, "a\\x0ab", memcpy(f->tasks[1].name, "a\nb", 4)) \
	X(name_c1, 0, "a\\xc2\\x9bb", memcpy(f->tasks[1].name, "a\302\233b", 5)) \
	X(name_direction, 0, "a\\xe2\\x80\\xaeb", memcpy(f->tasks[1].name, "a\342\200\256b", 6)) \
	X(name_broken, 0, "a\\xffb", memcpy(f->tasks[1].name, "a\377b", 4)) \
	X(file_unterminated, 0, "XXXX", memset(f->sites[2].file, 'X', sizeof(f->sites[2].file))) \
	X(site_unterminated, 0, "reader", memset(&f->sites[2], 0xff, sizeof(f->sites[2]))) \
	X(site_escape, 0, "\\x1b[31m", strcpy(f->sites[2].file, "\33[31m.c")) \
	X(service_name, 0, "\\x1b[", memset(f->header->name, 0, 32); memset(f->header->name, '\33', 32); \
	  f->header->name[1] = '[') \
	X(live_beyond, 0, "5 tasks", f->live[0] = UINT64_MAX) \
	X(mode, 0, "?", f->workers[1].mode = 999) \
	X(worker_words, 0, "4294967295", memset(&f->workers[1], 0xff, sizeof(f->workers[1]))) \
	X(block_words, 0, "hand-overs", memset(f->blocks, 0xff, 2 * sizeof(f->blocks[0])); \
	  memset(f->site_blocks, 0xff, 3 * sizeof(f->site_blocks[0])); \
	  memset(f->header->handovers, 0xff, sizeof(f->header->handovers)); f->header->sources = UINT32_MAX; \
	  f->header->target = UINT32_MAX) \
	X(note, 0, "blocked", f->blocks[0].note = SLEY_NOTE(1000, 9, SLEY_BLOCK_BLOCKED); \
	  f->blocks[0].noted_ns = INT64_MAX; f->blocks[0].replacement = 1000; f->blocks[0].call = 60000) \
	X(counters, 0, "5 tasks", memset(f->counters, 0xff, 4096)) \
	X(no_workers, 0, "5 tasks", f->header->worker_count = 0) \
	X(no_sites, 0, "5 tasks", f->header->site_count = 0) \
	X(control_magic, 0, "control page", f->control->magic = 0) \
	X(control_cut, 0, "control page", REQUIRE(ftruncate(f->control_fd, 8) == 0)) \
	X(level, 0, "5 tasks", f->header->level = UINT32_MAX)

FATAL_LIES(LIE)
STRANGE_LIES(LIE)

static const struct lie {
	const char *name;
	fake_lie *tell;
	int code;
	const char *expect;
} fatal[] = { FATAL_LIES(ROW) }, strange[] = { STRANGE_LIES(ROW) };

static void check_text(const struct lie *lie, pid_t pid)
{
	struct tool t;
	tool_run(&t, false, "-b", "-n", "2", "-d", "0.05", "-p", tool_number(pid), NULL);
	if (t.code != lie->code)
		fail_msg("%s: exit code %d, expected %d: %s", lie->name, t.code, lie->code, t.err);
	if (strstr(t.out, lie->expect) == NULL && strstr(t.err, lie->expect) == NULL)
		fail_msg("%s: \"%s\" is missing in:\n%s\n%s", lie->name, lie->expect, t.out, t.err);
	tool_assert_harmless(t.out, t.out_size);
	tool_assert_harmless(t.err, t.err_size);
	tool_free(&t);
}

/* Each contradiction in the layout ends -p with the documented code and a reason. */
static void test_fatal_lies(void **state)
{
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		pid_t pid = fake_start(&(struct fake_options){ .lie = fatal[i].tell });
		check_text(&fatal[i], pid);
		fake_stop(pid);
	}
}

/* Each nonsense in a record is shown as such or left out, as text without control bytes and as JSON by the schema. */
static void test_strange_lies(void **state)
{
	struct text json = { 0 };
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		pid_t pid = fake_start(&(struct fake_options){ .lie = strange[i].tell });
		struct tool t;
		check_text(&strange[i], pid);
		tool_run(&t, false, "--json", "-d", "0.05", "-p", tool_number(pid), NULL);
		assert_int_equal(t.code, 0);
		tool_assert_harmless(t.out, t.out_size);
		text_puts(&json, t.out);
		tool_free(&t);
		fake_stop(pid);
	}
	tool_assert_schema(json.data);
	text_free(&json);
}

/* Without -p, a liar is named on standard error and an honest process beside it is shown all the same. */
static void test_liar_among_honest(void **state)
{
	pid_t liar = fake_start(&(struct fake_options){ .lie = lie_tasks_many });
	pid_t honest = fake_start(&(struct fake_options){ .lie = NULL });
	char line[64];
	struct tool t;
	tool_run(&t, false, "-b", "-d", "0.05", NULL);
	assert_int_equal(t.code, 0);
	snprintf(line, sizeof(line), "process %d is not shown: its sley region is not valid", liar);
	assert_non_null(strstr(t.err, line));
	snprintf(line, sizeof(line), "fake, process %d:", honest);
	assert_non_null(strstr(t.out, line));
	tool_free(&t);
	fake_stop(liar);
	fake_stop(honest);
}

static uint64_t noise(void)
{
	static uint64_t x = 88172645463325252ULL;
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Everything but the fixed part of the header, as fast as it can. */
static void scribble(struct fake *f)
{
	uint32_t *words = (uint32_t *)((char *)f->header + 4096);
	size_t n = (f->size - 4096) / 4;
	for (int i = 0; i < 4096; i++)
		words[noise() % n] = (uint32_t)noise();
	f->header->task_high = (uint32_t)noise() % (f->header->tasks.capacity + 1);
	f->header->site_count = (uint32_t)noise() % (SLEY_REGION_SITES + 1);
	f->header->worker_count = (uint32_t)noise() % (SLEY_REGION_WORKERS + 1);
	f->header->level = (uint32_t)noise();
}

/* A region that changes under the reader's eyes gives nonsense, but no crash, no control bytes and valid JSON. */
static void test_scribbling(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .each = scribble, .task_capacity = 65536 });
	struct tool t;
	tool_run(&t, false, "--json", "-n", "20", "-d", "0.05", "--rows", "1000", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	tool_assert_harmless(t.out, t.out_size);
	tool_assert_schema(t.out);
	tool_free(&t);
	tool_run(&t, false, "-b", "-n", "20", "-d", "0.05", "--rows", "1000", "-s", "name", "-F", "name=*", "-p",
		 tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	tool_assert_harmless(t.out, t.out_size);
	tool_free(&t);
	fake_stop(pid);
}

static void change_layout(struct fake *f)
{
	/* The lease is asked for after the header was checked. */
	if (*(volatile int64_t *)&f->control->lease_ns == 0)
		return;
	f->header->tasks.capacity ^= 1u << 30;
	for (;;)
		pause();
}

/* A layout that changes after it was checked ends the watch: the checked one is never mixed with another. */
static void test_layout_changes(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .each = change_layout });
	struct tool t;
	tool_run(&t, false, "-b", "-n", "100", "-d", "0.1", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 3);
	assert_non_null(strstr(t.err, "layout changed"));
	tool_free(&t);
	fake_stop(pid);
}

/* All bits live over 2^24 records of holes: bounded work, and nothing shown. */
static void all_live(struct fake *f)
{
	memset(f->live, 0xff, f->header->live.capacity * sizeof(uint64_t));
	f->header->task_high = f->header->tasks.capacity;
}

/* What the region of `pid` takes of memory: its descriptor is one of the first. */
static long long region_bytes(pid_t pid)
{
	char path[64], link[64];
	struct stat st;
	for (int fd = 0; fd < 32; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		memset(link, 0, sizeof(link));
		if (readlink(path, link, sizeof(link) - 1) > 0 && strcmp(link, "/memfd:sley (deleted)") == 0 &&
		    stat(path, &st) == 0)
			return st.st_blocks * 512LL;
	}
	fail_msg("process %d has no region", pid);
	return -1;
}

static void test_all_live(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .lie = all_live, .task_capacity = 1u << 24 });
	long long before = region_bytes(pid);
	struct tool t;

	tool_run(&t, false, "-b", "-d", "0.05", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(t.out, "5 tasks"));
	/* Looking at holes has not filled them. */
	assert_int_equal(region_bytes(pid), before);
	tool_free(&t);
	fake_stop(pid);
}

/* A FIFO that looks like a region by its link, in a mount namespace that is gone: it must not be opened. */
__attribute__((noreturn)) static void hold_fifo(int ready)
{
	char directory[] = "/tmp/asynctop-fifo-XXXXXX", fifo[96];
	int fd;
	REQUIRE(unshare(CLONE_NEWNS) == 0);
	REQUIRE(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	REQUIRE(mkdtemp(directory) != NULL);
	REQUIRE(mount("none", directory, "tmpfs", 0, NULL) == 0);
	snprintf(fifo, sizeof(fifo), "%s/memfd:sley (deleted)", directory);
	REQUIRE(mkfifo(fifo, 0666) == 0);
	fd = open(fifo, O_RDWR);
	REQUIRE(fd >= 0);
	REQUIRE(umount2(directory, MNT_DETACH) == 0);
	rmdir(directory);
	REQUIRE(write(ready, "r", 1) == 1);
	for (;;)
		pause();
}

static void test_fifo_in_disguise(void **state)
{
	char byte, path[64], link[64] = "";
	bool looks_so = false;
	int ready[2];
	struct tool t;
	pid_t pid;
	test_need_root();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		hold_fifo(ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail_msg("the mount namespace could not be made");
	close(ready[0]);
	for (int fd = 3; fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		memset(link, 0, sizeof(link));
		looks_so |= readlink(path, link, sizeof(link) - 1) > 0 && strcmp(link, "/memfd:sley (deleted)") == 0;
	}
	assert_true(looks_so);
	tool_run(&t, false, "-b", "-d", "0.05", "-p", tool_number(pid), NULL);
	assert_int_equal(t.code, 3);
	assert_non_null(strstr(t.err, "does not run sley"));
	tool_free(&t);
	fake_stop(pid);
}

/* A forked child holds the region's descriptor and is not the process that runs. */
static void fork_child(struct fake *f)
{
	if (fork() == 0)
		for (;;)
			pause();
}

static void test_forked_child(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .lie = fork_child });
	char path[64], child[16] = "";
	struct tool t;
	FILE *file;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%15s", child), 1);
	fclose(file);
	tool_run(&t, false, "-b", "-d", "0.05", "-p", child, NULL);
	assert_int_equal(t.code, 3);
	assert_non_null(strstr(t.err, "inherited"));
	tool_free(&t);
	kill(atoi(child), SIGKILL);
	fake_stop(pid);
}

/* More descriptors than are looked at, and the region behind them. */
static void hide_region(struct fake *f)
{
	struct rlimit limit;
	int low;
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int i = 0; i < 16400; i++)
		REQUIRE(dup(STDIN_FILENO) >= 0);
	low = f->fd;
	f->fd = dup(low);
	REQUIRE(f->fd >= 16400 && close(low) == 0);
}

/* A million of descriptors, even if they are those of many processes, are not looked through for each. */
static void test_many_descriptors(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ .lie = hide_region });
	struct tool t;
	tool_run(&t, false, "-b", "-d", "0.05", "-p", tool_number(pid), NULL);
	tool_expect(&t, 3, "it does not run sley");
	tool_free(&t);
	fake_stop(pid);
}

/* One user's processes, as many as may be, do not keep another's from being watched, and do not fill the screen. */
static void test_many_processes(void **state)
{
	enum { MANY = 90 };
	pid_t crowd[MANY], mine;
	char line[64];
	struct tool t;
	test_need_root();
	for (int i = 0; i < MANY; i++)
		crowd[i] = fake_start(&(struct fake_options){ .nobody = true });
	mine = fake_start(&(struct fake_options){ .lie = NULL });
	tool_run(&t, false, "-b", "-d", "0.05", NULL);
	assert_int_equal(t.code, 0);
	snprintf(line, sizeof(line), "fake, process %d:", mine);
	assert_non_null(strstr(t.out, line));
	assert_non_null(strstr(t.err, "is not shown: more processes run sley than are watched at a time"));
	assert_non_null(strstr(t.err, "more are not shown"));
	tool_free(&t);
	tool_run(&t, false, "-b", "-d", "0.05", "-p", tool_number(crowd[MANY - 1]), NULL);
	assert_int_equal(t.code, 0);
	tool_free(&t);
	for (int i = 0; i < MANY; i++)
		fake_stop(crowd[i]);
	fake_stop(mine);
}

/* Where it is started without standard descriptors, nothing of its own gets their numbers, and its report. */
static void test_closed_descriptors(void **state)
{
	pid_t pid = fake_start(&(struct fake_options){ 0 });
	char command[512];
	struct tool t;
	snprintf(command, sizeof(command), "exec %s -b -d 0.05 -p %d >&-", test_build_path("asynctop"), (int)pid);
	tool_program = "/bin/sh";
	tool_run(&t, false, "-c", command, NULL);
	tool_program = NULL;
	tool_expect(&t, 1, "writing: Bad file descriptor");
	tool_free(&t);
	fake_stop(pid);
}

/* Descriptors do not run out before processes do. */
static void test_few_descriptors(void **state)
{
	enum { SOME = 16 };
	pid_t some[SOME];
	char command[512], line[64];
	struct tool t;
	for (int i = 0; i < SOME; i++)
		some[i] = fake_start(&(struct fake_options){ .lie = NULL });
	snprintf(command, sizeof(command), "ulimit -Sn 48 && exec %s -b -d 0.05", test_build_path("asynctop"));
	tool_program = "/bin/sh";
	tool_run(&t, false, "-c", command, NULL);
	tool_program = NULL;
	for (int i = 0; i < SOME; i++) {
		snprintf(line, sizeof(line), "fake, process %d:", (int)some[i]);
		tool_expect(&t, 0, line);
		fake_stop(some[i]);
	}
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fatal_lies),         cmocka_unit_test(test_strange_lies),
		cmocka_unit_test(test_liar_among_honest),  cmocka_unit_test(test_scribbling),
		cmocka_unit_test(test_layout_changes),     cmocka_unit_test(test_all_live),
		cmocka_unit_test(test_fifo_in_disguise),   cmocka_unit_test(test_forked_child),
		cmocka_unit_test(test_many_descriptors),   cmocka_unit_test(test_many_processes),
		cmocka_unit_test(test_closed_descriptors), cmocka_unit_test(test_few_descriptors),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
