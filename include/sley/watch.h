/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Values that many watch: a configuration, a state, a progress. A watch holds the latest value alone. Who reads it again
 * after several changes sees the last one. For each change to be seen, use sley/broadcast.h.
 *
 *     uint64_t seen = 0;                     // nothing yet: the first call returns the present value
 *     while (sley_watch_next(watch, &config, &seen, SLEY_NEVER) == 0)
 *         apply(&config);                    // again after each change, until the watch is closed
 *
 * Common errors: -EINVAL: a null watch; -EFAULT.
 */
#ifndef SLEY_WATCH_H
#define SLEY_WATCH_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque; on the heap. */
struct sley_watch;

/*
 * Makes a watch of a value of `item` bytes, up to 64 KiB; 0 is legal, for a signal. Its first value is a copy of that at
 * `value`. Returns 0; -EINVAL: null, a null value of some bytes, or a larger item; -ENOMEM. Any thread, also outside of
 * sley_run().
 */
SLEY_API int sley_watch_new(struct sley_watch **, size_t item, const void *value);

/*
 * Frees a watch, also right after it was closed. Null is a no-op and returns 0. A call on the watch that has yet to begin
 * is not detected. Returns 0; -EBUSY: not freed, as a caller waits on it, or has yet to return from a wait that a change,
 * its deadline or a cancellation ended. Any thread, also outside of sley_run().
 */
SLEY_API int sley_watch_free(struct sley_watch *);

/*
 * Replaces the value by a copy of that at `value`, also by an equal one, and wakes all who wait for a change. Never waits.
 * Returns 0; -EPIPE: the watch is closed; -EINVAL also: a null value of some bytes. Any thread.
 */
SLEY_API int sley_watch_set(struct sley_watch *, const void *value);

/*
 * Gets the present value, and in *seen its version, which may be null. A closed watch keeps its last value. Returns 0;
 * -EINVAL also: null `value`, unless values have no bytes. Any thread.
 */
SLEY_API int sley_watch_get(struct sley_watch *, void *value, uint64_t *seen);

/*
 * Waits until the version of the value is not *seen, gets the value, and stores its version in *seen. 0 is no value's
 * version. Returns 0; -EPIPE: *seen is the version of the last value, and the watch is closed; -ETIMEDOUT; -EINVAL also:
 * null `seen`, or null `value`, unless values have no bytes. Task, or any thread, which then blocks.
 */
SLEY_API int sley_watch_next(struct sley_watch *, void *value, uint64_t *seen, sley_time deadline);

/* Closes the watch: its value changes no more. Wakes all waiters. Returns 0; -EPIPE: closed already. Any thread. */
SLEY_API int sley_watch_close(struct sley_watch *);

#ifdef __cplusplus
}
#endif

#endif
