/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Signals as values: a task waits for the next signal as for any other event, and handles it in ordinary code.
 *
 * The kernel delivers a signal of the process to any thread that does not block it, and a mask holds for one thread
 * alone. So a signal that is to be received as a value must be blocked in every thread, before there is more than one
 * thread. There are two ways. Name the signals in option `signals` of sley_run(): it blocks them in the calling thread
 * during the run and so in all threads of the runtime. Or block them yourself before sley_run(). A thread that the
 * service starts during the run inherits the mask; a thread started before must block the signals itself. A change of
 * the mask by a task holds for one worker only: sley_signal_open() ignores it.
 *
 * Received are signals sent to the process (kill(2), sigqueue(3), the terminal, a timer), not those sent to one thread
 * (raise(3), pthread_kill(3)). Their disposition does not matter, SIG_IGN included, with one exception: if SIGCHLD is
 * SIG_IGN, the kernel does not send it. An executed program inherits the mask, unless sley_process_spawn() starts it.
 */
#ifndef SLEY_SIGNAL_H
#define SLEY_SIGNAL_H

#include <signal.h>
#include <sley/base.h>
#include <sys/select.h> /* sigset_t, in strict C too */

struct signalfd_siginfo;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens an own descriptor that gives the signals of the set as values. Close it with sley_close(). If several
 * descriptors have the same signal, each signal goes to one of them. Returns the descriptor; -EINVAL: an empty set, or
 * SIGKILL, SIGSTOP or a signal raised by faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS); -EPERM: a signal of
 * the set was not blocked when sley_run() was called, and is not in option `signals`; -EFAULT: null; -EMFILE, -ENFILE,
 * -ENOMEM. Any thread.
 */
SLEY_API int sley_signal_open(const sigset_t *set);

/*
 * Waits for the next signal. *info (`info` may be null) receives its details: see signalfd(2). Pending signals come in
 * the order of their numbers. A signal that is sent again before it was received comes once; real-time signals come as
 * often as they were sent. Returns the number of the signal. Errors as of sley_read(); -EINVAL also: the descriptor has
 * no signals. Task.
 */
SLEY_API int sley_signal_next(int fd, struct signalfd_siginfo *info, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
