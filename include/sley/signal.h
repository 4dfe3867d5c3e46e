/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Signals as values: a task waits for the next one as for any other event, and handles it in ordinary code.
 *
 * The kernel gives a signal of the process to any thread that does not have it blocked, and a mask holds for one thread
 * alone. So signals that are to be taken as values must be blocked in every thread before there is more than one: name
 * them in option `signals` of sley_run(), which blocks them in the calling thread for the time of the run and so in all
 * threads of the runtime; or block them yourself before sley_run(). Threads that the service starts beside it inherit
 * the mask if they are started in the run, and must block them themselves otherwise. A mask that a task changes holds for
 * one worker: sley_signal_open() does not count that.
 *
 * Taken are signals that are sent to the process (kill(2), sigqueue(3), the terminal, a timer), not those to one thread
 * (raise(3), pthread_kill(3)). They come whatever their disposition is, SIG_IGN included; a SIGCHLD that is SIG_IGN alone
 * is not even sent. A program that is executed inherits the mask, unless sley_process_spawn() does it.
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
 * An own descriptor that has the signals of the set as values; close it with sley_close(). With several for the same signal,
 * each signal goes to one of them. Any thread.
 * -EINVAL: an empty set, or SIGKILL, SIGSTOP or one that a fault raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS);
 * -EPERM: one of the set was not blocked when sley_run() was called, nor is it in option `signals`; -EFAULT: null;
 * -EMFILE, -ENFILE, -ENOMEM.
 */
SLEY_API int sley_signal_open(const sigset_t *set);

/*
 * Waits for the next signal: its number. *info (may be null) receives what came with it: see signalfd(2). Pending ones
 * come in the order of their numbers; one that is sent again before it was taken comes once, real-time signals as often
 * as they were sent. Task. Errors as of sley_read(), -EINVAL also: the descriptor has no signals.
 */
SLEY_API int sley_signal_next(int fd, struct signalfd_siginfo *info, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
