/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Deadlines that are durations by mistake: sley_read(fd, buffer, n, SLEY_SEC(5)) ends at once, as that was a time soon
 * after the machine was booted. In the debug library alone, once per spawn site.
 */
#ifndef RUN_RELATIVE_H
#define RUN_RELATIVE_H

#include "task/task.h"

#ifdef SLEY_DEBUG

/* A wait of the task that began at `pc` is over at once, as its deadline has passed. */
void relative_check(const struct task *task, sley_time deadline, const void *pc);

/* Deadlines below are suspicious, if the time is above. For tests. */
extern int64_t relative_most;

#else

static inline void relative_check(const struct task *task, sley_time deadline, const void *pc)
{
	(void)task, (void)deadline, (void)pc;
}

#endif

#endif
