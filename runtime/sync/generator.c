/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The beginning and the end of generators; generator_step.c has what is between. */
#include "sync/generator.h"

#include "run/park.h"
#include "run/thread.h"
#include "sync/argument.h"

#define ITEM_MAX ((size_t)64 << 10)

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

int sley_gen_ended(struct sley_gen *gen)
{
	int error = generator_check(gen, "sley_gen_ended");
	if (error)
		return error;
	/* In this order: after the end no item comes. Without the lock, as a forked child may find it held for ever. */
	return load(&gen->ended, acquire) && !load(&gen->there, relaxed);
}

size_t generator_item(const struct sley_gen *gen)
{
	return gen->item;
}

/* Ends the body, and waits for its end. The lock is held, and dropped. Returns 0 or the error of the wait. */
static int gen_end_body(struct task *task, struct sley_gen *gen, sley_time deadline, const void *pc)
{
	gen->dropped = true;
	lock_drop(&gen->lock);
	sley_cancel((sley_task)gen->id);
	lock_take(&gen->lock);
	if (!gen->ended) /* ends its yield even if it masks cancellation, as its item will never be wanted */
		return generator_wait(task, gen, CLAIM_CANCELLED, deadline, pc);
	lock_drop(&gen->lock);
	return 0;
}

/* Frees the generator during its run. -ENOTCONN: the run is over, and the generator is not freed. */
static int free_in_run(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_gen *gen = object;
	(void)unused;
	int error = generator_enter(task, gen);
	if (error)
		return error;
	lock_take(&gen->lock);
	if (unlikely(gen->split)) {
		lock_drop(&gen->lock);
		generator_leave(gen);
		return -EBUSY;
	}
	if (gen->body && !gen->ended)
		error = gen_end_body(task, gen, deadline, pc);
	else
		lock_drop(&gen->lock);
	if (error != -ENOTCONN) /* else the run ended while a thread waited */
		generator_put(gen);
	return error;
}

int sley_gen_free(struct sley_gen *gen, sley_time deadline)
{
	struct task *task = task_self();
	int error = gen ? generator_check(gen, "sley_gen_free") : 0;
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
