/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef WATCH_WATCHDOG_H
#define WATCH_WATCHDOG_H

/* Starts the watchdog's thread. Returns 0 or a negative errno value. */
int watchdog_start(void);

/* Ends the thread, and waits for its end. */
void watchdog_stop(void);

#endif
