/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the watchdog has promised, and how it is woken for what it would come to too late. Any thread. */
#ifndef RUN_WATCHDOG_WAKE_H
#define RUN_WATCHDOG_WAKE_H

#include <stdint.h>

#include "base/compiler.h"

/* All atomic. The order in which they are written and read is argued in watchdog.c. */
extern HIDDEN struct watchdog_promise {
	unsigned asleep;   /* futex: 1 while it sleeps, or is about to */
	unsigned watched;  /* it looks twice in a millisecond */
	unsigned resting;  /* it looks rarely, as all workers sleep */
	int64_t next_look; /* when it looks at the latest */
} watchdog_promise;

/* It looks, and thinks anew when to look again. */
void watchdog_wake(void);

/* It is to watch what is handed over, for some milliseconds. */
void watchdog_watch(void);

#endif
