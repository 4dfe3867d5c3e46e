/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A million tasks in a tree of scopes, cancelled from its root: every one that began has ended, its cleanup has run once,
 * and nothing is left of any.
 *
 * What memory may be left: during a run task entries and blocks are kept for reuse, by design, so there the next tree is
 * to need no more. When sley_run() has returned all of it is gone but for the public records in the introspection
 * region, a shared memory that is the process's for life; it is counted apart, and the rest is to be what it was.
 */
#include "stress.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run/worker.h"

#define FANOUT 10

/* As in million.c: under the sanitizers a task costs up to two mappings of 65,530. */
#if defined(SLEY_ASAN)
#define TASKS MIN(test_scale(1000000), 20000)
#define SLOTS ((unsigned)TASKS + 64)
#elif defined(SLEY_TSAN)
#define TASKS MIN(test_scale(1000000), 20000)
#define SLOTS 0
#elif defined(SLEY_CONTEXT_UCONTEXT)
#define TASKS test_scale(200000)
#define SLOTS 0
#else
#define TASKS test_scale(1000000)
#define SLOTS 0 /* the default */
#endif

static long tasks;
static uint8_t *began, *cleaned; /* atomic: by the number of the task, how often */
static long begun;               /* atomic */
static struct sley_chan *chan;
static struct sley_group group;

/* ---- memory ---- */

/* The sum of Private_* of all mappings, KiB, those of the region apart; without what libc keeps for the next malloc(). */
static long private_kib(long *of_region)
{
	malloc_trim(0);
	char line[512];
	long sum = 0, kib;
	bool in_region = false;
	FILE *maps = fopen("/proc/self/smaps", "r");
	REQUIRE(maps);
	*of_region = 0;
	while (fgets(line, sizeof(line), maps)) {
		if (strchr("0123456789abcdef", line[0]))
			in_region = strstr(line, "/memfd:" SLEY_REGION_NAME) != NULL;
		if (sscanf(line, "Private_%*[^:]: %ld", &kib) == 1)
			*(in_region ? of_region : &sum) += kib;
	}
	fclose(maps);
	REQUIRE(sum > 0);
	return sum;
}

/* Blocks in use: what was taken, but for the caches of the workers, which are idle but for ours. */
static size_t blocks_in_use(void)
{
#ifdef SLEY_TSAN
	return 0; /* reading them is a race */
#endif
	size_t taken = blocks_taken();
	for (unsigned i = 0; i < load(&scheduler.made, acquire) * BLOCK_CLASSES; i++)
		taken -= worker_get(i / BLOCK_CLASSES)->stack.blocks.free[i % BLOCK_CLASSES].count;
	return taken;
}

/* Until this task is the only one. */
static void await_last(void)
{
	uint64_t alive;
	do {
		sley_yield();
		alive = 0;
		for (uint32_t word = 0; word < region.header->live.capacity; word++)
			for (uint64_t bits = load(&region.live[word], acquire); bits; bits &= bits - 1)
				alive += load(&region.tasks[word * 64 + (unsigned)__builtin_ctzll(bits)].id, acquire) !=
					 0;
	} while (alive > 1);
}

/* ---- the tree ---- */

/* The tasks [first, first + count) are the node and what is below it. */
struct node {
	long first, count;
};

static void cleans(void *number)
{
	fetch_add(&cleaned[(uintptr_t)number], 1, relaxed);
	if ((uintptr_t)number % 4096 == 0)
		stress_progress();
}

static int leaf(long number)
{
	uint64_t item;
	switch (number % 3) {
	case 0:
		return sley_chan_recv(chan, &item, SLEY_NEVER);
	case 1:
		return sley_group_wait(&group, SLEY_NEVER);
	default:
		return sley_sleep(SLEY_NEVER);
	}
}

static int node(void *arg);

/* Spawns the children of a node, as many as the scope takes. */
static void grow(struct sley_scope *scope, long first, long count)
{
	long share = (count + FANOUT - 1) / FANOUT;
	while (count > 0) {
		struct node below = { first, MIN(share, count) };
		sley_task id = sley_scope_spawn_copy(scope, node, &below, sizeof(below));
		REQUIRE(id > 0 || id == -ECANCELED);
		if (id < 0)
			return;
		first += below.count;
		count -= below.count;
	}
}

static int node(void *arg)
{
	struct node *self = arg;
	struct sley_scope *scope;
	fetch_add(&began[self->first], 1, relaxed);
	REQUIRE(sley_cleanup_push(cleans, (void *)self->first) == 0);
	if (fetch_add(&begun, 1, relaxed) % 4096 == 0)
		stress_progress();
	if (self->count == 1)
		return leaf(self->first);
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	grow(scope, self->first + 1, self->count - 1);
	return sley_scope_close(scope, SLEY_NEVER);
}

/* Grows a tree and cancels its root once `enough` tasks have begun; how many then had. */
static long tree(long enough)
{
	struct sley_scope *root;
	struct node all = { 0, tasks };
	memset(began, 0, (size_t)tasks);
	memset(cleaned, 0, (size_t)tasks);
	begun = 0;
	REQUIRE(sley_scope_open(&root, NULL) == 0);
	REQUIRE(sley_scope_spawn_copy(root, node, &all, sizeof(all)) > 0);
	while (load(&begun, relaxed) < enough)
		sley_yield();
	REQUIRE(sley_scope_cancel(root) == 0);
	REQUIRE(sley_scope_close(root, SLEY_NEVER) == -ECANCELED);
	await_last();
	for (long i = 0; i < tasks; i++)
		REQUIRE(began[i] <= 1 && cleaned[i] == began[i]);
	return begun;
}

static void open_tree(void)
{
	tasks = TASKS;
	began = malloc((size_t)tasks);
	cleaned = malloc((size_t)tasks);
	REQUIRE(began && cleaned);
	/* their pages are part of neither side of a comparison */
	memset(began, 1, (size_t)tasks);
	memset(cleaned, 1, (size_t)tasks);
	REQUIRE(sley_chan_new(&chan, sizeof(uint64_t), 0) == 0);
	group = (struct sley_group){ 0 };
}

static void close_tree(void)
{
	REQUIRE(sley_chan_free(chan) == 0);
	free(began);
	free(cleaned);
}

/* ---- the tests ---- */

/* The figures that count are those of a build that runs nothing besides. */
static void expect_same(const char *what, long before, long after)
{
	print_message("%s: %ld KiB before, %ld KiB after\n", what, before, after);
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
	assert_true(after <= before + before / 10);
#endif
}

static struct tree_figures {
	long begun, kept; /* tasks; KiB that were private afterwards, the region apart */
	size_t blocks;    /* images in use afterwards */
} stood, grew;

static struct tree_figures cancel_tree(long enough)
{
	int64_t start = test_now();
	long of_region;
	struct tree_figures figures = { .begun = tree(enough) };
	int64_t took = test_now() - start;
	figures.kept = private_kib(&of_region);
	figures.blocks = blocks_in_use();
	print_message("%ld of %ld tasks begun, all ended in %.1f s; %ld KiB private\n", figures.begun, tasks,
		      (double)took / 1e9, figures.kept);
	return figures;
}

/* One that stands, and one in the middle of its growth. */
static void trees_body(void)
{
	REQUIRE(sley_group_add(&group, 1) == 0);
	stood = cancel_tree(tasks);
	grew = cancel_tree(tasks / 2);
	REQUIRE(sley_group_done(&group) == 0);
}

static void tree_body(void)
{
	REQUIRE(sley_group_add(&group, 1) == 0);
	cancel_tree(tasks);
	REQUIRE(sley_group_done(&group) == 0);
}

/* What the process needs for runs at all. */
static void small_body(void)
{
	tasks = MIN(tasks, 1000);
	REQUIRE(sley_group_add(&group, 1) == 0);
	tree(tasks);
	REQUIRE(sley_group_done(&group) == 0);
	tasks = TASKS;
}

/* No thread is made for workers that are seen to block: libc keeps the stack of a thread that ended, 30 KiB a time. */
#define TREE_RUN(body) STRESS_RUN(body, .workers = 2, .stack_slots = SLOTS, .assist = SLEY_ASSIST_OFF)

/*
 * Proves that a tree of a million tasks can be cancelled from its root, when it stands and while it grows: all that began
 * end, each cleanup runs once; not one block or task entry is lost; and the memory is reused, and released in the end.
 */
TEST(tree)
{
	long before, after, region_before, region_after;
	open_tree();
	TREE_RUN(small_body);
	before = private_kib(&region_before);
	TREE_RUN(trees_body);
	after = private_kib(&region_after);
	assert_true(stood.begun == tasks);
	assert_true(grew.begun >= tasks / 2);
	assert_int_equal(grew.blocks, stood.blocks);
	expect_same("after one tree and another", stood.kept, grew.kept);
	expect_same("around the run", before, after);
	TREE_RUN(tree_body);
	expect_same("around another, with the region", after + region_after,
		    private_kib(&region_before) + region_before);
	close_tree();
}

/* ---- many children of one scope ---- */

static int waits(void *number)
{
	REQUIRE(sley_cleanup_push(cleans, number) == 0);
	fetch_add(&begun, 1, relaxed);
	return leaf((long)(intptr_t)number);
}

static int64_t told_ns, ended_ns; /* CPU time: how long it takes depends on what else runs */

static int64_t cpu_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void flat_body(void)
{
	struct sley_scope *scope;
	begun = 0;
	memset(cleaned, 0, (size_t)tasks);
	REQUIRE(sley_group_add(&group, 1) == 0);
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	for (long i = 0; i < tasks; i++)
		REQUIRE(sley_scope_spawn(scope, waits, (void *)i) > 0);
	while (load(&begun, relaxed) < tasks)
		sley_yield();
	int64_t start = cpu_ns();
	REQUIRE(sley_scope_cancel(scope) == 0);
	told_ns = cpu_ns() - start;
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ECANCELED);
	ended_ns = cpu_ns() - start;
	for (long i = 0; i < tasks; i++)
		REQUIRE(cleaned[i] == 1);
	REQUIRE(sley_group_done(&group) == 0);
}

/* Proves that a scope of a million children is cancelled in linear time. */
TEST(flat)
{
	int64_t took[2];
	open_tree();
	for (int i = 0; i < 2; i++) {
		tasks = i == 0 ? TASKS / 8 : TASKS;
		STRESS_RUN(flat_body, .workers = 2, .stack_slots = SLOTS);
		took[i] = ended_ns;
		print_message("%ld children: cancelled in %.3f s of CPU, ended in %.3f s\n", tasks,
			      (double)told_ns / 1e9, (double)ended_ns / 1e9);
	}
	assert_true(took[1] < took[0] * 8 * 8 / 2 + 1000000000); /* quadratic would be eight times eight */
	close_tree();
}
