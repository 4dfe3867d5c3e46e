/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that have ended, and that nobody joins: when there is room for no other, it is said once in a run. */
#ifndef TASK_FORGOTTEN_H
#define TASK_FORGOTTEN_H

#include <stdint.h>

/* A run for up to `max` tasks begins. */
void forgotten_open(uint32_t max);

/* All entries are in use: names the spawn site of most, if at least half of them have ended. Any thread, no locks. */
void forgotten_report(void);

#endif
