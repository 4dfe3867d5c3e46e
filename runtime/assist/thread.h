/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What the kernel says about a worker's thread.
 *
 * The state is the letter in /proc/self/task/TID/stat: one pread(2) of a descriptor that is kept, 2.7 to 3.5 us here, where
 * open, read and close take 7.5. Any user may read this file, also when the process is not dumpable, and the letter tells
 * a stop (T, t) from a block (S, D). A thread that was preempted, waits for a CPU or is throttled by its cgroup is R.
 * Rejected:
 *   syscall     1.3 us, "running" for R, else the number of the call: but a stop looks like a block, the file cannot be
 *               opened once the process is not dumpable, as after setuid(2), and the kernel lets the reader sleep for a
 *               timer tick if the thread was preempted on its way to sleep.
 *   wchan       1.1 us, "0" for R: but also for each thread on kernels without symbols, and on 5.15.
 *   schedstat   1.0 us: times that do not move while a thread is blocked, or waits for a CPU. The thread's CPU clock says
 *               the same in 0.4 us, without a descriptor.
 *   status      6.4 us and more.
 *
 * Those who look are the watchdog and busy workers, the sentinels of the idle source, which have the lowest priority, and
 * the listener of assist/outside.c. The kernel holds a mutex of the open file while it is read. So each of the three has a
 * descriptor of its own, lest a sentinel that was preempted keeps the others waiting. Otherwise the kernel takes only spin
 * locks in a read, with interrupts disabled.
 *
 * A service may close all descriptors, as a daemon does, and the numbers are given to its own files. So before each read
 * fstat(2) compares the file with the one that was opened: 0.4 us. A read of another one could take bytes away, and a
 * close would be worse. (Both would still happen if the service replaced it between the two system calls.) The inode
 * belongs to that thread, not to its number: of another thread with the same number nothing is ever read.
 *
 * A worker's thread may end while one looks at it, and the next thread of the record needs a file of its own. The watchdog
 * closes a file only while nobody looks, so the number is not another file's between the two system calls of a look:
 *   who looks:      looks + 1; reads fd; the look; looks - 1
 *   the watchdog:   fd = 0; reads looks; closes the file, or if somebody looks: fd as it was, and it tries again later
 * Both pairs are sequentially consistent, so either the watchdog sees the look, or that sees that there is no file.
 */
#ifndef ASSIST_THREAD_H
#define ASSIST_THREAD_H

#include <stdbool.h>

#include "run/worker.h"

/*
 * The state letter of the worker's thread; '?': not known, as there is no descriptor, or the thread has ended. Two system
 * calls, no lock, no memory, nothing is opened: a sentinel may call it. `looker` says who does.
 */
char thread_state(struct worker *worker, enum looker looker);

/*
 * Opens the descriptor for that looker unless it is open; opens it again if the service has closed it. Off the path of a
 * block: by the watchdog. False: it is not open, as the thread has ended, the service has no descriptor left, or the
 * runtime keeps an eighth of all that the service may have already; or somebody looks at the file of a thread before.
 */
bool thread_prepare(struct worker *worker, enum looker looker);

/* The state letter for the watchdog, which opens what it needs, and keeps it if it may. */
char thread_state_now(struct worker *worker);

/* CPU time of the thread, ns; 0: not known. */
int64_t thread_cpu(const struct worker *worker);

/*
 * By a thread on this CPU: whether the worker's thread has no CPU now, as far as is known without its state. So it sleeps,
 * or waits for a CPU. By the CPU on which it was last in user mode, which the kernel writes to the thread's rseq area: one
 * system call, 1 us on a CPU that was idle. It may have been moved inside of a system call: then it is false, too. Where
 * glibc has registered no such area (older than 2.35, glibc.pthread.rseq=0, refused by a filter), by two looks at its CPU
 * time: 4.5 us. The state takes 10 to 25 us there. No lock, no descriptor.
 */
bool thread_left(const struct worker *worker, unsigned cpu);

/* Closes the descriptors of workers whose threads have ended. By the watchdog. */
void threads_forget_ended(void);

/* A run begins. */
void thread_files_open(void);

/* It ends, and nobody looks any more. */
void thread_files_close(void);

#endif
