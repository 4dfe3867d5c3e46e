/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The global queue: tasks that overflow from a worker's deque, and tasks that other threads than workers make ready.
 * FIFO.
 *
 * It keeps the numbers of tasks in chunks of a page, and does not link the tasks. Walking a linked list misses the
 * cache at every step, with the lock held; this took half of a run in which tasks spawn tasks.
 */
#ifndef RUN_GLOBAL_H
#define RUN_GLOBAL_H

#include <stdint.h>

#include "base/compiler.h"

struct task;

extern HIDDEN unsigned global_length; /* atomic; written with the queue's lock held */

/* Opens the queue for up to `max` tasks. 0 or -ENOMEM. */
int global_open(uint32_t max);
void global_close(void);

/* Makes room for `tasks` tasks, so that global_put() cannot fail: 0 or -ENOMEM. With the table's growth lock held. */
int global_reserve(uint32_t tasks);

/*
 * Gives back memory beyond `tasks` tasks; returns the bytes. With the same lock held, and only if no more than `tasks`
 * tasks can be alive before it is dropped.
 */
size_t global_shrink(uint32_t tasks);

/* Appends the tasks. They are ready and in no queue, and there is room for them. Any thread. */
void global_put(struct task *const *tasks, unsigned n);

/* Takes the oldest tasks: a fair share for one of `workers`, but at most `most`. Returns the number. */
unsigned global_take(struct task **tasks, unsigned workers, unsigned most);

/*
 * At `now`: the number of tasks in the queue that were not taken out of a worker's, and the sum of the times since when they
 * are ready, by their records, but not before `since`; of the first some hundred, and of the others as if they were like
 * these. The next call does not count them again.
 */
unsigned global_count_late(int64_t since, int64_t now, uint64_t *sum);

#endif
