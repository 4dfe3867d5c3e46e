/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef WATCH_DEADLOCK_H
#define WATCH_DEADLOCK_H

enum deadlock {
	DEADLOCK_NONE,
	DEADLOCK_BLOCKED, /* nothing can happen before a task is back that is blocked in the kernel */
	DEADLOCK_FOUND,   /* nothing can happen any more */
};

/* Called by the watchdog at every look. `blocked`: see stuck_blocked(). */
enum deadlock deadlock_look(unsigned blocked);

#endif
