/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The global queue: what overflows from a worker's deque, and what threads that are no workers make ready. FIFO.
 *
 * It keeps the numbers of tasks in chunks of a page. It does not link the tasks: walking such a list misses the cache
 * at every step, with the lock held, and half of a run in which tasks spawn tasks went there.
 */
#ifndef RUN_GLOBAL_H
#define RUN_GLOBAL_H

#include <stdint.h>

#include "base/compiler.h"

struct task;

extern HIDDEN unsigned global_length; /* atomic; written with the queue's lock held */

/* For up to `max` tasks. 0 or -ENOMEM. */
int global_open(uint32_t max);
void global_close(void);

/* Room for `tasks` tasks, so that global_put() cannot fail: 0 or -ENOMEM. With the table's lock held. */
int global_reserve(uint32_t tasks);

/* With the same lock held, when no more than `tasks` can be alive before it is dropped: the bytes that were given back. */
size_t global_shrink(uint32_t tasks);

/* Any thread. The tasks are ready, in no queue, and there is room for them. */
void global_put(struct task *const *tasks, unsigned n);

/* Takes the oldest: a fair share for one of `workers`, but at most `most`. How many. */
unsigned global_take(struct task **tasks, unsigned workers, unsigned most);

#endif
