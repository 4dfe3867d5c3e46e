/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators: a function that gives items one at a time, with its own stack, so it may yield from any depth of calls.
 *
 *     static int count(void *arg)
 *     {
 *             for (int i = 0; i < *(int *)arg; i++) {
 *                     int error = sley_gen_yield(&i);
 *                     if (error)
 *                             return error; // nobody wants more: clean up
 *             }
 *             return 0;
 *     }
 *
 *     sley_gen_new(&gen, count, &n, sizeof(n), sizeof(int));
 *     while ((end = sley_gen_next(gen, &item, SLEY_NEVER)) == 0) ...
 *     if (end != SLEY_END) ... // it failed
 *     sley_gen_free(gen, SLEY_NEVER);
 *
 * It runs as a task, which is started by the first sley_gen_next() and runs only while one is under way: never ahead of
 * its consumer, whose scope and deadline are not its own. It may wait for whatever tasks wait for. Items are copied, off
 * the stack. When fn has returned, its open scopes and cleanups (sley/local.h) come first, then the consumer is told.
 */
#ifndef SLEY_GENERATOR_H
#define SLEY_GENERATOR_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A generator. Opaque; on the heap; owned by whoever made it. */
struct sley_gen;

/* What a call for the next item answers when there are no more. Positive: it is no error. */
#define SLEY_END 1

/*
 * Makes a generator of items of `item` bytes, up to 64 KiB, from int fn(void *arg), which returns 0 at its end, or an
 * error (positive values are a mistake, -EINVAL). The argument is n bytes that are copied, off the stack, aligned for
 * any type, and live until fn returns; or, with n == SLEY_BY_POINTER, `arg` itself, which must not point into a copying
 * stack. fn does not run yet. A macro, as it records its place in the source.
 * 0; -EINVAL: also a size; -ENOMEM; -EOVERFLOW; -EFAULT; -ENOTCONN. Any thread.
 */
#define sley_gen_new(gen, fn, arg, n, item) sley_gen_new_at(SLEY_SITE(#fn), (gen), (fn), (arg), (n), (item))

SLEY_API int sley_gen_new_at(struct sley_site *site, struct sley_gen **gen, int (*fn)(void *arg), const void *arg,
			     size_t n, size_t item);

/*
 * Lets the generator run until it yields, and copies what it yields to `item`. When a deadline or a cancellation ends
 * the wait, the generator goes on to its next yield, and the next call gets that item: none is lost.
 * 0; SLEY_END: fn has returned 0; the error that it returned; these two again for each further call; -ETIMEDOUT;
 * -EBUSY: another task is in this call; -EDEADLK: from within the generator; -EAGAIN, -ENOMEM: no task can be had to
 * start it: it may be tried again; -EINVAL: null; -EFAULT; -ENOTCONN. Task, or any thread, which then blocks.
 */
SLEY_API int sley_gen_next(struct sley_gen *, void *item, sley_time deadline);

/* 1: what sley_gen_next() answers is the generator's outcome, and no item will come; 0; -EINVAL; -EFAULT. Any thread. */
SLEY_API int sley_gen_ended(struct sley_gen *);

/*
 * Within a generator, at any depth of calls of its task: hands a copy of the item to the consumer and waits until the
 * next one is wanted. 0; -ECANCELED: the generator is being freed, or its task was cancelled: clean up and return;
 * -EPERM: the calling task is no generator; -EFAULT: null, unless items have no bytes; -EDEADLK: no task.
 */
SLEY_API int sley_gen_yield(const void *item);

/*
 * Frees it, also before its end: then its yield returns -ECANCELED, and its task is cancelled (sley_cancel()), so that
 * it cleans up as anything cancelled does; if it never ran, it never will. Waits until it has ended, `deadline` at the
 * latest (0: not at all); if it has not, that is answered, and its memory goes with its end. Null is 0.
 * 0; -ETIMEDOUT, -ECANCELED: freed, but not ended yet; -EBUSY: a task is in sley_gen_next(): not freed; -EDEADLK: from
 * within the generator: not freed; -EFAULT. Task, or any thread, which then blocks; also when the run is over.
 */
SLEY_API int sley_gen_free(struct sley_gen *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
