/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sley: observable green threads for network services in C on Linux.
 *
 * sley_run() starts the runtime. Inside it, a service spawns up to millions of tasks. Tasks are straight-line code: a
 * call that waits parks its task, and the thread runs another task. `asynctop` shows all tasks of a running process.
 *
 * Rules for every call
 *   - Results: 0, a count or an id on success; a negative errno value on failure. A call does not set `errno`.
 *   - Deadlines are absolute, in CLOCK_MONOTONIC nanoseconds: sley_in(SLEY_MS(50)), or SLEY_NEVER. If the work of a
 *     call is ready, the call succeeds even if its deadline has passed. Only a wait ends with -ETIMEDOUT. In the same
 *     way, only the waits of a cancelled task end with -ECANCELED. A call that works in several parts
 *     (sley_read_full(), sley_stream_for_each()) also checks the deadline and the cancellation between two parts, as if
 *     it had to wait there. A duration passed as a deadline has passed already: a program linked with libsley-debug
 *     reports each such place.
 *   - "Task" or "from a task": a call from a thread that runs no task returns -EDEADLK. So does a call from a signal
 *     handler that interrupted the scheduler on a worker's own stack. In a handler that interrupted a task the call
 *     must not be made; this is not detected.
 *   - "Any thread" or "from any thread": a task or any thread may make the call while sley_run() is under way. At other
 *     times it returns -ENOTCONN.
 *   - No call is async-signal-safe unless its comment says so. In a forked child every call that needs the run returns
 *     -ECHILD.
 *   - Calls that record their place in the source are macros. If a function argument of a macro contains a comma, as a
 *     C++ lambda may, put it in parentheses: sley_go(([](void *) { int i, j; ... }), arg).
 *   - A call that waits lets other tasks run from time to time, even if it never has to wait: after some 100 such calls
 *     in a row the task yields. Only sley_yield() and the calls with a deadline may yield.
 *   - A call that waits may return on another thread. So code must not wait while it caches the address of a
 *     thread-local or holds an OS mutex. The option `pinned` keeps a task on one thread, sley_pin() for a while. A
 *     program linked with libsley-debug instead of libsley reports each task that waits while it holds a mutex, rwlock
 *     or spin lock of libc.
 *   - Each task has its own copy of some state of its thread:
 *       errno                    see the end of this file
 *       floating-point control   Rounding, denormals and traps. A new task and an offloaded function get the control
 *                                words that the caller of sley_run() had. The exception flags are not kept over a wait,
 *                                and are undefined at first: call feclearexcept(3) before you enable a trap.
 *       C++ exceptions           Those being thrown and handled. A task may wait in a catch block, and in a destructor
 *                                during unwinding, if the C++ library was loaded before sley_run().
 *   - No C++ exception may leave a function that is handed to sley. If an exception leaves a task's function, or a
 *     function run by a thread of the pools, it finds no handler and std::terminate() is called. If it leaves a
 *     function run within a call (sley_once(), sley_stream_next(), sley_stream_for_each(), sley_stream_free(),
 *     sley_cleanup_pop(), sley_offload_with() for its `dropped`), the process ends with SIGABRT, after a line on stderr
 *     that names the call and the task.
 *
 * Copying stacks. By default several tasks share one stack. While one of them runs, the stacks of the others are copied
 * out. So no other task or thread may use a pointer into a task's stack. A task's own buffers are legal in every call
 * that the task makes. To share data with another task, put it on the heap, in a static, or on a private stack
 * (sley_task_options.private_stack; the main task has one), or pass it by value (sley_spawn_copy(), channels). A spawn
 * argument, or a pointer to a mutex, group or channel, that lies on a copying stack is always wrong: the call returns
 * -EFAULT, and once per spawn site a line on stderr names the task, the place and the remedy. SLEY_CHECK=strict
 * in the environment finds the other mistakes in tests: see SLEY_RUN_STRICT_STACKS. A task that blocks its thread by
 * other means than these calls keeps its stack, and the tasks that share the stack wait. If only a task can end such a
 * block (a raw read of a pipe that a task writes), the blocking task needs a private stack. A task that has kept its
 * stack for a second while others want it is named on stderr, once per spawn site.
 *
 * One copy. A process has one runtime: a plugin links libsley.so, and so does the program that loads the plugin. If one
 * of them contains libsley.a and the other has another copy, each copy is a separate runtime. To one copy, a task of
 * the other is a thread that runs no task, so its calls return -EDEADLK or -ENOTCONN. When the second copy is loaded, a
 * line on stderr names both.
 *
 * Code that switches stacks by itself (ucontext, coroutines, a signal's alternate stack) may make a call that waits
 * only in a task with a private stack. On a copying stack the process ends, after a line on stderr that names the task.
 *
 * Below each stack lies a guard of 64 KiB. If a task overflows into the guard, a line on stderr names the task and the
 * process dies of SIGSEGV. A frame larger than the guard (a local array, alloca()) can jump over it to another task's
 * stack, undetected. Compile services with -fstack-clash-protection: then every frame touches each of its pages, and so
 * also the guard. Strict mode detects such a frame without this option, unless the frame lands on the stack of a task
 * that runs at that moment.
 */
#ifndef SLEY_H
#define SLEY_H

#include <errno.h>

#include <sley/base.h>
#include <sley/blocking.h>
#include <sley/broadcast.h>
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
#include <sley/select.h>
#include <sley/signal.h>
#include <sley/socket.h>
#include <sley/stream.h>
#include <sley/sync.h>
#include <sley/task.h>
#include <sley/timer.h>
#include <sley/watch.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * ---- errno ----
 *
 * Finds errno. A compiler may compute &errno once and keep it across a call after which the task runs on another
 * thread. So errno goes through a function with a compiler barrier here, and each task has its own value. Include sley.h
 * after headers that define errno themselves. <errno.h> is included above. Returns the address of the calling task's
 * errno; the thread's, if it runs no task. It is valid until the task waits. Any thread, and signal handlers; also
 * outside of sley_run().
 */
SLEY_API int *sley_errno_location(void);

#undef errno
#define errno (*sley_errno_location())

#ifdef __cplusplus
}
#endif

#endif
