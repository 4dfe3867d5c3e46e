/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The steps of a generator: sley_gen_next() and sley_gen_yield(). */
#include "sync/generator.h"

#include <errno.h>

#include "life/cleanup.h"
#include "life/spawn.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/thread.h"
#include "sync/argument.h"

/* ---- claims ---- */

/* Ends the body's wait in yield. Returns the body, which is to be made ready; null: it does not wait there. By the consumer. */
static ALWAYS_INLINE struct task *claim_body(struct sley_gen *gen, uint64_t waiting, enum claim who)
{
	if (unlikely(waiting == 0) || unlikely(!wait_claim_number(gen->body, waiting, who)))
		return NULL;
	store(&gen->waiting, 0, relaxed);
	return gen->body;
}

/* Ends the wait of the partner. Returns it, or null. By the body. */
static ALWAYS_INLINE struct task *claim_partner(struct sley_gen *gen)
{
	struct task *partner = gen->call.caller;
	gen->call.caller = NULL;
	return partner && wait_claim_number(partner, gen->call.number, CLAIM_EVENT) ? partner : NULL;
}

/* Ends the wait of the consumer. Returns it, or null. By the body, with the lock held. */
static struct task *claim_consumer(struct sley_gen *gen)
{
	struct task *partner = claim_partner(gen), *task = gen->consumer;
	gen->consumer = NULL;
	if (partner)
		return partner;
	return task && wait_claim(task, CLAIM_EVENT) ? task : NULL;
}

/* ---- the body ---- */

/* The body has parked in yield, and was claimed. */
static inline int wait_is_over(struct sley_gen *gen, enum claim who)
{
	if (likely(who == CLAIM_EVENT))
		return 0;
	store(&gen->waiting, 0, relaxed); /* not needed for a claim to fail */
	return wait_error(who);
}

/* Waits until another item is wanted. The lock is held, and dropped. First makes the consumer ready (may be null). */
static int wait_for_next(struct task *task, struct sley_gen *gen, struct task *consumer, const void *pc)
{
	uint64_t number = wait_begin_task(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	store(&gen->waiting, number, release); /* pairs with next(): it sees `there` */
	lock_drop(&gen->lock);
	if (consumer)
		task_ready(consumer);
	return wait_is_over(gen, wait_park(task, SLEY_NEVER));
}

static ALWAYS_INLINE void copy_item(const struct sley_gen *gen, void *to, const void *item)
{
	if (likely(gen->item == sizeof(uint64_t)))
		memcpy(to, item, sizeof(uint64_t)); /* a load and a store */
	else if (gen->item > 0)
		memcpy(to, item, gen->item);
}

static ALWAYS_INLINE void put_item(struct sley_gen *gen, const void *item)
{
	copy_item(gen, gen->place, item);
	store(&gen->there, true, relaxed); /* relaxed: ordered for the consumer by `waiting`, the lock, or its claim */
}

NOINLINE static int yield_slowly(struct task *task, struct sley_gen *gen, const void *item, const void *pc)
{
	lock_take(&gen->lock);
	while (unlikely(load(&gen->there, acquire) && !gen->dropped)) { /* pairs with take_item() */
		int error = wait_for_next(task, gen, NULL, pc);
		if (error)
			return error;
		lock_take(&gen->lock);
	}
	if (unlikely(gen->dropped)) {
		lock_drop(&gen->lock);
		return -ECANCELED;
	}
	put_item(gen, item);
	return wait_for_next(task, gen, claim_consumer(gen), pc);
}

/*
 * While the partner waits, its call is under way, so the generator is not being freed. Not inlined, as sley_gen_yield() has
 * used the thread's worker.
 */
NOINLINE static int yield(struct task *task, struct sley_gen *gen, const void *item, const void *pc)
{
	struct task *partner;
	store(&gen->callable, coroutine_may_be_called(task), relaxed); /* ordered by `waiting` */
	if (unlikely(load(&gen->there, acquire)) || unlikely(!(partner = claim_partner(gen))))
		return yield_slowly(task, gen, item, pc);
	put_item(gen, item);
	uint64_t number = wait_begin_task(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	store(&gen->waiting, number, release); /* pairs with next(), which may be a call after the partner's */
	return wait_is_over(gen, wait_park_to(task, SLEY_NEVER, partner));
}

/*
 * Returns from the consumer's call with the item. The consumer's stack is there, so the item is copied to its place. Not
 * inlined, as sley_gen_yield() has used the thread's worker.
 */
NOINLINE static int return_item(struct worker *worker, struct task *task, struct sley_gen *gen, const void *item,
				const void *pc)
{
	if (likely(gen->to != NULL))
		copy_item(gen, gen->to, item);
	task_to_waiting(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	coroutine_return(worker, task);
	return wait_is_over(gen, (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO));
}

/* Of the body, which was called but cannot return from the call, or ends. */
NOINLINE static void split_call(void)
{
	struct worker *worker = worker_self();
	if (worker->call)
		coroutine_split(worker);
}

NOINLINE static int yield_otherwise(struct task *task, struct sley_gen *gen, const void *item, const void *pc)
{
	check_block(item, gen->item, "sley_gen_yield", "item");
	split_call();
	return yield(task, gen, item, pc);
}

int sley_gen_yield(const void *item)
{
	struct worker *worker = this_worker;
	struct task *task = worker ? worker->task : NULL;
	if (unlikely(!task))
		return outside_error();
	struct task_extra *extra = task_extra(task);
	if (unlikely(!extra || !extra->generator))
		return -EPERM;
	struct sley_gen *gen = extra->generator;
	if (unlikely(!item && gen->item > 0))
		return -EFAULT;
	if (likely(worker->call != NULL) && likely(coroutine_may_return(worker, task)) &&
	    likely(extra->deadline == SLEY_NEVER))
		return return_item(worker, task, gen, item, __builtin_return_address(0));
	return yield_otherwise(task, gen, item, __builtin_return_address(0));
}

static void body_end(struct sley_gen *gen, int error)
{
	cleanup_finish(); /* before the consumer learns of the end */
	split_call();
	lock_take(&gen->lock);
	gen->outcome = error < 0 ? error : error == 0 ? SLEY_END : -EINVAL;
	store(&gen->ended, true, release); /* pairs with sley_gen_ended(): the last item is visible */
	struct task *consumer = claim_consumer(gen);
	lock_drop(&gen->lock);
	if (consumer)
		task_ready(consumer);
	generator_put(gen);
}

static void body_main(void *arg)
{
	struct sley_gen *gen = arg;
	body_end(gen, gen->fn(gen->arg));
}

/* Makes the body's task, not yet ready. Called by the consumer, during its call. */
static int body_new(struct sley_gen *gen, struct task **body)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	int error = spawn_new(body, gen->site, &detached, body_main, gen, SLEY_BY_POINTER);
	if (error)
		return error;
	struct task_extra *extra = task_extra_get(*body);
	if (!extra) {
		spawn_drop(*body);
		return -ENOMEM;
	}
	extra->generator = gen;
	fetch_add(&gen->refs, 1, relaxed);
	return 0;
}

/* ---- the consumer ---- */

/* Takes an available item. Called by the consumer, during its call. */
static ALWAYS_INLINE void take_item(struct sley_gen *gen, void *item)
{
	if (likely(gen->item == sizeof(uint64_t)) && item)
		memcpy(item, gen->place, sizeof(uint64_t));
	else if (gen->item > 0 && item)
		memcpy(item, gen->place, gen->item);
	store(&gen->there, false, release); /* pairs with yield(), which overwrites it */
}

/* Whether a call of the consumer is under way. By the body. */
static bool consumer_is_in(struct task *body, struct sley_gen *gen)
{
	return load(&gen->busy, relaxed) || load(&body->claim, relaxed) & CLAIM_CALLED || load(&gen->split, relaxed);
}

/* Begins a call of the consumer, which has exclusive use until generator_leave(). Returns 0 or an error. */
ALWAYS_INLINE int generator_enter(struct task *task, struct sley_gen *gen)
{
	if (unlikely(gen->run != scheduler.run))
		return -ENOTCONN;
	if (unlikely(task->id && task->id == load(&gen->id, relaxed))) /* relaxed: its own id the task finds */
		return consumer_is_in(task, gen) ? -EBUSY : -EDEADLK;
	if (unlikely(exchange(&gen->busy, true, seq_cst)))
		return -EBUSY;
	RACE_POINT(generator_is_entered);
	/* the id is not 0: `body` is known. `ended` is read afterwards: the entry of an ended body may serve another one */
	if (unlikely(load(&gen->id, acquire) && load(&gen->body->claim, seq_cst) & CLAIM_CALLED) &&
	    !load(&gen->ended, acquire)) {
		generator_leave(gen);
		return -EBUSY;
	}
	return 0;
}

/*
 * The call under way becomes a wait. By the body, which has begun another wait, or ends. The consumer has not begun its wait
 * yet, so its call is still under way.
 */
static void split(struct coroutine *call)
{
	struct sley_gen *gen = CONTAINER_OF(call, struct sley_gen, call);
	lock_take(&gen->lock);
	store(&gen->split, true, relaxed);
	store(&gen->waiting, 0, relaxed);
	fetch_and(&gen->body->claim, ~CLAIM_CALLED, acq_rel); /* release: who misses the flag sees `split` */
	lock_drop(&gen->lock);
}

/* Starts the body, once. It may have run, and even ended, when this returns. */
NOINLINE static int gen_start(struct sley_gen *gen)
{
	struct task *body;
	int error = body_new(gen, &body);
	if (error)
		return error;
	gen->body = body;
	gen->call.split = split;
	store(&gen->id, body->id, relaxed);
	spawn_start(body);
	return 0;
}

/*
 * Waits under the lock, which is held and dropped, until the body has yielded or ended; first ends its wait with `who`.
 * Returns 0 or the error of the wait.
 */
int generator_wait(struct task *task, struct sley_gen *gen, enum claim claiming, sley_time deadline, const void *pc)
{
	wait_begin(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	struct task *body = claim_body(gen, load(&gen->waiting, acquire), claiming);
	gen->consumer = task;
	lock_drop(&gen->lock);
	if (body)
		task_ready(body);
	enum claim who = wait_park(task, deadline);
	if (likely(who == CLAIM_EVENT))
		return 0;
	lock_take(&gen->lock);
	if (gen->consumer == task)
		gen->consumer = NULL;
	lock_drop(&gen->lock);
	return wait_error(who);
}

static ALWAYS_INLINE int take_outcome(struct sley_gen *gen, void *item)
{
	if (unlikely(!load(&gen->there, acquire)))
		return gen->outcome;
	take_item(gen, item);
	return 0;
}

/* Not to be inlined: its frame would be live in all waits. */
NOINLINE static int next_slowly(struct task *task, struct sley_gen *gen, void *item, sley_time deadline, const void *pc)
{
	int error = 0;
	if (unlikely(!gen->body) && (error = gen_start(gen)) != 0)
		return error;
	lock_take(&gen->lock);
	if (unlikely(gen->split)) {
		lock_drop(&gen->lock);
		return -EBUSY;
	}
	if (!load(&gen->there, acquire) && !gen->ended)
		error = generator_wait(task, gen, CLAIM_EVENT, deadline, pc);
	else
		lock_drop(&gen->lock);
	return error ? error : take_outcome(gen, item);
}

/*
 * Of a task: begins its wait and ends that of the body in yield, which is returned and runs next. Null: the body does not
 * wait there, and the caller does not wait.
 */
static ALWAYS_INLINE struct task *call_body(struct task *task, struct sley_gen *gen, const void *pc)
{
	uint64_t waiting = load(&gen->waiting, acquire); /* pairs with the body's waits */
	if (unlikely(waiting == 0) || unlikely(load(&gen->there, acquire)))
		return NULL;
	uint64_t number = wait_begin_task(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	struct task *body = claim_body(gen, waiting, CLAIM_EVENT);
	if (unlikely(!body)) {
		wait_abort(task);
		return NULL;
	}
	gen->call.caller = task;
	gen->call.number = number;
	return body;
}

/* Not inlined, as sley_gen_next() has used the thread's worker. */
NOINLINE static int next(struct task *task, void *object, int64_t place, sley_time deadline, const void *pc)
{
	struct sley_gen *gen = object;
	void *item = (void *)(intptr_t)place;
	int error = generator_enter(task, gen);
	if (unlikely(error))
		return error;
	struct task *body = unlikely(task->flags & TASK_THREAD) ? NULL : call_body(task, gen, pc);
	if (likely(body != NULL)) {
		enum claim who = wait_park_to(task, deadline, body);
		error = likely(who == CLAIM_EVENT) ? take_outcome(gen, item) : wait_error(who);
	} else {
		error = next_slowly(task, gen, item, deadline, pc);
	}
	generator_leave(gen);
	return error;
}

/* ---- the consumer's call of the body ---- */

/* Whether the body seems to wait for a call of the task, and the task may wait without anybody who could end its wait. */
static ALWAYS_INLINE bool may_call(struct worker *worker, struct task *task, const struct sley_gen *gen,
				   uint64_t waiting)
{
	const struct task_extra *extra = task_extra(task);
	return likely(waiting != 0) && likely(load(&gen->callable, relaxed)) && likely(!load(&gen->there, acquire)) &&
	       likely(!load(&gen->busy, relaxed)) && likely(gen->run == scheduler.run) &&
	       likely(!(load(&task->claim, relaxed) & CLAIM_CANCEL)) &&
	       likely(!extra || extra->deadline == SLEY_NEVER) && coroutine_may_call(worker, task);
}

/* The call is over before it has begun: the body goes on without it. */
static void let_body_go(struct sley_gen *gen)
{
	store(&gen->waiting, 0, relaxed);
	gen->call.caller = NULL;
	fetch_and(&gen->body->claim, ~CLAIM_CALLED, acq_rel);
	task_ready(gen->body);
}

/*
 * The body has returned, and left its stack, which it keeps. Begins its wait: from here on others may claim it. It was
 * cancelled meanwhile? Then its wait ends at once, as any.
 */
static ALWAYS_INLINE void suspend_body(struct sley_gen *gen)
{
	struct task *body = gen->body;
	body->flags |= TASK_GRANTED;
	uint64_t who = load(&body->claim, relaxed) & CLAIM_WHO;
	/* release: as in wait_begin_claim() */
	uint64_t word = fetch_add(&body->claim, ((uint64_t)1 << CLAIM_BITS) - CLAIM_CALLED - who, release);
	uint64_t number = (word >> CLAIM_BITS) + 1;
	store(&gen->waiting, number, release);
	if (unlikely((word & (CLAIM_CANCEL | CLAIM_MASKED)) == CLAIM_CANCEL) &&
	    wait_claim_number(body, number, CLAIM_CANCELLED))
		task_ready_last(body);
}

/* The body did not return from the call, which has become a wait. That wait is over. */
NOINLINE static int end_split(struct task *task, struct sley_gen *gen, void *item)
{
	enum claim who = (enum claim)(load(&task->claim, relaxed) & CLAIM_WHO);
	lock_take(&gen->lock);
	int error = who == CLAIM_EVENT ? take_outcome(gen, item) : wait_error(who);
	store(&gen->split, false,
	      relaxed); /* after the item was taken: another consumer may have the next one from here on */
	lock_drop(&gen->lock);
	return error;
}

/* Not inlined, as sley_gen_next() has used the thread's worker. */
NOINLINE static int call(struct worker *worker, struct task *task, struct sley_gen *gen, void *item, uint64_t waiting,
			 const void *pc)
{
	struct task *body = gen->body;
	uint64_t word = waiting << CLAIM_BITS;
	RACE_POINT(generator_calls);
	/* acquire: pairs with suspend_body(). Without CANCEL and MASKED, which are for the other way */
	if (unlikely(!cas(&body->claim, &word, word | CLAIM_EVENT | CLAIM_CALLED, seq_cst, relaxed)))
		return next(task, gen, (int64_t)(intptr_t)item, SLEY_NEVER, pc);
	RACE_POINT(generator_body_is_called);
	if (unlikely(load(&gen->busy, seq_cst))) {
		let_body_go(gen);
		return -EBUSY;
	}
	gen->to = item;
	task_to_waiting(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	if (unlikely(!coroutine_call(worker, task, &gen->call, body))) {
		task_unwait(task);
		let_body_go(gen);
		return next(task, gen, (int64_t)(intptr_t)item, SLEY_NEVER, pc);
	}
	if (unlikely(load(&gen->split, relaxed)))
		return end_split(task, gen, item);
	suspend_body(gen);
	return 0;
}

/* Of a thread that runs no task, or a task whose budget is spent. */
NOINLINE static int next_first(struct sley_gen *gen, void *item, sley_time deadline, const void *pc)
{
	return park_call(next, gen, (int64_t)(intptr_t)item, deadline, pc);
}

int sley_gen_next(struct sley_gen *gen, void *item, sley_time deadline)
{
	struct worker *worker = this_worker;
	struct task *task = worker ? worker->task : NULL;
	if (unlikely(!gen || stack_is_copying(gen)))
		return generator_check(gen, "sley_gen_next");
	if (unlikely(!task || worker->budget == 0))
		return next_first(gen, item, deadline, __builtin_return_address(0));
	worker->budget--;
	uint64_t waiting = load(&gen->waiting, acquire); /* pairs with the body's waits */
	if (likely(deadline == SLEY_NEVER) && may_call(worker, task, gen, waiting))
		return call(worker, task, gen, item, waiting, __builtin_return_address(0));
	return next(task, gen, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
}
