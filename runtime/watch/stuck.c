/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/stuck.h"

#include "base/check.h"
#include "run/report.h"
#include "watch/call.h"

int64_t hold_long = NS_PER_SEC;
int64_t end_long = NS_PER_SEC;

static int64_t ending; /* owned by the watchdog: the time at which it saw that the run is to end; 0: not yet */

struct worker *hold_worker(const struct slot *slot)
{
	struct worker *worker;
	workers_awake(worker) {
		const struct sley_region_worker *line = worker->line;
		if (load(&line->stack_top, relaxed) == (uint64_t)(uintptr_t)slot->top &&
		    load(&line->mode, relaxed) == SLEY_WORKER_TASK)
			return worker;
	}
	return NULL;
}

struct slot *hold_slot(struct task *task)
{
	struct slot *slot = load(&task->tenant.slot, relaxed);
	return slot_in_range(slot) ? slot : NULL; /* a private slot may be unmapped at any moment */
}

/* Counts the tasks in state SLOT that wait for this slot. Reads the records of all tasks, but only for a report. */
static unsigned slot_waiters(const struct slot *slot)
{
	unsigned n = 0;
	uint32_t high = load(&region.header->task_high, relaxed);
	for (uint32_t word = 0; word < ROUND_UP(high, 64) / 64; word++) {
		uint64_t bits =
			load(&region.live[word], acquire); /* pairs with region_live_set(): the record is whole */
		for (; bits; bits &= bits - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
			n += load(&region.tasks[index].state, relaxed) == SLEY_TASK_SLOT &&
			     hold_slot(task_at(index)) == slot;
		}
	}
	return n;
}

static void report(struct worker *worker, const struct slot *slot, int64_t now)
{
	static told_sites told;
	char who[TASK_TEXT], text[CALL_TEXT];
	uint64_t id = load(&worker->line->task, relaxed);
	uint32_t site = load(&worker->line->site, relaxed);
	if (id == 0 || load(&worker->tick, relaxed) != worker->seen_tick)
		return; /* the worker has just come back */
	count_here(SLEY_COUNTER_slot_blocks, 1);
	unsigned n = slot_waiters(slot);
	if (n == 0 || !report_first_time(told, site))
		return;
	struct call call = call_of(load(&worker->line->tid, relaxed));
	complain(
		"%s, has kept its stack for %lld ms, %s, while %u task%s that share%s it want%s to run: give it a private "
		"stack, or use a call that parks the task",
		task_text(who, id, site), (long long)((now - worker->held_since) / NS_PER_MS), call_text(text, &call),
		n, n == 1 ? "" : "s", n == 1 ? "s" : "", n == 1 ? "s" : "");
}

void stuck_look(struct worker *worker, bool same, int64_t now)
{
	if (!same) {
		worker->held_since = now;
		worker->hold_told = false;
		return;
	}
	if (worker->hold_told || now - worker->held_since < load(&hold_long, relaxed))
		return;
	struct slot *slot = slot_of((char *)(uintptr_t)load(&worker->line->stack_top, relaxed) - 1);
	if (!slot || !slot_has_waiters(slot))
		return;
	worker->hold_told = true;
	report(worker, slot, now);
}

void stuck_open(void)
{
	ending = 0;
}

void stuck_end_look(struct worker *worker, int64_t now)
{
	char who[TASK_TEXT], text[CALL_TEXT];
	ending = ending ? ending : now;
	if (worker->end_told || now - ending < load(&end_long, relaxed))
		return;
	uint64_t tick = load(&worker->tick, relaxed), id = load(&worker->line->task, relaxed);
	uint32_t site = load(&worker->line->site, relaxed);
	struct call call = call_of(load(&worker->line->tid, relaxed));
	if (load(&worker->line->mode, relaxed) != SLEY_WORKER_TASK || load(&worker->tick, relaxed) != tick || id == 0)
		return; /* the worker has just come back */
	worker->end_told = true;
	complain(
		"sley_run() has waited %lld ms for %s, which keeps its thread, %s: it returns when that task ends or parks",
		(long long)((now - ending) / NS_PER_MS), task_text(who, id, site), call_text(text, &call));
}
