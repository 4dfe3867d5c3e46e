/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef WATCH_WATCHDOG_H
#define WATCH_WATCHDOG_H

/* Starts its thread: 0 or a negative errno value. */
int watchdog_start(void);

/* Ends it, and waits for that. */
void watchdog_stop(void);

#endif
