/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A worker looks at the queues in this order:
 *   1. the global queue, but only if the tasks that the deque held at the last such look may have been run. So overflow
 *      waits no longer than the last task of the deque;
 *   2. run-next;
 *   3. the inbox and the deque;
 *   4. the global queue;
 *   5. the reactor and the timers;
 *   6. other workers' deques, timers and run-next.
 * Every POLL_INTERVAL, a busy worker also looks at the timers and, if it is due, the reactor. Then it checks whether
 * another worker seems to be blocked, and takes over work of that worker that others can do.
 */
#include "run/search.h"

#include "run/blocked.h"
#include "run/idle.h"
#include "run/late.h"
#include "run/queue.h"
#include "run/replacement.h"
#include "run/steal.h"

#define GLOBAL_INTERVAL 61 /* at least; a prime, so that it does not follow a pattern of the program (Go's figure) */
#define CLOCK_INTERVAL  64 /* dispatches between two readings of the clock, at most */
#define POLL_INTERVAL   (100 * NS_PER_US)
#define TIMER_BATCHES   8 /* of a look: the tasks fit into a deque, and others do not wait for more than some 50 us */

/*
 * Makes the tasks of expired timers ready, some at a time: no other worker can run tasks while they are in this list.
 * What a look leaves is for the next one, which comes at the latest when the deque is empty. The timers may belong to
 * another worker, which may be blocked in a task. `away`: the worker because of which they are late, or null.
 */
static void run_timers(struct timers *timers, int64_t now, struct worker *away)
{
	struct task_list expired = { 0 };
	struct task *task;
	unsigned n = 0, batches = TIMER_BATCHES;
	bool more;
	do {
		more = timers_expire(timers, now, &expired);
		if (unlikely(away))
			late_timers(away, &expired, now); /* before others run them: on that worker, perhaps */
		for (; (task = task_list_take(&expired)); n++)
			task_ready(task);
	} while (more && (unlikely(away) || --batches > 0)); /* who is away is asked once */
	if (n > 0)
		count_here(SLEY_COUNTER_timers, n);
}

/*
 * The worker that did not come to these timers, so that others run them: of those that use them, one that is noted, or else
 * the first. Null: they are not late, or that one has looked around since its last task.
 */
static struct worker *away_owner(const struct timers *timers, int64_t now)
{
	struct worker *owner;
	if (!region_times() || now - load(&timers->earliest, relaxed) <= LATE_LEAST)
		return NULL;
	workers_awake(owner) {
		if (owner->timers == timers && load(&owner->block->note, relaxed))
			return owner;
	}
	owner = worker_get((unsigned)(timers - scheduler.timers));
	return load(&owner->polled_tick, relaxed) != load(&owner->tick, relaxed) ? owner : NULL;
}

/* Runs the timers of all wheels: a worker may be blocked in a task. `away`: of late_away(), or null. */
static void run_all_timers(const struct worker *worker, struct worker *away)
{
	int64_t now = worker->polled;
	for (unsigned i = 0; i < scheduler.target; i++) {
		struct timers *timers = &scheduler.timers[i];
		if (load(&timers->earliest, relaxed) <= now)
			run_timers(timers, now, away && away->timers == timers ? away : away_owner(timers, now));
	}
}

/*
 * Whether the events of a poll fit into the deque, or the tasks that it held at the last poll have been run. Otherwise
 * events stay with the kernel, which delivers them in the order in which descriptors became ready. In the global queue
 * they would wait behind those of the next polls, so that with thousands of ready connections some would be served
 * often and others rarely.
 */
static bool reactor_is_due(struct worker *worker)
{
	return DEQUE_SIZE - deque_length(&worker->deque) >= POLL_EVENTS ||
	       (int64_t)(worker->tick - worker->reactor_tick) >= 0;
}

static void worker_poll(struct worker *worker)
{
	int64_t now = clock_now(), before = worker->polled;
	struct worker *away = unlikely(now - before > LATE_LEAST) ? late_away(worker) : NULL;
	int64_t since = unlikely(away) ? late_since(away, worker, before) : 0;
	bool polled = unlikely(away) && idle_has_poller();
	worker->late_for = 0;
	store(&worker->polled_before, before, relaxed);
	store(&worker->polled, now, relaxed);
	worker->clocked = now;
	exchange(&worker->poll_due, 0, seq_cst); /* see blocked_back() */
	if (unlikely(away)) {
		late_elsewhere(away, worker);
		late_shared(away, since, now);
	}
	blocked_back(worker);
	if (unlikely(load(&scheduler.blocked, relaxed) > 0))
		run_all_timers(worker, away);
	else if (load(&worker->timers->earliest, relaxed) <= now)
		run_timers(worker->timers, now, away == worker ? away : NULL);
	store(&worker->polled_tick, worker->tick,
	      relaxed); /* until here others count timers for this one: away_owner() */
	if (unlikely(load(&worker->empty_due, relaxed)))
		worker_empty(worker);
	if (!reactor_is_due(worker))
		return;
	unsigned n = sched_hooks.poll(0);
	worker->reactor_tick = worker->tick + deque_length(&worker->deque);
	if (unlikely(away) && n > 0 && !polled)
		late_descriptors(away, since, now, n);
}

/*
 * Called when `until_clock` has run down. Sets it to the number of dispatches that take about half the interval, at the
 * speed of the last ones; to one, if tasks run for long. A reading of the clock costs as much as a switch.
 */
static bool poll_is_due(struct worker *worker)
{
	int64_t now = clock_now(), spent = MAX(now - worker->clocked, 1);
	int64_t fitting = MAX(worker->clock_interval, 1) * (POLL_INTERVAL / 2) / spent;
	worker->clocked = now;
	worker->until_clock = worker->clock_interval = (int)MAX(MIN(fitting, CLOCK_INTERVAL), 1);
	return now - worker->polled > POLL_INTERVAL;
}

/* Of a worker that is blocked, or has been in one task for long: this worker runs its timers, and takes half of its deque. */
static void relieve_another(struct worker *worker)
{
	struct worker *other = steal_find_stuck(worker);
	if (!other)
		return;
	if (load(&other->timers->earliest, relaxed) <= worker->polled)
		run_timers(other->timers, worker->polled, region_times() ? other : NULL);
	struct task *task = steal_from(worker, other, true);
	if (task) {
		queue_append(worker, task);
		idle_notify();
	}
}

/*
 * If more than `target` workers run, because a blocked one is back, this worker gives its tasks to the global queue and
 * sleeps. A worker with pinned tasks goes on, because only it can run these. False: the worker goes on.
 */
static bool step_back(struct worker *worker)
{
	if (!idle_is_surplus() || load(&worker->inbox_length, relaxed) > 0)
		return false;
	queue_give_all(worker);
	if (worker->spinning)
		idle_spin_end(worker, false);
	worker->was_poller = false;
	if (load(&worker->woken_for, relaxed))
		replacement_rests(worker, true);
	return idle_step_back(worker);
}

/* A busy worker's regular duties: the reactor, its timers, blocked workers. Returns whether it was time for them. */
static bool look_around(struct worker *worker)
{
	if (likely(!load(&worker->poll_due, relaxed)) && (likely(--worker->until_clock > 0) || !poll_is_due(worker)))
		return false;
	if (unlikely(load(&worker->woken_for, relaxed)) && !idle_is_surplus() && late_first(worker))
		return false; /* it takes over before it looks at the reactor */
	worker_poll(worker);
	if (load(&scheduler.started, relaxed) > 1) {
		relieve_another(worker);
		sched_hooks.look_around(worker, worker->polled);
	}
	return true;
}

/* Its other regular duty: the global queue. */
static struct task *find_fairly(struct worker *worker)
{
	if (likely(--worker->until_global > 0))
		return NULL;
	struct task *task = queue_take_share(worker);
	/* if it looked more often, tasks that spawn tasks would run breadth first, all alive at the same time */
	worker->until_global = MAX(GLOBAL_INTERVAL, deque_length(&worker->deque));
	return task;
}

static struct task *find_elsewhere(struct worker *worker)
{
	struct task *task = queue_take_share(worker);
	if (!task && unlikely(load(&worker->woken_for, relaxed)))
		task = steal_noted(worker); /* what it was woken for, before all else */
	if (task)
		return task;
	worker_poll(worker);
	bool surplus = idle_is_surplus(); /* it may have been noted until now */
	if (unlikely(surplus))
		store(&worker->poll_due, 1, relaxed); /* it steps back before it runs one more task */
	if ((task = queue_take(worker)))
		return task;
	if (!surplus && load(&scheduler.started, relaxed) > 1 && idle_spin_begin(worker)) {
		for (int round = 0; !task && round < 4; round++) {
			run_all_timers(worker, NULL);
			task = queue_take(worker);
			if (!task)
				task = steal(worker, round == 3);
			if (!task)
				task = queue_take_share(worker);
		}
		idle_spin_end(worker, task != NULL);
	}
	return task;
}

struct task *search_task(struct worker *worker)
{
	while (!load(&scheduler.stopping, acquire)) {
		if (look_around(worker) && step_back(worker)) {
			if (load(&worker->leaves, relaxed))
				break;
			continue;
		}
		struct task *task = find_fairly(worker);
		if (!task)
			task = queue_take(worker);
		if (!task)
			task = find_elsewhere(worker);
		/* a worker woken as a spinner must end that also without work, or no worker would be woken any more */
		if (worker->spinning)
			idle_spin_end(worker, task != NULL);
		if (task) {
			if (unlikely(worker->was_poller))
				idle_replace_poller(worker);
			if (unlikely(load(&worker->woken_for, relaxed)))
				replacement_runs(worker);
			return task;
		}
		if (load(&worker->woken_for, relaxed))
			replacement_rests(worker, idle_has_poller()); /* else it is about to take that post */
		if (idle_wait(worker))
			run_all_timers(worker, NULL);
		if (unlikely(load(&worker->leaves, relaxed)))
			break;
	}
	return NULL;
}
