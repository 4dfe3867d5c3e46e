/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Structured concurrency: a scope holds tasks, its children, and ends after them.
 *
 *     struct sley_scope *scope;
 *     if (sley_scope_open(&scope, NULL) != 0) ...
 *     for (int i = 0; i < n; i++)
 *             sley_scope_spawn_copy(scope, fetch, &requests[i], sizeof(requests[i]));
 *     int error = sley_scope_close(scope, sley_in(SLEY_MS(200)));   // 0, or the first error
 *
 * A scope belongs to the task that opened it, its owner. Only the owner waits for its children and closes it. A child
 * is a function with a result: 0 or more, or a negative errno value on failure. The first failure cancels the other
 * children, and is the result of the scope. No call leaves a child behind: if the time of a wait is over, or the
 * waiting task was cancelled, the children are cancelled, and the call still waits for their ends, masked.
 *
 * Cancellation goes down the tree of scopes. A cancelled child passes the cancellation on to the children of its open
 * scopes as soon as it waits for them, spawns into them, or ends. Until it does one of these, or while it masks the
 * cancellation, its own children continue: it may need them for its clean-up.
 *
 * Deadlines go down, too: when the scope's deadline has come, every wait of a child ends with -ETIMEDOUT (or with
 * -ECANCELED, once the owner has noticed), and so does every scope that the child opens. Tasks that a child starts
 * outside of scopes (sley_spawn()) inherit no deadline and no cancellation.
 *
 * If a scope is still open when its owner's function returns, the runtime closes it: it cancels the children and waits
 * for them, before others learn of the owner's end. This happens in the order of the owner's cleanups (sley/local.h).
 *
 * A scope pointer into a copying stack returns -EFAULT: sley_scope_open() did not make it.
 */
#ifndef SLEY_SCOPE_H
#define SLEY_SCOPE_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sley_scope;
struct sley_child;

/* The children that supervision restarts when one has failed. */
enum sley_restart {
	SLEY_RESTART_NONE, /* none: a failure ends the scope */
	SLEY_RESTART_ONE,  /* the failed child */
	SLEY_RESTART_ALL,  /* all children */
	SLEY_RESTART_REST, /* the failed child and those that were spawned after it */
};

struct sley_scope_options {
	size_t size;             /* sizeof(struct sley_scope_options) */
	sley_time deadline;      /* of the children; default: only the deadline that the opening task inherited */
	unsigned keep_going : 1; /* a failure does not cancel the other children */
	/* supervision, see below */
	unsigned restart : 2; /* enum sley_restart */
	unsigned restarts;    /* restarts allowed within the time `within`, up to 1024; default 3 */
	sley_time within;     /* ns; default 5 s; SLEY_NEVER: the whole life of the scope */
};

/*
 * Opens a scope for the calling task. `options` may be null. Only its children use its memory, some 160 bytes each in
 * addition to the task. Returns 0; -EINVAL: null, options->size is not the size in any release of sley, or another
 * option is out of range; -ENOMEM. Task.
 */
SLEY_API int sley_scope_open(struct sley_scope **, const struct sley_scope_options *);

struct sley_child_options {
	size_t size;                          /* sizeof(struct sley_child_options) */
	const struct sley_task_options *task; /* as for sley_spawn_with(); `detached` has no meaning here */
	struct sley_child **child;            /* receives a handle, valid until the scope is closed; null: no handle */
	unsigned copy_back : 1; /* keep fn's changes to its block for sley_child_result(); needs `child` */
	unsigned always : 1;    /* supervision: restart the child after every end */
};

/*
 * Starts fn as a child of the scope. Returns the task's id, for sley_cancel() and similar calls; the task cannot be
 * joined. The argument is passed as by sley_spawn(), sley_spawn_copy() and sley_spawn_with(), respectively. Never
 * waits. It may be called by the owner, by the scope's children, by tasks that these start and wait for, and by any
 * thread that knows that the scope is open.
 *
 * Errors as of sley_spawn_with(); -ECANCELED: the scope is cancelled, possibly by an earlier child's
 * failure, which is the scope's result; or its owner is cancelled and not masked, which cancels the scope; -EINVAL: the
 * scope or fn is null, the size of an options struct is not the size in any release of sley, or copy_back without
 * `child`, with SLEY_BY_POINTER, or in a scope that restarts; -E2BIG also: n is above 16 KiB and the block has to be
 * kept, for copy_back or a restart.
 */
#define sley_scope_spawn(scope, fn, arg) \
	sley_scope_spawn_at(SLEY_SITE(#fn), (scope), NULL, (fn), (arg), SLEY_BY_POINTER)
#define sley_scope_spawn_copy(scope, fn, arg, n) sley_scope_spawn_at(SLEY_SITE(#fn), (scope), NULL, (fn), (arg), (n))
#define sley_scope_spawn_with(scope, options, fn, arg, n) \
	sley_scope_spawn_at(SLEY_SITE(#fn), (scope), (options), (fn), (arg), (n))

SLEY_API sley_task sley_scope_spawn_at(struct sley_site *site, struct sley_scope *, const struct sley_child_options *,
				       int (*fn)(void *), const void *arg, size_t n);

/*
 * Waits until the scope has no children, including children spawned during the wait. If the deadline passes (also the
 * scope's or the calling task's own deadline), or the task is cancelled, the call cancels the scope and waits on,
 * masked, for the ends of all children. Unless the scope was cancelled, it may get further children afterwards. For the
 * owner.
 *
 * Returns the scope's result: 0, or the first of: a child's negative result, -ECANCELED (the scope or its owner was
 * cancelled), -ETIMEDOUT, or a failure of supervision. A result that is not 0 does not change any more. -EINVAL: the
 * scope is null; -EPERM: the task is not its owner.
 */
SLEY_API int sley_scope_wait(struct sley_scope *, sley_time deadline);

#define SLEY_CHILDREN_LEFT 1 /* a result of sley_scope_wait_until() */

/*
 * As sley_scope_wait(), but when `until` has come, nothing is cancelled and nothing has failed: the call may be repeated.
 * With 0 it only looks. The scope's own deadline, and a cancellation of the calling task, do what they do in
 * sley_scope_wait(). A restart that has begun is completed first. Returns the scope's result, 0 or an error; or
 * SLEY_CHILDREN_LEFT. Errors as of sley_scope_wait(). For the owner.
 */
SLEY_API int sley_scope_wait_until(struct sley_scope *, sley_time until);

/*
 * As sley_scope_wait(), and frees the scope and its handles. A deadline of 0 cancels the children at once. Returns the
 * scope's result. Errors as of sley_scope_wait(). For the owner.
 */
SLEY_API int sley_scope_close(struct sley_scope *, sley_time deadline);

/*
 * Cancels the scope for good: its children, as by sley_cancel(), and all children spawned later. The time is
 * proportional to their number, but the call never waits. The owner continues. Callable as sley_scope_spawn(). Returns
 * 0, also if it was cancelled before; -EINVAL: the scope is null.
 */
SLEY_API int sley_scope_cancel(struct sley_scope *);

/*
 * Gets the result of a child that has ended. If `block` is not null, it receives the n bytes of the child's block. n
 * must be as at the spawn, and option copy_back set. Callable as sley_scope_spawn(). Returns 0; -EAGAIN: the child has
 * not ended; -EINVAL: a null, another n, or no copy_back.
 */
SLEY_API int sley_child_result(struct sley_child *, int *result, void *block, size_t n);

/*
 * Gets the id of the child's current task. A restart changes it. Returns it. -ESRCH: the child has ended; -EINVAL:
 * null. Callable as sley_scope_spawn().
 */
SLEY_API sley_task sley_child_task(struct sley_child *);

/*
 * Gets the deadline of all waits of the calling task. Returns that of its scope; SLEY_NEVER: no deadline, or no task.
 * Any thread.
 */
SLEY_API sley_time sley_deadline(void);

/*
 * Supervision, after Erlang's. If a child of a scope with option `restart` fails, the scope does not end but starts the
 * child again: from the beginning, with its original argument, options and block. A child that returned 0 or more is
 * finished and is not restarted, unless its option `always` is set. SLEY_RESTART_ALL and SLEY_RESTART_REST first cancel
 * the others (the later ones) that have not ended, and wait for their ends. Then they start these and the failed ones,
 * in the order of their first spawn. A child that was cancelled for this is restarted whatever it returns.
 *
 * Supervision makes at most `restarts` restarts `within` a time; the restart of several children at once counts as one.
 * If one more is needed, the scope ends: the other children are cancelled, and the result is -ELOOP. The scope also
 * ends with the error of a spawn that fails, and when it is cancelled or its deadline has passed; then no child is
 * started again.
 *
 * The owner does all this in sley_scope_wait() and sley_scope_close(): a child that fails earlier is restarted only
 * when the owner waits. Every child of such a scope is kept until the scope is closed. So a task per request belongs
 * into another scope, opened by a child of this one.
 */

#ifdef __cplusplus
}
#endif

#endif
