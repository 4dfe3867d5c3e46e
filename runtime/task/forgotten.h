/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reports tasks that have ended and are not joined. When they leave no room for another task, one message says so per
 * run.
 */
#ifndef TASK_FORGOTTEN_H
#define TASK_FORGOTTEN_H

#include <stdint.h>

/* A run for up to `max` tasks begins. */
void forgotten_open(uint32_t max);

/*
 * Called when all entries are in use: names the spawn site of most ended tasks, if at least half of the entries have
 * ended. Any thread, no locks held.
 */
void forgotten_report(void);

#endif
