/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Timers: a time that tasks wait for, and that others may move meanwhile. For idle timeouts that each packet puts off,
 * for retries, and for ticks. A timer needs no task and calls nothing: whoever waits for it continues when it expires.
 *
 *     static struct sley_timer idle;
 *     sley_timer_start(&idle, sley_in(SLEY_SEC(30)), 0); // again with each packet: that wakes nobody
 *     ...
 *     if (sley_timer_wait(&idle, SLEY_NEVER) == 0)
 *         close_the_session();
 *
 * A single wait that nobody moves needs none: its deadline, or sley_sleep(), is enough.
 *
 * The object is embedded in memory of the user, as those of sley/sync.h are, and the same holds for it: zero bytes are a
 * timer that does not run; it must not lie on a copying stack (-EFAULT); null is -EINVAL; it owns nothing, and its memory
 * may be freed when nobody waits for it or will call it again.
 */
#ifndef SLEY_TIMER_H
#define SLEY_TIMER_H

#include <sley/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sley_timer { /* fields are private */
	unsigned lock, running;
	sley_time due, interval;
	struct sley_waiters waiters;
};

#define SLEY_TIMER_INIT SLEY_ZERO_

/*
 * Starts the timer, or starts it anew: it expires at `first`, at once if that has passed, and then every `interval` ns; 0:
 * once. Whoever waits for it, waits for that from now on. An expiry that nobody has taken is dropped. To move a running
 * timer to a later time wakes nobody, and costs no more than the call. Never waits. Returns 0: it did not run; 1: it was
 * running; -EINVAL: null, or interval is negative; -EFAULT. Any thread.
 */
SLEY_API int sley_timer_start(struct sley_timer *, sley_time first, sley_time interval);

/*
 * Stops the timer. Its waiters wait on, until it is started again and expires. An expiry that nobody has taken is
 * dropped. Returns 1: it was running, and will not expire; 0: it did not run, or it was to expire once and somebody has
 * taken that; -EINVAL: null; -EFAULT. Any thread.
 */
SLEY_API int sley_timer_stop(struct sley_timer *);

/*
 * Waits until the timer expires, and takes the expiry: of several waiters, one gets it. A timer that expires once does
 * not run any more then. Of one with an interval a late caller gets the latest expiry at once; those before it are
 * dropped, and the later ones keep their rhythm, as with sley_stream_ticker(). The deadline 0 asks without waiting. In a
 * list of things to wait for: sley_select(). Returns 0; -ETIMEDOUT; -EINVAL: null; -EFAULT. Task, or any thread, which
 * then blocks.
 */
SLEY_API int sley_timer_wait(struct sley_timer *, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
