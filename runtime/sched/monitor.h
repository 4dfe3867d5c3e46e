/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef SCHED_MONITOR_H
#define SCHED_MONITOR_H

/* Starts its thread: 0 or a negative errno value; ends it. */
int monitor_start(void);
void monitor_stop(void);

void monitor_wake(void);  /* it looks, and thinks anew when to look again */
void monitor_watch(void); /* it is to watch what is handed over, for some milliseconds */

#endif
