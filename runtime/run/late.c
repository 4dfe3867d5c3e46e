/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/late.h"

#include <sys/resource.h>

#include "run/global.h"
#include "run/idle.h"
#include "run/worker.h"

/*
 * Ready descriptors that the watchdog has seen since `began`, which was the last look of a worker at the reactor then.
 * Written by the watchdog. Atomic: a worker that comes back at that moment may read words that do not belong together, and
 * then the times of some are wrong by one look.
 */
static struct {
	int64_t began; /* 0: all workers were not away at its last look */
	int64_t at;    /* time of its last look */
	unsigned n;
	int64_t since; /* sum of the times of these, after `began` */
} ready;

void late_open(void)
{
	store(&ready.began, 0, relaxed);
}

/* The time goes first: a reader in between takes the tasks for such that were not late. */
void late_add(struct worker *away, unsigned n, uint64_t since, int64_t now)
{
	struct sley_region_block *block = away->block;
	uint64_t tick = load(&away->tick, relaxed), word = load(&block->late, relaxed), next;
	fetch_add(&block->late_ns, since, relaxed);
	fetch_add(&block->late_found_ns, n * (uint64_t)now, relaxed);
	do {
		next = SLEY_LATE_DISPATCH(word) == (uint32_t)tick ? word + n : SLEY_LATE(tick, n);
	} while (!cas_weak(&block->late, &word, next, relaxed, relaxed));
}

/* By the worker: whether its thread has slept in this dispatch, or between the last one of which this was asked and this. */
static bool has_slept(struct worker *worker)
{
	struct rusage usage;
	if (getrusage(RUSAGE_THREAD, &usage) == 0 && usage.ru_nvcsw != worker->sleeps) {
		worker->sleeps = usage.ru_nvcsw;
		worker->sleeps_tick = worker->tick;
	}
	return worker->sleeps_tick == worker->tick;
}

/* The worker that a new spare is for is the first that is noted: see replacement.c. */
static struct worker *noted(void)
{
	struct worker *worker;
	workers_awake(worker) {
		if (load(&worker->block->note, relaxed))
			return worker;
	}
	return NULL;
}

struct worker *late_away(struct worker *worker)
{
	uint32_t number = worker->late_for;
	bool ran = worker->polled_tick != worker->tick;
	if (!region_times())
		return NULL;
	if (number == 0)
		return ran && has_slept(worker) ? worker : NULL;
	return number <= load(&scheduler.made, relaxed) ? worker_get(number - 1) : noted();
}

/*
 * A replacement has slept: its own last look says nothing. Of other workers it is the look before their last: of two that
 * were away, and come back at the same time, each would take the other for one that was not.
 */
int64_t late_since(const struct worker *away, const struct worker *by, int64_t before)
{
	struct worker *worker;
	int64_t last = away == by ? before : 0;
	workers_awake(worker) {
		if (worker != by)
			last = MAX(last, load(&worker->polled_before, relaxed));
	}
	return last;
}

bool late_first(struct worker *worker)
{
	if (!region_times() || worker->late_for)
		return false;
	worker->late_for = load(&worker->woken_for, relaxed);
	struct worker *away = late_away(worker);
	if (away)
		late_shared(away, late_since(away, worker, worker->polled), clock_now());
	return true;
}

/* The last look of any worker at the reactor, when all are away. */
static int64_t last_poll_of_all(void)
{
	struct worker *worker;
	int64_t last = 0;
	workers_awake(worker)
		last = MAX(last, load(&worker->polled, relaxed));
	return last;
}

void late_elsewhere(struct worker *away, const struct worker *by)
{
	if (away != by)
		return;
	store(&away->block->elsewhere_ns, load(&away->line->elsewhere_ns, relaxed), relaxed);
	store(&away->block->elsewhere, load(&away->line->elsewhere, relaxed), relaxed);
}

void late_timers(struct worker *away, const struct task_list *expired, int64_t now)
{
	uint64_t due = 0;
	unsigned n = 0;
	for (const struct task *task = expired->first; task; task = task_list_next(task), n++)
		due += (uint64_t)task->timer.key;
	if (n > 0)
		late_add(away, n, due, now);
}

void late_shared(struct worker *away, int64_t since, int64_t now)
{
	uint64_t sum;
	unsigned n = now - since < LATE_LEAST ? 0 : global_count_late(since, now, &sum);
	if (n > 0)
		late_add(away, n, sum, now);
}

void late_descriptors(struct worker *away, int64_t since, int64_t now, unsigned n)
{
	int64_t at = since, sum = 0;
	unsigned known = 0;
	if (now - since < LATE_LEAST)
		return;
	int64_t began = load(&ready.began, relaxed);
	if (began >= since && began - since < LATE_LEAST && load(&ready.n, relaxed) > 0) {
		since = began;
		known = exchange(&ready.n, 0, relaxed); /* they are counted once */
		n = MAX(n, known);                      /* one look takes so many, the next ones the others */
		at = load(&ready.at, relaxed);
		sum = load(&ready.since, relaxed);
	}
	sum += (int64_t)(n - known) * ((at + now) / 2 - since);
	late_add(away, n, (uint64_t)(n * since + sum), now);
}

void late_look(bool away, int64_t now)
{
	int64_t began = away && region_times() && !idle_has_poller() ? last_poll_of_all() : 0;
	if (began != load(&ready.began, relaxed)) {
		store(&ready.n, 0, relaxed);
		store(&ready.since, 0, relaxed);
		store(&ready.at, began, relaxed);
		store(&ready.began, began, relaxed);
	}
	if (began == 0)
		return;
	unsigned n = sched_hooks.ready(), before = load(&ready.n, relaxed);
	if (n > before)
		store(&ready.since, ready.since + (int64_t)(n - before) * ((ready.at + now) / 2 - began), relaxed);
	store(&ready.n, MAX(n, before), relaxed);
	store(&ready.at, now, relaxed);
}

struct worker *late_in_dispatch(int64_t now)
{
	struct worker *worker = region_times() ? worker_self() : NULL;
	bool away = worker && now - worker->polled > LATE_LEAST && worker->polled_tick != worker->tick;
	return away && has_slept(worker) ? worker : NULL;
}

int64_t late_begin(const struct worker *worker, int64_t since)
{
	return MAX(since, worker->polled);
}

/*
 * The slot belongs to `first` now, which this worker has: so the others stay in the list. Some may not be in it yet. (A task
 * whose stack is waited for does not switch to another one directly.)
 */
void late_stack(struct worker *worker, const struct slot *slot, const struct task *first)
{
	int64_t now = clock_now();
	if (!late_in_dispatch(now))
		return;
	uint64_t since = (uint64_t)late_begin(worker, load(&task_record(first)->since_ns, relaxed));
	unsigned n = 1;
	for (const struct tenant *tenant = load(&slot->fifo, relaxed); tenant; tenant = tenant->next, n++) {
		const struct task *task = CONTAINER_OF(tenant, const struct task, tenant);
		since += (uint64_t)late_begin(worker, load(&task_record(task)->since_ns, relaxed));
	}
	late_add(worker, n, since, now);
}
