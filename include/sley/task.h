/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks: spawn, join, yield, sleep. */
#ifndef SLEY_TASK_H
#define SLEY_TASK_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* >0: a task's id (generation and index), as shown by asynctop; <0: a negative errno value */
typedef int64_t sley_task;

struct sley_task_options {
	size_t size;                /* sizeof(struct sley_task_options) */
	const char *name;           /* up to 16 bytes, copied; default: none, tools show the entry function */
	unsigned private_stack : 1; /* its own stack from the start: pointers into it are valid while the task lives */
	/* Runs on one worker for life: the spawner's, or worker 0 if spawned by a plain thread; never on a spare. */
	unsigned pinned : 1;
	unsigned detached : 1; /* cannot be joined: its id ends with it */
};

/*
 * Starts fn(arg) as a task. `arg` is passed on unchanged; it must not point into a copying stack (see sley.h). So do
 * not pass a large number, such as a task's id, in place of a pointer: it may look like such an address. Use
 * sley_spawn_copy() for it. Never waits. A task that has ended is alive until it is joined; if most of max_tasks are
 * such, a line on stderr says once where they were spawned. Any thread.
 *
 * Returns its id, valid until the task has been joined: join it, or use sley_go(); -EAGAIN: max_tasks are alive, or up
 * to 64 fewer for each other worker, which keeps that many entries in reserve; -ENOMEM; -EINVAL: fn is null; -EFAULT:
 * arg lies on a copying stack: use sley_spawn_copy(), or the heap.
 */
#define sley_spawn(fn, arg) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), SLEY_BY_POINTER)

/* As sley_spawn(), but the task is detached. Returns 0. Errors as of sley_spawn(). Any thread. */
#define sley_go(fn, arg) sley_go_at(SLEY_SITE(#fn), (fn), (arg))

/*
 * As sley_spawn(), but the task gets a copy of the n bytes at `arg`, aligned for any type. fn's argument points to the
 * copy on the task's own stack, which lives until fn returns. `arg` may lie anywhere. Returns its id. -E2BIG: n is
 * above a quarter of the stack size; -EINVAL: fn is null, or arg is null and n is not 0. Other errors as of
 * sley_spawn(). Any thread.
 */
#define sley_spawn_copy(fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), (n))

/* As sley_spawn_copy(), but the task is detached. Returns 0. Errors as of sley_spawn_copy(). Any thread. */
#define sley_go_copy(fn, arg, n) sley_go_copy_at(SLEY_SITE(#fn), (fn), (arg), (n))

/*
 * As sley_spawn() or sley_spawn_copy(), with options: n == SLEY_BY_POINTER passes `arg` unchanged, any other n copies n
 * bytes. Returns its id. -EINVAL: options->size is not the size in any release of sley; -ENOMEM also: no memory for a
 * private stack. Other errors as of sley_spawn() and sley_spawn_copy(). Any thread.
 */
#define sley_spawn_with(options, fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), (options), (fn), (arg), (n))

#define SLEY_BY_POINTER SLEY_CAST_(size_t, -1)

/*
 * The functions behind the macros, also for bindings of other languages. `site` must be static. Return what the macros
 * return. Errors as of sley_spawn_with() and sley_go(). Any thread.
 */
SLEY_API sley_task sley_spawn_at(struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
				 const void *arg, size_t n);
SLEY_API int sley_go_at(struct sley_site *site, void (*fn)(void *), void *arg);
SLEY_API int sley_go_copy_at(struct sley_site *site, void (*fn)(void *), const void *arg, size_t n);

/*
 * Waits until `task` has ended and releases its id. Returns 0; -ETIMEDOUT: it may be joined again; -ESRCH: no such
 * task: stale, or joined already; -EINVAL: it is detached, or another task is joining it; -EDEADLK: the calling task
 * itself. Task.
 */
SLEY_API int sley_join(sley_task task, sley_time deadline);

/* Gets the calling task's id. Returns it; 0 outside of tasks. Any thread. */
SLEY_API sley_task sley_self(void);

/* Names the calling task (up to 16 bytes, copied; null: none). Task, else no effect. */
SLEY_API void sley_set_name(const char *name);

/* Lets the other ready tasks run first. Task; elsewhere no effect. */
SLEY_API void sley_yield(void);

/* Parks the task until `until`. Returns 0; -EDEADLK: no task; -ETIMEDOUT: the task's own deadline came first. Task. */
SLEY_API int sley_sleep(sley_time until);

/*
 * As sley_sleep(), for libraries that wait on behalf of their caller: tools show `pc` as the place of the wait. Returns 0.
 * Task.
 */
SLEY_API int sley_sleep_at(sley_time until, const void *pc);

/*
 * Pins the calling task to its thread (1), or lets it move again (0). A pinned task continues on the same thread after
 * every wait, so what a library keeps in thread-locals stays valid; but it also waits until that thread is free. Returns
 * the previous value, so that sections nest:
 *     int old = sley_pin(1);
 *     ...
 *     sley_pin(old);
 * A task that was spawned with option `pinned` stays pinned: each call returns 1. Returns 0 or 1; -EDEADLK: no task.
 * Task.
 */
SLEY_API int sley_pin(int pinned);

/*
 * Cancels a task for good: its current wait and all later ones end with -ECANCELED. Work that needs no wait is still
 * done, so received data is never lost. A task that never waits has to call sley_cancelled(). Never waits itself.
 * Returns 0, also if the task was cancelled before or has ended; -ESRCH: no such task: stale, or joined. Any thread.
 */
SLEY_API int sley_cancel(sley_task task);

/*
 * Tells whether the calling task has been cancelled. Returns 1: it has, masked or not; 0: not cancelled, or no task.
 * Any thread.
 */
SLEY_API int sley_cancelled(void);

/*
 * Masks (1) or unmasks (0) cancellation for the calling task, for clean-up code. While masked, its waits are neither
 * cancelled nor ended by an inherited deadline; a cancellation during that time ends the first wait after it. Sections
 * nest:
 *     int old = sley_cancel_mask(1);
 *     ...
 *     sley_cancel_mask(old);
 * Returns the previous value, 0 or 1; -EDEADLK: no task. Task.
 */
SLEY_API int sley_cancel_mask(int masked);

#ifdef __cplusplus
}
#endif

#endif
