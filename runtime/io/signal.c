/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Signals as values, by signalfd. The mask at the beginning of the run decides which signals count as blocked: see
 * sley/signal.h.
 */
#include <errno.h>
#include <sys/signalfd.h>

#include "base/descriptor.h"
#include "io/sigmask.h"
#include "reactor/reactor.h"
#include "run/worker.h"

/* Checks that the run can receive the set as values. Returns 0 or an error. */
static int check_set(const sigset_t *set)
{
	bool empty = true, free = false;
	int error = signals_check(set);
	for (int s = 1; s <= SIGRTMAX; s++) {
		if (sigismember(set, s) != 1)
			continue;
		empty = false;
		free |= sigismember(signals_blocked(), s) != 1;
	}
	return error ? error : empty ? -EINVAL : free ? -EPERM : 0;
}

int sley_signal_open(const sigset_t *set)
{
	int error = scheduler_error();
	if (error == 0)
		error = set ? check_set(set) : -EFAULT;
	if (error)
		return error;
	int saved = errno;
	int fd = descriptor_lift(signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC));
	error = fd >= 0 ? reactor_own_file(fd, 0) : -errno;
	if (error && fd >= 0)
		reactor_close_fd(fd);
	errno = saved;
	return error ? error : fd;
}

int sley_signal_next(int fd, struct signalfd_siginfo *info, sley_time deadline)
{
	struct signalfd_siginfo mine;
	ssize_t n = sley_read(fd, &mine, sizeof(mine), deadline);
	if (n < 0)
		return (int)n;
	if (n != sizeof(mine) || mine.ssi_signo == 0 || mine.ssi_signo > (uint32_t)SIGRTMAX)
		return -EINVAL;
	if (info)
		*info = mine;
	return (int)mine.ssi_signo;
}
