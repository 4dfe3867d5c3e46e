/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What core dumps have: all that is in use, and not what is only reserved. gdb's generate-core-file reads and writes
 * every page of a mapping that is not marked (dd in smaps), also those that were never touched: that would be tens of
 * gigabytes.
 */
#include "tests/unit/run.h"

#include <stdio.h>
#include <string.h>

#include "task/task.h"

#define TASKS 300

struct dumped {
	unsigned long begin, end;
};

static struct dumped mappings[20000];
static unsigned mapping_count;

/* Reads which mappings are in core dumps; the sum of their sizes. */
static size_t read_mappings(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[1024];
	struct dumped now = { 0 }, next;
	size_t sum = 0;
	REQUIRE(smaps);
	mapping_count = 0;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &next.begin, &next.end) == 2)
			now = next;
		if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " dd"))
			continue;
		REQUIRE(mapping_count < sizeof(mappings) / sizeof(mappings[0]));
		mappings[mapping_count++] = now;
		sum += now.end - now.begin;
	}
	fclose(smaps);
	return sum;
}

static bool is_dumped(const void *p)
{
	for (unsigned i = 0; i < mapping_count; i++) {
		if ((unsigned long)p >= mappings[i].begin && (unsigned long)p < mappings[i].end)
			return true;
	}
	return false;
}

static const void *volatile frames[TASKS];

static void stay(void *arg)
{
	char frame[3000]; /* more than a page of the stack */
	memset(frame, 1, sizeof(frame));
	store(&frames[(uintptr_t)arg], frame, relaxed);
	sley_sleep(SLEY_NEVER);
	REQUIRE(frame[0] == 1);
}

/* It looks into what is the parked task's. */
__attribute__((no_sanitize("thread"))) static void check_dumped(sley_task id, const char *frame)
{
	struct task *task = task_find(id);
	REQUIRE(is_dumped(frame) && is_dumped(frame + 2999));
	REQUIRE(is_dumped(record_of(id)) && is_dumped(task) && is_dumped(task->tenant.slot));
	REQUIRE(!task->tenant.image || is_dumped(task->tenant.image));
}

static int main_used(void *arg)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	static sley_task tasks[TASKS];
	for (uintptr_t i = 0; i < TASKS; i++) {
		tasks[i] = sley_spawn_with(i % 10 == 0 ? &private : NULL, stay, (void *)i, SLEY_BY_POINTER);
		REQUIRE(tasks[i] > 0);
	}
	for (int i = 0; i < TASKS; i++)
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	read_mappings();
	for (int i = 0; i < TASKS; i++)
		check_dumped(tasks[i], load(&frames[i], relaxed));
	return 0;
}

/* Stacks, of their own or shared and private, images, tasks and their records: in the dump while they are in use. */
TEST(used)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	test_need_kernel("/proc/self/smaps is qemu's");
	run_with(main_used, NULL, &options);
#ifndef SLEY_ASAN /* there no two tasks share a stack */
	options.stack_slots = 8;
	run_with(main_used, NULL, &options);
#endif
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* their shadow is no small thing */
static int main_reserved(void *before)
{
	REQUIRE(read_mappings() - *(size_t *)before < 512u << 20); /* glibc has 64 MiB and a stack for each thread */
	return 0;
}

/*
 * What the runtime reserves ahead of use, which are many gigabytes, is not in the dump. The test runs first, before the
 * region is made.
 */
TEST_FIRST(reserved)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	static size_t before;
	test_need_kernel("/proc/self/smaps is qemu's");
	before = read_mappings();
	run_with(main_reserved, &before, &options);
}
#endif
