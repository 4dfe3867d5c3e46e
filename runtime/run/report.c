/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "run/worker.h"

static told_sites told_refused, told_searched;

bool report_first_time(told_sites told, uint32_t site)
{
	uint64_t bit = (uint64_t)1 << site % 64;
	return !(fetch_or(&told[site / 64], bit, relaxed) & bit);
}

const char *task_text(char text[TASK_TEXT], uint64_t id, uint32_t site)
{
	const struct sley_region_site *place = &region.sites[site % SLEY_REGION_SITES];
	uint64_t name[2] = { 0 };
	uint32_t index = (uint32_t)(id & SLEY_TASK_INDEX_MASK) - 1;
	if (index < region.max_tasks &&
	    load(&region.tasks[index].id, relaxed) == id) { /* otherwise the record belongs to another task now */
		const uint64_t *words = (const uint64_t *)(const void *)region.tasks[index].name;
		name[0] = load(&words[0], relaxed);
		name[1] = load(&words[1], relaxed);
	}
	snprintf(text, TASK_TEXT, "task %llu%s%.16s, spawned at %s:%u as %s", (unsigned long long)id,
		 name[0] ? " " : "", (const char *)name, place->file, place->line, place->entry);
	return text;
}

int report_shared(const void *p, const char *call, const char *what, const char *remedy)
{
	struct task *task = task_self();
	uint32_t site = task ? task->site : 0;
	/* in a forked child the stack is the child's own copy, and the region is not mapped */
	if (load(&scheduler.forked, relaxed))
		return -ECHILD;
	count_here(SLEY_COUNTER_faults, 1);
	if (!report_first_time(told_refused, site))
		return -EFAULT;
	char text[TASK_TEXT];
	complain(
		"%s() fails with -EFAULT: the %s %p lies on the stack of a task. While that task waits, other data takes its "
		"place. The caller is %s. Remedy: %s",
		call, what, p, task_text(text, task ? task->id : 0, site), remedy);
	return -EFAULT;
}

/*
 * Live bytes begin at this frame. The bytes below are dead, and unfilled buffers often hold stale frame pointers into
 * them.
 */
void report_block(const void *block, size_t n, const char *call, const char *what)
{
	struct task *task = task_self();
	if (!task || !stack_is_copying(task->tenant.slot->low))
		return;
	uintptr_t low = (uintptr_t)__builtin_frame_address(0), top = (uintptr_t)task->tenant.slot->top, word;
	for (size_t offset = 0; offset + sizeof(word) <= n; offset += sizeof(word)) {
		memcpy(&word, (const char *)block + offset, sizeof(word));
		if (word - low >= top - low)
			continue;
		char text[TASK_TEXT];
		if (report_first_time(told_searched, task->site))
			complain(
				"%s(): the %s holds at offset %zu the address %p, which is on the stack of the "
				"sender, %s. While the sender waits, other data takes its place, so the receiver must not "
				"use the address. Put what it points to on the heap, into a static variable or on a "
				"private stack, or send the value itself",
				call, what, offset, (void *)word, task_text(text, task->id, task->site));
		return;
	}
}
