/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The end of a task, after its function has returned: its cleanups, the latest first, then the destructors of its
 * values.
 */
#ifndef LIFE_CLEANUP_H
#define LIFE_CLEANUP_H

#include <stdbool.h>

struct task;
struct task_extra;

/* A cleanup, embedded in the object that it cleans up. */
struct cleanup {
	struct cleanup *next; /* owned by the task */
	/* Called on the task, masked, after the cleanup has left the list. It owns the cleanup then. */
	void (*run)(struct cleanup *cleanup);
};

/* Called by the task that owns `extra`. cleanup_unlink(): the cleanup is in the list. */
void cleanup_link(struct task_extra *extra, struct cleanup *cleanup);
void cleanup_unlink(struct task_extra *extra, struct cleanup *cleanup);

/* Runs all cleanups and destructors of the calling task, after its function has returned. Cheap if there are none. */
void cleanup_finish(void);

#endif
