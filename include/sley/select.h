/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Select: waits for the first of several things, of any kinds, in one list.
 *
 *     struct sley_case cases[] = {
 *         { .event = &stop, .op = SLEY_EVENT },
 *         { .chan = jobs, .op = SLEY_RECV, .into = &job },
 *         { .fd = control, .op = SLEY_READABLE },
 *         { .time = sley_in(SLEY_SEC(5)), .op = SLEY_AT },
 *     };
 *     switch (sley_select(cases, 4, SLEY_NEVER)) { ... }
 *
 * Exactly one case is chosen, and it alone has its effect: no item is sent or received, no permit taken, no task joined, and
 * no expiry of a timer taken by the others.
 *
 * A case whose object is null, whose task is 0, whose descriptor is negative, or whose time is SLEY_NEVER is never ready: it
 * is switched off. An object may be in several cases. The objects (channels, events, semaphores, timers) must live until
 * the call has returned, also when another case was chosen: the call looks at each of them once more. sley_chan_free() and
 * the futures see to that themselves.
 *
 * A list of nothing but channels costs least. Descriptors are asked with one poll(2) for all of them in each turn.
 */
#ifndef SLEY_SELECT_H
#define SLEY_SELECT_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sley_op {
	SLEY_RECV,     /* receives an item from `chan` into `into` */
	SLEY_SEND,     /* sends the item at `from` to `chan` */
	SLEY_AWAIT,    /* `future` is complete: its value is copied to `into`; null: no copy */
	SLEY_EVENT,    /* `event` is set */
	SLEY_ACQUIRE,  /* takes `permits` of `sem`, at least 1, as sley_sem_acquire() */
	SLEY_TIMER,    /* `timer` expires, and the expiry is taken, as by sley_timer_wait() */
	SLEY_AT,       /* `time` has come */
	SLEY_JOIN,     /* `task` has ended, and is joined, as by sley_join() */
	SLEY_READABLE, /* `fd` is ready, as sley_poll() says */
	SLEY_WRITABLE,
};

struct sley_chan;
struct sley_event;
struct sley_future;
struct sley_sem;
struct sley_timer;

/* One case of a select. What `into` and `from` point to belongs to the caller and may lie on its stack. */
struct sley_case {
	__extension__ union { /* by `op` */
		struct sley_chan *chan;
		struct sley_future *future;
		struct sley_event *event;
		struct sley_sem *sem;
		struct sley_timer *timer;
		sley_time time;
		sley_task task;
		int fd;
	};
	int op; /* enum sley_op */
	/*
	 * Set in the chosen case: 0, or what the call for this case alone would have returned without a wait. -EPIPE: the
	 * channel is closed; the error of the future; -ESRCH, -EINVAL, -EDEADLK of sley_join(); -EBADF: the descriptor is not
	 * open, or was closed; -EBUSY: another task waits for it; -ENOTCONN: the future is of an earlier run
	 */
	int error;
	__extension__ union {
		void *into;       /* SLEY_RECV, SLEY_AWAIT */
		const void *from; /* SLEY_SEND: copied at the beginning of each wait of the call */
		int64_t permits;  /* SLEY_ACQUIRE */
	};
};

/*
 * Does one of n operations: the first that can be done. If several can be done, each is equally likely. A channel may
 * be in several cases; a select never meets itself. With n == 0, or with cases alone that are switched off, it waits for
 * the deadline. Task, or any thread, which then blocks; descriptors and tasks to be joined are for tasks alone. Returns the
 * index of the chosen case, whose `error` is its result; -ETIMEDOUT; -EINVAL: n is negative or above 65,535, null `cases`,
 * an unknown op, or permits below 1; -ENOMEM; -EFAULT: an object on a copying stack, or a null item; -EDEADLK: a plain
 * thread's call with a descriptor or a task; -ENOTCONN: a plain thread's call, and the run is over.
 */
SLEY_API int sley_select(struct sley_case *cases, int n, sley_time deadline);

/*
 * As sley_select(), but without waiting (Go's default case). Returns the index of the chosen case. -EAGAIN: no case can
 * be done. Errors as of sley_select(). Any thread.
 */
SLEY_API int sley_try_select(struct sley_case *cases, int n);

/*
 * As sley_select() and sley_try_select(), but of several cases that can be done when the call begins, the first in the
 * list is done: "stop" before "more work". Of those that can be done only later, it is the first that comes. A case that
 * is always ready keeps the cases behind it from their turn for ever. Return the index of the chosen case. Errors as of
 * sley_select(). -EAGAIN: of the second, as of sley_try_select(). Task, or any thread, as sley_select().
 */
SLEY_API int sley_select_ordered(struct sley_case *cases, int n, sley_time deadline);
SLEY_API int sley_try_select_ordered(struct sley_case *cases, int n);

#ifdef __cplusplus
}
#endif

#endif
