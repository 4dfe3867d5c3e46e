/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/stuck.h"

#include "base/check.h"
#include "run/report.h"
#include "watch/call.h"

int64_t hold_long = NS_PER_SEC;
int64_t end_long = NS_PER_SEC;

/* owned by the watchdog */
static struct worker *wanted_of; /* a worker whose task has kept for long what others want, at this look */
static bool deadlock_told;       /* in this run */
static unsigned shown;           /* workers with hold_told */

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

/* Tasks that wait for what a task keeps. */
#define WAITERS_NAMED 4u
struct waiters {
	unsigned count;
	struct {
		uint64_t id;
		uint32_t site;
	} named[WAITERS_NAMED]; /* the first of them */
};

static void waiters_add(struct waiters *waiters, uint64_t id, uint32_t site)
{
	if (waiters->count < WAITERS_NAMED) {
		waiters->named[waiters->count].id = id;
		waiters->named[waiters->count].site = site;
	}
	waiters->count++;
}

/* The tasks in state SLOT that wait for this slot. Reads the records of all tasks, but only for a report. */
static struct waiters slot_waiters(const struct slot *slot)
{
	struct waiters waiters = { .count = 0 };
	uint32_t high = load(&region.header->task_high, relaxed);
	for (uint32_t word = 0; word < ROUND_UP(high, 64) / 64; word++) {
		uint64_t bits =
			load(&region.live[word], acquire); /* pairs with region_live_set(): the record has memory */
		for (; bits; bits &= bits - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
			const struct sley_region_task *record = &region.tasks[index];
			if (load(&record->state, relaxed) == SLEY_TASK_SLOT && hold_slot(task_at(index)) == slot)
				waiters_add(&waiters, load(&record->id, relaxed), load(&record->site, relaxed));
		}
	}
	return waiters;
}

/* The ready tasks that are pinned to this worker. */
static struct waiters pinned_waiters(struct worker *worker)
{
	struct waiters waiters = { .count = 0 };
	lock_take(&worker->inbox_lock);
	for (const struct task *task = worker->inbox.first; task; task = task_list_next(task))
		waiters_add(&waiters, task->id, task->site);
	lock_drop(&worker->inbox_lock);
	return waiters;
}

/* `what` is the stack or the thread of the holder. */
static void tell_waiters(const struct waiters *waiters, const char *what, uint64_t holder)
{
	char who[TASK_TEXT];
	for (unsigned i = 0; i < MIN(waiters->count, WAITERS_NAMED); i++)
		complain("%s, waits for the %s of task %llu",
			 task_text(who, waiters->named[i].id, waiters->named[i].site), what,
			 (unsigned long long)holder);
}

/* What a task keeps, whom it keeps it from, and how to avoid that. */
struct kept {
	const char *what, *others, *remedy;
};

static const struct kept kept_stack = { "stack", "that share the stack",
					"give it a private stack (option private_stack)" };
static const struct kept kept_thread = { "thread", "pinned to the thread", "do not pin those tasks (option pinned)" };

/* Once per spawn site. */
static void tell_kept(const struct kept *kept, told_sites told, const struct worker *worker,
		      const struct waiters *waiters, int64_t now)
{
	char who[TASK_TEXT], text[CALL_TEXT], use[CALL_TEXT];
	uint64_t id = load(&worker->line->task, relaxed);
	uint32_t site = load(&worker->line->site, relaxed);
	unsigned n = waiters->count;
	if (n == 0 || !report_first_time(told, site))
		return;
	struct call call = call_of(load(&worker->line->tid, relaxed));
	complain("%s, has kept its %s for %lld ms, %s. %u of the tasks %s wait%s for that. Remedy: %s, or %s",
		 task_text(who, id, site), kept->what, (long long)((now - worker->held_since) / NS_PER_MS),
		 call_text(text, &call), n, kept->others, n == 1 ? "s" : "", kept->remedy, call_remedy(use, &call));
	tell_waiters(waiters, kept->what, id);
}

/* Shows tools who waits for the slot of the worker's task. */
static void show_waiters(struct worker *worker, const struct waiters *waiters)
{
	uint64_t id = waiters->count > 0 ? waiters->named[0].id : 0;
	uint32_t first = (uint32_t)(id & SLEY_TASK_INDEX_MASK), count = MIN(waiters->count, UINT8_MAX);
	shown += !worker->hold_told;
	worker->hold_told = true;
	store(&worker->block->slot_waiters, count << SLEY_TASK_INDEX_BITS | first, relaxed);
}

/* Shows no waiters any more where the task has gone on, also of a worker that sleeps. */
static void hide_waiters(void)
{
	static const struct waiters nobody;
	for (unsigned i = 0; shown > 0 && i < load(&scheduler.made, relaxed); i++) {
		struct worker *worker = worker_get(i);
		if (!worker->hold_told || (load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK &&
					   load(&worker->tick, relaxed) == worker->seen_tick))
			continue;
		show_waiters(worker, &nobody);
		worker->hold_told = false;
		shown--;
	}
}

static void report_slot(struct worker *worker, const struct slot *slot, int64_t now)
{
	static told_sites told;
	struct waiters waiters = slot_waiters(slot);
	show_waiters(worker, &waiters);
	tell_kept(&kept_stack, told, worker, &waiters, now);
	count_here(SLEY_COUNTER_slot_blocks, 1);
}

static void report_thread(struct worker *worker, int64_t now)
{
	static told_sites told;
	struct waiters waiters = pinned_waiters(worker);
	worker->pinned_told = true;
	tell_kept(&kept_thread, told, worker, &waiters, now);
	count_here(SLEY_COUNTER_pinned_blocks, 1);
}

static bool is_long(const struct worker *worker, int64_t now)
{
	return now - worker->held_since >= load(&hold_long, relaxed);
}

/* The slot on which the worker's task runs, if others wait for it; null: none. */
static struct slot *wanted_slot(const struct worker *worker)
{
	struct slot *slot = slot_of((char *)(uintptr_t)load(&worker->line->stack_top, relaxed) - 1);
	return slot && slot_has_waiters(slot) ? slot : NULL;
}

void stuck_look(struct worker *worker, bool same, int64_t now)
{
	if (!same) {
		worker->held_since = now;
		worker->pinned_told = false;
		return;
	}
	if (!is_long(worker, now))
		return;
	const struct slot *slot = wanted_slot(worker);
	bool pinned = load(&worker->inbox_length, relaxed) > 0;
	if (!slot && !pinned)
		return;
	wanted_of = worker;
	if (load(&worker->line->task, relaxed) == 0 || load(&worker->tick, relaxed) != worker->seen_tick)
		return; /* the worker has just come back */
	if (slot && !worker->hold_told)
		report_slot(worker, slot, now);
	if (pinned && !worker->pinned_told)
		report_thread(worker, now);
}

unsigned stuck_blocked(int64_t now)
{
	unsigned n = 0;
	struct worker *worker;
	bool any = wanted_of;
	wanted_of = NULL;
	hide_waiters();
	if (likely(!any) || deadlock_told)
		return 0;
	workers_awake(worker) {
		if (load(&worker->line->mode, relaxed) != SLEY_WORKER_TASK || !is_long(worker, now))
			continue;
		struct call call = call_of(load(&worker->line->tid, relaxed));
		n += (call.kind == CALL_SYSTEM || call.kind == CALL_CODE) &&
		     load(&worker->tick, relaxed) == worker->seen_tick;
	}
	return n;
}

void stuck_deadlock(int64_t now)
{
	struct worker *worker;
	char who[TASK_TEXT], text[CALL_TEXT], use[CALL_TEXT];
	deadlock_told = true;
	workers_awake(worker) {
		const struct slot *slot = is_long(worker, now) ? wanted_slot(worker) : NULL;
		struct waiters pinned = pinned_waiters(worker), sharing = { .count = 0 };
		uint64_t id = load(&worker->line->task, relaxed);
		if (id == 0 || (!slot && pinned.count == 0))
			continue;
		if (slot)
			sharing = slot_waiters(slot);
		struct call call = call_of(load(&worker->line->tid, relaxed));
		const struct kept *kept = slot ? &kept_stack : &kept_thread;
		complain(
			"no task can run until %s, %s, gives back its %s. If it waits for something that only the tasks "
			"%s can do, all of them wait for ever. Remedy: %s, or %s",
			task_text(who, id, load(&worker->line->site, relaxed)), call_text(text, &call), kept->what,
			kept->others, kept->remedy, call_remedy(use, &call));
		tell_waiters(&sharing, "stack", id);
		tell_waiters(&pinned, "thread", id);
	}
	count_here(SLEY_COUNTER_slot_deadlocks, 1);
}

void stuck_open(void)
{
	ending = 0;
	wanted_of = NULL;
	deadlock_told = false;
	shown = 0;
}

void stuck_end_look(struct worker *worker, int64_t now)
{
	char who[TASK_TEXT], text[CALL_TEXT], use[CALL_TEXT];
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
		"the run is over, but sley_run() has waited %lld ms for %s, which keeps its thread, %s. It returns when that "
		"task ends or waits in a call of sley. Remedy: %s",
		(long long)((now - ending) / NS_PER_MS), task_text(who, id, site), call_text(text, &call),
		call_remedy(use, &call));
}
