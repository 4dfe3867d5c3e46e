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
 * Every POLL_INTERVAL, a busy worker also looks at the reactor and the timers. Then it checks whether another worker
 * seems to be blocked, and takes over work of that worker that others can do.
 *
 * Run-next makes a pair of tasks that hand work to each other fast. After NEXT_BUDGET dispatches in a row through
 * run-next, the task goes to the end of the deque instead, so that the pair cannot starve other tasks. The same budget
 * bounds grants.
 *
 * A task in run-next is meant for this worker, which mostly comes to it within a microsecond. Waking another worker for
 * each hand-over would cost more than most of them. But a task that has computed for long will probably continue, and
 * the next task could run on another worker at the same time. So a hand-over wakes a sleeping worker if the running
 * task has run for QUICK_TASK. The watchdog finds any other task that stays in run-next within a millisecond.
 */
#include "run/queue.h"

#include "base/check.h"
#include "run/blocked.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/replacement.h"
#include "run/state.h"
#include "run/taken.h"
#include "run/thread.h"
#include "run/watchdog_wake.h"

#define GLOBAL_INTERVAL 61 /* at least; a prime, so that it does not follow a pattern of the program (Go's figure) */
#define CLOCK_INTERVAL  64 /* dispatches between two readings of the clock, at most */
#define POLL_INTERVAL   (100 * NS_PER_US)
#define LONG_TASK       NS_PER_MS /* a worker that has been in one task for so long may be blocked there */
#define NEXT_BUDGET     32
#define QUICK_TASK      (20 * NS_PER_US) /* several times the cost of waking a worker, for its waker */
#define QUICK_MOST      12u

/* ---- the queues ---- */

/* Takes this worker's fair share of the global queue: one task to run now, the others go into its deque. */
static struct task *take_share(struct worker *worker)
{
	struct task *batch[DEQUE_SIZE / 2];
	if (load(&global_length, relaxed) == 0)
		return NULL;
	unsigned room = DEQUE_SIZE - deque_length(&worker->deque); /* thieves can only add room */
	unsigned n = global_take(batch, scheduler.target, MIN(room + 1, DEQUE_SIZE / 2));
	for (unsigned i = 1; i < n; i++)
		deque_push(&worker->deque, batch[i]);
	return n ? batch[0] : NULL;
}

/* Called when the deque is full: moves half of it and `task` to the global queue. */
static void overflow(struct worker *worker, struct task *task)
{
	struct task *batch[DEQUE_SIZE / 2 + 1];
	unsigned n = deque_steal(&worker->deque, batch);
	batch[n] = task;
	global_put(batch, n + 1);
	COUNT(worker, overflows, 1);
}

static void push_last(struct worker *worker, struct task *task)
{
	if (unlikely(!deque_push(&worker->deque, task)))
		overflow(worker, task);
}

/*
 * Release: a thief that takes the task sees it; pairs with the exchanges in next_take() and steal_next(). seq_cst:
 * comes before the loads of next_hand_over().
 */
static void push_next(struct worker *worker, struct task *task)
{
	struct task *old = exchange(&worker->next, task, seq_cst);
	if (old)
		push_last(worker, old);
}

static struct task *next_take(struct worker *worker)
{
	if (!load(&worker->next, relaxed))
		return NULL;
	struct task *task = exchange(&worker->next, NULL, acquire);
	if (task && ++worker->next_streak > NEXT_BUDGET) {
		worker->next_streak = 0;
		push_last(worker, task);
		return NULL;
	}
	return task;
}

static void inbox_push(struct worker *worker, struct task *task)
{
	lock_take(&worker->inbox_lock);
	task_list_add(&worker->inbox, task);
	store(&worker->inbox_length, worker->inbox_length + 1, relaxed);
	if (region_times())
		store(&worker->block->pinned_ns, worker->block->pinned_ns + (uint64_t)clock_now(), relaxed);
	store(&worker->block->pinned, worker->inbox_length, relaxed);
	lock_drop(&worker->inbox_lock);
	idle_notify_worker(worker);
}

static struct task *inbox_take(struct worker *worker)
{
	if (load(&worker->inbox_length, relaxed) == 0)
		return NULL;
	lock_take(&worker->inbox_lock);
	struct task *task = task_list_take(&worker->inbox);
	if (task) {
		store(&worker->inbox_length, worker->inbox_length - 1, relaxed);
		store(&worker->block->pinned, worker->inbox_length, relaxed);
	}
	lock_drop(&worker->inbox_lock);
	return task;
}

/*
 * Whether the running task has run for long: since its worker last handed over or looked around. That was before the
 * task's dispatch, or close enough to it. Reading the clock costs a tenth of a hand-over. So while hand-overs come in
 * quick succession, most of them are assumed to be quick. A task counts as long only if the hand-over before it has
 * read the clock, too.
 */
static bool ran_long(struct worker *worker)
{
	if (worker->quick > 0) {
		worker->quick--;
		return false;
	}
	int64_t now = clock_now(), since = MAX(worker->handed, worker->polled);
	bool measured = worker->quick_most == 0;
	worker->handed = now;
	if (now - since < QUICK_TASK) {
		worker->quick = worker->quick_most = MIN(2 * worker->quick_most + 1, QUICK_MOST);
		return false;
	}
	worker->quick_most = 0;
	return measured;
}

/*
 * Called when a task is in run-next, the deque is empty, and other workers sleep.
 *     this worker:              run-next = task; reads `sleeping`, `watched`
 *     a worker falling asleep:  sleeping + 1; reads run-next; calls watchdog_watch()
 *     watchdog, to look less:   watched = 0; reads run-next
 * All are sequentially consistent, so the task does not stay in run-next unseen.
 */
static void next_hand_over(struct worker *worker)
{
	if (ran_long(worker))
		idle_notify();
	else if (unlikely(!load(&watchdog_promise.watched, seq_cst)))
		watchdog_watch();
}

/* Called by a worker, or by a plain thread (null). */
static void enqueue(struct worker *worker, struct task *task, bool last)
{
	task_to_ready(task, worker ? worker->number : task->worker);
	if (unlikely(task->flags & TASK_PINNED)) {
		inbox_push(worker_get(task->worker), task);
		return;
	}
	if (unlikely(!worker)) {
		global_put(&task, 1);
		idle_notify();
		return;
	}
	if (last)
		push_last(worker, task);
	else
		push_next(worker, task);
	queue_publish(worker);
	if (load(&scheduler.started, relaxed) == 1)
		return;
	unsigned length = deque_length(&worker->deque);
	if (worker->was_poller && length <= 1)
		return; /* the first task is for the poller itself: see idle_replace_poller() */
	if (length > 0)
		idle_notify();
	else if (idle_may_wake())
		next_hand_over(worker);
}

void task_ready(struct task *task)
{
	if (unlikely(task->flags & TASK_THREAD)) {
		thread_wake(task);
		return;
	}
	struct worker *worker = worker_self();
	/* run-next is for hand-overs between tasks; tasks that the reactor or a timer wakes run in their order */
	enqueue(worker, task, !worker || !worker->task);
}

void task_ready_last(struct task *task)
{
	if (unlikely(task->flags & TASK_THREAD))
		thread_wake(task);
	else
		enqueue(worker_self(), task, true);
}

void task_ready_list(struct task_list *list)
{
	struct task *task;
	while ((task = task_list_take(list)))
		task_ready_last(task);
}

void queue_last(struct worker *worker, struct task *task)
{
	enqueue(worker, task, true);
}

struct task *queue_granted(struct worker *worker, struct task *task)
{
	bool pinned = task->flags & TASK_PINNED;
	task_to_granted(task, worker->number);
	if (!pinned || task->worker == worker->number) {
		if (++worker->next_streak <= NEXT_BUDGET)
			return task;
		worker->next_streak = 0;
	}
	if (pinned) { /* never into a deque, where other workers steal */
		inbox_push(worker_get(task->worker), task);
		return NULL;
	}
	push_last(worker, task);
	idle_notify();
	return NULL;
}

void queue_granted_outside(struct task *task)
{
	task_to_granted(task, task->worker);
	if (task->flags & TASK_PINNED) {
		inbox_push(worker_get(task->worker), task);
	} else {
		global_put(&task, 1);
		idle_notify();
	}
}

/* ---- stealing ---- */

/* Steals half of another worker's deque. One task is returned, the others go into this worker's deque. */
static struct task *steal_from(struct worker *worker, struct worker *victim)
{
	struct task *loot[DEQUE_SIZE / 2];
	uint64_t tick = load(&victim->tick, relaxed);
	unsigned n = deque_steal(&victim->deque, loot);
	if (n == 0)
		return NULL;
	taken_note(victim, tick, loot, n);
	for (unsigned i = 1; i < n; i++)
		push_last(worker, loot[i]);
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

/* From the workers with numbers from `from` on, below `end`. */
static struct task *steal_between(struct worker *worker, unsigned from, unsigned end, bool with_next)
{
	struct worker *victim = worker_awake(from);
	for (; victim && victim->number < end; victim = worker_awake(victim->number + 1)) {
		struct task *task = NULL;
		if (victim == worker)
			continue;
		task = steal_from(worker, victim);
		if (!task && with_next)
			task = steal_next(worker, victim);
		if (task)
			return task;
	}
	return NULL;
}

static struct task *steal(struct worker *worker, bool with_next)
{
	unsigned start = random_here() % load(&scheduler.made, relaxed);
	struct task *task = steal_between(worker, start, WORKERS_MOST, with_next);
	return task ? task : steal_between(worker, 0, start, with_next);
}

/* ---- finding work ---- */

/* The watchdog requests this: memory in the caches cannot be given back, see watch/memory.c. */
void worker_empty(struct worker *worker)
{
	store(&worker->empty_due, 0, relaxed);
	stack_worker_empty(&worker->stack);
	task_cache_empty(&worker->tasks);
}

/*
 * Makes the tasks of expired timers ready, some at a time: no other worker can run tasks while they are in this list.
 * The timers may belong to another worker, which may be blocked in a task.
 */
static void run_timers(struct timers *timers, int64_t now)
{
	struct task_list expired = { 0 };
	struct task *task;
	unsigned n = 0;
	bool more;
	do {
		more = timers_expire(timers, now, &expired);
		for (; (task = task_list_take(&expired)); n++)
			task_ready(task);
	} while (more);
	if (n > 0)
		count_here(SLEY_COUNTER_timers, n);
}

/* Runs the timers of all heaps: a worker may be blocked in a task. */
static void run_all_timers(int64_t now)
{
	for (unsigned i = 0; i < scheduler.target; i++) {
		struct timers *timers = &scheduler.timers[i];
		if (load(&timers->earliest, relaxed) <= now)
			run_timers(timers, now);
	}
}

static void worker_poll(struct worker *worker)
{
	worker->polled = worker->clocked = clock_now();
	exchange(&worker->poll_due, 0, seq_cst); /* see blocked_back() */
	blocked_back(worker);
	if (unlikely(load(&scheduler.blocked, relaxed) > 0))
		run_all_timers(worker->polled);
	else if (load(&worker->timers->earliest, relaxed) <= worker->polled)
		run_timers(worker->timers, worker->polled);
	if (unlikely(load(&worker->empty_due, relaxed)))
		worker_empty(worker);
	sched_hooks.poll(0);
}

/*
 * With a thousand tasks, the memory that a switch touches has left the first-level cache. The next tasks are known, so
 * their cache lines are fetched while others run: first the entry, and when it has come, the stack, the slot and the
 * record. The fields read may be stale, or another worker may be writing them. They are only hints, and entries are
 * never unmapped. (Not under TSan, which cannot know that.)
 */
static void prefetch(struct worker *worker)
{
#ifndef SLEY_TSAN
	const struct task *later = deque_peek(&worker->deque, 3), *next = deque_peek(&worker->deque, 0);
	__builtin_prefetch(later);
	if (!next)
		return;
	const char *image = next->tenant.image, *sp = next->tenant.context.sp;
	__builtin_prefetch(sp);
	__builtin_prefetch(sp + CACHE_LINE);
	__builtin_prefetch(sp + 2 * CACHE_LINE);
	if (image) {
		for (int i = 0; i < 6; i++) /* covers the live bytes of most tasks */
			__builtin_prefetch(image + i * CACHE_LINE);
	}
	__builtin_prefetch(next->tenant.slot);
	__builtin_prefetch(task_record(next));
#else
	(void)worker;
#endif
}

/*
 * Called when there are pinned tasks. They and the deque take turns: otherwise pinned tasks that yield would keep the
 * others from running.
 */
static struct task *take_in_turn(struct worker *worker)
{
	struct task *task = NULL;
	worker->deque_turn = !worker->deque_turn;
	if (worker->deque_turn)
		task = deque_pop(&worker->deque);
	return task ? task : inbox_take(worker);
}

static struct task *find_local(struct worker *worker)
{
	struct task *task = next_take(worker);
	if (task)
		return task;
	worker->next_streak = 0;
	if (unlikely(load(&worker->inbox_length, relaxed) > 0) && (task = take_in_turn(worker)))
		return task;
	task = deque_pop(&worker->deque);
	if (task)
		prefetch(worker);
	return task;
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

/* Of a worker that is blocked, or has been in one task for long: this worker runs its timers, and takes half of its deque. */
static void relieve_another(struct worker *worker)
{
	struct worker *other = unlikely(load(&scheduler.blocked, relaxed) > 0) ? find_noted() : NULL;
	if (!other)
		other = find_long(worker);
	if (!other)
		return;
	if (load(&other->timers->earliest, relaxed) <= worker->polled)
		run_timers(other->timers, worker->polled);
	struct task *task = steal_from(worker, other);
	if (!task)
		task = steal_next(worker, other);
	if (task) {
		push_last(worker, task);
		idle_notify();
	}
}

/*
 * If more than `target` workers run, because a blocked one is back, this worker gives its tasks to the global queue and
 * sleeps. A worker with pinned tasks goes on, because only it can run these. False: the worker goes on.
 */
static bool step_back(struct worker *worker)
{
	struct task *batch[DEQUE_SIZE / 2];
	unsigned n;
	if (!idle_is_surplus() || load(&worker->inbox_length, relaxed) > 0)
		return false;
	struct task *next = exchange(&worker->next, NULL, acquire);
	if (next)
		global_put(&next, 1);
	while ((n = deque_steal(&worker->deque, batch)) > 0)
		global_put(batch, n);
	queue_publish(worker);
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
	struct task *task = take_share(worker);
	/* if it looked more often, tasks that spawn tasks would run breadth first, all alive at the same time */
	worker->until_global = MAX(GLOBAL_INTERVAL, deque_length(&worker->deque));
	return task;
}

static struct task *find_elsewhere(struct worker *worker)
{
	struct task *task = take_share(worker);
	if (task)
		return task;
	worker_poll(worker);
	bool surplus = idle_is_surplus(); /* it may have been noted until now */
	if (unlikely(surplus))
		store(&worker->poll_due, 1, relaxed); /* it steps back before it runs one more task */
	if ((task = find_local(worker)))
		return task;
	if (!surplus && load(&scheduler.started, relaxed) > 1 && idle_spin_begin(worker)) {
		for (int round = 0; !task && round < 4; round++) {
			run_all_timers(worker->polled);
			task = find_local(worker);
			if (!task)
				task = steal(worker, round == 3);
			if (!task)
				task = take_share(worker);
		}
		idle_spin_end(worker, task != NULL);
	}
	return task;
}

struct task *queue_find(struct worker *worker)
{
	while (!load(&scheduler.stopping, acquire)) {
		if (look_around(worker) && step_back(worker)) {
			if (load(&worker->leaves, relaxed))
				break;
			continue;
		}
		struct task *task = find_fairly(worker);
		if (!task)
			task = find_local(worker);
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
			run_all_timers(worker->polled);
		if (unlikely(load(&worker->leaves, relaxed)))
			break;
	}
	return NULL;
}
