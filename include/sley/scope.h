/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Structured concurrency: a scope holds tasks, its children, and ends after them.
 *
 *     struct sley_scope *scope;
 *     if (sley_scope_open(&scope, NULL) != 0) ...
 *     for (int i = 0; i < n; i++)
 *             sley_scope_spawn_copy(scope, fetch, &requests[i], sizeof(requests[i]));
 *     int error = sley_scope_close(scope, sley_in(SLEY_MS(200)));   // 0, or what went wrong first
 *
 * A scope belongs to the task that opened it, which alone waits for its children, and closes it. A child is a function
 * with a result: 0 or more, or a negative errno value when it failed. The first failure cancels the other children, and
 * is what the scope answers. No call leaves a child behind: when the time of a wait is over, or the task that waits was
 * cancelled, the children are cancelled, and their ends waited for all the same, masked.
 *
 * Cancellation goes down the tree of scopes by itself: a child that is cancelled passes it on to the children of the
 * scopes that it has open as soon as it waits for them, spawns into them, or ends. A child that goes on without doing
 * any of that, or has masked it, keeps its own children as they are: it may need them for cleaning up.
 *
 * Deadlines go down, too: every wait of a child ends with -ETIMEDOUT when the scope's deadline has come (or -ECANCELED,
 * once the owner has found out), and so does every scope that it opens. Tasks that a child starts outside of scopes
 * (sley_spawn()) inherit nothing.
 *
 * A scope that is still open when its owner's function returns is closed by the runtime, its children cancelled and
 * waited for, before the owner's end is told to anybody: as the latest of its cleanups then (sley/local.h).
 *
 * A scope that lies on a copying stack is -EFAULT: it is none that sley_scope_open() has made.
 */
#ifndef SLEY_SCOPE_H
#define SLEY_SCOPE_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sley_scope;
struct sley_child;

/* Which children are started again when one of them has failed. */
enum sley_restart {
	SLEY_RESTART_NONE, /* none: a failure ends the scope */
	SLEY_RESTART_ONE,  /* it alone */
	SLEY_RESTART_ALL,  /* all */
	SLEY_RESTART_REST, /* it and those that were spawned after it */
};

struct sley_scope_options {
	size_t size;             /* sizeof(struct sley_scope_options) */
	sley_time deadline;      /* of the children; default: none but the one that the opening task inherited */
	unsigned keep_going : 1; /* a failure does not cancel the other children */
	/* supervision, see below */
	unsigned restart : 2; /* enum sley_restart */
	unsigned restarts;    /* so many ..., up to 1024; default 3 */
	sley_time within;     /* ... in so much time, ns; default 5 s; SLEY_NEVER: in all */
};

/*
 * Opens a scope for the calling task. `options` may be null. Its children are all that uses its memory, some 160 bytes
 * each beside the task. Task.
 * 0; -EINVAL: null, options->size is not one that a release of sley had, or another option is out of range; -ENOMEM.
 */
SLEY_API int sley_scope_open(struct sley_scope **, const struct sley_scope_options *);

struct sley_child_options {
	size_t size;                          /* sizeof(struct sley_child_options) */
	const struct sley_task_options *task; /* as for sley_spawn_with(); `detached` says nothing here */
	struct sley_child **child; /* receives a handle, good until the scope is closed; null: only the scope's answer
				    * tells of its result */
	unsigned copy_back : 1;    /* what fn leaves in its block is kept for sley_child_result(); needs `child` */
	unsigned always : 1;       /* supervision: it is started again however it ends */
};

/*
 * Starts fn as a child of the scope, and returns the task's id, for sley_cancel() and its kin; it cannot be joined. The
 * argument is handed over as by sley_spawn(), sley_spawn_copy() and sley_spawn_with(), of which these are the scope's.
 * Never waits. By the owner, by the scope's children and whatever they start and wait for, and by any thread that knows
 * that the scope is open.
 *
 * -ECANCELED: the scope is cancelled, by an earlier child's failure perhaps, which is for the scope's answer to tell;
 * or its owner is, not masked: then the scope is from here on; -EINVAL: the scope or fn is null, an options' size is
 * not one that a release of sley had, or copy_back without `child`, with SLEY_BY_POINTER, or in a scope that restarts;
 * -E2BIG also: n is above 16 KiB and the block is to be kept, for copy_back or to start again; and what
 * sley_spawn_with() answers.
 */
#define sley_scope_spawn(scope, fn, arg) \
	sley_scope_spawn_at(SLEY_SITE(#fn), (scope), NULL, (fn), (arg), SLEY_BY_POINTER)
#define sley_scope_spawn_copy(scope, fn, arg, n) sley_scope_spawn_at(SLEY_SITE(#fn), (scope), NULL, (fn), (arg), (n))
#define sley_scope_spawn_with(scope, options, fn, arg, n) \
	sley_scope_spawn_at(SLEY_SITE(#fn), (scope), (options), (fn), (arg), (n))

SLEY_API sley_task sley_scope_spawn_at(struct sley_site *site, struct sley_scope *, const struct sley_child_options *,
				       int (*fn)(void *), const void *arg, size_t n);

/*
 * Waits until the scope has no children any more, those included that are spawned meanwhile. If the deadline passes,
 * the scope's or the calling task's own included, or the task is cancelled, the scope is cancelled, and the call waits
 * on, masked, for the ends of all. Unless it was cancelled the scope may get further children afterwards. The owner.
 *
 * The scope's answer: 0, or what came first: a child's negative result, -ECANCELED (the scope or its owner was
 * cancelled), -ETIMEDOUT, or a failure of supervision. It stays the same then. -EINVAL: the scope is null; -EPERM: the
 * task is not its owner.
 */
SLEY_API int sley_scope_wait(struct sley_scope *, sley_time deadline);

/* The same, and the scope is no more, nor are its handles. To be rid of the children at once, deadline is 0. */
SLEY_API int sley_scope_close(struct sley_scope *, sley_time deadline);

/*
 * Cancels the scope for good: its children, as by sley_cancel(), and all that would be spawned into it. Takes time in
 * proportion to their number, but never waits. The owner goes on. By whoever may spawn into it. 0, also if it was
 * cancelled before; -EINVAL: it is null.
 */
SLEY_API int sley_scope_cancel(struct sley_scope *);

/*
 * The result of a child that has ended. `block`, if not null, receives the n bytes that it left in its block: n as it
 * was spawned with, and option copy_back. By whoever may spawn into the scope.
 * 0; -EAGAIN: it has not ended; -EINVAL: a null, or n or the option is another.
 */
SLEY_API int sley_child_result(struct sley_child *, int *result, void *block, size_t n);

/*
 * The id of the task that the child is now, which changes when it is started again. By whoever may spawn into the scope.
 * -ESRCH: it has ended; -EINVAL: null.
 */
SLEY_API sley_task sley_child_task(struct sley_child *);

/* The deadline that ends every wait of the calling task: its scope's; SLEY_NEVER: none, or no task. Any thread. */
SLEY_API sley_time sley_deadline(void);

/*
 * Supervision, after Erlang's. A scope with option `restart` does not end when a child fails, but starts it again: from
 * the start, with the argument and the options that it was spawned with, a block as it was then. A child that returned
 * 0 or more has done its work and stays ended, unless its option `always` is set. SLEY_RESTART_ALL and _REST cancel the
 * others (the later ones) that have not ended, wait for their ends, then start them and the failed ones in the order in
 * which they were first spawned: whatever a child that was cancelled so returns, it is started again.
 *
 * At most `restarts` restarts, each of one or of many, are made `within` a time. When one more is needed, the scope
 * ends: the others are cancelled, and it answers -ELOOP. It also ends with what a spawn answers that failed, and when
 * it is cancelled or its time is over; then nothing is started again.
 *
 * All this is done by the owner, in sley_scope_wait() and sley_scope_close(): a child that fails meanwhile waits for
 * its restart until the owner waits. What was spawned into such a scope is kept until it is closed, so a task for every
 * request belongs into another one, which a child of this one opens.
 */

#ifdef __cplusplus
}
#endif

#endif
