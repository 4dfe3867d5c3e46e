/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
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

#include "run/blocked.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/thread.h"
#include "run/watchdog_wake.h"

#define QUICK_TASK (20 * NS_PER_US) /* several times the cost of waking a worker, for its waker */
#define QUICK_MOST 12u

/* ---- run-next, the deque and the inbox ---- */

/*
 * Called when the deque is full: moves half of it and `task` to the global queue. The batch is not on the stack, which may
 * be a task's: it would make every stack a page deeper.
 */
NOINLINE static void overflow(struct worker *worker, struct task *task)
{
	unsigned n = deque_steal(&worker->deque, worker->batch);
	worker->batch[n] = task;
	global_put(worker->batch, n + 1);
	COUNT(worker, overflows, 1);
}

void queue_append(struct worker *worker, struct task *task)
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
		queue_append(worker, old);
}

static struct task *next_take(struct worker *worker)
{
	if (!load(&worker->next, relaxed))
		return NULL;
	struct task *task = exchange(&worker->next, NULL, acquire);
	if (task && ++worker->next_streak > NEXT_BUDGET) {
		worker->next_streak = 0;
		queue_append(worker, task);
		return NULL;
	}
	return task;
}

static void inbox_push(struct worker *worker, struct task *task)
{
	lock_take(&worker->inbox_lock);
	store(&task_record(task)->worker, (uint16_t)(worker->number | SLEY_TASK_PINNED), relaxed);
	task_list_add(&worker->inbox, task);
	store(&worker->inbox_length, worker->inbox_length + 1, relaxed);
	if (region_times())
		store(&worker->block->pinned_ns, worker->block->pinned_ns + (uint64_t)clock_now(), relaxed);
	store(&worker->block->pinned, worker->inbox_length - worker->inbox_moved, relaxed);
	lock_drop(&worker->inbox_lock);
	idle_notify_worker(worker);
}

/* With the lock: the task was taken out of the inbox. */
static void inbox_took(struct worker *worker, const struct task *task)
{
	store(&worker->inbox_length, worker->inbox_length - 1, relaxed);
	if (unlikely(!(task->flags & TASK_PINNED)))
		store(&worker->inbox_moved, worker->inbox_moved - 1, relaxed);
	store(&worker->block->pinned, worker->inbox_length - worker->inbox_moved, relaxed);
}

static struct task *inbox_take(struct worker *worker)
{
	if (load(&worker->inbox_length, relaxed) == 0)
		return NULL;
	lock_take(&worker->inbox_lock);
	struct task *task = task_list_take(&worker->inbox);
	if (task)
		inbox_took(worker, task);
	lock_drop(&worker->inbox_lock);
	return task;
}

/* ---- forced migration ---- */

struct worker *queue_other(const struct worker *worker)
{
	unsigned target = scheduler.target;
	for (unsigned i = 1; i <= target; i++) {
		struct worker *other = worker_get((worker->number + i) % target);
		if (other != worker && !load(&other->block->note, relaxed))
			return other;
	}
	return NULL;
}

/* A worker that does not come to the task is found by the watchdog: see is_needed() there, which pairs with this. */
void queue_move(struct worker *worker, struct task *task)
{
	struct worker *other = queue_other(worker);
	if (!other) {
		queue_yielded(worker, task, region_times() ? worker_stamp() : 0);
		return;
	}
	task_to_ready(task, other->number);
	lock_take(&other->inbox_lock);
	task_list_add(&other->inbox, task);
	store(&other->inbox_length, other->inbox_length + 1, relaxed);
	store(&other->inbox_moved, other->inbox_moved + 1, seq_cst);
	lock_drop(&other->inbox_lock);
	if (!load(&watchdog_promise.watched, seq_cst))
		watchdog_watch();
	idle_notify_worker(other);
}

void queue_give_moved(struct worker *worker)
{
	struct task_list pinned = { 0 }, moved = { 0 };
	struct task *task;
	lock_take(&worker->inbox_lock);
	while ((task = task_list_take(&worker->inbox))) {
		task_list_add(task->flags & TASK_PINNED ? &pinned : &moved, task);
		store(&worker->inbox_length, worker->inbox_length - !(task->flags & TASK_PINNED), relaxed);
	}
	worker->inbox = pinned;
	store(&worker->inbox_moved, 0, relaxed);
	lock_drop(&worker->inbox_lock);
	while ((task = task_list_take(&moved)))
		global_put(&task, 1);
}

/* ---- tasks that become ready ---- */

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
 * Called by a worker that makes a task ready, or whose task yields. If its own task was noted as blocked, that is over, as it runs: it is no
 * reason to wake another worker for what this one comes to soon. A block that the task has announced goes on until it says
 * so, and that of a task which computes until its next scheduling point.
 *
 * A replacement may run by then, and one of the two is surplus. The thread that makes the note stores poll_due after it, and
 * may be preempted between the two. So it is stored here, too: this worker steps back before it runs another task.
 */
void queue_end_own_note(struct worker *worker)
{
	uint64_t note = load(&worker->block->note, relaxed);
	if (SLEY_NOTE_STATE(note) == SLEY_BLOCK_BLOCKED && SLEY_NOTE_SOURCE(note) != SLEY_SOURCE_TOLD) {
		blocked_back(worker);
		store(&worker->poll_due, 1, relaxed);
	}
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

/* Called by a worker that has put a task into its deque. */
static void announce(struct worker *worker, unsigned length)
{
	if (worker->was_poller && length <= 1)
		return; /* the first task is for the poller itself: see idle_replace_poller() */
	if (length > 0)
		idle_notify();
}

/* Called by a worker that has put a task into run-next or its deque, when there are other workers. */
NOINLINE void queue_announce(struct worker *worker)
{
	unsigned length = deque_length(&worker->deque);
	if (worker->was_poller && length <= 1)
		return; /* the first task is for the poller itself: see idle_replace_poller() */
	if (unlikely(load(&scheduler.blocked, relaxed) > 0))
		queue_end_own_note(worker);
	if (length > 0)
		idle_notify();
	else if (idle_may_wake())
		next_hand_over(worker);
}

/* Called by a worker, or by a plain thread (null). Inlined into its callers, for which some arguments are constant. */
static ALWAYS_INLINE void enqueue(struct worker *worker, struct task *task, bool last)
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
		queue_append(worker, task);
	else
		push_next(worker, task);
	queue_publish(worker);
	if (load(&scheduler.started, relaxed) > 1)
		queue_announce(worker);
}

NOINLINE void queue_ready(struct worker *worker, struct task *task)
{
	if (unlikely(task->flags & TASK_THREAD))
		thread_wake(task);
	else /* run-next is for hand-overs between tasks; tasks that the reactor or a timer wakes run in their order */
		enqueue(worker, task, !worker || !worker->task);
}

void task_ready(struct task *task)
{
	struct worker *worker = this_worker;
	if (worker && worker->task)
		task_hand_over(worker, task);
	else
		queue_ready(worker, task);
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

void queue_push_else(struct worker *worker, struct task *task)
{
	if (task && task->flags & TASK_PINNED) {
		inbox_push(worker_get(task->worker), task);
		return;
	}
	if (task && deque_length(&worker->deque) >= DEQUE_SIZE - 1)
		overflow(worker, task);
	else if (task)
		queue_append(worker, task);
	if (unlikely(load(&scheduler.blocked, relaxed) > 0))
		queue_end_own_note(worker);
	if (load(&scheduler.started, relaxed) > 1)
		announce(worker, deque_length(&worker->deque));
}

struct task *queue_granted(struct worker *worker, struct task *task, bool now)
{
	bool pinned = task->flags & TASK_PINNED;
	task_to_granted(task, worker->number);
	if (now && (!pinned || task->worker == worker->number)) {
		if (++worker->next_streak <= NEXT_BUDGET)
			return task;
		worker->next_streak = 0;
	}
	if (pinned) { /* never into a deque, where other workers steal */
		inbox_push(worker_get(task->worker), task);
		return NULL;
	}
	/* in the deque a task keeps its slot from all co-tenants whose turn comes first */
	if (now)
		queue_append(worker, task);
	else
		push_next(worker, task);
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

/* ---- the worker's next task ---- */

/*
 * First the entry, and when it has come, the stack, the slot and the record. The fields read may be stale, or another
 * worker may be writing them. They are only hints, and entries are never unmapped. (Not under TSan, which cannot know that.)
 */
void queue_prefetch(struct worker *worker)
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
 * others from running. Not inlined: every dispatch would save one more register for it.
 */
NOINLINE static struct task *take_in_turn(struct worker *worker)
{
	struct task *task = NULL;
	worker->deque_turn = !worker->deque_turn;
	if (worker->deque_turn)
		task = deque_pop(&worker->deque);
	return task ? task : inbox_take(worker);
}

struct task *queue_take_first(struct worker *worker)
{
	struct task *task = next_take(worker);
	if (task)
		return task;
	worker->next_streak = 0;
	if (load(&worker->inbox_length, relaxed) > 0 && (task = take_in_turn(worker)))
		return task;
	return deque_pop(&worker->deque);
}

struct task *queue_take_share(struct worker *worker)
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

void queue_give_all(struct worker *worker)
{
	struct task *batch[DEQUE_SIZE / 2];
	unsigned n;
	struct task *next = exchange(&worker->next, NULL, acquire);
	if (next)
		global_put(&next, 1);
	while ((n = deque_steal(&worker->deque, batch)) > 0)
		global_put(batch, n);
	queue_publish(worker);
}
