/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Timers: what select needs of them. The deadlines of waits are in run/timer.h. */
#ifndef SYNC_TIMER_H
#define SYNC_TIMER_H

#include <stdbool.h>

#include <sley.h>

/* Takes the expiry, if it is due. With the lock held. */
bool timer_take(struct sley_timer *timer, sley_time now);

/* When it will expire; SLEY_NEVER: it does not run. With the lock held. */
static inline sley_time timer_due(const struct sley_timer *timer)
{
	return timer->running ? timer->due : SLEY_NEVER;
}

#endif
