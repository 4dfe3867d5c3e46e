/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The message before the process dies of a fault in the copying range. It names a task that overflowed its own stack,
 * or the task or thread that touched the stack of another task. Runs in the handler of SIGSEGV, so it only formats and
 * writes.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "run/report.h"
#include "run/worker.h"
#include "runtime.h"
#include "stack/overflow.h"

#define LINE 1024

static void say(const char *line, int n)
{
	if (n > 0)
		text_write_line(complaint_fd(), line, (size_t)MIN(n, LINE - 1));
}

static bool name_overflow(const struct task *task, const struct fault *fault)
{
	const struct slot *slot = task->tenant.slot;
	const char *address = fault->address;
	bool into_guard = address < slot->low && address >= slot->low - STACK_GUARD;
	if (!into_guard && !(slot_jumped_to(slot, address) && slot_jumped_to(slot, fault->sp)))
		return false;
	char line[LINE];
	say(line,
	    snprintf(
		    line, sizeof(line),
		    "sley: a task has overflowed its stack of %zu bytes%s. Raise the option stack_size, or use less stack%s. "
		    "The task:",
		    stack_size, into_guard ? "" : ", by a frame that jumped over the guard below it",
		    into_guard ? "" : ", and compile with -fstack-clash-protection"));
	dump_task(complaint_fd(), task_index(task));
	return true;
}

/* Names the current context: a task, a worker between tasks, or a plain thread. */
static const char *toucher(char text[TASK_TEXT])
{
	const struct task *task = task_self();
	if (task)
		return task_text(text, task->id, task->site);
	if (worker_self()) {
		snprintf(text, TASK_TEXT, "worker %u", worker_self()->number);
	} else {
		char name[16] = "";
		prctl(PR_GET_NAME, name);
		snprintf(text, TASK_TEXT, "thread %ld %s, which runs no task", (long)syscall(SYS_gettid), name);
	}
	return text;
}

/* The current state of the owner of a stack. */
static const char *whereabouts(uint64_t owner)
{
	uint32_t index = (uint32_t)(owner & SLEY_TASK_INDEX_MASK) - 1;
	if (index >= region.max_tasks || load(&region.tasks[index].id, relaxed) != owner ||
	    load(&region.tasks[index].state, relaxed) == SLEY_TASK_ENDED)
		return "has ended";
	return load(&region.tasks[index].state, relaxed) == SLEY_TASK_RUNNING ? "runs" : "is parked";
}

static bool name_stray(const struct fault *fault)
{
	static const char *const verbs[] = { "touched", "read", "wrote" };
	struct slot *slot = slot_of(fault->address);
	uint64_t owner = slot ? load(&slot->owner, relaxed) : 0;
	if (owner == 0)
		return false;
	char line[LINE], who[TASK_TEXT], whose[TASK_TEXT];
	const char *place = (const char *)fault->address < slot->low ? "the guard below the stack" : "the stack";
	say(line,
	    snprintf(line, sizeof(line),
		     "sley: %s, %s %p at pc %p. This address is on %s of %s, which %s. Only the task itself may use "
		     "its stack: put what is shared on the heap, into a static variable or on a private stack, or "
		     "pass it by value",
		     toucher(who), verbs[fault->kind], fault->address, fault->pc, place,
		     task_text(whose, owner, load(&slot->site, relaxed)), whereabouts(owner)));
	return true;
}

bool crash_name(const struct fault *fault)
{
	const struct task *task = task_self();
	if (load(&scheduler.forked, relaxed)) /* in a forked child the region is not mapped */
		return false;
	if (task && task->tenant.slot && name_overflow(task, fault))
		return true;
	return name_stray(fault);
}
