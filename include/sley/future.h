/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures: a value that a task or thread provides later, or the error that replaces it.
 *
 * A future is pending until it is completed, once: resolved with a value, or rejected with a negative errno value. It
 * is completed by a function that runs as a task (sley_async), by a holder of its promise (sley_promise_new), or by
 * other futures (then, all, any ...). The value is a block of bytes; its size is fixed when the future is made. The
 * value lies off the stack, and each awaiting task or thread gets a copy.
 *
 * Ownership. A call that stores a future in `*future` gives the caller a handle. The caller frees the handle with
 * sley_future_free() when it no longer needs the result. No call takes a handle over: a future that was passed to
 * then(), all(), ... may be freed right afterwards, awaited, or passed to other calls. Any number of tasks and threads
 * may await one future; all get the value. Two owners need a handle each (sley_future_ref()). A handle must not be
 * freed before each call that was given it has begun. A call that waits already is safe.
 *
 * Freeing the last handle detaches the future: its function runs on, and the result is dropped. To stop the function,
 * cancel the future first. Futures made by all, any, race and timeout have no effect of their own: they vanish with
 * their last handle.
 *
 * Functions and callbacks run as tasks, so they may wait. Each is started when its input is ready. They return 0 after
 * they have stored the value in `*result`, or they return the error. A positive value is a mistake and rejects the
 * future with -EINVAL. `result` lies off the stack and is zeroed. A callback must not own the memory that `arg` points
 * to, as it may never run: if its future is cancelled first; if the source is rejected (map, and_then); or if no task
 * can be had for it, which rejects its future with -EAGAIN or -ENOMEM. The function of sley_async() always runs. When a
 * function returns, its open scopes and cleanups (see sley/local.h) are finished before its future is complete.
 *
 * The argument is n bytes. They are copied off the stack, aligned for any type, and live until the function returns.
 * `arg` may lie anywhere then. With n == SLEY_BY_POINTER, the argument is `arg` itself, which must not point into a
 * copying stack (-EFAULT).
 *
 * When a run is over, its futures stay as they are: complete ones can still be awaited, and all can be freed. Every
 * other call returns -ENOTCONN, in a later run too. Handles of abandoned tasks are lost.
 *
 * Common errors: -EINVAL: a null future, or sizes that do not match; -ENOMEM; -EOVERFLOW: sizes; -EFAULT; -ENOTCONN.
 * The calls are for any thread unless their comments say otherwise.
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
 * Runs int fn(void *arg, void *result) as a task. Stores in `*future` the future of its result of `size` bytes. Never
 * waits. A macro, to record its place in the source. Returns 0; -EAGAIN: max_tasks are alive.
 */
#define sley_async(future, fn, arg, n, size) sley_async_at(SLEY_SITE(#fn), (future), (fn), (arg), (n), (size))

SLEY_API int sley_async_at(struct sley_site *site, struct sley_future **future, int (*fn)(void *arg, void *result),
			   const void *arg, size_t n, size_t size);

/* ---- waiting for them ---- */

/*
 * Waits until the future is complete. Returns 0: it is resolved, and its value was copied to `result` (null: no copy);
 * the error that it was rejected with; -ETIMEDOUT. sley_future_ready() tells whether an error is the future's or the
 * end of this call's wait. Task, or any thread, which then blocks.
 */
SLEY_API int sley_await(struct sley_future *, void *result, sley_time deadline);

/* Tells whether the future is complete. Returns 1: it is, and sley_await() will not wait; 0: it is pending. */
SLEY_API int sley_future_ready(const struct sley_future *);

/*
 * Rejects a pending future with -ECANCELED. If a task produces its value, that task is cancelled (sley_cancel()): it
 * may run for a while to clean up, and its result is dropped. A callback that has not begun never runs. The futures
 * that this one was made from are not cancelled: they belong to others. Returns 0; -EALREADY: it was complete, or
 * another thread is completing it.
 */
SLEY_API int sley_future_cancel(struct sley_future *);

/* Makes one more handle on the same future, for another owner. Returns `future`. */
SLEY_API struct sley_future *sley_future_ref(struct sley_future *future);

/* Frees a handle; see Ownership. Null is a no-op and returns 0. Also outside of sley_run(). Returns 0; -EFAULT. */
SLEY_API int sley_future_free(struct sley_future *);

/* ---- promises ---- */

/*
 * Makes a future of `size` bytes and its promise. A holder of the promise completes the future, from any thread. The
 * promise has one owner, which frees it with sley_promise_free(), before or after the future. Returns 0.
 */
SLEY_API int sley_promise_new(struct sley_promise **, struct sley_future **, size_t size);

/*
 * Complete the future: with a copy of the value (null if its size is 0), or with a negative error. They never wait, and
 * run no callback themselves. Return 0; -EALREADY: unchanged, as the future is complete or cancelled, or another thread
 * is completing it; -EINVAL: a null value although the size is not 0, or an error that is not negative.
 */
SLEY_API int sley_promise_resolve(struct sley_promise *, const void *value);
SLEY_API int sley_promise_reject(struct sley_promise *, int error);

/* Makes one more handle on the same promise, for another owner that may complete it. Returns `promise`. */
SLEY_API struct sley_promise *sley_promise_ref(struct sley_promise *promise);

/*
 * Frees a handle. If it is the last one and the future is still pending, the future is rejected with -EOWNERDEAD. Null
 * is a no-op and returns 0. Also outside of sley_run(). Returns 0; -EFAULT.
 */
SLEY_API int sley_promise_free(struct sley_promise *);

/* ---- one after the other ---- */

/*
 * Runs int fn(void *arg, int error, const void *value, void *result) when `source` is resolved or rejected. If it is
 * resolved, `error` is 0 and `value` is its value, valid until fn returns. If it is rejected, `error` is its error and
 * `value` is null. `*future` is the future of fn's result. Returns 0.
 */
#define sley_future_then(future, source, fn, arg, n, size) \
	sley_future_then_at(SLEY_SITE(#fn), (future), (source), (fn), (arg), (n), (size))

/*
 * Runs int fn(void *arg, const void *value, void *result) on the value of `source` when it is resolved. If the source
 * is rejected, `*future` is rejected with the same error. Returns 0.
 */
#define sley_future_map(future, source, fn, arg, n, size) \
	sley_future_map_at(SLEY_SITE(#fn), (future), (source), (fn), (arg), (n), (size))

/*
 * As map, but fn stores a future of the result instead of the result: int fn(void *arg, const void *value, struct
 * sley_future **next). The result has `size` bytes, and completes `*future` in turn. If fn returns 0, the call takes
 * over the handle in `*next`. A cancellation of `*future` also cancels the next one, unless there is another handle on
 * it. Returns 0.
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
 * Combine n futures:
 *     all    Resolved when all are resolved, with their values one after the other without padding (an array, if they
 *            have one type). Rejected as soon as one is rejected, with its error. n may be 0.
 *     any    Resolved as soon as one is resolved, with its value. Rejected when all are rejected, with the last error.
 *     race   Completed as soon as one is completed, with its value or its error.
 * If several are complete when the call is made, the first of them in the array counts. For any and race n is at least
 * 1 and all values have one size. The other futures continue: they are the caller's, to await or to cancel. A future
 * may be in the array twice. Return 0.
 */
SLEY_API int sley_future_all(struct sley_future **, struct sley_future *const *futures, size_t n);
SLEY_API int sley_future_any(struct sley_future **, struct sley_future *const *futures, size_t n);
SLEY_API int sley_future_race(struct sley_future **, struct sley_future *const *futures, size_t n);

/*
 * Tells which future decided an any or a race, or rejected an all. Returns its index. -EAGAIN: pending; -EINVAL: a
 * future of another kind, a resolved all, or a cancelled future.
 */
SLEY_API int64_t sley_future_which(const struct sley_future *);

/*
 * Makes a future that is completed as `source` is, or rejected with -ETIMEDOUT at `deadline`. After the deadline the
 * source continues. If the source is complete at the deadline, its result counts. A task of this future awaits the
 * source. Returns 0; -EAGAIN: max_tasks are alive.
 */
#define sley_future_timeout(future, source, deadline) \
	sley_future_timeout_at(SLEY_SITE("sley_future_timeout"), (future), (source), (deadline))

SLEY_API int sley_future_timeout_at(struct sley_site *site, struct sley_future **future, struct sley_future *source,
				    sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
