/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Looking without taking. */
#include "interrupt.h"

#include <poll.h>

static sigset_t by_signals;
static int by_input = -1;
static bool armed;

void interrupt_by(const sigset_t *signals, int input)
{
	by_signals = *signals;
	by_input = input;
	armed = true;
}

static bool signalled(void)
{
	sigset_t pending, wanted;

	sigpending(&pending);
	sigandset(&wanted, &pending, &by_signals);
	return !sigisemptyset(&wanted);
}

bool interrupted(void)
{
	struct pollfd input = { .fd = by_input, .events = POLLIN };

	return armed && (signalled() || poll(&input, 1, 0) > 0);
}
