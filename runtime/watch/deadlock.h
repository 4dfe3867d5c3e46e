/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef WATCH_DEADLOCK_H
#define WATCH_DEADLOCK_H

#include <stdbool.h>

/* Called by the watchdog at every look. Returns whether the run is deadlocked. */
bool deadlock_look(void);

#endif
