/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Starting the runtime, and looking at it. */
#ifndef SLEY_RUNTIME_H
#define SLEY_RUNTIME_H

#include <signal.h>
#include <sley/base.h>
#include <sys/select.h> /* sigset_t, in strict C too */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Options of sley_run(). Zero means the default, so `{ .size = sizeof(struct sley_options) }` is complete. The
 * environment overrides: SLEY_WORKERS, SLEY_STACK_SIZE, SLEY_STACK_SLOTS, SLEY_MAX_TASKS, SLEY_NAME,
 * SLEY_OFFLOAD_THREADS, SLEY_COMPUTE_THREADS, SLEY_OFFLOAD_QUEUE, SLEY_NAME_THREADS,
 * SLEY_STACK_CHECK (strict or off: SLEY_RUN_STRICT_STACKS). Numbers may end in K, M or G. What is no number, or out of
 * range, is -EINVAL, after a line on stderr.
 */
struct sley_options {
	size_t size;        /* sizeof(struct sley_options), so that it can grow */
	const char *name;   /* of the service, up to 31 bytes, copied; default: the command's */
	unsigned workers;   /* threads that run tasks, up to 256; default: as many as the affinity mask and the cgroup's
				* CPU quota allow */
	unsigned max_tasks; /* tasks alive at once, up to 2^24 - 2; default 2^21. Address space, not memory. A later run
				* of the process gets at most as many as its first. */
	unsigned
		stack_slots; /* copying stacks, up to 2^20; default 4096. With AddressSanitizer each serves one task, and
				* there are as many as there need to be */
	size_t stack_size;   /* bytes of each stack, rounded up to pages, 16 KiB to 1 GiB; default 256 KiB */
	unsigned flags;      /* SLEY_RUN_* */
	/* see sley/offload.h */
	unsigned offload_threads; /* at most, for calls that block, up to 16384; default 256 */
	unsigned
		compute_threads; /* at most, for calls that compute, up to 1024; default: as many as workers' default */
	unsigned offload_queue;  /* calls of each kind that may be queued, up to 2^20; default 1024 */
	/*
	 * Signals that are to be taken as values (see sley/signal.h): blocked in the threads of the runtime, and in the
	 * calling one until sley_run() returns. One that was sent and not taken by then has its effect
	 * then. Null: none.
	 * -EINVAL: one that cannot be taken, or SIGQUIT with SLEY_RUN_DUMP_ON_SIGQUIT.
	 */
	const sigset_t *signals;
	unsigned name_threads; /* at most, that resolve names, up to 1024; default 256 (see sley/name.h) */
};

#define SLEY_RUN_DUMP_ON_SIGQUIT 1u /* SIGQUIT prints sley_dump() on stderr instead of ending the process */

/*
 * Strict mode, for tests. Every task has stack addresses of its own (stack_slots does not count), which cannot be
 * accessed while it is parked or after it has ended: whoever follows a pointer there raises SIGSEGV, after a line on
 * stderr that names the task whose stack it was, the one that touched it, and the remedy. Addresses are used again as
 * late as possible. A system call that is handed such a pointer answers EFAULT. Private stacks stay accessible:
 * pointers into them are good while the task lives.
 *
 * Blocks that travel by value (sley_spawn_copy(), sent items) are searched for addresses of live bytes of the sender's
 * own copying stack: one line on stderr per spawn site of a sender names it, the offset and the remedy. Such a block
 * travels all the same: a stale word may look like an address, and one that nobody follows is no mistake.
 *
 * It costs two mprotect(2) for each time that a task is resumed, but works with any number of tasks.
 */
#define SLEY_RUN_STRICT_STACKS 2u

#define SLEY_EXIT_FORKED 70 /* of a forked child that returns from a task's function */

/*
 * Runs `main(arg)` as the first task, on a private stack, and the tasks it spawns; returns when `main` has returned.
 * The calling thread becomes worker 0. Tasks that are still alive then are abandoned where they stand: they never run
 * again and their memory is released; so have them end first if they own anything. A task that is in a blocking system
 * call or computes is waited for up to the point where it would park, and an offloaded call that is running up to its
 * end. May be called again afterwards; a mutex, group or channel on which an abandoned task waited must not be used
 * again then (a channel may be freed).
 *
 * A macro, as it records its place in the source: the spawn site of the first task. `options` may be null. `*result`
 * (may be null) receives what `main` returned.
 *
 * A run in which nothing can ever happen again ends, too: every task waits for another one, and no timer, descriptor,
 * offloaded call or other thread of the process is left that could wake one. The waiting tasks are named on stderr, and
 * the answer is -EDEADLK. A process with threads of its own that could call in is never found out that way.
 *
 * Cancelling a thread of the runtime (pthread_cancel), the caller's included, has no effect before sley_run() returns.
 * exit() in a task ends the process as anywhere, its handlers running on that task's stack, and nobody waits for the
 * other tasks. A stop (SIGSTOP) stops everything; deadlines that pass meanwhile end their waits after SIGCONT. Signal
 * handlers run on whatever stack the thread is on, a task's 256 KiB if need be.
 *
 * pthread_exit() and thrd_exit() in a task, or a cancellation that it has enabled, end the process with SIGABRT, after a
 * line on stderr that names the task: its thread is not its own. So they do in a function of sley_offload().
 *
 * The action for SIGSEGV is the runtime's during the run. It names on stderr whose stack has overflowed, and then has the
 * kernel do what it had done without sley: the service's own handler is called, with its flags and its mask.
 *
 * A child that a task or an offloaded function has forked is to end by exec or _exit(). One that returns from that
 * function, from `main`, or from a cleanup or destructor of a task that has ended, ends with the exit code
 * SLEY_EXIT_FORKED, after a line on stderr.
 *
 * Where no memfd is to be had (a filter, a limit on the size of files) the run is one that tools cannot see, said once
 * on stderr; all else works.
 *
 * What the runtime says on stderr goes to descriptor 2 as it was when the run began: if that was not open, nothing is
 * said, as the number is some file's of the service by then. The runtime's own descriptors are 3 and up.
 *
 * 0; -EINVAL: main is null, or an option is out of range; -EDEADLK: called from a task, or as above; -EBUSY: a run is
 * under way in this process; -ECHILD: in a child forked from a process that had called it; -ENOMEM, -EMFILE, -ENFILE,
 * -EAGAIN: resources; the last for threads, or as other threads have spawned max_tasks tasks already; -ENOSPC: the user
 * has as many descriptors in epolls as /proc/sys/fs/epoll/max_user_watches says; -EPERM, -ENOSYS: a filter keeps out
 * epoll_create1(2), epoll_ctl(2), eventfd(2) or the making of threads. After an error it may be called again.
 */
#define sley_run(main, arg, options, result) sley_run_at(SLEY_SITE(#main), (main), (arg), (options), (result))

SLEY_API int sley_run_at(struct sley_site *site, int (*main)(void *arg), void *arg, const struct sley_options *options,
			 int *result);

/*
 * Writes all tasks as text to descriptor `fd`: a line per worker and per task with its id, name, state, wait, live
 * stack bytes and how deep the stack has been as far as is known, and spawn site. It blocks the thread while it writes.
 * Any thread. 0, or the negative errno of write(2).
 */
SLEY_API int sley_dump(int fd);

#ifdef __cplusplus
}
#endif

#endif
