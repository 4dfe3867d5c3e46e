/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The scheduler's loop, on the worker's own stack:
 *
 *   find a task -> hold its slot -> make it resident -> switch to it -> (it comes back) -> release the slot -> after
 *
 * Where tasks are found is in queue.c. A waiter that is granted the slot just left runs at once.
 *
 * AddressSanitizer is told of every switch where it is in the process. Whether it is, a worker asks once: there are two
 * loops, and a task leaves the way on which it would carry control words or exceptions with it.
 */
#include "run/worker.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "context/control.h"
#include "run/depth.h"
#include "run/libc_locks.h"
#include "run/owned.h"
#include "run/queue.h"
#include "run/starved.h"
#include "run/state.h"

#define TASK_BUDGET 128 /* calls without a wait in a row: some 100 us of reads that are always ready */

/* ---- running a task ---- */

/* At its first run a task gets its slot for life. */
static ALWAYS_INLINE bool find_slot(struct worker *worker, struct task *task)
{
	if (!task->tenant.slot) {
		bool large = load(&region_site_live[task->site], relaxed) > 1024;
		store(&task->tenant.slot, slot_pick(&worker->stack, large), relaxed);
	}
	return task->tenant.slot != NULL;
}

/* Holds the task's slot, or leaves the task with the slot's waiters: false. */
static ALWAYS_INLINE bool task_hold_slot(struct worker *worker, struct task *task)
{
	struct slot *slot = task->tenant.slot;
	if (task->flags & TASK_GRANTED) {
		task->flags &= (uint8_t)~TASK_GRANTED;
		return true;
	}
	if (likely(slot_try(slot)))
		return true;
	COUNT(worker, slot_waits, 1);
	task_to_slot(task);
	return slot_hold(slot, &task->tenant);
}

/* What a tool sees of a tenant that was copied out. */
static void publish_image(struct worker *worker, struct task *task)
{
	size_t live = slot_live(task->tenant.slot, &task->tenant);
	COUNT(worker, copies, 1);
	COUNT(worker, copied_bytes, live);
	store(&task_record(task)->image16, (uint16_t)MIN(block_capacity(live) / 16, UINT16_MAX), relaxed);
	if (unlikely(live > load(&region_site_live[task->site], relaxed)))
		store(&region_site_live[task->site], (uint32_t)live, relaxed);
}

/* Makes the task resident and ready to be switched to. */
static ALWAYS_INLINE int task_enter(struct worker *worker, struct task *task)
{
	struct tenant *evicted;
	struct slot *slot = task->tenant.slot;
	bool was_out = task->tenant.image != NULL;
	int error = slot_enter(&worker->stack, &task->tenant, &evicted);
	if (unlikely(error))
		return error;
	if (evicted)
		publish_image(worker, task_of(evicted));
	if (was_out)
		store(&task_record(task)->image16, 0, relaxed);
	if (was_out || evicted)
		starved_retry(slot);
	if (unlikely(!(task->flags & TASK_STARTED))) {
		task->flags |= TASK_STARTED;
		slot_bind(slot, task->id, task->site);
		fiber_init(&task->fiber, slot->low, slot->top);
		context_make(&task->tenant.context, slot->low, slot->top, sched_hooks.task_main);
	} else if (task->worker != worker->number) {
		COUNT(worker, migrations, 1);
	}
	return 0;
}

/* Accounts for a task that was made ready on another worker: see struct sley_region_worker. */
static void began_elsewhere(struct task *task)
{
	struct sley_region_worker *line = worker_get(task->ready_on)->line;
	if (region_times())
		fetch_add(&line->elsewhere_ns, (uint64_t)clock_now(), relaxed);
	fetch_add(&line->elsewhere, 1, relaxed);
}

/* To the task's stack and back. `fake` takes what AddressSanitizer keeps of this stack; null: it is not there. Constant. */
static ALWAYS_INLINE void switch_to(struct worker *worker, struct task *task, void **fake)
{
	const struct slot *slot = task->tenant.slot;
	fiber_leave(&task->fiber);
	if (fake)
		fiber_tell_leave(fake, slot->low, (size_t)(slot->top - slot->low));
	context_switch(&worker->context, &task->tenant.context);
	if (fake)
		fiber_tell_enter(*fake, NULL);
}

static ALWAYS_INLINE void dispatch(struct worker *worker, struct task *task, void **fake)
{
	struct sley_region_worker *line = worker->line;
	if (unlikely(task->ready_on != worker->number))
		began_elsewhere(task);
	task_to_running(task, worker->number);
	worker->stamp = 0;
	worker->task = task;
	worker->budget = TASK_BUDGET;
	store(&worker->tick, worker->tick + 1, relaxed);
	queue_publish(worker);
	store(&line->dispatches, worker->tick, relaxed);
	store(&line->stack_top, (uint64_t)(uintptr_t)task->tenant.slot->top, relaxed);
	store(&line->site, task->site, relaxed);
	store(&line->task, task->id, relaxed);
	store(&line->mode, SLEY_WORKER_TASK, relaxed);
	switch_to(worker, task, fake);
	store(&line->mode, SLEY_WORKER_RUNTIME, relaxed);
	store(&line->task, 0, relaxed);
	worker->task = NULL;
}

/* The task's stack has been left. Returns who was granted its slot. */
static ALWAYS_INLINE struct task *land(struct worker *worker, struct task *task, bool told)
{
	struct slot *slot = task->tenant.slot;
	enum after after = worker->after;
	if (told && after == AFTER_END)
		slot_forget_frames(slot);
	if (after == AFTER_END)
		slot_leave(&task->tenant);
	slot_hide(slot);
	/* from the release on a parked task may run elsewhere: it is not ours to look at any more */
	struct tenant *granted = slot_release(slot);
	if (after == AFTER_YIELD) {
		queue_last(worker, task);
	} else if (after == AFTER_END) {
		slot_put(&worker->stack, slot);
		sched_hooks.task_end(worker, task);
		starved_retry(slot);
	}
	return granted ? task_of(granted) : NULL;
}

/* Runs the task, and whoever is granted a slot that way. `fake` as above. */
static ALWAYS_INLINE void task_run(struct worker *worker, struct task *task, void **fake)
{
	while (task) {
		struct task *next = NULL;
		if (unlikely(!find_slot(worker, task))) {
			starved_add(worker, task);
			return;
		}
		if (!task_hold_slot(worker, task))
			return;
		struct slot *slot = task->tenant.slot;
		if (likely(task_enter(worker, task) == 0)) {
			dispatch(worker, task, fake);
			next = land(worker, task, fake != NULL);
		} else {
			starved_add(worker, task);
			struct tenant *waiter = slot_release(slot);
			next = waiter ? task_of(waiter) : NULL;
		}
		task = next ? queue_granted(worker, next) : NULL;
	}
}

NOINLINE static void loop(struct worker *worker)
{
	struct task *task;
	while ((task = queue_find(worker)))
		task_run(worker, task, NULL);
}

/* AddressSanitizer says where the stack that was left lies: so it is left, for this very one. */
static void learn_bounds(struct worker *worker)
{
	void *fake = NULL;
	fiber_tell_leave(&fake, &fake, sizeof(fake));
	fiber_tell_enter(fake, &worker->bounds);
	fiber_tell_leave(&fake, worker->bounds.low, worker->bounds.size);
	fiber_tell_enter(fake, NULL);
}

/* While a task runs the leak checker takes its stack for the thread's, so the callers' frames here are a root. */
NOINLINE static void loop_told(struct worker *worker)
{
	struct task *task;
	void *fake = NULL;
	const char *here = __builtin_frame_address(0);
	learn_bounds(worker);
	size_t callers = (size_t)((const char *)worker->bounds.low + worker->bounds.size - here);
	sanitizer_add_root(here, callers);
	while ((task = queue_find(worker)))
		task_run(worker, task, &fake);
	sanitizer_drop_root(here, callers);
}

void worker_run(struct worker *worker)
{
	this_worker = worker;
	block_cache_use(&worker->stack.blocks);
	fiber_init_thread(&worker->fiber);
	worker->control = control_get();
	worker->told = sanitizer_knows_stacks();
	worker->usual = worker->told ? CONTROL_NONE : worker->control;
	worker->exceptions = exceptions_here();
	struct exceptions callers = *worker->exceptions; /* sley_run() may be called in a catch block */
	*worker->exceptions = (struct exceptions){ 0 };
	store(&worker->line->thread, (uint64_t)(uintptr_t)__builtin_thread_pointer(), relaxed);
	store(&worker->line->tid, (uint32_t)syscall(SYS_gettid), relaxed);
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, release);
	if (worker->told)
		loop_told(worker);
	else
		loop(worker);
	store(&worker->line->mode, SLEY_WORKER_GONE, relaxed);
	store(&worker->line->thread, 0, relaxed);
	*worker->exceptions = callers;
	block_cache_use(NULL);
	this_worker = NULL;
}

/* ---- a task's side of the switch ---- */

/*
 * errno is the task's: it waits on the task's own stack, and so does what AddressSanitizer keeps for it. Never inlined
 * but into its two forms, which are not: everything about the thread is looked up anew after the switch.
 */
static ALWAYS_INLINE void leave_stack(struct worker *worker, enum after after, void **fake)
{
	struct task *task = worker->task;
	int saved = *sley_errno_location();
	worker->after = after;
	if (after != AFTER_PARK) /* what parks has just been stamped */
		worker->stamp = 0;
	size_t live = slot_live_now(task->tenant.slot);
	depth_parked(task, live);
	libc_locks_check(task, after == AFTER_END);
	if (after == AFTER_END)
		owned_check(task);
	if (after == AFTER_END)
		fiber_abandon_frames(3); /* task_main(), worker_end() and this */
	fiber_leave(&worker->fiber);
	if (fake)
		fiber_tell_leave(after == AFTER_END ? NULL : fake, worker->bounds.low, worker->bounds.size);
	context_switch(&task->tenant.context, &worker->context);
	if (fake)
		fiber_tell_enter(*fake, &worker_self()->bounds);
	*sley_errno_location() = saved;
}

NOINLINE static void leave_plain(struct worker *worker, enum after after)
{
	leave_stack(worker, after, NULL);
}

NOINLINE static void leave_told(struct worker *worker, enum after after)
{
	void *fake = NULL;
	leave_stack(worker, after, &fake);
}

/* Whether the running task has changed what it shares with the worker's own code, or switches are told. */
static ALWAYS_INLINE bool carries(const struct worker *worker)
{
	return unlikely(control_get() != worker->usual) || unlikely(!exceptions_none(worker->exceptions));
}

/* The thread's part of what belongs to the task is as the worker's own code has it, and a new task finds it. */
static void thread_put_down(struct worker *worker)
{
	control_set(worker->control);
	*worker->exceptions = (struct exceptions){ 0 };
}

/* What belongs to the task and is the thread's while it runs waits on the task's own stack. */
NOINLINE static void leave_carrying(struct worker *worker, enum after after)
{
	uint32_t control = control_get();
	struct exceptions exceptions = *worker->exceptions;
	thread_put_down(worker);
	if (worker->told)
		leave_told(worker, after);
	else
		leave_plain(worker, after);
	control_set(control);
	*worker_self()->exceptions = exceptions;
}

static void task_leave(struct worker *worker, enum after after)
{
	if (carries(worker))
		leave_carrying(worker, after);
	else
		leave_plain(worker, after);
}

void worker_park(void)
{
	struct worker *worker = worker_self();
	COUNT(worker, waits, 1);
	if (region_times())
		fetch_add(&region.sites[worker->task->site].waits, 1, relaxed);
	task_leave(worker, AFTER_PARK);
}

void worker_yield(const void *pc)
{
	struct worker *worker = worker_self();
	if (!worker || !worker->task)
		return;
	struct sley_region_task *record = task_record(worker->task);
	COUNT(worker, yields, 1);
	if (region_times())
		fetch_add(&region.sites[worker->task->site].yields, 1, relaxed);
	store(&record->wait_kind, SLEY_WAIT_NONE, relaxed);
	store(&record->wait_pc, (uint64_t)(uintptr_t)pc, relaxed);
	task_leave(worker, AFTER_YIELD);
}

void worker_spend(const void *pc)
{
	struct worker *worker = worker_self();
	if (unlikely(worker->budget-- == 0))
		worker_yield(pc);
}

void worker_end(void)
{
	struct worker *worker = worker_self();
	if (carries(worker)) {
		thread_put_down(worker);
		if (worker->told)
			leave_told(worker, AFTER_END); /* and never returns */
	}
	leave_plain(worker, AFTER_END);
	check_failed(__FILE__, __LINE__, "a task that ended runs");
}
