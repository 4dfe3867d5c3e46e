/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The life of one child: see sync/children.h. */
#ifndef SYNC_CHILD_H
#define SYNC_CHILD_H

#include "sync/children.h"

/* Makes a task for the child. arg and n are as for sley_spawn_at(). Returns its id, or an error. */
sley_task child_start(struct sley_child *child, struct sley_site *site, const struct sley_task_options *options,
		      const void *arg, size_t n);

/* Frees the kept children. Called when the scope has no running children, and no other task can reach it. */
void child_free_kept(struct sley_scope *scope);

#endif
