/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/raised.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

/* The signal that a call with the result `n` has raised; 0: none. */
static int signal_of(ssize_t n)
{
	return n == -EPIPE ? SIGPIPE : n == -EFBIG ? SIGXFSZ : 0;
}

void raised_begin(struct raised *raised)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, &raised->old);
}

ssize_t raised_end(const struct raised *raised, ssize_t n)
{
	int signal = signal_of(n);
	/* a signal that the caller had blocked stays pending: the caller expects to find it */
	if (signal && !sigismember(&raised->old, signal))
		raised_take(n);
	pthread_sigmask(SIG_SETMASK, &raised->old, NULL);
	return n;
}

void raised_take(ssize_t n)
{
	static const struct timespec at_once;
	int signal = signal_of(n);
	sigset_t set;
	if (!signal)
		return;
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigtimedwait(&set, NULL, &at_once);
}
