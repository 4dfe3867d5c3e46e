/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that could not run for lack of memory or a stack. They hold nothing. */
#ifndef RUN_STARVED_H
#define RUN_STARVED_H

#include "run/worker.h"

/* The number of starved tasks. */
extern unsigned starved_count; /* atomic */

/* Adds the task to the starved tasks. */
void starved_add(struct worker *worker, struct task *task);

/*
 * Called when a starved task may be able to run: an image was freed or could be allocated, or a task has ended. `slot`
 * is the place of that event, and may be gone.
 */
void starved_retry_at(const struct slot *slot);
static inline void starved_retry(const struct slot *slot)
{
	if (unlikely(load(&starved_count, relaxed) > 0))
		starved_retry_at(slot);
}

/* Called by the watchdog, for memory that became free without an event: tries the first task of each list. */
void starved_look(void);

/* Called after a run. */
void starved_close(void);

#endif
