/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures: a value that will be there later, or the error because of which it never will.
 *
 * A future is pending until it is completed, once: resolved with a value, or rejected with a negative errno value. A
 * function that runs as a task completes it (sley_async), or whoever holds the promise (sley_promise_new), or other
 * futures do (then, all, any ...). The value is a block of bytes whose size is fixed when the future is made. It lives
 * off the stack; who awaits it gets a copy.
 *
 * Ownership. A call that stores a future in `*future` gives the caller a handle on it, to be freed with
 * sley_future_free() when the caller wants to know no more. No call takes a handle over: a future that was given to
 * then(), all(), ... may be freed right afterwards, or awaited, or given to others too. Any number of tasks and threads
 * may await one future; all get the value. Two owners have a handle each (sley_future_ref()). A handle must not be
 * freed while another call that was given it has yet to begin; a call that waits already is safe.
 *
 * Freeing the last handle detaches: the function runs on, and what it returns is thrown away. To stop it, cancel first.
 * Futures made by all, any, race and timeout have no effect of their own: with their last handle they are gone at once.
 *
 * Functions and callbacks run as tasks, each started when it can begin, so they may wait; they return 0, having stored
 * the value in `*result`, or the error. Positive values are a mistake and reject with -EINVAL. `result` is off the
 * stack and zeroed. A callback must not be the owner of what `arg` points to: it never runs if its future is cancelled
 * before, or (map, and_then) if the source is rejected, or if no task can be had for it, which rejects its future with
 * -EAGAIN or -ENOMEM. The function of sley_async() always runs. What a function has left to do when it returns (open
 * scopes, cleanups, see sley/local.h) is done before its future is complete.
 *
 * The argument is n bytes that are copied, off the stack, aligned for any type, and live until the function returns;
 * `arg` may lie anywhere then. Or, with n == SLEY_BY_POINTER, it is `arg` itself, which must not point into a copying
 * stack (-EFAULT).
 *
 * When a run is over, its futures stay as they are: those that are complete can still be awaited, and all can be freed.
 * Everything else answers -ENOTCONN, in a later run too. What abandoned tasks held handles on is lost.
 *
 * Common errors: -EINVAL: a null future, or sizes that do not match; -ENOMEM; -EOVERFLOW: sizes; -EFAULT; -ENOTCONN.
 * The calls are for any thread but where they say otherwise.
 */
#ifndef SLEY_FUTURE_H
#define SLEY_FUTURE_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque; on the heap. */
struct sley_future;
struct sley_promise;

/* ---- functions as futures ---- */

/*
 * Runs int fn(void *arg, void *result) as a task, and stores in `*future` the future of its result of `size` bytes.
 * Never waits. A macro, as it records its place in the source. 0; -EAGAIN: max_tasks are alive.
 */
#define sley_async(future, fn, arg, n, size) sley_async_at(SLEY_SITE(#fn), (future), (fn), (arg), (n), (size))

SLEY_API int sley_async_at(struct sley_site *site, struct sley_future **future, int (*fn)(void *arg, void *result),
			   const void *arg, size_t n, size_t size);

/* ---- waiting for them ---- */

/*
 * Waits until the future is complete. 0: it is resolved, and its value was copied to `result` (null: not wanted); the
 * error that it was rejected with; -ETIMEDOUT. Whether an error is the future's or this call's own wait that ended,
 * sley_future_ready() tells. Task, or any thread, which then blocks.
 */
SLEY_API int sley_await(struct sley_future *, void *result, sley_time deadline);

/* 1: it is complete, and sley_await() will not wait; 0: it is pending. */
SLEY_API int sley_future_ready(const struct sley_future *);

/*
 * Rejects it with -ECANCELED, unless it is complete already. The task behind it, if there is one, is cancelled
 * (sley_cancel()): it may still run for a while, to clean up, and what it returns is thrown away. A callback that has
 * not begun never will. Futures that it was made from go on: they belong to others. 0; -EALREADY: it was complete, or
 * is just being completed by another thread.
 */
SLEY_API int sley_future_cancel(struct sley_future *);

/* One more handle on the same future, for another owner: `future`. */
SLEY_API struct sley_future *sley_future_ref(struct sley_future *future);

/* Gives the handle back; see Ownership. Null is 0. Also outside of sley_run(). 0; -EFAULT. */
SLEY_API int sley_future_free(struct sley_future *);

/* ---- promises ---- */

/*
 * A future of `size` bytes that the holder of the promise completes, from any thread. The promise has one owner, who
 * frees it with sley_promise_free(), before or after the future.
 */
SLEY_API int sley_promise_new(struct sley_promise **, struct sley_future **, size_t size);

/*
 * Completes the future, with a copy of the value (null if its size is 0) or with a negative error. Never waits, and
 * runs no callback itself. 0; -EALREADY: it is complete already, or just being completed, or was cancelled: unchanged;
 * -EINVAL: a null value although the size is not 0, or an error that is not negative.
 */
SLEY_API int sley_promise_resolve(struct sley_promise *, const void *value);
SLEY_API int sley_promise_reject(struct sley_promise *, int error);

/* One more handle on the same promise, for another owner who may complete it: `promise`. */
SLEY_API struct sley_promise *sley_promise_ref(struct sley_promise *promise);

/*
 * Gives the promise back. If it was the last handle and nobody has completed the future, that is rejected with
 * -EOWNERDEAD. Null is 0. Also outside of sley_run(). 0; -EFAULT.
 */
SLEY_API int sley_promise_free(struct sley_promise *);

/* ---- one after the other ---- */

/*
 * When `source` is complete, either way, int fn(void *arg, int error, const void *value, void *result) is run, with
 * `error` 0 and the source's value, or the source's error and null; `value` is good until it returns. `*future` is the
 * future of its result.
 */
#define sley_future_then(future, source, fn, arg, n, size) \
	sley_future_then_at(SLEY_SITE(#fn), (future), (source), (fn), (arg), (n), (size))

/*
 * When `source` is resolved, int fn(void *arg, const void *value, void *result) is run on its value. If the source is
 * rejected, so is `*future`, with the same error.
 */
#define sley_future_map(future, source, fn, arg, n, size) \
	sley_future_map_at(SLEY_SITE(#fn), (future), (source), (fn), (arg), (n), (size))

/*
 * As map, but int fn(void *arg, const void *value, struct sley_future **next) does not return a result but the future
 * of one, of `size` bytes, which `*future` is completed with in turn. The handle in `*next` is taken over, if fn
 * returns 0. Cancelling `*future` cancels the next one as well, unless somebody else has a handle on it.
 */
#define sley_future_and_then(future, source, fn, arg, n, size) \
	sley_future_and_then_at(SLEY_SITE(#fn), (future), (source), (fn), (arg), (n), (size))

SLEY_API int sley_future_then_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
				 int (*fn)(void *arg, int error, const void *value, void *result), const void *arg,
				 size_t n, size_t size);
SLEY_API int sley_future_map_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
				int (*fn)(void *arg, const void *value, void *result), const void *arg, size_t n,
				size_t size);
SLEY_API int sley_future_and_then_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
				     int (*fn)(void *arg, const void *value, struct sley_future **next),
				     const void *arg, size_t n, size_t size);

/* ---- several at once ---- */

/*
 * Of n futures:
 *   all   is resolved when all are, with their values one after the other without padding (an array, if they are of one
 *         type); it is rejected as soon as one is, with its error. n may be 0.
 *   any   is resolved as soon as one is, with its value; it is rejected when all are, with the error of the last.
 *   race  is completed as soon as one is, either way, in the same way.
 * If several are complete when the call is made, the first of them counts. For any and race n is at least 1 and all
 * values are of one size. The others go on: they are the caller's, to await or to cancel. A future may be among them
 * twice.
 */
SLEY_API int sley_future_all(struct sley_future **, struct sley_future *const *futures, size_t n);
SLEY_API int sley_future_any(struct sley_future **, struct sley_future *const *futures, size_t n);
SLEY_API int sley_future_race(struct sley_future **, struct sley_future *const *futures, size_t n);

/*
 * The index of the future that has decided an any or a race, or has rejected an all. -EAGAIN: it is pending; -EINVAL:
 * it is of another kind, an all that was resolved, or was cancelled.
 */
SLEY_API int64_t sley_future_which(const struct sley_future *);

/*
 * A future that is completed as `source` is, or at `deadline` rejected with -ETIMEDOUT; the source goes on then. If the
 * source is complete when the deadline has come, that counts. It has a task, which awaits the source. 0; -EAGAIN:
 * max_tasks are alive.
 */
#define sley_future_timeout(future, source, deadline) \
	sley_future_timeout_at(SLEY_SITE("sley_future_timeout"), (future), (source), (deadline))

SLEY_API int sley_future_timeout_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
				    sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
