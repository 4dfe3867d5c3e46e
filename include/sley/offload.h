/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Work for other threads, and from other threads.
 *
 * What blocks a thread (a library's synchronous call, a slow file system) or computes for long keeps the other tasks of
 * its worker waiting. sley_offload() runs it on a thread of a pool while the task waits. There are pools with limits of
 * their own, so that no kind of work keeps another out: one for what blocks (option offload_threads of sley_run(), default
 * 256; files and starting processes are among it), one for what computes (compute_threads, default: the CPUs), and one
 * for names alone (name_threads, default 256; see sley/name.h). Their threads are started
 * when they are needed and end after ten idle seconds. They have a stack of 1 MiB.
 *
 * Offloaded functions run with the signal mask that all threads of the run have: that of the thread that called
 * sley_run(), and option `signals` blocked. So a program that one starts (system(3), popen(3), fork(2)) can be ended as one
 * that main() starts; a handler of the service's may run on the thread, and interrupt its system calls (EINTR), as
 * on any thread; and writing to a pipe that nobody reads raises SIGPIPE. What the function does to the mask ends
 * with it, and so does what it does to the floating-point control words, which at first are those of a new task. Signals in option `signals` are never delivered there: they stay values (sley/signal.h). Calls of sley's own that a
 * pool makes (files, processes) have all signals blocked, and no handler interrupts them.
 *
 * The other way round, sley_submit() lets any thread have a function run as a task, and waits for it: an offloaded function
 * too, whose task may offload in turn, to any depth. A function that waits by a call of sley for what a task does leaves
 * its place in the pool meanwhile: calls of a task that it has submitted are made before others, whether the queue is full
 * or not; and if all threads of the pool wait so, more are started for what is queued. So a pool never waits for itself,
 * and has more threads than its limit as long as some wait (the limit holds for those that do not). A function that waits
 * in another way (a pthread condition, a pipe) for another call of its pool keeps its place: with as many of these as the
 * pool has threads they wait for ever.
 */
#ifndef SLEY_OFFLOAD_H
#define SLEY_OFFLOAD_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most that a block may have. Larger things are handed over by a pointer in it, to the heap. */
#define SLEY_OFFLOAD_MAX (SLEY_CAST_(size_t, 1) << 20)

struct sley_offload_options {
	size_t size; /* sizeof(struct sley_offload_options) */
	/*
	 * Receives the block if the call fails, so that what it owns is not lost: exactly once, and never when the call
	 * returns 0 or -EINVAL. If fn did not run, by the calling task, and the block is as it was given; if fn ran, by the
	 * pool's thread after fn, and the block is as fn left it. At the end of the run by sley_run()'s thread, for a task
	 * that was abandoned after its call was queued. Null: nothing is lost.
	 */
	void (*dropped)(void *block);
	unsigned cpu : 1; /* it computes: the pool for that */
};

/*
 * Runs fn on a thread of the pool for what blocks, and waits for its end. fn gets a copy of the n bytes at `block`
 * (which may lie anywhere; null if n is 0), aligned for any type; what it leaves there is copied back before the call
 * returns 0, and on failure `block` is unchanged. fn may make the calls of sley that are for any thread. It must return:
 * it cannot be stopped.
 *
 * A deadline or a cancellation ends the *call*. If fn has not begun, it never will; and when the deadline has passed
 * before the call, it is not even queued. If fn is running, the call returns at once and fn goes on, with its own copy
 * of the block, to its end: so after -ETIMEDOUT or -ECANCELED it may or may not have had its effect, and if the block
 * hands over anything (a buffer, a descriptor), use option `dropped` to learn when it is free. If fn ended at that
 * moment the call succeeds.
 *
 * Up to offload_queue calls (option, default 1024) are queued for each pool, oldest first; a call that finds the queue
 * full waits for a place in it. When sley_run()'s main has returned, what is queued never runs, and sley_run() returns
 * when all that is running has ended.
 *
 * 0; -ETIMEDOUT; -EINVAL: fn is null, or block and n is not 0; -E2BIG: n is above SLEY_OFFLOAD_MAX; -ENOMEM; -EAGAIN:
 * there is no thread, or all wait for tasks, and none can be started. Task: a plain thread, or an offloaded function,
 * calls fn itself (-EDEADLK).
 */
SLEY_API int sley_offload(void (*fn)(void *block), void *block, size_t n, sley_time deadline);

/* The same with options. -EINVAL also: options->size is not one that a release of sley had. */
SLEY_API int sley_offload_with(const struct sley_offload_options *options, void (*fn)(void *block), void *block,
			       size_t n, sley_time deadline);

/*
 * Runs fn as a task and waits, blocking the calling thread, for its end: how a thread that runs no tasks (a library's
 * callback, an offloaded function) uses what only tasks can. fn gets a copy of the block, off the stack, which lives
 * until fn returns; what it leaves there is copied back when the call returns 0.
 *
 * A deadline ends the call: if the task has not begun, fn never runs; otherwise it is cancelled (sley_cancel()), ends on
 * its own copy of the block, and the call does not wait for that.
 *
 * A macro, as it records its place in the source. 0; -ETIMEDOUT; -EINVAL; -E2BIG; -ENOMEM; -EAGAIN: max_tasks are
 * alive; -EDEADLK: from a task, which spawns and joins; -ENOTCONN: no run is under way, or it ended before fn did. Plain
 * threads.
 */
#define sley_submit(fn, block, n, deadline) sley_submit_at(SLEY_SITE(#fn), (fn), (block), (n), (deadline))

SLEY_API int sley_submit_at(struct sley_site *site, void (*fn)(void *block), void *block, size_t n, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
