/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Deadlines that are durations by mistake. For example, sley_read(fd, buffer, n, SLEY_SEC(5)) ends at once, because the
 * deadline is 5 s after the machine was booted. Reported only in the debug library, once per spawn site.
 */
#ifndef RUN_RELATIVE_H
#define RUN_RELATIVE_H

#include "task/task.h"

#ifdef SLEY_DEBUG

/* Called when a wait of the task, begun at `pc`, is over at once because its deadline has passed. */
void relative_check(const struct task *task, sley_time deadline, const void *pc);

/* Deadlines below this value are suspicious once the time is above it. For tests. */
extern int64_t relative_most;

#else

static inline void relative_check(const struct task *task, sley_time deadline, const void *pc)
{
	(void)task, (void)deadline, (void)pc;
}

#endif

#endif
