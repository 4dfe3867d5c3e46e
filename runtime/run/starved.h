/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks for which there was no memory to run, or no stack. They hold nothing. */
#ifndef RUN_STARVED_H
#define RUN_STARVED_H

#include "run/worker.h"

/* How many there are. */
extern unsigned starved_count; /* atomic */

/* The task becomes one of them. */
void starved_add(struct worker *worker, struct task *task);

/*
 * One of them may be able to run now: an image was freed or could be allocated, or a task has ended. `slot`, which may
 * be gone, is where.
 */
void starved_retry_at(const struct slot *slot);
static inline void starved_retry(const struct slot *slot)
{
	if (unlikely(load(&starved_count, relaxed) > 0))
		starved_retry_at(slot);
}

/* By the watchdog, for what nobody told: one of each stack. */
void starved_look(void);

/* After a run. */
void starved_close(void);

#endif
