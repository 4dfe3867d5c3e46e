/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The watchdog's promises, and waking it for work to which it would come too late. Any thread. */
#ifndef RUN_WATCHDOG_WAKE_H
#define RUN_WATCHDOG_WAKE_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

/* All atomic. watchdog.c argues the order of their loads and stores. */
extern HIDDEN struct watchdog_promise {
	unsigned asleep;   /* futex: 1 while it sleeps, or is about to */
	unsigned watched;  /* it looks twice per millisecond */
	unsigned resting;  /* it looks rarely, because all workers sleep or are noted */
	int64_t next_look; /* its next look comes at this time or earlier */
} watchdog_promise;

/* Makes the watchdog look now and choose the time of its next look. */
void watchdog_wake(void);

/* Makes the watchdog look often for some milliseconds, for tasks that are handed over. */
void watchdog_watch(void);

/* By a worker that runs again, after it has published that: wakes the watchdog if it rests. */
static inline void watchdog_resume(void)
{
	/* seq_cst: see pause_short() */
	if (unlikely(load(&watchdog_promise.resting, seq_cst)) && exchange(&watchdog_promise.resting, 0, relaxed))
		watchdog_wake();
}

#endif
