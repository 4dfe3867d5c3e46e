/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Looking without taking, and an alarm for writes. */
#include "common/interrupt.h"

#include <poll.h>
#include <stddef.h>
#include <unistd.h>

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

/* ---- writing ---- */

static volatile sig_atomic_t is_writing, hurried_by;
static void (*volatile on_abandon)(void);

/* The write goes on if it can, so that a half-written report is completed. */
static void give_up_writing(int unused)
{
	sigset_t that;
	(void)unused;
	if (on_abandon != NULL)
		on_abandon();
	signal(hurried_by, SIG_DFL);
	raise(hurried_by);
	sigemptyset(&that);
	sigaddset(&that, hurried_by);
	sigprocmask(SIG_UNBLOCK, &that, NULL);
}

void writing_hurries(int signal_number)
{
	hurried_by = signal_number;
	if (is_writing)
		alarm(HURRY_SECONDS);
}

void writing_begins(void)
{
	struct sigaction action = { .sa_handler = give_up_writing, .sa_flags = SA_RESTART };
	if (!armed)
		return;
	sigaction(SIGALRM, &action, NULL);
	is_writing = true;
	if (hurried_by)
		alarm(HURRY_SECONDS);
	sigprocmask(SIG_UNBLOCK, &by_signals, NULL);
}

void writing_ends(void)
{
	if (!armed)
		return;
	sigprocmask(SIG_BLOCK, &by_signals, NULL);
	is_writing = false;
	alarm(0);
}

void writing_abandoned_by(void (*abandon)(void))
{
	on_abandon = abandon;
}
