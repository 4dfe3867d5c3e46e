/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Work for other threads, and work from other threads.
 *
 * A function that blocks a thread (a library's synchronous call, a slow file system), or computes for long, delays the
 * other tasks of its worker. sley_offload() runs it on a thread of a pool while the task waits. There are three pools
 * with separate limits, so that one kind of work cannot keep out another:
 *     blocking    option offload_threads of sley_run(), default 256; also runs file calls and starts processes
 *     computing   compute_threads, default: the number of CPUs
 *     names       name_threads, default 256; see sley/name.h
 * Threads are started on demand and end after ten idle seconds. Each has a stack of 1 MiB.
 *
 * Offloaded functions run with the signal mask of all threads of the run: the mask of the thread that called
 * sley_run(), with option `signals` blocked in addition. So a program that such a function starts (system(3), popen(3),
 * fork(2)) can be ended like a program started by main(). A handler of the service may run on the thread and interrupt
 * its system calls (EINTR), as on any thread. A write to a pipe without a reader raises SIGPIPE. Signals in option
 * `signals` are never delivered there: they stay values (sley/signal.h). A function's changes to the mask end with it.
 * So do its changes to the floating-point control words, which are at first those of a new task. The runtime's own
 * calls on a pool (files, processes) have all signals blocked, and no handler interrupts them.
 *
 * In the other direction, sley_submit() runs a function as a task for any thread, and waits for it. An offloaded
 * function may call it too. Its task may offload in turn, to any depth. An offloaded function that waits in a call of
 * sley for a task leaves its place in the pool during the wait. Calls made by the task that it submitted run before
 * others, also when the queue is full. If all threads of the pool wait in this way, more threads are started for the
 * queued calls. So a pool never waits for itself, and it has more threads than its limit while some of them wait: the
 * limit counts only the threads that do not wait. A function that waits by other means (a pthread condition, a pipe)
 * for another call of its pool keeps its place. If as many such functions run as the pool has threads, they wait for
 * ever.
 */
#ifndef SLEY_OFFLOAD_H
#define SLEY_OFFLOAD_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest block. Pass a larger one by a pointer to the heap. */
#define SLEY_OFFLOAD_MAX (SLEY_CAST_(size_t, 1) << 20)

struct sley_offload_options {
	size_t size; /* sizeof(struct sley_offload_options) */
	/*
	 * Receives the block if the call fails, so that resources owned by the block are not lost. Called exactly once,
	 * and never when the call returns 0 or -EINVAL. If fn did not run, the calling task calls it, with the block as
	 * it was passed. If fn ran, the pool's thread calls it after fn, with the block as fn left it. For a task that
	 * was abandoned after its call was queued, sley_run()'s thread calls it at the end of the run. Null: the block
	 * owns nothing.
	 */
	void (*dropped)(void *block);
	unsigned cpu : 1; /* fn computes: use the pool for computing */
};

/*
 * Runs fn on a thread of the pool for blocking calls, and waits for its end. fn gets a copy of the n bytes at `block`,
 * aligned for any type. `block` may lie anywhere, and may be null if n is 0. fn's changes to the copy are copied back
 * before the call returns 0; on failure `block` is unchanged. fn may make the calls of sley that are for any thread. fn
 * must return: it cannot be stopped.
 *
 * A deadline or a cancellation ends the *call*. If fn has not begun, it never runs. If the deadline has passed before
 * the call, fn is not even queued. If fn is running, the call returns at once, and fn continues to its end with its own
 * copy of the block. So after -ETIMEDOUT or -ECANCELED fn may or may not have had its effect. If the block hands over a
 * resource (a buffer, a descriptor), use option `dropped` to learn when it is free. If fn ends at that moment, the call
 * succeeds.
 *
 * Each pool queues up to offload_queue calls (option, default 1024), oldest first. A call that finds the queue full
 * waits for a place in it. When sley_run()'s main has returned, queued calls never run, and sley_run() returns after
 * all running calls have ended.
 *
 * Returns 0; -ETIMEDOUT; -EINVAL: fn is null, or block is null and n is not 0; -E2BIG: n is above SLEY_OFFLOAD_MAX;
 * -ENOMEM; -EAGAIN: there is no thread, or all threads wait for tasks, and none can be started; -EDEADLK: from a plain
 * thread or an offloaded function, which can call fn itself. Task.
 */
SLEY_API int sley_offload(void (*fn)(void *block), void *block, size_t n, sley_time deadline);

/*
 * As sley_offload(), with options. Returns 0. Errors as of sley_offload(). -EINVAL also: options->size is not the size
 * in any release of sley. Task.
 */
SLEY_API int sley_offload_with(const struct sley_offload_options *options, void (*fn)(void *block), void *block,
			       size_t n, sley_time deadline);

/*
 * Runs fn as a task, blocks the calling thread, and waits for the end of fn. It lets a thread that runs no tasks (a
 * library's callback, an offloaded function) use the calls for tasks. fn gets a copy of the block, off the stack, which
 * lives until fn returns. fn's changes to the copy are copied back when the call returns 0.
 *
 * A deadline ends the call. If the task has not begun, fn never runs. Else the task is cancelled (sley_cancel()) and
 * continues to its end with its own copy of the block; the call does not wait for that.
 *
 * A macro, to record its place in the source. Returns 0; -ETIMEDOUT; -EINVAL; -E2BIG; -ENOMEM; -EAGAIN: max_tasks are
 * alive; -EDEADLK: from a task, which can spawn and join instead; -ENOTCONN: no run is under way, or it ended before fn
 * did. Plain threads only.
 */
#define sley_submit(fn, block, n, deadline) sley_submit_at(SLEY_SITE(#fn), (fn), (block), (n), (deadline))

SLEY_API int sley_submit_at(struct sley_site *site, void (*fn)(void *block), void *block, size_t n, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
