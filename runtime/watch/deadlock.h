/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef WATCH_DEADLOCK_H
#define WATCH_DEADLOCK_H

#include <stdbool.h>

/* By the watchdog, at every look: whether nothing can ever happen again. */
bool deadlock_look(void);

#endif
