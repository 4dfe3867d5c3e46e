/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The life of a task: spawn, join, yield, sleep, end. */
#include <alloca.h>
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "life/cleanup.h"
#include "life/pin.h"
#include "life/spawn.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/relative.h"
#include "run/report.h"
#include "run/state.h"
#include "run/thread.h"
#include "run/worker.h"

#define CALLER __builtin_return_address(0)

static ALWAYS_INLINE int spawn_check(const struct sley_task_options *options, void (*fn)(void *), const void *arg,
				     size_t n)
{
	if (!fn || (options && options->size != sizeof(*options)) || (!arg && n > 0 && n != SLEY_BY_POINTER))
		return -EINVAL;
	if (n == SLEY_BY_POINTER) {
		if (stack_is_copying(arg))
			return report_shared(arg, "sley_spawn", "argument",
					     "pass it by value with sley_spawn_copy(), or put it on the heap");
	} else if (n > stack_size / 4) {
		return -E2BIG;
	}
	return 0;
}

/* Copies a block that is passed by value off the spawner's stack. */
NOINLINE static int set_block(struct task *task, const void *arg, size_t n)
{
	task->start.arg = block_alloc(n);
	if (!task->start.arg)
		return -ENOMEM;
	memcpy(task->start.arg, arg, n);
	check_block(arg, n, "sley_spawn_copy", "block");
	return 0;
}

/* Sets the function and argument of the new task. */
static ALWAYS_INLINE int set_start(struct task *task, void (*fn)(void *), const void *arg, size_t n)
{
	task->start = (struct start){ .fn = fn, .arg = (void *)(uintptr_t)arg, .n = n };
	return n == SLEY_BY_POINTER || n == 0 ? 0 : set_block(task, arg, n);
}

static int spawn_set_options(struct worker *worker, struct task *task, const struct sley_task_options *options)
{
	if (!options)
		return 0;
	if (options->pinned) {
		task->flags |= TASK_PINNED;
		/* never a spare, which may end before the task runs */
		task->worker = (uint16_t)(worker ? worker->number % scheduler.target : 0);
	}
	if (options->detached)
		task->fate |= TASK_DETACHED;
	if (options->private_stack) {
		struct slot *slot = slot_private_new();
		store(&task->tenant.slot, slot, relaxed);
		return slot ? 0 : -ENOMEM;
	}
	return 0;
}

/* Called by `worker`, or by a plain thread (null). */
static ALWAYS_INLINE int new_by(struct worker *worker, struct task **result, struct sley_site *site,
				const struct sley_task_options *options, void (*fn)(void *), const void *arg, size_t n)
{
	int error = spawn_check(options, fn, arg, n);
	if (error)
		return error;
	struct task_cache *cache = worker ? &worker->tasks : NULL;
	struct task *task = task_alloc(cache, &error);
	if (!task)
		return error;
	task->site = (uint16_t)region_site(site);
	error = set_start(task, fn, arg, n);
	if (error == 0 && (error = spawn_set_options(worker, task, options)) != 0 && n != SLEY_BY_POINTER && n > 0)
		block_free(task->start.arg, n);
	if (error) {
		task_free(cache, task);
		return error;
	}
	task_publish(task, worker ? worker->task : NULL, options ? options->name : NULL);
	*result = task;
	return 0;
}

int spawn_new(struct task **result, struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
	      const void *arg, size_t n)
{
	return new_by(this_worker, result, site, options, fn, arg, n);
}

static ALWAYS_INLINE void start_by(struct worker *worker, struct task *task)
{
	if (region_times())
		fetch_add(&region.sites[task->site].spawned, 1, relaxed);
	if (unlikely(!worker)) {
		count_here(SLEY_COUNTER_spawned, 1);
		task_ready_last(task);
		return;
	}
	COUNT(worker, spawned, 1);
	task_to_ready(task, worker->number);
	queue_push(worker, task, DEQUE_SIZE);
	queue_publish(worker);
}

void spawn_start(struct task *task)
{
	start_by(this_worker, task);
}

void spawn_drop(struct task *task)
{
	struct worker *worker = worker_self();
	if (task->start.n != SLEY_BY_POINTER && task->start.n > 0)
		block_free(task->start.arg, task->start.n);
	if (task->tenant.slot) /* a private slot that was never used */
		slot_put(worker ? &worker->stack : NULL, task->tenant.slot);
	task->tenant.slot = NULL;
	task_free(worker ? &worker->tasks : NULL, task);
}

static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };

sley_task sley_spawn_at(struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
			const void *arg, size_t n)
{
	struct worker *worker = this_worker;
	struct task *task = NULL; /* set for gcc -O3, which does not see that new_by() sets it */
	sley_task id = thread_visit();
	if (id)
		return id;
	id = new_by(worker, &task, site, options, fn, arg, n);
	if (id == 0) {
		id = (sley_task)task->id; /* read before start_by(): a ready task may end, and its entry be reused */
		start_by(worker, task);
	}
	thread_depart();
	return id;
}

int sley_go_at(struct sley_site *site, void (*fn)(void *), void *arg)
{
	sley_task id = sley_spawn_at(site, &detached, fn, arg, SLEY_BY_POINTER);
	return id < 0 ? (int)id : 0;
}

int sley_go_copy_at(struct sley_site *site, void (*fn)(void *), const void *arg, size_t n)
{
	sley_task id = sley_spawn_at(site, &detached, fn, arg, n);
	return id < 0 ? (int)id : 0;
}

/* Copies the block that was passed by value to its final place: the task's own stack, below this frame. */
NOINLINE static void call_by_value(const struct start *start)
{
	void (*fn)(void *) = start->fn;
	size_t n = start->n;
	void *from = start->arg;
	void *block = alloca(n + 1);
	if (n > 0) {
		memcpy(block, from, n);
		block_free(from, n);
	}
	fn(block);
	cleanup_finish();
}

/* The frames of task_main() and call_by_value() are live in every parked task: keep them small. */
void task_main(void)
{
	worker_begin();
	for (struct task *task = task_self();; task = worker_end()) {
		*sley_errno_location() = 0;
		if (task->start.n != SLEY_BY_POINTER) {
			call_by_value(&task->start);
		} else {
			task->start.fn(task->start.arg);
			cleanup_finish();
		}
	}
}

/*
 * Tells all watches that the task has ended. Called with the task's lock held, and drops it during each callback. The
 * task is marked ended only after all callbacks.
 */
static void tell(struct task *task)
{
	struct watch *watch;
	if (task->extra)
		task->extra->cancelled = load(&task->claim, relaxed) & CLAIM_CANCEL;
	while (task->extra && (watch = list_first(&task->extra->watches, link))) {
		task_unwatch(task, watch);
		lock_drop(&task->lock);
		watch->ended(watch, task);
		lock_take(&task->lock);
	}
}

void task_end(struct worker *worker, struct task *task)
{
	COUNT(worker, ended, 1);
	if (unlikely(task->flags & TASK_KEPT))
		pin_end(worker, task);
	task_to_ended(task);
	lock_take(&task->lock);
	tell(task);
	task->fate |= TASK_ENDED;
	bool detached = task->fate & TASK_DETACHED;
	struct task *joiner = task->joiner ? task_at(task->joiner - 1) : NULL;
	task->joiner = 0;
	if (joiner && !wait_claim(joiner, CLAIM_EVENT))
		joiner = NULL; /* its deadline or a canceller was faster: the task may be joined again */
	if (joiner)
		task->fate |= TASK_DETACHED; /* from here on the joiner owns the entry, and frees it when it runs */
	if (detached && !task->extra) {
		task_free_locked(&worker->tasks, task);
		return;
	}
	lock_drop(&task->lock);
	if (detached)
		task_free(&worker->tasks,
			  task); /* in two steps, as threads that wait for the lock may want the extra */
	else if (joiner)
		task_ready_last(joiner); /* whichever stack this is on */
}

int join_check(const struct task *target, sley_task id)
{
	if ((sley_task)target->id != id || target->fate & TASK_UNUSED)
		return -ESRCH;
	if (target->fate & TASK_DETACHED || target->joiner)
		return -EINVAL;
	return 0;
}

/* Waits for target's end. Called with target's lock held, and drops it during the wait. Returns 0: target has ended. */
static int join_wait(struct task *task, struct task *target, sley_time deadline, const void *pc)
{
	wait_begin(task, SLEY_WAIT_JOIN, target->id, pc);
	target->joiner = task_index(task) + 1;
	lock_drop(&target->lock);
	enum claim who = wait_park(task, deadline);
	lock_take(&target->lock);
	if (who == CLAIM_EVENT)
		return 0;
	if (target->joiner == task_index(task) + 1)
		target->joiner = 0;
	return wait_error(who);
}

int sley_join(sley_task id, sley_time deadline)
{
	struct worker *worker = this_worker; /* that of before the first wait */
	struct task *task = worker ? worker->task : NULL;
	if (!task)
		return outside_error();
	worker_spend_of(worker, CALLER);
	if (id == (sley_task)task->id)
		return -EDEADLK;
	struct task *target = task_find(id);
	if (!target)
		return -ESRCH;
	lock_take(&target->lock);
	int error = join_check(target, id);
	if (error == 0 && !(target->fate & TASK_ENDED))
		error = join_wait(task, target, deadline, CALLER);
	if (error == 0)
		task_free_locked(&worker_self()->tasks, target);
	else
		lock_drop(&target->lock);
	return error;
}

sley_task sley_self(void)
{
	struct task *task = task_self();
	return task ? (sley_task)task->id : 0;
}

void sley_set_name(const char *name)
{
	struct task *task = task_self();
	if (task)
		task_set_name(task, name);
}

int sley_sleep_at(sley_time until, const void *pc)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (until <= clock_now()) {
		relative_check(task, until, pc);
		worker_yield(pc); /* a loop of expired sleeps must not starve the other tasks */
		return 0;
	}
	wait_begin(task, SLEY_WAIT_SLEEP, (uint64_t)until, pc);
	enum claim who = wait_park(task, until);
	if (who == CLAIM_DEADLINE)
		return clock_now() >= until ? 0 : -ETIMEDOUT; /* the task's own deadline came first */
	return wait_error(who);
}

int sley_sleep(sley_time until)
{
	return sley_sleep_at(until, CALLER);
}

sley_time sley_now(void)
{
	return clock_now();
}

sley_time sley_in(sley_time duration)
{
	sley_time until;
	if (__builtin_add_overflow(clock_now(), duration, &until))
		return SLEY_NEVER;
	return until;
}
