/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sley: green threads for network services in C on Linux, that you can see into.
 *
 * sley_run() starts the runtime; inside it, tasks are spawned by the million and write straight-line code: a call that
 * waits parks the task, and its thread runs another. `asynctop` shows them.
 *
 * What holds for every call
 *   - Results: 0, a count or an id on success; a negative errno value on failure. `errno` itself is not set.
 *   - Deadlines are absolute, CLOCK_MONOTONIC nanoseconds: sley_in(SLEY_MS(50)), or SLEY_NEVER. A call that finds its
 *     work ready succeeds even if the deadline has passed; only a wait ends with -ETIMEDOUT. In the same way every wait of
 *     a task that was cancelled ends with -ECANCELED. A call that goes on part by part (sley_read_full(),
 *     sley_stream_for_each()) looks at both between two parts, too, as if it had to wait for the next.
 *     A duration given as a deadline has passed: linked with libsley-debug, a program says where it gave one.
 *   - "task" means: from a task. Such a call made from a thread that runs no task, or from a signal handler that
 *     interrupted the scheduler on a worker's own stack, returns -EDEADLK; in a handler that interrupted a task it is
 *     not found out, and must not be made. "any thread" means: from a task or from any thread while sley_run() is
 *     under way (-ENOTCONN when it is not). Nothing here is async-signal-safe unless it says so. In a forked child
 *     every call that needs the run returns -ECHILD.
 *   - Calls that record where they are made are macros. A function given to one that has a comma in it, as a lambda of C++
 *     may, is put in parentheses: sley_go(([](void *) { int i, j; ... }), arg).
 *   - A call that waits lets other tasks run from time to time even if it never has to: after some 100 calls in a row
 *     the task yields. So may only the calls that are documented with a deadline, and sley_yield().
 *   - A call that waits may continue on another thread. Code that caches a thread-local's address across it or holds an
 *     OS mutex must not wait; option `pinned` keeps a task on one thread. Linked with libsley-debug instead of libsley,
 *     a program says who waits with a mutex, rwlock or spin lock of libc held.
 *   - Some of what a thread has is each task's own. `errno`: see the end of this file. The floating-point control words
 *     (rounding, denormals, traps): a new task has those that the caller of sley_run() had, and so has an offloaded
 *     function; which exceptions have occurred is not kept over a wait, and at first is anything: clear them
 *     (feclearexcept(3)) before they are to trap. The C++ exceptions that are being thrown and handled: a task may wait
 *     in a catch block, and in a destructor while the stack is unwound, provided that the C++ library was loaded before
 *     sley_run().
 *   - No C++ exception may leave a function that is handed to sley. One that leaves a task's function, or one that is run
 *     by a thread of the pools, finds no handler and ends in std::terminate(). From within a call (sley_once(),
 *     sley_stream_next(), sley_stream_for_each(), sley_stream_free(), sley_cleanup_pop(), sley_offload_with() for its
 *     `dropped`) the process ends with SIGABRT, after a line on stderr that names the call and the task.
 *
 * Copying stacks. By default a task's stack is shared with other tasks and copied out while they run. So no other task
 * or thread may use a pointer into it. A task's own buffers are legal in every call it makes itself; what must be
 * shared goes on the heap, into a static, onto a private stack (sley_task_options.private_stack, and the main task's),
 * or travels by value (sley_spawn_copy, channels). What can only be wrong is refused with -EFAULT, and once per spawn
 * site one line on stderr names the task, the place and the remedy: a spawn argument, or a mutex, group or channel
 * pointer, that lies on a copying stack. SLEY_STACK_CHECK=strict in the environment finds the rest in tests: see
 * SLEY_RUN_STRICT_STACKS. A task that blocks its thread by other means than these calls keeps its stack, and the tasks
 * that share it wait; if it blocks for what only a task can give (a raw read of a pipe that a task writes), it needs a
 * private stack. One that has kept a stack that others want for a second is named on stderr, once per spawn site.
 *
 * One copy. A process has one runtime: a plugin links libsley.so, and so does the program that loads it. With libsley.a
 * in one of them and another copy in the other, each is a runtime of its own: to one a task of the other is a thread that
 * runs no task, so its calls answer -EDEADLK, or -ENOTCONN. A line on stderr names the two when the second is loaded.
 *
 * Code that switches stacks by itself (ucontext, coroutines, a signal's alternate stack) may make a call that waits only
 * in a task with a private stack: with another one the process ends, after a line on stderr that names the task.
 *
 * Below each stack lies a guard of 64 KiB: who overflows into it is named on stderr, and the process dies of SIGSEGV. A
 * frame that is larger than that (a local array, alloca()) can jump over it, onto another task's stack, unseen. Compile
 * services with -fstack-clash-protection: then every frame touches each of its pages, and so the guard. Strict mode finds
 * such a frame without it, unless it lands on the stack of a task that runs at that moment.
 */
#ifndef SLEY_H
#define SLEY_H

#include <errno.h>

#include <sley/base.h>
#include <sley/buffer.h>
#include <sley/chan.h>
#include <sley/file.h>
#include <sley/future.h>
#include <sley/generator.h>
#include <sley/io.h>
#include <sley/local.h>
#include <sley/monitor.h>
#include <sley/name.h>
#include <sley/offload.h>
#include <sley/process.h>
#include <sley/runtime.h>
#include <sley/scope.h>
#include <sley/signal.h>
#include <sley/socket.h>
#include <sley/stream.h>
#include <sley/sync.h>
#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errno ----
 *
 * A compiler may compute &errno once and keep it across a call after which the task runs on another thread. So errno
 * goes through a function with a compiler barrier here, and each task has its own value. Include sley.h after
 * headers that define errno themselves; <errno.h> is included above.
 */
SLEY_API int *sley_errno_location(void);

#undef errno
#define errno (*sley_errno_location())

#ifdef __cplusplus
}
#endif

#endif
