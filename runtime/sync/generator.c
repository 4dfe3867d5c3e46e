/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators: a task, the body, runs while its consumer waits, and waits while its consumer runs.
 *
 *      next                                          yield
 *      an item there? take it                        an item there? wait until another is wanted
 *      begin to wait; consumer = me                  copy the item; there = 1; claim the consumer
 *      claim the body, unless it runs already        begin to wait; body = me
 *      ready it, park                                ready the consumer, park
 *
 * Both are made ready by run-next, so a step costs two switches on one worker. `body` or `consumer` names a waiter
 * while its wait may be claimed. The fields are set and cleared under the lock, like a linked node. Each has at most
 * one waiter.
 *
 * `there` keeps an item from being lost or overwritten. Only the body sets it, with the lock held. The consumer clears
 * it after it has copied the item, without the lock. While it is set the body stores no other item. The body may run
 * without a request, if it is cancelled. And a consumer whose wait was ended by its deadline leaves the body running;
 * its item waits for the next call then.
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
	struct object_lock lock; /* protects the fields below, unless they are constant or their comments differ */
	unsigned refs;           /* atomic: held by the owner, and by the body once it is started */
	bool busy;             /* a call of the consumer is under way and has exclusive use; cleared without the lock */
	bool there;            /* atomic, see above */
	bool dropped;          /* being freed */
	bool ended;            /* atomic; written under the lock */
	int outcome;           /* when ended: SLEY_END or an error */
	unsigned run;          /* constant: number of its run */
	sley_task id;          /* of the body's task, 0: not started */
	struct task *body;     /* while it waits in yield */
	struct task *consumer; /* while it waits in next, or in free */
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

/* ---- claims; with the lock held ---- */

static struct task *claim(struct task **waiter, enum claim who)
{
	struct task *task = *waiter;
	*waiter = NULL;
	return task && wait_claim(task, who) ? task : NULL;
}

/*
 * Parks the task, whose wait has begun, and which `waiter` names. The lock is held, and dropped. First makes `woken`
 * ready (may be null). Returns 0, or the error of the wait; then `waiter` is cleared.
 */
static int park_for(struct task *task, struct sley_gen *gen, struct task **waiter, struct task *woken,
		    sley_time deadline)
{
	*waiter = task;
	lock_drop(&gen->lock);
	if (woken)
		task_ready(woken);
	enum claim who = wait_park(task, deadline);
	if (likely(who == CLAIM_EVENT))
		return 0;
	lock_take(&gen->lock);
	if (*waiter == task)
		*waiter = NULL;
	lock_drop(&gen->lock);
	return wait_error(who);
}

/* ---- the body ---- */

/* Waits until another item is wanted. The lock is held, and dropped. */
static int wait_for_next(struct task *task, struct sley_gen *gen, struct task *consumer, const void *pc)
{
	wait_begin(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	return park_for(task, gen, &gen->body, consumer, SLEY_NEVER);
}

static int yield(struct task *task, struct sley_gen *gen, const void *item, const void *pc)
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
	if (gen->item > 0)
		memcpy(gen->place, item, gen->item);
	store(&gen->there, true, relaxed); /* relaxed: ordered for the consumer by the lock, or by its claim */
	return wait_for_next(task, gen, claim(&gen->consumer, CLAIM_EVENT), pc);
}

int sley_gen_yield(const void *item)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	struct task_extra *extra = task_extra(task);
	if (!extra || !extra->generator)
		return -EPERM;
	if (!item && extra->generator->item > 0)
		return -EFAULT;
	check_block(item, extra->generator->item, "sley_gen_yield", "item");
	return yield(task, extra->generator, item, __builtin_return_address(0));
}

static void body_end(struct sley_gen *gen, int error)
{
	cleanup_finish(); /* before the consumer learns of the end */
	lock_take(&gen->lock);
	gen->outcome = error < 0 ? error : error == 0 ? SLEY_END : -EINVAL;
	store(&gen->ended, true, release); /* pairs with sley_gen_ended(): the last item is visible */
	struct task *consumer = claim(&gen->consumer, CLAIM_EVENT);
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
static void take_item(struct sley_gen *gen, void *item)
{
	if (gen->item > 0 && item)
		memcpy(item, gen->place, gen->item);
	store(&gen->there, false, release); /* pairs with yield(), which overwrites it */
}

static void gen_leave(struct sley_gen *gen)
{
	store(&gen->busy, false, release); /* pairs with gen_enter(): our use of the generator is over */
}

/* Begins a call of the consumer. Returns 0, and the lock is held; or an error. */
static int gen_enter(struct task *task, struct sley_gen *gen)
{
	if (unlikely(gen->run != scheduler.run))
		return -ENOTCONN;
	lock_take(&gen->lock);
	int error = load(&gen->busy, acquire) ? -EBUSY : task->id && task->id == (uint64_t)gen->id ? -EDEADLK : 0;
	if (error == 0)
		gen->busy = true;
	else
		lock_drop(&gen->lock);
	return error;
}

/*
 * Starts the body, once. The lock is held at the call and on return, but dropped in between: the body may have run, and
 * even ended.
 */
NOINLINE static int gen_start(struct sley_gen *gen)
{
	struct task *body;
	lock_drop(&gen->lock);
	int error = body_new(gen, &body);
	if (error)
		return error;
	gen->id = (sley_task)body->id;
	spawn_start(body);
	lock_take(&gen->lock);
	return 0;
}

/* Waits until the body has yielded or ended. The lock is held, and dropped. Returns 0 or the error of the wait. */
static int wait_for_body(struct task *task, struct sley_gen *gen, enum claim claiming, sley_time deadline,
			 const void *pc)
{
	wait_begin(task, SLEY_WAIT_GENERATOR, (uint64_t)(uintptr_t)gen, pc);
	return park_for(task, gen, &gen->consumer, claim(&gen->body, claiming), deadline);
}

static inline int next(struct task *task, void *object, int64_t item, sley_time deadline, const void *pc)
{
	struct sley_gen *gen = object;
	int error = gen_enter(task, gen);
	if (unlikely(error))
		return error;
	if (unlikely(!gen->id) && (error = gen_start(gen)) != 0) {
		gen_leave(gen);
		return error;
	}
	if (likely(!gen->there && !gen->ended))
		error = wait_for_body(task, gen, CLAIM_EVENT, deadline, pc);
	else
		lock_drop(&gen->lock);
	if (likely(error == 0)) {
		if (likely(load(&gen->there, acquire)))
			take_item(gen, (void *)(intptr_t)item);
		else
			error = gen->outcome;
	}
	gen_leave(gen);
	return error;
}

/* Ends the body, and waits for its end. Returns 0 or the error of the wait. */
static int gen_end_body(struct task *task, struct sley_gen *gen, sley_time deadline, const void *pc)
{
	gen->dropped = true;
	lock_drop(&gen->lock);
	sley_cancel(gen->id);
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
	int error = gen_check(gen, "sley_gen_next");
	if (unlikely(error))
		return error;
	return park_call(next, gen, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
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
	if (gen->id && !gen->ended)
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
