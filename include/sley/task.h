/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks: spawn, join, yield, sleep. */
#ifndef SLEY_TASK_H
#define SLEY_TASK_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* >0: a task's id (generation and index), the one that asynctop prints; <0: a negative errno value. */
typedef int64_t sley_task;

struct sley_task_options {
	size_t size;                /* sizeof(struct sley_task_options) */
	const char *name;           /* up to 16 bytes, copied; default: none, tools show the entry function */
	unsigned private_stack : 1; /* a stack of its own, at once: pointers into it stay good while the task lives */
	unsigned pinned : 1; /* runs on one worker for life: the spawner's, or worker 0 if spawned by a plain thread */
	unsigned detached : 1; /* nobody will join it: its id ends with it */
};

/*
 * Starts fn(arg) as a task and returns its id. The id stays valid until the task has been joined: join it, or use
 * sley_go(). `arg` is handed on as it is; it must not point into a copying stack (see above). So do not hand on a large
 * number in place of a pointer, such as a task's id, which may look like such an address: spawn_copy is for those.
 * Never waits. Any thread.
 *
 * -EAGAIN: max_tasks are alive, or up to 64 fewer for each other worker, which keeps as many entries at hand. One that
 * has ended is alive until it is joined: if most are such, a line on stderr says once where they were spawned;
 * -ENOMEM; -EINVAL: fn is null; -EFAULT: arg lies on a copying stack: spawn_copy, or heap.
 */
#define sley_spawn(fn, arg) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), SLEY_BY_POINTER)

/* As sley_spawn(), and the task is detached. Returns 0, or the error. */
#define sley_go(fn, arg) sley_go_at(SLEY_SITE(#fn), (fn), (arg))

/*
 * As sley_spawn(), but the task gets a copy of the n bytes at `arg`, aligned for any type: fn's argument points to them
 * on the task's own stack, and they live until fn returns. `arg` may lie anywhere. n at most a quarter of the stack
 * size, else -E2BIG. -EINVAL also: arg is null and n is not 0.
 */
#define sley_spawn_copy(fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), (n))

/*
 * Either of them with options: n == SLEY_BY_POINTER hands `arg` on as it is, any other n copies n bytes.
 * -EINVAL: options->size is not one that a release of sley had. -ENOMEM also: no memory for a private stack.
 */
#define sley_spawn_with(options, fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), (options), (fn), (arg), (n))

#define SLEY_BY_POINTER SLEY_CAST_(size_t, -1)

/* What the macros call. For bindings of other languages: `site` must be static. */
SLEY_API sley_task sley_spawn_at(struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
				 const void *arg, size_t n);
SLEY_API int sley_go_at(struct sley_site *site, void (*fn)(void *), void *arg);

/*
 * Waits until `task` has ended and releases its id. Task.
 * 0; -ETIMEDOUT: it may be joined again; -ESRCH: no such task: stale, or joined already; -EINVAL: it is detached, or
 * another task is joining it; -EDEADLK: itself.
 */
SLEY_API int sley_join(sley_task task, sley_time deadline);

/* The calling task's id; 0 outside of tasks. Any thread. */
SLEY_API sley_task sley_self(void);

/* Names the calling task (up to 16 bytes, copied; null: none). Task, else no effect. */
SLEY_API void sley_set_name(const char *name);

/* Lets the other ready tasks run first. Task; elsewhere no effect. */
SLEY_API void sley_yield(void);

/* Parks the task until the time has come. 0; -EDEADLK outside of a task; -ETIMEDOUT: the task's own deadline came first. */
SLEY_API int sley_sleep(sley_time until);

/*
 * Cancels a task, for good: the wait that it is in, and all that it begins from now on, end with -ECANCELED. What it
 * can do without waiting it still does, so nothing that was received is lost; a task that never waits asks
 * sley_cancelled(). Never waits itself. Any thread. 0, also if it was cancelled before or has ended; -ESRCH: no such
 * task: stale, or joined.
 */
SLEY_API int sley_cancel(sley_task task);

/* 1: the calling task has been cancelled, masked or not; 0: not, or no task. Any thread. */
SLEY_API int sley_cancelled(void);

/*
 * While masked, the calling task's waits are neither cancelled nor ended by a deadline that it inherited; a
 * cancellation that comes meanwhile ends the first wait after it. For cleaning up. Returns what was before, so that
 * sections nest:
 *     int old = sley_cancel_mask(1);
 *     ...
 *     sley_cancel_mask(old);
 * 0 or 1; -EDEADLK: no task. Task.
 */
SLEY_API int sley_cancel_mask(int masked);

#ifdef __cplusplus
}
#endif

#endif
