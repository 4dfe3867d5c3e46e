/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The scheduler's loop, on the worker's own stack:
 *
 *   find a task -> hold its slot -> make it resident -> switch to it -> (it comes back) -> release the slot -> after
 *
 * Queues, in the order in which they are looked at: every 61st dispatch the global queue first, so that overflow is not
 * starved; then a waiter that was granted the slot just left; run-next; the inbox; the deque; the global queue; the
 * reactor and the timers; other workers' deques, timers and run-next. A busy worker looks at the reactor and the timers
 * every POLL_INTERVAL.
 *
 * Run-next makes a pair that hands work to each other fast; after NEXT_BUDGET dispatches in a row through it the task
 * goes to the end of the deque instead, so that the pair cannot starve the rest.
 */
#include "sched/worker.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

#define GLOBAL_INTERVAL 61     /* a prime, so as not to fall in step with a program's own pattern (Go's figure) */
#define CLOCK_INTERVAL 64      /* dispatches between two looks at the clock */
#define POLL_INTERVAL (100 * NS_PER_US)
#define NEXT_BUDGET 32
#define TASK_BUDGET 128        /* calls without a wait in a row: some 100 us of reads that are always ready */

struct scheduler scheduler;
struct sched_hooks sched_hooks;

/* initial-exec: one instruction to find it; the library is small enough for the static TLS reserve when it is dlopened */
static __thread struct worker *self __attribute__((tls_model("initial-exec")));

NOINLINE struct worker *worker_self(void)
{
	COMPILER_BARRIER();
	return self;
}

NOINLINE struct task *task_self(void)
{
	COMPILER_BARRIER();
	return self ? self->task : NULL;
}

int scheduler_error(void)
{
	if (likely(load(&scheduler.running, acquire))) /* pairs with runtime.c: the structures are whole */
		return 0;
	return load(&scheduler.forked, relaxed) ? -ECHILD : -ENOTCONN;
}

int outside_error(void)
{
	return load(&scheduler.forked, relaxed) ? -ECHILD : -EDEADLK;
}

void worker_forked(void)
{
	self = NULL;
}

void count_here(enum sley_counter counter, uint64_t n)
{
	struct worker *worker = worker_self();
	if (worker)
		bump(&worker->counters[counter], n);
	else
		fetch_add(&region_counters(0)[counter], n, relaxed);
}

/* ---- run queues ---- */

static void publish_queue(struct worker *worker)
{
	unsigned n = deque_length(&worker->deque) + (load(&worker->next, relaxed) != NULL);
	store(&worker->line->queue, n, relaxed);
}

static void global_append(struct task *first, struct task *last, unsigned n)
{
	last->tenant.next = NULL;
	lock_take(&scheduler.lock);
	if (scheduler.tail)
		scheduler.tail->tenant.next = &first->tenant;
	else
		scheduler.head = first;
	scheduler.tail = last;
	store(&scheduler.length, scheduler.length + n, relaxed);
	lock_drop(&scheduler.lock);
}

/* Takes this worker's fair share of the global queue: one to run now, the rest into its deque. */
static struct task *global_take(struct worker *worker)
{
	if (load(&scheduler.length, relaxed) == 0)
		return NULL;
	lock_take(&scheduler.lock);
	unsigned share = MIN(scheduler.length / scheduler.count + 1, DEQUE_SIZE / 2);
	struct task *first = scheduler.head;
	unsigned n = 0;
	while (scheduler.head && n < share) {
		struct task *task = scheduler.head;
		struct tenant *next = task->tenant.next; /* once it is in the deque it may be anybody's */
		if (n > 0 && !deque_push(&worker->deque, task))
			break;
		scheduler.head = (struct task *)next;
		n++;
	}
	if (!scheduler.head)
		scheduler.tail = NULL;
	store(&scheduler.length, scheduler.length - n, relaxed);
	lock_drop(&scheduler.lock);
	return first;
}

/* The deque is full: half of it and `task` go to the global queue. */
static void overflow(struct worker *worker, struct task *task)
{
	struct task *batch[DEQUE_SIZE / 2];
	unsigned n = deque_steal(&worker->deque, batch);
	for (unsigned i = 0; i + 1 < n; i++)
		batch[i]->tenant.next = &batch[i + 1]->tenant;
	if (n == 0) {
		global_append(task, task, 1);
	} else {
		batch[n - 1]->tenant.next = &task->tenant;
		global_append(batch[0], task, n + 1);
	}
	COUNT(worker, overflows, 1);
}

static void push_last(struct worker *worker, struct task *task)
{
	if (unlikely(!deque_push(&worker->deque, task)))
		overflow(worker, task);
}

/* Release: a thief that takes it sees the task; pairs with the exchanges in take_next() and steal_next(). */
static void push_next(struct worker *worker, struct task *task)
{
	struct task *old = exchange(&worker->next, task, acq_rel);
	if (old)
		push_last(worker, old);
}

static struct task *take_next(struct worker *worker)
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
	task->tenant.next = NULL;
	lock_take(&worker->inbox_lock);
	if (worker->inbox_tail)
		worker->inbox_tail->tenant.next = &task->tenant;
	else
		worker->inbox = task;
	worker->inbox_tail = task;
	store(&worker->inbox_length, worker->inbox_length + 1, relaxed);
	lock_drop(&worker->inbox_lock);
	idle_notify_worker(worker);
}

static struct task *inbox_take(struct worker *worker)
{
	if (load(&worker->inbox_length, relaxed) == 0)
		return NULL;
	lock_take(&worker->inbox_lock);
	struct task *task = worker->inbox;
	if (task) {
		worker->inbox = (struct task *)task->tenant.next;
		if (!worker->inbox)
			worker->inbox_tail = NULL;
		store(&worker->inbox_length, worker->inbox_length - 1, relaxed);
	}
	lock_drop(&worker->inbox_lock);
	return task;
}

/* By a worker, or by a plain thread (null). */
static void enqueue(struct worker *worker, struct task *task, bool last)
{
	task_to_ready(task, worker ? worker->number : task->worker);
	if (unlikely(task->flags & TASK_PINNED)) {
		inbox_push(worker_get(task->worker), task);
		return;
	}
	if (unlikely(!worker)) {
		global_append(task, task, 1);
		idle_notify();
		return;
	}
	if (last)
		push_last(worker, task);
	else
		push_next(worker, task);
	publish_queue(worker);
	/* run-next alone is no reason to wake anybody: this worker comes to it first, or the monitor sees that not */
	if (scheduler.count > 1 && deque_length(&worker->deque) > 0)
		idle_notify();
}

void task_ready(struct task *task)
{
	struct worker *worker = worker_self();
	/* run-next is for hand-offs between tasks; what the reactor or a timer wakes comes in its order */
	enqueue(worker, task, !worker || !worker->task);
}

void task_ready_last(struct task *task)
{
	enqueue(worker_self(), task, true);
}

/* ---- starved tasks: see slot_enter() ---- */

static void starve(struct worker *worker, struct task *task)
{
	COUNT(worker, image_failures, 1);
	if (task->state != SLEY_TASK_SLOT)
		task_to_slot(task);
	lock_take(&scheduler.starved_lock);
	task->tenant.next = tenant_of(scheduler.starved);
	scheduler.starved = task;
	store(&scheduler.starved_count, scheduler.starved_count + 1, relaxed);
	lock_drop(&scheduler.starved_lock);
}

void starved_retry(void)
{
	if (likely(load(&scheduler.starved_count, relaxed) == 0))
		return;
	lock_take(&scheduler.starved_lock);
	struct task *task = scheduler.starved;
	scheduler.starved = NULL;
	store(&scheduler.starved_count, 0, relaxed);
	lock_drop(&scheduler.starved_lock);
	while (task) {
		struct task *next = (struct task *)task->tenant.next;
		task_ready_last(task);
		task = next;
	}
}

/* ---- stealing ---- */

/* Work of another worker: half of its deque, the rest of which goes into ours. */
static struct task *steal_from(struct worker *worker, struct worker *victim)
{
	struct task *loot[DEQUE_SIZE / 2];
	unsigned n = deque_steal(&victim->deque, loot);
	if (n == 0)
		return NULL;
	for (unsigned i = 1; i < n; i++)
		push_last(worker, loot[i]);
	COUNT(worker, steals, 1);
	COUNT(worker, stolen, n);
	publish_queue(victim);
	return loot[0];
}

/*
 * Run-next of a worker that does not get to it. A task that has just been handed over is left alone: its worker will run
 * it within a microsecond, and taking it would move it between processors for nothing.
 */
static struct task *steal_next(struct worker *worker, struct worker *victim)
{
	uint64_t tick = load(&victim->tick, relaxed);
	if (!load(&victim->next, relaxed))
		return NULL;
	for (int i = 0; i < 100; i++)
		cpu_relax();
	if (load(&victim->tick, relaxed) != tick)
		return NULL;
	struct task *task = exchange(&victim->next, NULL, acquire);
	if (task) {
		COUNT(worker, steals, 1);
		COUNT(worker, stolen, 1);
		publish_queue(victim);
	}
	return task;
}

static uint32_t next_random(struct worker *worker)
{
	worker->random ^= worker->random << 13; /* xorshift32, G. Marsaglia 2003 */
	worker->random ^= worker->random >> 17;
	worker->random ^= worker->random << 5;
	return worker->random;
}

static struct task *steal(struct worker *worker, bool with_next)
{
	unsigned start = next_random(worker) % scheduler.count;
	for (unsigned i = 0; i < scheduler.count; i++) {
		struct worker *victim = worker_get((start + i) % scheduler.count);
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

/* ---- finding work ---- */

/* All workers' timers: one may be blocked in a task. */
static void run_all_timers(int64_t now)
{
	for (unsigned i = 0; i < scheduler.count; i++) {
		struct timers *timers = &worker_get(i)->timers;
		if (load(&timers->earliest, relaxed) <= now)
			count_here(SLEY_COUNTER_timers, timers_run(timers, now));
	}
}

static void poll_now(struct worker *worker)
{
	worker->polled = clock_now();
	store(&worker->poll_due, 0, relaxed);
	if (load(&worker->timers.earliest, relaxed) <= worker->polled)
		COUNT(worker, timers, timers_run(&worker->timers, worker->polled));
	sched_hooks.poll(0);
}

/*
 * With a thousand tasks what a switch touches is not in the first-level cache any more. The next tasks are known, so their
 * lines are fetched while others run: first the entry, and when that has come, the stack, the slot and the record. The
 * fields read may be stale, or another worker may be writing them: they are hints, and entries are never unmapped. (Not
 * under TSan, which cannot know that.)
 */
static void prefetch(struct worker *worker)
{
#ifndef SLEY_TSAN
	const struct task *later = deque_peek(&worker->deque, 3), *next = deque_peek(&worker->deque, 0);
	__builtin_prefetch(later);
	if (!next)
		return;
	const char *sp = next->tenant.context.sp;
	__builtin_prefetch(sp);
	__builtin_prefetch(sp + CACHE_LINE);
	__builtin_prefetch(sp + 2 * CACHE_LINE);
	__builtin_prefetch(next->tenant.slot);
	__builtin_prefetch(task_record(next));
#else
	(void)worker;
#endif
}

/* There are pinned tasks: they and the deque take turns, or pinned ones that yield would keep the others out. */
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
	struct task *task = take_next(worker);
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

/* A busy worker's duties towards the rest: the global queue, the reactor, its timers. */
static struct task *find_fairly(struct worker *worker)
{
	if (unlikely(load(&worker->poll_due, relaxed)) ||
	    unlikely(worker->tick % CLOCK_INTERVAL == 0 && clock_now() - worker->polled > POLL_INTERVAL))
		poll_now(worker);
	if (likely(--worker->until_global > 0))
		return NULL;
	worker->until_global = GLOBAL_INTERVAL;
	return global_take(worker);
}

static struct task *find_elsewhere(struct worker *worker)
{
	struct task *task = global_take(worker);
	if (task)
		return task;
	poll_now(worker);
	if ((task = find_local(worker)))
		return task;
	if (scheduler.count > 1 && idle_spin_begin(worker)) {
		for (int round = 0; !task && round < 4; round++) {
			run_all_timers(worker->polled);
			task = find_local(worker);
			if (!task)
				task = steal(worker, round == 3);
			if (!task)
				task = global_take(worker);
		}
		idle_spin_end(worker, task != NULL);
	}
	return task;
}

static struct task *find(struct worker *worker)
{
	while (!load(&scheduler.stopping, acquire)) {
		struct task *task = find_fairly(worker);
		if (!task)
			task = find_local(worker);
		if (!task)
			task = find_elsewhere(worker);
		/* woken as a spinner: also for nothing, else nobody would be woken any more */
		if (worker->spinning)
			idle_spin_end(worker, task != NULL);
		if (task)
			return task;
		idle_wait(worker);
	}
	return NULL;
}

/* ---- running a task ---- */

/* At its first run a task gets its slot for life. */
static bool find_slot(struct worker *worker, struct task *task)
{
	if (!task->tenant.slot) {
		bool large = load(&region_site_live[task->site], relaxed) > 1024;
		task->tenant.slot = slot_pick(&worker->stack, large);
	}
	return task->tenant.slot != NULL;
}

/* Holds the task's slot, or leaves the task with the slot's waiters: false. */
static bool hold(struct worker *worker, struct task *task)
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
	store(&task_record(task)->image16, (uint16_t)MIN(image_capacity(live) / 16, UINT16_MAX), relaxed);
	if (unlikely(live > load(&region_site_live[task->site], relaxed)))
		store(&region_site_live[task->site], (uint32_t)live, relaxed);
}

/* Makes the task resident and ready to be switched to. */
static int enter(struct worker *worker, struct task *task)
{
	struct tenant *evicted;
	struct slot *slot = task->tenant.slot;
	bool was_out = task->tenant.image != NULL;
	int error = slot_enter(&worker->stack, &task->tenant, &evicted);
	if (unlikely(error))
		return error;
	if (evicted)
		publish_image(worker, task_of(evicted));
	if (was_out) {
		store(&task_record(task)->image16, 0, relaxed);
		starved_retry();
	}
	if (unlikely(!(task->flags & TASK_STARTED))) {
		task->flags |= TASK_STARTED;
		fiber_init(&task->fiber, slot->low, slot->top);
		context_make(&task->tenant.context, slot->low, slot->top, task_main);
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

static void dispatch(struct worker *worker, struct task *task)
{
	struct sley_region_worker *line = worker->line;
	if (unlikely(task->ready_on != worker->number))
		began_elsewhere(task);
	task_to_running(task, worker->number);
	worker->task = task;
	worker->budget = TASK_BUDGET;
	store(&worker->tick, worker->tick + 1, relaxed);
	publish_queue(worker);
	store(&line->dispatches, worker->tick, relaxed);
	store(&line->stack_top, (uint64_t)(uintptr_t)task->tenant.slot->top, relaxed);
	store(&line->site, task->site, relaxed);
	store(&line->task, task->id, relaxed);
	store(&line->mode, SLEY_WORKER_TASK, relaxed);
	fiber_leave(&worker->fiber, &task->fiber, false);
	context_switch(&worker->context, &task->tenant.context);
	fiber_enter(&worker->fiber, &task->fiber);
	store(&line->mode, SLEY_WORKER_RUNTIME, relaxed);
	store(&line->task, 0, relaxed);
	worker->task = NULL;
}

/* The task's stack has been left. Returns who was granted its slot. */
static struct task *land(struct worker *worker, struct task *task)
{
	struct slot *slot = task->tenant.slot;
	enum after after = worker->after;
	if (after == AFTER_END)
		slot_leave(&task->tenant);
	/* from the release on a parked task may run elsewhere: it is not ours to look at any more */
	struct tenant *granted = slot_release(slot);
	if (after == AFTER_YIELD) {
		enqueue(worker, task, true);
	} else if (after == AFTER_END) {
		slot_put(&worker->stack, slot);
		task_end(worker, task);
		starved_retry();
	}
	return granted ? task_of(granted) : NULL;
}

/* A granted task that cannot run here and now waits in a queue, holding its slot. */
static struct task *granted(struct worker *worker, struct task *task)
{
	bool pinned = task->flags & TASK_PINNED;
	task_to_granted(task, worker->number);
	if (!pinned || task->worker == worker->number) {
		if (++worker->next_streak <= NEXT_BUDGET)
			return task;
		worker->next_streak = 0;
	}
	if (pinned) { /* never into a deque, where others steal */
		inbox_push(worker_get(task->worker), task);
		return NULL;
	}
	push_last(worker, task);
	idle_notify();
	return NULL;
}

/* Runs the task, and whoever is granted a slot that way. */
static void run(struct worker *worker, struct task *task)
{
	while (task) {
		struct task *next = NULL;
		if (unlikely(!find_slot(worker, task))) {
			starve(worker, task);
			return;
		}
		if (!hold(worker, task))
			return;
		struct slot *slot = task->tenant.slot;
		if (likely(enter(worker, task) == 0)) {
			dispatch(worker, task);
			next = land(worker, task);
		} else {
			starve(worker, task);
			struct tenant *waiter = slot_release(slot);
			next = waiter ? task_of(waiter) : NULL;
		}
		task = next ? granted(worker, next) : NULL;
	}
}

void worker_run(struct worker *worker)
{
	struct task *task;
	self = worker;
	fiber_init_thread(&worker->fiber);
	store(&worker->line->thread, (uint64_t)(uintptr_t)__builtin_thread_pointer(), relaxed);
	store(&worker->line->tid, (uint32_t)syscall(SYS_gettid), relaxed);
	store(&worker->line->mode, SLEY_WORKER_RUNTIME, release);
	while ((task = find(worker)))
		run(worker, task);
	store(&worker->line->mode, SLEY_WORKER_GONE, relaxed);
	store(&worker->line->thread, 0, relaxed);
	self = NULL;
}

/* ---- a task's side of the switch ---- */

/*
 * errno is the task's: it waits on the task's own stack. Never inlined: everything about the thread is looked up anew
 * after the switch.
 */
NOINLINE static void leave(struct worker *worker, enum after after)
{
	struct task *task = worker->task;
	int saved = *sley_errno_location();
	worker->after = after;
	size_t live = slot_live_now(task->tenant.slot);
	store(&task_record(task)->live16, (uint16_t)MIN(live / 16, UINT16_MAX), relaxed);
	fiber_leave(&task->fiber, &worker->fiber, after == AFTER_END);
	context_switch(&task->tenant.context, &worker->context);
	fiber_enter(&task->fiber, &worker_self()->fiber);
	*sley_errno_location() = saved;
}

void worker_park(void)
{
	struct worker *worker = worker_self();
	COUNT(worker, waits, 1);
	if (region_times())
		fetch_add(&region.sites[worker->task->site].waits, 1, relaxed);
	leave(worker, AFTER_PARK);
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
	leave(worker, AFTER_YIELD);
}

void worker_spend(const void *pc)
{
	struct worker *worker = worker_self();
	if (unlikely(worker->budget-- == 0))
		worker_yield(pc);
}

void worker_end(void)
{
	leave(worker_self(), AFTER_END);
	check_failed(__FILE__, __LINE__, "a task that ended runs");
}
