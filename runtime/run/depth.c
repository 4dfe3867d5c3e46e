/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A look of the watchdog visits a part of the slots, so that all are seen every few seconds. So a deep call that comes
 * back often pays for its pages only once per such period. A look happens only while a worker sleeps. Then a processor
 * is free for it, and no task that wants to run finds its slot held by a watchdog that waits for a processor.
 */
#include "run/depth.h"

#include <stdlib.h>

#include "run/idle.h"
#include "run/queue.h"
#include "run/report.h"

/* looks that see all slots: 4 s, so that deep shared stacks are small again 5 s after a burst */
#define ROUNDS       16u
#define SLOTS_LEAST  128u
#define PRIVATE_MOST 32u /* private slots per look, at most */

int64_t depth_interval = 250 * NS_PER_MS;

static struct {         /* owned by the watchdog */
	int64_t looked; /* time of the last look */
	unsigned cursor;
	uint64_t quiet; /* dispatches plus 1 when the round began, if all workers slept then; else 0 */
} depth;

/* ---- figures ---- */

/* Raises a maximum in the region. Several threads may do so at once; the word is read only to raise it. */
static void raise16(uint16_t *word, size_t value)
{
	uint16_t wanted = (uint16_t)MIN(value, UINT16_MAX), known = load(word, relaxed);
	while (known < wanted && !cas_weak(word, &known, wanted, relaxed, relaxed))
		;
}

static void raise_task(struct sley_region_task *record, unsigned pages)
{
	uint32_t word = load(&record->parent_deepest, relaxed);
	pages = MIN(pages, UINT8_MAX);
	/* one writer at a time: the task, or the holder of its slot while the task is parked */
	if (SLEY_TASK_DEEPEST(word) < pages)
		store(&record->parent_deepest, SLEY_TASK_PARENT(word) | pages << SLEY_TASK_INDEX_BITS, relaxed);
}

/*
 * Ends the process: the task's bytes cannot be saved, because its live bytes begin at an unknown address, or are not
 * all on the slot.
 */
NOINLINE static void end_astray(const struct task *task)
{
	const struct slot *slot = task->tenant.slot;
	const char *here = __builtin_frame_address(0);
	char who[TASK_TEXT];
	bool over = slot_jumped_to(slot, here);
	complain(
		"%s, waits (pc %#llx) with its stack pointer at %p, which is not on its stack, so its data cannot be saved. "
		"The process ends here (abort). %s",
		task_text(who, task->id, task->site), (unsigned long long)load(&task_record(task)->wait_pc, relaxed),
		here,
		over ? "A large frame has overflowed the stack and jumped over the guard below it. Make the frame smaller "
		       "or the stack larger (option stack_size), and compile with -fstack-clash-protection"
		     : "The task has switched to another stack itself, or waits in a signal handler that has a stack of "
		       "its own. Give the task a private stack (option private_stack)");
	abort();
}

void depth_changed(struct task *task, size_t live)
{
	struct sley_region_task *record = task_record(task);
	if (unlikely(live > stack_size)) {
		if (task->tenant.slot->kind != SLOT_PRIVATE)
			end_astray(task);
		return;
	}
	unsigned pages = (unsigned)(ROUND_UP(live, 4096) / 4096);
	store(&record->live16, (uint16_t)MIN(live / 16, UINT16_MAX), relaxed);
	raise_task(record, pages);
	raise16(&region.sites[task->site].live16, live / 16);
	raise16(&region.sites[task->site].deepest, pages);
}

/*
 * Records that the tenants on the slot since the last look were `pages` deep, if it is clear which tenants these were.
 */
static void depth_put_down(const struct slot *slot, unsigned pages, enum slot_since since)
{
	uint64_t owner = load(&slot->owner, relaxed);
	if (pages == 0 || since == SINCE_NOBODY || since == SINCE_MIXED)
		return;
	raise16(&region.sites[load(&slot->site, relaxed)].deepest, pages);
	struct task *task = since == SINCE_ONE && slot->resident ? task_of(slot->resident) : NULL;
	if (task && task->id == owner)
		raise_task(task_record(task), pages);
}

/* ---- looking ---- */

void depth_trim(struct slot *slot)
{
	unsigned pages;
	enum slot_since since;
	size_t given = slot_trim(slot, &pages, &since);
	depth_put_down(slot, pages, since);
	if (given > 0)
		count_here(SLEY_COUNTER_given_back, given);
	struct tenant *granted = slot_release(slot);
	if (granted)
		queue_granted_outside(task_of(granted));
}

/*
 * Skipped in strict mode: there parked stacks cannot be told from stacks whose tenants have ended, and the pages of the
 * latter are gone already.
 */
static void look_at_range(void)
{
	unsigned made = stack_strict ? 0 : slots_made();
	unsigned end = MIN(made, depth.cursor + MAX(made / ROUNDS, SLOTS_LEAST));
	for (; depth.cursor < end; depth.cursor++) {
		struct slot *slot = slot_at(depth.cursor);
		if (slot_wants_trim(slot) && slot_try(slot))
			depth_trim(slot);
	}
	if (end == made)
		depth.cursor = 0;
}

static void look_at_private(void)
{
	struct slot *held[PRIVATE_MOST];
	unsigned n = slots_hold_private(held, PRIVATE_MOST);
	for (unsigned i = 0; i < n; i++)
		depth_trim(held[i]);
}

void depth_open(int64_t now)
{
	depth.looked = now;
	depth.cursor = 0;
	depth.quiet = 0;
}

/* Whether nothing has run since the last round began. That round saw all slots. */
static bool is_quiet(void)
{
	uint64_t quiet = 1, before = depth.quiet;
	for (unsigned i = 0; i < load(&scheduler.made, relaxed); i++)
		quiet += load(&worker_get(i)->tick, relaxed);
	depth.quiet = idle_count() == load(&scheduler.started, relaxed) ? quiet : 0;
	return depth.quiet != 0 && depth.quiet == before;
}

void depth_look(int64_t now)
{
	if (now - depth.looked < load(&depth_interval, relaxed) || idle_count() == 0)
		return;
	depth.looked = now;
	if (depth.cursor == 0 && is_quiet())
		return;
	look_at_range();
	look_at_private();
}
