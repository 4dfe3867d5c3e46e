/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators: a function that yields items one at a time. It has its own stack, so it may yield from any depth of
 * calls.
 *
 *     static int count(void *arg)
 *     {
 *             for (int i = 0; i < *(int *)arg; i++) {
 *                     int error = sley_gen_yield(&i);
 *                     if (error)
 *                             return error; // no more items are wanted: clean up
 *             }
 *             return 0;
 *     }
 *
 *     sley_gen_new(&gen, count, &n, sizeof(n), sizeof(int));
 *     while ((end = sley_gen_next(gen, &item, SLEY_NEVER)) == 0) ...
 *     if (end != SLEY_END) ... // it failed
 *     sley_gen_free(gen, SLEY_NEVER);
 *
 * A generator runs as a task. The first sley_gen_next() starts it. It runs only during a sley_gen_next(), so never
 * ahead of its consumer. The scope and the deadline of the consumer do not apply to it. It may wait as any task. Items
 * are copied off the stack. When fn has returned, its open scopes and cleanups (sley/local.h) are finished first, then
 * the consumer is told.
 */
#ifndef SLEY_GENERATOR_H
#define SLEY_GENERATOR_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A generator. Opaque; on the heap; owned by its creator. */
struct sley_gen;

/* The result of a call for the next item after the last one. Positive, as it is no error. */
#define SLEY_END 1

/*
 * Makes a generator of items of `item` bytes, up to 64 KiB, from int fn(void *arg). At its end fn returns 0, or an
 * error; a positive value is a mistake, -EINVAL. The argument is n bytes. They are copied off the stack, aligned for
 * any type, and live until fn returns. With n == SLEY_BY_POINTER the argument is `arg` itself, which must not point
 * into a copying stack. fn does not run yet. A macro, to record its place in the source. Returns 0; -EINVAL: also a
 * size; -ENOMEM; -EOVERFLOW; -EFAULT; -ENOTCONN. Any thread.
 */
#define sley_gen_new(gen, fn, arg, n, item) sley_gen_new_at(SLEY_SITE(#fn), (gen), (fn), (arg), (n), (item))

SLEY_API int sley_gen_new_at(struct sley_site *site, struct sley_gen **gen, int (*fn)(void *arg), const void *arg,
			     size_t n, size_t item);

/*
 * Lets the generator run until it yields, and copies the yielded item to `item`. If a deadline or a cancellation ends
 * the wait, the generator continues to its next yield, and the next call gets that item: no item is lost. Without a
 * deadline fn may run on the caller's thread in its place: then a cancellation that comes while fn computes ends the wait
 * only when fn waits, and an item that fn yields before is returned. Returns 0;
 * SLEY_END: fn has returned 0; the error that fn returned; further calls return the same end; -ETIMEDOUT; -EBUSY:
 * another task is in this call; -EDEADLK: from within the generator; -EAGAIN, -ENOMEM: no task can be had to start it:
 * the call may be repeated; -EINVAL: null; -EFAULT; -ENOTCONN. Task, or any thread, which then blocks.
 */
SLEY_API int sley_gen_next(struct sley_gen *, void *item, sley_time deadline);

/*
 * Tells whether the generator has ended. Returns 1: it has: no item will come, and sley_gen_next() returns its outcome;
 * 0: not yet; -EINVAL; -EFAULT. Any thread.
 */
SLEY_API int sley_gen_ended(struct sley_gen *);

/*
 * Hands a copy of the item to the consumer and waits until the next item is wanted. Returns 0; -ECANCELED: the
 * generator is being freed, or its task was cancelled: clean up and return; -EPERM: the calling task is no generator;
 * -EFAULT: null, unless items have no bytes; -EDEADLK: no task. The task of a generator, at any depth of calls.
 */
SLEY_API int sley_gen_yield(const void *item);

/*
 * Frees the generator, also before its end. In that case its yield returns -ECANCELED and its task is cancelled
 * (sley_cancel()), so that it cleans up as any cancelled task. If it has not begun, it never runs. The call waits for
 * its end until `deadline` (0: no wait). If the generator has not ended by then, its memory is freed at its end. Null
 * is a no-op and returns 0. Returns 0; -ETIMEDOUT, -ECANCELED: freed, but not ended yet; -EBUSY: not freed, as a task
 * is in sley_gen_next(); -EDEADLK: not freed, as called from within the generator; -EFAULT. Task, or any thread, which
 * then blocks; also after the end of the run.
 */
SLEY_API int sley_gen_free(struct sley_gen *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
