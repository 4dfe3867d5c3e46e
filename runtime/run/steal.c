/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/steal.h"

#include "run/queue.h"
#include "run/taken.h"

#define LONG_TASK NS_PER_MS /* a worker that has been in one task for so long may be blocked there */

/* Steals half of another worker's deque. One task is returned, the others go into this worker's deque. */
static struct task *steal_deque(struct worker *worker, struct worker *victim)
{
	struct task *loot[DEQUE_SIZE / 2];
	uint64_t tick = load(&victim->tick, relaxed);
	unsigned n = deque_steal(&victim->deque, loot);
	if (n == 0)
		return NULL;
	taken_note(victim, tick, loot, n);
	for (unsigned i = 1; i < n; i++)
		queue_append(worker, loot[i]);
	COUNT(worker, steals, 1);
	COUNT(worker, stolen, n);
	queue_publish(victim);
	return loot[0];
}

/*
 * Steals the run-next of a worker that does not come to it. A task that was just handed over stays: its worker will run
 * it within a microsecond, and stealing it would move it between processors for nothing.
 */
static struct task *steal_next(struct worker *worker, struct worker *victim)
{
	uint64_t tick = load(&victim->tick, relaxed);
	if (!load(&victim->next, relaxed))
		return NULL;
	for (int i = 0; i < 100 && !load(&victim->block->note, relaxed); i++)
		cpu_relax();
	if (load(&victim->tick, relaxed) != tick)
		return NULL;
	struct task *task = exchange(&victim->next, NULL, acquire);
	if (task) {
		taken_note(victim, tick, &task, 1);
		COUNT(worker, steals, 1);
		COUNT(worker, stolen, 1);
		queue_publish(victim);
	}
	return task;
}

struct task *steal_from(struct worker *worker, struct worker *victim, bool with_next)
{
	struct task *task = steal_deque(worker, victim);
	return !task && with_next ? steal_next(worker, victim) : task;
}

/* From the workers with numbers from `from` on, below `end`. */
static struct task *steal_between(struct worker *worker, unsigned from, unsigned end, bool with_next)
{
	struct worker *victim = worker_awake(from);
	for (; victim && victim->number < end; victim = worker_awake(victim->number + 1)) {
		struct task *task = victim == worker ? NULL : steal_from(worker, victim, with_next);
		if (task)
			return task;
	}
	return NULL;
}

struct task *steal(struct worker *worker, bool with_next)
{
	unsigned start = random_here() % load(&scheduler.made, relaxed);
	struct task *task = steal_between(worker, start, WORKERS_MOST, with_next);
	return task ? task : steal_between(worker, 0, start, with_next);
}

/* A worker that is noted as blocked and has tasks which others can run; null: there is none. */
static struct worker *find_noted(void)
{
	struct worker *other;
	workers_awake(other) {
		if (load(&other->block->note, relaxed) &&
		    (deque_length(&other->deque) > 0 || load(&other->next, relaxed)))
			return other;
	}
	return NULL;
}

struct task *steal_noted(struct worker *worker)
{
	struct worker *victim = find_noted();
	return victim && victim != worker ? steal_from(worker, victim, true) : NULL;
}

/*
 * Chooses another worker at random. Returns it if it has been in the same task for LONG_TASK, else null. Two workers may
 * write known_tick and known_since at the same time, and then the values do not belong together. The other worker is
 * relieved too early then, which is harmless.
 */
static struct worker *find_long(struct worker *worker)
{
	struct worker *other = worker_awake_round(random_here() % load(&scheduler.made, relaxed));
	if (!other || other == worker)
		other = worker_awake_round(worker->number + 1);
	if (!other || other == worker)
		return NULL;
	uint64_t tick = load(&other->tick, relaxed);
	if (load(&other->known_tick, relaxed) != tick) {
		store(&other->known_since, worker->polled, relaxed);
		store(&other->known_tick, tick, relaxed);
		return NULL;
	}
	return worker->polled - load(&other->known_since, relaxed) < LONG_TASK ? NULL : other;
}

struct worker *steal_find_stuck(struct worker *worker)
{
	struct worker *other = unlikely(load(&scheduler.blocked, relaxed) > 0) ? find_noted() : NULL;
	return other ? other : find_long(worker);
}
