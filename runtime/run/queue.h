/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The queues of ready tasks. Each worker has three: run-next, a place for the task that its running task made ready
 * last; the deque (run/deque.h); and the inbox, with the tasks that are pinned to it. The global queue (run/global.h)
 * belongs to all workers. run/search.c has the order in which a worker looks at them.
 */
#ifndef RUN_QUEUE_H
#define RUN_QUEUE_H

#include "run/state.h"
#include "run/worker.h"

#define NEXT_BUDGET 32 /* dispatches in a row through run-next: see queue.c */

/*
 * Makes a claimed or new task ready. Any thread. The caller must hold no lock of an object for which other threads
 * could wait.
 */
void task_ready(struct task *task);

/* Makes the tasks of a list ready, behind the tasks that are ready already. They may run before this returns. */
void task_ready_list(struct task_list *list);

/* Like task_ready(), but behind the tasks that are ready already: for tasks spawned or woken in bulk. */
void task_ready_last(struct task *task);

/* ---- called by the worker ---- */

/* The rest of queue_push(): `task` is pinned, or the deque is full; null: there are other workers. */
void queue_push_else(struct worker *worker, struct task *task);

/* Puts a task that has just become ready behind those that are ready here already, of which `most` are too many. */
static ALWAYS_INLINE void queue_push(struct worker *worker, struct task *task, unsigned most)
{
	if (unlikely(task->flags & TASK_PINNED) || unlikely(!deque_push_below(&worker->deque, task, most)))
		queue_push_else(worker, task);
	else if (load(&scheduler.started, relaxed) > 1)
		queue_push_else(worker, NULL);
}

/*
 * Makes a task that has yielded, and left its stack, ready behind the tasks that are ready already. `since`: for its
 * record. The next one was taken out of the deque before, so it was full if it lacks one: half of it must go to the global
 * queue then. Otherwise the tasks of a full deque would yield to each other, and those in the global queue wait for ever.
 */
static ALWAYS_INLINE void queue_yielded(struct worker *worker, struct task *task, int64_t since)
{
	task_to_ready_again(task, since);
	queue_push(worker, task, DEQUE_SIZE - 1);
}

/*
 * For a worker that takes out events in a row, outside of a task: makes a task whose wait was claimed ready, behind those
 * that are ready here. It calls queue_events() once there are several, and in the end.
 */
static ALWAYS_INLINE void queue_event(struct worker *worker, struct task *task)
{
	task_to_ready(task, worker->number);
	if (unlikely(task->flags & TASK_PINNED) || unlikely(!deque_push(&worker->deque, task)))
		queue_push_else(worker, task);
}

/*
 * For forced migration (SLEY_RUN_MIGRATE): the worker to which a task of this one moves next, or null. Spares and workers
 * that are noted as blocked are left out, so there may be none for a while. queue_move() puts the task, which has left its
 * stack, into its inbox; or behind the others here, if there is none any more.
 */
struct worker *queue_other(const struct worker *worker);
void queue_move(struct worker *worker, struct task *task);

/* By the watchdog: gives the tasks that were moved to a worker, which does not come to them, to the global queue. */
void queue_give_moved(struct worker *worker);

/* Before a task yields: see queue.c. */
void queue_end_own_note(struct worker *worker);

/*
 * Called when the slot that the worker's last task left was granted to `task`. Returns the task if it runs now. Null: it
 * is not to run `now`, and is in run-next; or it may not run here, or the worker has run enough granted tasks in a row,
 * and it waits in a queue, holding its slot.
 */
struct task *queue_granted(struct worker *worker, struct task *task, bool now);

/* Like queue_granted(), on a thread that is no worker: the task waits in a queue, holding its slot. */
void queue_granted_outside(struct task *task);

/* queue_take() if there are tasks in run-next or the inbox. */
struct task *queue_take_first(struct worker *worker);

/*
 * With a thousand tasks, the memory that a switch touches has left the first-level cache. The next tasks are known, so
 * their cache lines are fetched while others run. A few tasks stay in the cache: a switch touches some eight lines of a
 * task, so 32 of them take 16 KiB, half of the first-level cache.
 */
#define FEW_TASKS 32
void queue_prefetch(struct worker *worker);

/* The next task of run-next, the inbox or the deque; null: they are empty. */
static inline struct task *queue_take(struct worker *worker)
{
	if (unlikely((uintptr_t)load(&worker->next, relaxed) | load(&worker->inbox_length, relaxed)))
		return queue_take_first(worker);
	worker->next_streak = 0;
	unsigned length;
	struct task *task = deque_pop_of(&worker->deque, &length);
	if (length > FEW_TASKS)
		queue_prefetch(worker);
	return task;
}

/*
 * Takes the worker's fair share of the global queue. One task is returned, to run now; the others go into the deque.
 * Null: the queue is empty.
 */
struct task *queue_take_share(struct worker *worker);

/*
 * Counts a dispatch that comes in the place of one through run-next. False: there were enough of them in a row, and other
 * tasks are ready here.
 */
static inline bool queue_streak_goes_on(struct worker *worker)
{
	if (likely(worker->next_streak < NEXT_BUDGET))
		worker->next_streak++;
	else if (deque_length(&worker->deque) > 0 || load(&worker->inbox_length, relaxed) > 0)
		return false;
	else
		worker->next_streak = 0;
	return true;
}

/* Whether one more dispatch through run-next in a row is allowed. */
static inline bool queue_streak_has_room(const struct worker *worker)
{
	return worker->next_streak < NEXT_BUDGET;
}

/* Takes the task in run-next, which queue_streak_has_room() allows. Null: there is none. */
static ALWAYS_INLINE struct task *queue_take_next(struct worker *worker)
{
	struct task *task = exchange(&worker->next, NULL, acquire);
	if (task)
		worker->next_streak++;
	return task;
}

/* Puts a task that is ready and in no queue at the end of the deque. */
void queue_append(struct worker *worker, struct task *task);

/* Gives the tasks of run-next and the deque to the global queue. */
void queue_give_all(struct worker *worker);

/* Publishes the number of ready tasks of the worker for tools. Called by the worker, or by a thief. */
static inline void queue_publish(struct worker *worker)
{
	unsigned n = deque_length(&worker->deque) + (load(&worker->next, relaxed) != NULL);
	store(&worker->line->queue, n, relaxed);
}

/* task_ready() by that worker; null: by a thread that is none. */
void queue_ready(struct worker *worker, struct task *task);

/* The rest of it, when there are other workers: wakes one of them if there is reason to. */
void queue_announce(struct worker *worker);

/* Publishes the tasks of queue_event(). */
static inline void queue_events(struct worker *worker)
{
	queue_publish(worker);
	if (load(&scheduler.started, relaxed) > 1)
		queue_announce(worker);
}

/*
 * task_ready() by the running task of `worker`, inline for the usual case, in which run-next is empty. Thieves only ever
 * empty it. seq_cst, like the exchange of push_next() in queue.c.
 */
static ALWAYS_INLINE void task_hand_over(struct worker *worker, struct task *task)
{
	if (unlikely(task->flags & (TASK_THREAD | TASK_PINNED)) || unlikely(load(&worker->next, relaxed) != NULL) ||
	    unlikely(region_times())) {
		queue_ready(worker, task);
		return;
	}
	task_to_ready_at(task, worker->number, 0);
	store(&worker->next, task, seq_cst);
	store(&worker->line->queue, deque_length(&worker->deque) + 1, relaxed);
	if (load(&scheduler.started, relaxed) > 1)
		queue_announce(worker);
}

#endif
