/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef LIFE_SPAWN_H
#define LIFE_SPAWN_H

#include "run/worker.h"

/*
 * Spawns a task in two steps. spawn_new() makes it complete, but no other task knows it yet. spawn_start() makes it
 * ready. spawn_new() returns 0 or an error of sley_spawn(). Called by tasks, and by plain threads during a visit.
 */
int spawn_new(struct task **task, struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
	      const void *arg, size_t n);
void spawn_start(struct task *task);
void spawn_drop(struct task *task); /* instead of spawn_start(): frees the task, which never ran */

/* Called under the lock of `target`. Returns 0, or the error that forbids to join it by that id. */
int join_check(const struct task *target, sley_task id);

/* The entry of every task. */
void task_main(void);
void task_end(struct worker *worker, struct task *task); /* on the worker's stack, after the task's stack was left */

#endif
