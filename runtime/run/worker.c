/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The scheduler's loop, on the worker's own stack:
 *
 *   find a task -> hold its slot -> make it resident -> switch to it -> (one comes back) -> release the slot -> after
 *
 * search.c finds tasks. A waiter to which the slot just left is granted runs at once.
 *
 * A task that waits or yields while another one is ready here switches to that one directly: find_partner(). The loop's stack is left out, so the task that comes back to it is another one than the loop has
 * switched to. Between the two tasks the worker holds both slots. It only tries to hold the second one, or that task
 * was granted it before, so nobody waits for it with a slot held. The task that comes in releases the slot that was
 * left, as the loop would have done: the stack is not in use any more then. All regular duties (search.c) need the loop,
 * so when one of them is due, the task goes there.
 *
 * A task that yields is made ready by the one that comes in, or by the loop, when it has left its stack. If nobody else
 * uses its slot (slot_is_single()), it keeps that in the queue, as if it was granted: so a yield neither releases a slot
 * nor holds one.
 *
 * A task that waits for another one, whose wait it has just ended, names that one: worker_park_to(). So does one that is
 * about to end: worker_end_to(). The next task is then in no queue in between, where no other worker could find it: the
 * switch follows at once, or the task is made ready.
 *
 * When a task ends, the next one may be new, and the stack of the ended one be one that it could have got anyway: then it
 * takes over the stack as it is, without a switch (succeed()). A next one that has run before is switched to directly, and
 * does the rest for the task that has ended, when that has left its stack (land_ended()).
 *
 * If AddressSanitizer is in the process, it is informed of every switch. A worker checks this once, so there are two
 * loops. With AddressSanitizer every task leaves its stack by leave_carrying(), like a task that has control words or
 * exceptions to save.
 */
#include "run/worker.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/race.h"
#include "context/control.h"
#include "run/block_site.h"
#include "run/coroutine.h"
#include "run/depth.h"
#include "run/land.h"
#include "run/late.h"
#include "run/libc_locks.h"
#include "run/owned.h"
#include "run/queue.h"
#include "run/search.h"
#include "run/starved.h"
#include "run/state.h"
#include "run/taken.h"

/* Memcheck is told that a stack whose tenant ends is dead. */
#ifdef SLEY_VALGRIND
#define SUCCEEDS_NOT true
#else
#define SUCCEEDS_NOT false
#endif

#define MOVES       3
#define TASK_BUDGET 128 /* calls in a row without a wait: some 100 us of reads that are always ready */

/* ---- running a task ---- */

/* Gives a task its slot for life, at its first run. */
static ALWAYS_INLINE bool find_slot(struct worker *worker, struct task *task)
{
	if (!task->tenant.slot) {
		bool large = load(&region_site_live[task->site], relaxed) > 1024;
		struct slot *slot = block_site_seen(task->site) ? slot_pick_blocking(&worker->stack)
								: slot_pick(&worker->stack, large);
		store(&task->tenant.slot, slot, relaxed);
	}
	return task->tenant.slot != NULL;
}

/* Holds the task's slot and returns true, or adds the task to the slot's waiters. */
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
	task_to_slot(task, slot->top);
	return slot_hold(slot, &task->tenant);
}

/* Publishes the image of a tenant that was copied out, for tools. */
static void publish_image(struct worker *worker, struct task *task)
{
	size_t live = slot_live(task->tenant.slot, &task->tenant);
	COUNT(worker, copies, 1);
	COUNT(worker, copied_bytes, live);
	store(&task_record(task)->image16, (uint16_t)MIN(block_capacity(live) / 16, UINT16_MAX), relaxed);
	if (unlikely(live > load(&region_site_live[task->site], relaxed)))
		store(&region_site_live[task->site], (uint32_t)live, relaxed);
}

static ALWAYS_INLINE void count_migration(struct worker *worker, const struct task *task)
{
	if (task->worker != worker->number)
		COUNT(worker, migrations, 1);
}

/* Makes the task resident and prepares its context. */
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
	} else {
		count_migration(worker, task);
	}
	return 0;
}

/*
 * Switches to the task's stack and back. `fake` receives AddressSanitizer's state of this stack; null: it is not in the
 * process. Constant.
 */
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

/* The time of a turn that begins; 0: it is not wanted. */
static ALWAYS_INLINE int64_t turn_since(const struct worker *worker)
{
	if (likely(!region_times()))
		return 0;
	return worker->stamp ? worker->stamp : worker_stamp(); /* a task that has left has just been stamped */
}

/* From whom a task takes over; a constant. */
enum from {
	FROM_LOOP,
	FROM_WAIT, /* a task that waits: the queue is shorter now */
	FROM_SAME, /* a task that yields, as one comes out of the queue and the other goes into it; or of worker_park_to() */
};

/* begin_turn() of a task that no other worker has taken out of a queue, and of a site that was not seen to block. */
static ALWAYS_INLINE void begin_turn_here(struct worker *worker, struct task *task, int64_t since, enum from from)
{
	struct sley_region_worker *line = worker->line;
	uint64_t tick = worker->tick + 1;
	lock_check_none("a task is switched to");
	task_to_running(task, worker->number, since);
	worker->stamp = 0;
	worker->task = task;
	worker->budget = TASK_BUDGET;
	store(&worker->tick, tick, relaxed);
	if (from != FROM_SAME)
		queue_publish(worker);
	store(&line->dispatches, tick, relaxed);
	store(&line->stack_top, (uint64_t)(uintptr_t)task->tenant.slot->top, relaxed);
	store(&line->site, task->site, relaxed);
	store(&line->task, task->id, relaxed);
	if (from == FROM_LOOP)
		store(&line->mode, SLEY_WORKER_TASK, relaxed);
}

/* Everything that is done for a task, whose slot is held, before the switch to it. */
static ALWAYS_INLINE void begin_turn(struct worker *worker, struct task *task, int64_t since, enum from from)
{
	uint32_t site = task->site;
	if (unlikely(task->taken))
		taken_begin(task);
	begin_turn_here(worker, task, since, from);
	if (unlikely(block_site_seen(site)))
		sched_hooks.arm(worker);
}

/*
 * Returns the task that has come back. While tasks switch to each other, one number counts down for all duties of the
 * loop.
 */
static ALWAYS_INLINE struct task *dispatch(struct worker *worker, struct task *task, void **fake)
{
	struct sley_region_worker *line = worker->line;
	begin_turn(worker, task, turn_since(worker), FROM_LOOP);
	worker->direct = worker->direct_most = MIN(worker->until_clock, worker->until_global) - 1;
	switch_to(worker, task, fake);
	task = worker->task;
	int direct = worker->direct_most - worker->direct;
	worker->until_clock -= direct;
	worker->until_global -= direct;
	store(&line->mode, SLEY_WORKER_RUNTIME, relaxed);
	store(&line->task, 0, relaxed);
	worker->task = NULL;
	return task;
}

/*
 * Called by the loop after the task has left its stack. Returns the task to which its slot was granted, or null.
 */
static ALWAYS_INLINE struct task *land(struct worker *worker, struct task *task, bool told)
{
	struct slot *slot = task->tenant.slot;
	enum after after = worker->after;
	if (told && after == AFTER_END)
		slot_forget_frames(slot);
	if (after == AFTER_END)
		slot_leave(&task->tenant);
	struct task *granted = leave_slot(slot, task, after);
	if (unlikely(granted) && region_times())
		late_stack(worker, slot, granted);
	if (after == AFTER_YIELD || after == AFTER_KEPT) {
		queue_yielded(worker, task, region_times() ? worker_stamp() : 0);
	} else if (unlikely(after == AFTER_MOVE)) {
		queue_move(worker, task);
	} else if (after == AFTER_END) {
		slot_ended(worker, slot, task);
	}
	return granted;
}

/*
 * Runs the task, and then the tasks to which slots are granted, unless a duty is due. That may be the end of a note which
 * the task itself has made before it yielded: taken by another worker before it has left its stack, it is granted that
 * right here. `fake` as above.
 */
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
			next = land(worker, dispatch(worker, task, fake), fake != NULL);
		} else {
			starved_add(worker, task);
			struct tenant *waiter = slot_release(slot);
			next = waiter ? task_of(waiter) : NULL;
		}
		bool now = !worker->chosen && likely(!load(&worker->poll_due, relaxed));
		task = next ? queue_granted(worker, next, now) : NULL;
	}
}

/* A task that was taken out of a queue for a direct switch, which was not possible; else one that search.c finds. */
static ALWAYS_INLINE struct task *next_task(struct worker *worker)
{
	struct task *task = worker->chosen;
	worker->chosen = NULL;
	return task ? task : search_task(worker);
}

NOINLINE static void loop(struct worker *worker)
{
	struct task *task;
	while ((task = next_task(worker)))
		task_run(worker, task, NULL);
}

/*
 * Learns the bounds of this stack: AddressSanitizer gives them when the stack is left, so this switches from the stack
 * to itself.
 */
static void learn_bounds(struct worker *worker)
{
	void *fake = NULL;
	fiber_tell_leave(&fake, &fake, sizeof(fake));
	fiber_tell_enter(fake, &worker->bounds);
	fiber_tell_leave(&fake, worker->bounds.low, worker->bounds.size);
	fiber_tell_enter(fake, NULL);
}

/*
 * While a task runs, the leak checker takes its stack for the thread's. So the callers' frames on this stack are
 * registered as a root.
 */
NOINLINE static void loop_told(struct worker *worker)
{
	struct task *task;
	void *fake = NULL;
	const char *here = __builtin_frame_address(0);
	learn_bounds(worker);
	size_t callers = (size_t)((const char *)worker->bounds.low + worker->bounds.size - here);
	sanitizer_add_root(here, callers);
	while ((task = search_task(worker)))
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
	worker->heap.none = worker->told; /* AddressSanitizer finds uses of freed memory */
	worker->usual = worker->told || scheduler.migrates ? CONTROL_NONE : worker->control;
	worker->exceptions = exceptions_here();
	worker->error = sley_errno_location();
	struct exceptions callers = *worker->exceptions; /* sley_run() may be called in a catch block */
	*worker->exceptions = (struct exceptions){ 0 };
	store(&worker->line->thread, (uint64_t)(uintptr_t)__builtin_thread_pointer(), relaxed);
	store(&worker->line->tid, (uint32_t)syscall(SYS_gettid), relaxed);
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, release);
	store(&region_worker_word, worker->number + 1, relaxed);
	if (worker->told)
		loop_told(worker);
	else
		loop(worker);
	store(&worker->line->mode, SLEY_WORKER_GONE, relaxed);
	store(&worker->line->thread, 0, relaxed);
	store(&region_worker_word, 0, relaxed);
	*worker->exceptions = callers;
	block_cache_use(NULL);
	this_worker = NULL;
}

/* ---- a task's side of the switch ---- */

/*
 * Whether the running task may switch to another one: no duty is due, and no other task waits for its slot. (Nobody but the
 * task itself, which another worker may have dequeued already, waits for a slot of its own.)
 */
static ALWAYS_INLINE bool may_switch(struct worker *worker, const struct slot *own)
{
	return likely(!load(&worker->poll_due, relaxed)) && likely(worker->direct > 0) &&
	       (slot_is_single(own) || likely(!slot_has_waiters(own)));
}

/* The running task yields, and no other one is ready here: its next turn. */
NOINLINE static void go_on(struct worker *worker, struct task *task)
{
	task_to_ready(task, worker->number);
	begin_turn(worker, task, turn_since(worker), FROM_SAME);
}

/* Gives a task that has not run yet a slot, and holds that. False: the loop has to. */
NOINLINE static bool enter_new(struct worker *worker, struct task *task)
{
	if (!find_slot(worker, task) || !slot_try(task->tenant.slot))
		return false;
	if (task_enter(worker, task) == 0)
		return true;
	task->flags |= TASK_GRANTED; /* it holds its slot already */
	return false;
}

/*
 * Holds the slot of a task that was taken out of a queue, and begins its turn. Null: that is not possible here, and the task
 * is `chosen`.
 */
static ALWAYS_INLINE struct task *take_in(struct worker *worker, struct task *next, int64_t since, enum from from)
{
	uint8_t flags = next->flags;
	if (likely((flags & (TASK_STARTED | TASK_GRANTED)) == (TASK_STARTED | TASK_GRANTED))) {
		next->flags = (uint8_t)(flags & ~TASK_GRANTED);
	} else if (unlikely(!(flags & TASK_STARTED))) {
		if (!enter_new(worker, next))
			goto chosen;
		begin_turn(worker, next, since, from);
		return next;
	} else if (unlikely(!slot_try(next->tenant.slot))) {
		goto chosen;
	}
	if (likely(next->tenant.slot->resident == &next->tenant)) {
		count_migration(worker, next);
	} else if (unlikely(task_enter(worker, next) != 0)) {
		next->flags |= TASK_GRANTED; /* it holds its slot already */
		goto chosen;
	}
	begin_turn(worker, next, since, from);
	return next;
chosen:
	worker->chosen = next;
	return NULL;
}

/*
 * The task to which the running one switches directly, with its slot held and its turn begun. The running task itself: it
 * yields, and no other one is ready. Null: the worker's own loop is next; a task that was taken out of a queue is
 * `chosen`. If tasks wait for the slot that is left, the loop runs one of them at once.
 */
static ALWAYS_INLINE struct task *find_partner(struct worker *worker, struct task *task, enum after after)
{
	int64_t since = after == AFTER_WAIT ? turn_since(worker) : worker->stamp; /* of worker_yield(): 0 or now */
	if (!may_switch(worker, task->tenant.slot))
		return NULL;
	struct task *next = queue_take(worker);
	if (!next && after == AFTER_WAIT)
		return NULL;
	worker->direct--;
	if (unlikely(!next)) {
		go_on(worker, task);
		return task;
	}
	return take_in(worker, next, since, after == AFTER_WAIT ? FROM_WAIT : FROM_SAME);
}

NOINLINE static int enter_from_afar(struct worker *worker, struct task *task)
{
	return task_enter(worker, task);
}

/*
 * Prepares the switch to a task whose wait the running one has ended, and which is in no queue. True: its slot is held and
 * its turn begun. False: it has to be made ready.
 */
static ALWAYS_INLINE bool take_partner(struct worker *worker, const struct task *task, struct task *next)
{
	struct slot *slot = next->tenant.slot;
	int64_t since = turn_since(worker);
	if (!may_switch(worker, task->tenant.slot) ||
	    unlikely((next->flags & (TASK_STARTED | TASK_PINNED)) != TASK_STARTED) ||
	    unlikely(!queue_streak_goes_on(worker)) || unlikely(!slot_try(slot)))
		return false;
	if (unlikely(slot->resident != &next->tenant) || unlikely(next->worker != worker->number)) {
		if (enter_from_afar(worker, next) != 0) {
			next->flags |= TASK_GRANTED; /* it holds its slot already */
			return false;
		}
	}
	worker->direct--;
	begin_turn(worker, next, since, FROM_SAME);
	return true;
}

/* Counts a wait of the task's site, while times are wanted. */
static void count_site_wait(const struct task *task)
{
	fetch_add(&region.sites[task->site].waits, 1, relaxed);
}

/* land_partner() in a function of its own. */
NOINLINE static void land_apart(struct worker *worker)
{
	land_partner(worker, task_record(worker->task));
}

void worker_begin(void)
{
	struct worker *worker = this_worker;
	if (unlikely(worker->told))
		fiber_tell_enter(NULL, &worker->bounds);
	else if (worker->left)
		land_apart(worker);
}

/* land_partner() by a task that has waited: mostly for one that waits now, whose slot nobody else wants. */
static ALWAYS_INLINE void land_waiting(struct worker *worker)
{
	struct slot *slot = worker->left->tenant.slot;
	if (likely(worker->after == AFTER_WAIT) && likely(slot->kind != SLOT_STRICT) &&
	    likely(slot_release_alone(slot)))
		worker->left = NULL;
	else
		land_apart(worker);
}

NOINLINE static struct task *find_any(struct worker *worker, struct task *task)
{
	if (region_times())
		count_site_wait(task);
	return find_partner(worker, task, AFTER_WAIT);
}

NOINLINE static struct task *take_in_taken(struct worker *worker, struct task *next)
{
	return take_in(worker, next, 0, FROM_WAIT);
}

/*
 * find_partner() of a task that waits. The next one is mostly in run-next, and was here before. Then nothing is called, so no
 * registers are saved; the other cases are tail calls.
 */
NOINLINE static struct task *find_other(struct worker *worker, struct task *task)
{
	if (!load(&worker->next, relaxed) || unlikely(region_times()) || !may_switch(worker, task->tenant.slot) ||
	    unlikely(!queue_streak_has_room(worker)))
		return find_any(worker, task);
	struct task *next = queue_take_next(worker);
	if (unlikely(!next)) /* a thief was faster */
		return find_any(worker, task);
	worker->direct--;
	if (unlikely((next->flags & (TASK_STARTED | TASK_GRANTED)) != TASK_STARTED) ||
	    unlikely(!slot_try(next->tenant.slot)))
		return take_in_taken(worker, next);
	if (unlikely(next->tenant.slot->resident != &next->tenant) || unlikely(next->worker != worker->number) ||
	    unlikely(next->taken) || unlikely(block_site_seen(next->site))) {
		next->flags |= TASK_GRANTED; /* its slot is held already */
		return take_in_taken(worker, next);
	}
	begin_turn_here(worker, next, 0, FROM_WAIT);
	return next;
}

/*
 * errno belongs to the task: it is saved on the task's own stack, like AddressSanitizer's state of that stack. Inlined
 * only into its forms, which are never inlined: all state of the thread is looked up after the switch. The frame of a
 * task that waits is copied with every stack, so whatever it needs only now and then is in functions of its own. `next`:
 * its turn has begun; null: another one, or the loop.
 */
static ALWAYS_INLINE void leave_stack(struct worker *worker, struct task *task, const struct sley_region_task *record,
				      struct task *next, enum after after, void **fake)
{
	int saved = *worker->error;
	lock_check_none("a task leaves its stack");
	size_t live = slot_live_now(task->tenant.slot);
	if (after == AFTER_END)
		depth_ended(task, live);
	else
		depth_parked(record, task, live);
	libc_locks_check(task, after == AFTER_END);
	if (after == AFTER_END)
		owned_check(task);
	if (after == AFTER_END)
		fiber_abandon_frames(3); /* task_main(), worker_end() and this */
	worker->after = after;
	if (!next && !fake && after == AFTER_WAIT)
		next = find_other(worker, task);
	if (!fake && (after == AFTER_YIELD || after == AFTER_KEPT) &&
	    (next = find_partner(worker, task, after)) == task)
		return;
	if (next) {
		worker->left = task;
		RACE_POINT(worker_partner_is_held);
		fiber_leave(&next->fiber);
		context_switch(&task->tenant.context, &next->tenant.context);
	} else {
		RACE_POINT(worker_is_to_leave);
		fiber_leave(&worker->fiber);
		if (fake)
			fiber_tell_leave(after == AFTER_END ? NULL : fake, worker->bounds.low, worker->bounds.size);
		context_switch(&task->tenant.context, &worker->context);
	}
	worker = worker_get(task->worker); /* the worker on which its turn has begun */
	if (fake)
		fiber_tell_enter(*fake, &worker->bounds);
	else if (worker->left && after == AFTER_KEPT)
		land_partner(worker, record);
	else if (worker->left)
		land_waiting(worker);
	*worker->error = saved;
}

NOINLINE static void wait_plain(struct worker *worker)
{
	leave_stack(worker, worker->task, task_record(worker->task), NULL, AFTER_WAIT, NULL);
}

NOINLINE static void yield_plain(struct worker *worker, enum after after)
{
	leave_stack(worker, worker->task, task_record(worker->task), NULL, after, NULL);
}

NOINLINE static void end_plain(struct worker *worker, struct task *task, struct task *next)
{
	leave_stack(worker, task, task_record(task), next, AFTER_END, NULL);
}

NOINLINE static void leave_told(struct worker *worker, enum after after)
{
	void *fake = NULL;
	if (after == AFTER_WAIT && region_times())
		count_site_wait(worker->task);
	leave_stack(worker, worker->task, task_record(worker->task), NULL, after, &fake);
}

/*
 * Whether the running task has changed state that it shares with the worker's own code, switches are told to
 * AddressSanitizer, the task was called, or it is to move.
 */
static ALWAYS_INLINE bool carries(struct worker *worker)
{
	return unlikely(control_get_by(&worker->place) != worker->usual) ||
	       unlikely(!exceptions_none(worker->exceptions));
}

/* Sets the thread's control words and exceptions to those of the worker's own code, which a new task finds too. */
static void thread_put_down(struct worker *worker)
{
	control_set(worker->control);
	*worker->exceptions = (struct exceptions){ 0 };
}

NOINLINE static void move_plain(struct worker *worker)
{
	leave_stack(worker, worker->task, task_record(worker->task), NULL, AFTER_MOVE, NULL);
}

/*
 * SLEY_RUN_MIGRATE: a task that continues on the worker where it has waited leaves it again, for another one. This is on the
 * task's side, so it holds for every way in which a task comes to run: also when its slot is granted to it, or when another
 * worker is blocked, and what was moved there comes back. It stays if it is pinned, or while there is no other worker, or if
 * the others do not come to it: the watchdog has taken it out of another one's inbox MOVES times then.
 */
NOINLINE static void worker_migrate(unsigned from)
{
	for (int i = 0; i < MOVES; i++) {
		struct worker *worker = worker_self();
		if (worker->number != from || worker->task->flags & TASK_PINNED || !queue_other(worker))
			return;
		if (worker->told)
			leave_told(worker, AFTER_MOVE);
		else
			move_plain(worker);
	}
}

/* Saves the task's control words and exceptions, which are the thread's while it runs, on its own stack. Ends calls. */
NOINLINE static void leave_carrying(struct worker *worker, enum after after)
{
	uint32_t control = control_get();
	struct exceptions exceptions = *worker->exceptions;
	unsigned from = worker->number;
	if (worker->call)
		coroutine_split(worker);
	thread_put_down(worker);
	if (after == AFTER_YIELD && slot_is_single(worker->task->tenant.slot))
		after = AFTER_KEPT;
	if (worker->told)
		leave_told(worker, after);
	else if (after == AFTER_WAIT)
		wait_plain(worker);
	else
		yield_plain(worker, after);
	if (unlikely(scheduler.migrates))
		worker_migrate(from);
	control_set(control);
	*worker_self()->exceptions = exceptions;
}

/* With leave_stack() in it, as below. */
NOINLINE struct task *worker_park(void)
{
	struct worker *worker = this_worker;
	struct task *task = worker->task;
	COUNT(worker, waits, 1);
	if (carries(worker))
		leave_carrying(worker, AFTER_WAIT);
	else
		leave_stack(worker, task, task_record(task), NULL, AFTER_WAIT, NULL);
	return task;
}

/* Not inlined, like the other forms of leave_stack(). */
NOINLINE bool worker_park_to(struct task *next)
{
	struct worker *worker = this_worker;
	struct task *task = worker->task;
	if (carries(worker) || unlikely(!take_partner(worker, task, next)))
		return false;
	COUNT(worker, waits, 1);
	if (region_times())
		count_site_wait(task);
	leave_stack(worker, task, task_record(task), next, AFTER_WAIT, NULL);
	return true;
}

/* Notes the time at which the task yields, which may send it to the loop (late.h). */
NOINLINE static void stamp_yield(struct worker *worker)
{
	fetch_add(&region.sites[worker->task->site].yields, 1, relaxed);
	worker_stamp();
}

/* With leave_stack() in it, for most tasks: yield_plain() is for those that carry state or share their stack. */
static ALWAYS_INLINE void yield_at(const void *pc)
{
	struct worker *worker = this_worker;
	struct task *task = worker ? worker->task : NULL;
	if (!task)
		return;
	struct sley_region_task *record = task_record(task);
	COUNT(worker, yields, 1);
	store(&record->wait_kind, SLEY_WAIT_NONE, relaxed);
	store(&record->wait_pc, (uint64_t)(uintptr_t)pc, relaxed);
	worker->stamp = 0;
	if (region_times())
		stamp_yield(worker);
	if (unlikely(load(&scheduler.blocked, relaxed) > 0))
		queue_end_own_note(worker);
	if (carries(worker))
		leave_carrying(worker, AFTER_YIELD);
	else if (likely(slot_is_single(task->tenant.slot)))
		leave_stack(worker, task, record, NULL, AFTER_KEPT, NULL);
	else
		yield_plain(worker, AFTER_YIELD);
}

NOINLINE void worker_yield(const void *pc)
{
	yield_at(pc);
}

/* Here and not with the task's other calls: worker_yield() without a second call. */
NOINLINE void sley_yield(void)
{
	yield_at(__builtin_return_address(0));
}

void worker_spend(const void *pc)
{
	worker_spend_of(this_worker, pc);
}

/* Whether the stack of the task that ends may be that of `next`, which is new: see slot_pick(). */
static bool may_succeed(const struct worker *worker, const struct task *task, const struct task *next)
{
	const struct slot *slot = task->tenant.slot;
	return !SUCCEEDS_NOT && slot->kind == SLOT_EXCLUSIVE && !next->tenant.slot && !slot_has_waiters(slot) &&
	       (next->site == task->site || worker->stack.free_count > 0);
}

/* A new task takes over the stack of the one that ends, and begins its turn. */
static ALWAYS_INLINE void succeed(struct worker *worker, struct task *task, struct task *next)
{
	struct slot *slot = task->tenant.slot;
	lock_check_none("a task leaves its stack");
	depth_ended(task, slot_live_now(slot));
	libc_locks_check(task, true);
	owned_check(task);
	fiber_pass(&task->fiber, &next->fiber);
	slot_leave(&task->tenant);
	store(&next->tenant.slot, slot, relaxed);
	slot->resident = &next->tenant;
	slot_bind(slot, next->id, next->site);
	next->flags |= TASK_STARTED;
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, relaxed);
	store(&worker->line->task, 0, relaxed);
	worker->task = NULL;
	sched_hooks.task_end(worker, task);
	starved_retry(slot);
	begin_turn(worker, next, turn_since(worker), FROM_LOOP);
}

/* See worker_end_to(). False: `heir` has been made ready. */
NOINLINE static bool take_heir(struct worker *worker, struct task *task, struct task *heir)
{
	worker->heir = NULL;
	if (likely(!task_extra(task)) && likely(!worker->told) && take_partner(worker, task, heir))
		return true;
	task_ready(heir);
	return false;
}

/*
 * What comes after a task that ends, without the loop; null: the loop does. A new task that `took` over its stack, and whose
 * turn has begun; or a task to be switched to, with its slot held and its turn begun. A task that is watched ends in the
 * loop: its watches are told there.
 */
static ALWAYS_INLINE struct task *find_heir(struct worker *worker, struct task *task, bool *took)
{
	*took = false;
	struct task *heir = worker->heir;
	if (heir && take_heir(worker, task, heir))
		return heir;
	if (unlikely(region_times()))
		worker_stamp(); /* may send it to the loop: see late.h */
	if (!may_switch(worker, task->tenant.slot))
		return NULL;
	struct task *next = queue_take(worker);
	if (!next)
		return NULL;
	worker->direct--;
	if (!(next->flags & TASK_STARTED) && likely(may_succeed(worker, task, next))) {
		succeed(worker, task, next);
		*took = true;
		return next;
	}
	if (unlikely(task_extra(task) != NULL)) {
		worker->chosen = next;
		return NULL;
	}
	return take_in(worker, next, turn_since(worker), FROM_WAIT);
}

struct task *worker_end(void)
{
	struct worker *worker = worker_self();
	DCHECK(!worker->call);
	struct task *task = worker->task;
	bool took;
	if (carries(worker)) {
		thread_put_down(worker);
		if (worker->told) {
			if (worker->heir)
				take_heir(worker, task, worker->heir);
			leave_told(worker, AFTER_END); /* never returns */
		}
	}
	struct task *next = find_heir(worker, task, &took);
	if (took)
		return next;
	end_plain(worker, task, next);
	check_failed(__FILE__, __LINE__, "a task that ended runs");
}
