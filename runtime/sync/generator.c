/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators: a task, the body, runs while its consumer waits, and waits while its consumer runs.
 *
 *      next                                          yield
 *      an item there? take it                        an item there? wait until another is wanted
 *      begin to wait                                 copy the item; there = 1; claim the consumer
 *      claim the body, unless it runs already        begin to wait
 *      switch to it                                  switch to the consumer
 *
 * A claim names a wait by its number, so it fails if that wait was ended meanwhile. Whoever has claimed a wait has what
 * belongs to that task alone until the task runs again. So while the two alternate, no lock is taken: the consumer claims
 * the wait of the body (`waiting`), and leaves its own as the body's `partner`; the body claims that, and leaves its own as
 * `waiting`. The other one has nothing else to do then, so the worker switches to it directly: wait_park_to().
 *
 * All else is done under the lock: the first call, an item that is there already, a consumer whose wait was ended by its
 * deadline or a cancellation, a plain thread. Then `consumer` names the waiter. It is set and cleared under the lock, like
 * a linked node. At most one of `consumer` and `partner` names a wait that can be claimed.
 *
 * `there` keeps an item from being lost or overwritten. Only the body sets it. The consumer clears it after it has copied
 * the item, without the lock. While it is set the body stores no other item. The body may run without a request, if it is
 * cancelled. And a consumer whose wait was ended by its deadline leaves the body running; its item waits for the next call
 * then. `waiting` is stored after `there` (release), and read before it (acquire): a consumer that sees that the body
 * waits sees its item.
 *
 * Rejected: a stack that the consumer's task switches to itself. It would save the scheduler's part of a step. But the
 * generator could not wait then, as its frames are not among those that are saved for the consumer.
 */
#include "sync/generator.h"

#include <errno.h>
#include <stdlib.h>

#include "life/cleanup.h"
#include "life/spawn.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/thread.h"
#include "run/worker.h"
#include "sync/argument.h"

#define ITEM_MAX ((size_t)64 << 10)

struct sley_gen {
	/* owned by the consumer's call: see gen_enter() */
	bool busy;         /* atomic: a call of the consumer is under way */
	bool there;        /* atomic, see above */
	uint64_t waiting;  /* atomic: number of the body's wait in yield; 0: it does not wait there */
	struct task *body; /* the body's task; null: not started */
	uint64_t id;       /* of the body's task, 0: not started; atomic */
	/* owned by the body, and by the consumer after it has claimed the body's wait */
	struct task *partner; /* the consumer, in wait `partner_number`; null: it is not known */
	uint64_t partner_number;
	struct object_lock lock; /* protects the fields below */
	bool ended;              /* atomic */
	bool dropped;            /* being freed */
	int outcome;             /* when ended: SLEY_END or an error */
	struct task *consumer;   /* while it waits in next, or in free, unless `partner` names it */
	unsigned refs;           /* atomic: held by the owner, and by the body once it is started */
	unsigned run;            /* constant: number of its run */
	/* constant */
	struct sley_site *site;
	int (*fn)(void *);
	void *arg;
	size_t item;
	char *place; /* place of the item, behind the argument */
	char block[] __attribute__((aligned(16)));
};

static void gen_put(struct sley_gen *gen)
{
	if (fetch_sub(&gen->refs, 1, acq_rel) == 1)
		free(gen);
}

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
	struct task *partner = gen->partner;
	gen->partner = NULL;
	return partner && wait_claim_number(partner, gen->partner_number, CLAIM_EVENT) ? partner : NULL;
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

static ALWAYS_INLINE void put_item(struct sley_gen *gen, const void *item)
{
	if (likely(gen->item == sizeof(uint64_t)))
		memcpy(gen->place, item, sizeof(uint64_t)); /* a load and a store */
	else if (gen->item > 0)
		memcpy(gen->place, item, gen->item);
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
	if (unlikely(load(&gen->there, acquire)) || unlikely(!(partner = claim_partner(gen))))
		return yield_slowly(task, gen, item, pc);
	put_item(gen, item);
	uint64_t number = wait_begin_task(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	store(&gen->waiting, number, release); /* pairs with next(), which may be a call after the partner's */
	return wait_is_over(gen, wait_park_to(task, SLEY_NEVER, partner));
}

int sley_gen_yield(const void *item)
{
	struct worker *worker = this_worker;
	if (unlikely(!worker || !worker->task))
		return outside_error();
	struct task_extra *extra = task_extra(worker->task);
	if (unlikely(!extra || !extra->generator))
		return -EPERM;
	if (unlikely(!item && extra->generator->item > 0))
		return -EFAULT;
	check_block(item, extra->generator->item, "sley_gen_yield", "item");
	return yield(worker->task, extra->generator, item, __builtin_return_address(0));
}

static void body_end(struct sley_gen *gen, int error)
{
	cleanup_finish(); /* before the consumer learns of the end */
	lock_take(&gen->lock);
	gen->outcome = error < 0 ? error : error == 0 ? SLEY_END : -EINVAL;
	store(&gen->ended, true, release); /* pairs with sley_gen_ended(): the last item is visible */
	struct task *consumer = claim_consumer(gen);
	lock_drop(&gen->lock);
	if (consumer)
		task_ready(consumer);
	gen_put(gen);
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

static inline void gen_leave(struct sley_gen *gen)
{
	store(&gen->busy, false, release); /* pairs with gen_enter(): our use of the generator is over */
}

/* Begins a call of the consumer, which has exclusive use until gen_leave(). Returns 0 or an error. */
static ALWAYS_INLINE int gen_enter(struct task *task, struct sley_gen *gen)
{
	if (unlikely(gen->run != scheduler.run))
		return -ENOTCONN;
	if (unlikely(task->id && task->id == load(&gen->id, relaxed))) /* relaxed: its own id the task finds */
		return load(&gen->busy, relaxed) ? -EBUSY : -EDEADLK;
	return likely(!exchange(&gen->busy, true, acquire)) ? 0 : -EBUSY;
}

/* Starts the body, once. It may have run, and even ended, when this returns. */
NOINLINE static int gen_start(struct sley_gen *gen)
{
	struct task *body;
	int error = body_new(gen, &body);
	if (error)
		return error;
	gen->body = body;
	store(&gen->id, body->id, relaxed);
	spawn_start(body);
	return 0;
}

/*
 * Waits under the lock, which is held and dropped, until the body has yielded or ended; first ends its wait with `who`.
 * Returns 0 or the error of the wait.
 */
static int wait_for_body(struct task *task, struct sley_gen *gen, enum claim claiming, sley_time deadline,
			 const void *pc)
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
	if (!load(&gen->there, acquire) && !gen->ended)
		error = wait_for_body(task, gen, CLAIM_EVENT, deadline, pc);
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
	gen->partner = task;
	gen->partner_number = number;
	return body;
}

/* Not inlined, as sley_gen_next() has used the thread's worker. */
NOINLINE static int next(struct task *task, void *object, int64_t place, sley_time deadline, const void *pc)
{
	struct sley_gen *gen = object;
	void *item = (void *)(intptr_t)place;
	int error = gen_enter(task, gen);
	if (unlikely(error))
		return error;
	struct task *body = unlikely(task->flags & TASK_THREAD) ? NULL : call_body(task, gen, pc);
	if (likely(body != NULL)) {
		enum claim who = wait_park_to(task, deadline, body);
		error = likely(who == CLAIM_EVENT) ? take_outcome(gen, item) : wait_error(who);
	} else {
		error = next_slowly(task, gen, item, deadline, pc);
	}
	gen_leave(gen);
	return error;
}

/* Ends the body, and waits for its end. The lock is held, and dropped. Returns 0 or the error of the wait. */
static int gen_end_body(struct task *task, struct sley_gen *gen, sley_time deadline, const void *pc)
{
	gen->dropped = true;
	lock_drop(&gen->lock);
	sley_cancel((sley_task)gen->id);
	lock_take(&gen->lock);
	if (!gen->ended) /* ends its yield even if it masks cancellation, as its item will never be wanted */
		return wait_for_body(task, gen, CLAIM_CANCELLED, deadline, pc);
	lock_drop(&gen->lock);
	return 0;
}

/* ---- the calls ---- */

static struct sley_gen *gen_alloc(size_t n, size_t item, int *error)
{
	size_t place, size;
	*error = -EOVERFLOW;
	if (__builtin_add_overflow(sizeof(struct sley_gen) + 15, argument_size(n), &place) ||
	    __builtin_add_overflow(place, item, &size))
		return NULL;
	int saved = errno;
	struct sley_gen *gen = malloc(size);
	errno = saved;
	*error = gen ? 0 : -ENOMEM;
	if (gen)
		*gen = (struct sley_gen){ .refs = 1, .run = scheduler.run, .item = item };
	return gen;
}

int sley_gen_new_at(struct sley_site *site, struct sley_gen **result, int (*fn)(void *), const void *arg, size_t n,
		    size_t item)
{
	int error = argument_check((const void *)(uintptr_t)fn, arg, n, "sley_gen_new");
	if (error || !result || item > ITEM_MAX)
		return error ? error : -EINVAL;
	if ((error = thread_visit()) != 0)
		return error;
	struct sley_gen *gen = gen_alloc(n, item, &error);
	if (gen) {
		gen->site = site;
		gen->fn = fn;
		gen->arg = argument_keep(gen->block, arg, n, "sley_gen_new");
		gen->place = gen->block + ROUND_UP(argument_size(n), 16);
		*result = gen;
	}
	thread_depart();
	return error;
}

static int gen_check(const struct sley_gen *gen, const char *call)
{
	return gen ? check_shared(gen, call, "generator") : -EINVAL;
}

int sley_gen_next(struct sley_gen *gen, void *item, sley_time deadline)
{
	struct worker *worker = this_worker;
	if (unlikely(!gen || stack_is_copying(gen)))
		return gen_check(gen, "sley_gen_next");
	if (unlikely(!worker || !worker->task || worker->budget == 0))
		return park_call(next, gen, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
	worker->budget--;
	return next(worker->task, gen, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
}

int sley_gen_ended(struct sley_gen *gen)
{
	int error = gen_check(gen, "sley_gen_ended");
	if (error)
		return error;
	/* In this order: after the end no item comes. Without the lock, as a forked child may find it held for ever. */
	return load(&gen->ended, acquire) && !load(&gen->there, relaxed);
}

size_t generator_item(const struct sley_gen *gen)
{
	return gen->item;
}

/* Frees the generator during its run. -ENOTCONN: the run is over, and the generator is not freed. */
static int free_in_run(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_gen *gen = object;
	(void)unused;
	int error = gen_enter(task, gen);
	if (error)
		return error;
	lock_take(&gen->lock);
	if (gen->body && !gen->ended)
		error = gen_end_body(task, gen, deadline, pc);
	else
		lock_drop(&gen->lock);
	if (error != -ENOTCONN) /* else the run ended while a thread waited */
		gen_put(gen);
	return error;
}

int sley_gen_free(struct sley_gen *gen, sley_time deadline)
{
	struct task *task = task_self();
	int error = gen ? gen_check(gen, "sley_gen_free") : 0;
	if (!gen || error)
		return error;
	if (task)
		error = free_in_run(task, gen, 0, deadline, __builtin_return_address(0));
	else
		error = park_thread(free_in_run, gen, 0, deadline);
	if (!run_is_over(error))
		return error;
	free(gen); /* the body never runs again */
	return 0;
}
