/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/sigmask.h"

#include <errno.h>
#include <stdbool.h>

#include "base/compiler.h"

static sigset_t blocked; /* constant during a run */

void signals_open(const sigset_t *mask)
{
	blocked = *mask;
}

const sigset_t *signals_blocked(void)
{
	return &blocked;
}

static bool can_be_taken(int signal)
{
	static const int not [] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	for (unsigned i = 0; i < ARRAY_SIZE(not ); i++) {
		if (signal == not [i])
			return false;
	}
	return true;
}

int signals_check(const sigset_t *set)
{
	for (int s = 1; s <= SIGRTMAX; s++) {
		if (sigismember(set, s) == 1 && !can_be_taken(s))
			return -EINVAL;
	}
	return 0;
}

void signals_of_pools(sigset_t *set)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigfillset(set);
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(set, own[i]);
}
