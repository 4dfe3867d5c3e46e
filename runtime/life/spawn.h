/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef LIFE_SPAWN_H
#define LIFE_SPAWN_H

#include "run/worker.h"

/*
 * A task in two steps: it is all there, and nobody else knows of it yet; and it becomes ready. 0 or an
 * error of sley_spawn(). By tasks, and in visits of plain threads.
 */
int spawn_new(struct task **task, struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
	      const void *arg, size_t n);
void spawn_start(struct task *task);
void spawn_drop(struct task *task); /* instead of the second: it never was */

/* The entry of every task. */
void task_main(void);
void task_end(struct worker *worker, struct task *task); /* on the worker's stack, after its stack was left */

#endif
